from pathlib import Path
from typing import Any

import pytest

from benchmarks import ablation
from benchmarks.ablation_data import Space, load_together, strangers
from benchmarks.ablation_encoding import CachedEncoder
from benchmarks.ablation_questions import WORDINGS, worded
from benchmarks.ablation_ranks import Placed, ask_all, by_category, counted, newer_first, recalls, told_apart, usual
from benchmarks.metrics import separation
from memory_service.cli.failures import CommandFailure
from retrieval.rows import NONE, KeyKind


def test_a_conversation_becomes_rows(spaces: list[Space]) -> None:
    rows = spaces[0].rows
    assert rows.speakers == ("Ann", "Bob")
    assert rows.speaker.tolist() == [1, 0, 0]
    assert rows.following.tolist() == [1, NONE, NONE]
    assert rows.asks.tolist() == [True, False, False]
    # The second turn is also found by the question before it and by its caption.
    assert list(zip(rows.keys.row.tolist(), rows.keys.kind.tolist(), strict=True)) == [
        (1, KeyKind.ANSWER),
        (1, KeyKind.CAPTION),
    ]


def test_conversations_of_two_files_become_one_namespace(
    spaces: list[Space], encoder: CachedEncoder, tmp_path: Path
) -> None:
    file = tmp_path / "some.jsonl"
    first, second = load_together({"a": file, "b": file}, encoder)
    assert first.rows is second.rows
    assert len(first.rows) == 2 * sum(len(one.rows) for one in spaces)
    assert first.external_ids[0] == "a/one/d1"
    # What is called alike in two conversations stays apart.
    assert len(set(first.external_ids)) == len(first.rows)
    assert len(set(first.rows.session.tolist())) == 2 * 3
    assert [one.question.id for one in second.asked] == ["b/one/q1", "b/one/q2", "b/one/q3", "b/two/q4"]
    assert [one.gold for one in first.asked] == [(1,), (2, 1), (), (3,)]
    assert [one.gold for one in second.asked] == [(5,), (6, 5), (), (7,)]
    assert (second.asked[1].old, second.asked[1].new) == ((5,), (6,))


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_question_in_other_words_is_the_same_question(
    wording: str, spaces: list[Space], encoder: CachedEncoder
) -> None:
    sent = [WORDINGS[wording](one.question.text) for one in spaces[0].asked]
    assert all("dog" in text.lower() or "job" in text.lower() or "nobody" in text.lower() for text in sent)
    asked = worded(spaces, WORDINGS[wording], encoder)[0].asked
    assert [one.gold for one in asked] == [one.gold for one in spaces[0].asked]
    read = [one.whole.parsed.text.rstrip("?").lower() for one in asked]
    assert read == [one.question.text.rstrip("?").lower() for one in spaces[0].asked]


def test_a_question_is_read_in_three_forms(spaces: list[Space]) -> None:
    asked = spaces[0].asked[0]
    assert asked.whole.parsed.spoken == "What is my dog called?"
    assert asked.keywords.parsed.text == "Ann's dog called"
    assert asked.gold == (1,)
    changed = spaces[0].asked[1]
    assert (changed.old, changed.new) == ((1,), (2,))
    as_beam_says = spaces[0].asked[2]
    assert (as_beam_says.old, as_beam_says.new) == ((0,), (1,))


def test_the_cache_encodes_a_text_once_and_keeps_what_others_wrote(
    tmp_path: Path, encoder: CachedEncoder, words: Any
) -> None:
    other, later = CachedEncoder(words, tmp_path), CachedEncoder(words, tmp_path)
    vector = encoder.encode(["a dog", "a dog"])
    other.encode(["a cat"])
    again = CachedEncoder(words, tmp_path)
    assert again.encode(["a dog", "a cat"])[:1].tolist() == vector[:1].tolist()
    assert words.encoded == ["a dog", "a cat"]
    later.encode(["a dog"])
    assert words.encoded == ["a dog", "a cat", "a dog"]  # opened before anything was written


def test_strangers_are_the_questions_of_the_conversation_before(spaces: list[Space], encoder: CachedEncoder) -> None:
    found = [(space.name, cue.parsed.text) for space, cue in strangers(spaces, encoder)]
    assert found[0] == ("two", "What is Ann's dog called?")
    assert found[-1] == ("one", "A hike?")
    assert len(found) == 4
    assert strangers(spaces[:1], encoder) == []


def test_ranks_of_evidence_start_at_one(spaces: list[Space]) -> None:
    placed = {one.qid: one for one in ask_all(spaces, usual)}
    assert placed["q1"].gold == (1,)
    assert sorted(place or 0 for place in placed["q2"].gold) in ([1, 2], [1, 3], [2, 3])
    assert placed["q3"].gold == ()
    assert placed["q4"].recall(1) == 1.0


def placed(category: str, *gold: int | None, confidence: float = 1.0, **more: Any) -> Placed:
    return Placed("space", "qid", category, gold, more.get("old", ()), more.get("new", ()), confidence)


def test_recall_leaves_out_questions_without_evidence() -> None:
    answers = [placed("a", 1, None), placed("b", 11), placed("c")]
    assert recalls(answers) == {1: 0.25, 10: 0.25, 50: 0.75}
    assert list(by_category(answers)) == ["a", "b"]


def test_adversarial_questions_do_not_count() -> None:
    assert [one.category for one in counted([placed("adversarial", 1), placed("x", 1), placed("y")])] == ["x"]


def test_the_newest_counts_only_where_both_were_found() -> None:
    answers = [
        placed("u", 1, old=(3,), new=(2,)),
        placed("u", 1, old=(1,), new=(2,)),
        placed("u", 1, old=(None,), new=(1,)),
        placed("u", 1),
    ]
    assert newer_first(answers) == (1, 2)


def test_separation_by_hand() -> None:
    # Of 3 × 2 pairs: .9 wins twice, .5 wins once and ties once, .1 loses to .5 and to .4: (2 + 1.5 + 0) / 6.
    assert separation([0.9, 0.5, 0.1], [0.5, 0.4]) == pytest.approx(3.5 / 6)
    assert told_apart([placed("a", 1, confidence=0.9), placed("none", confidence=0.0)], [0.5]) == 1.0


def test_a_folder_without_the_set_is_refused(tmp_path: Path, encoder: CachedEncoder) -> None:
    with pytest.raises(CommandFailure, match=r"no locomo_dev\.jsonl"):
        ablation.load_set(tmp_path, "locomo", encoder)
