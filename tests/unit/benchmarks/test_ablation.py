import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import ablation
from benchmarks.ablation_data import Space, load_spaces, strangers
from benchmarks.ablation_encoding import CachedEncoder
from benchmarks.ablation_ranks import Placed, ask_all, by_category, counted, newer_first, recalls, told_apart, usual
from benchmarks.metrics import separation
from memory_service.cli.failures import CommandFailure
from memory_service.encoder.protocol import TextSpan
from retrieval.rows import NONE, KeyKind

WORDS = ("dog", "cat", "pottery", "hike", "car", "paris", "job", "name")


class BagOfWords:
    """An encoder of one dimension per word; counts what it is asked to encode."""

    identity = SimpleNamespace(fingerprint="bag-of-words", dimension=len(WORDS) + 1)

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def chunk(self, text: str) -> list[TextSpan]:
        return [TextSpan(0, len(text))]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        found = np.array([[*(word in text.lower() for word in WORDS), 0.5] for text in texts], dtype=np.float32)
        normalised: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
        return normalised


def turn(number: int, text: str, *, speaker: str = "Ann", session: str = "s1", caption: str = "") -> dict[str, Any]:
    return {
        "id": f"d{number}",
        "sess": session,
        "date": "2026-03-01T10:00:00Z",
        "speaker": speaker,
        "text": text,
        "caption": caption,
    }


def question(qid: str, text: str, gold: list[str], **more: Any) -> dict[str, Any]:
    return {"qid": qid, "q": text, "cat": "single-hop", "gold": gold, **more}


CONVERSATIONS = [
    {
        "conv": "one",
        "docs": [
            turn(1, "Do you have a dog?", speaker="Bob"),
            turn(2, "Yes, he is called Rex.", caption="a cat on a car"),
            turn(3, "I started pottery.", session="s2"),
        ],
        "questions": [
            question("q1", "What is Ann's dog called?", ["d2"]),
            question("q2", "Which job?", ["d3", "d2"], gold_roles={"old": ["d2"], "new": ["d3"]}),
            question("q3", "Who is nobody?", []),
        ],
    },
    {"conv": "two", "docs": [turn(1, "I went for a hike to Paris.")], "questions": [question("q4", "A hike?", ["d1"])]},
]


@pytest.fixture
def encoder(tmp_path: Path) -> CachedEncoder:
    return CachedEncoder(BagOfWords(), tmp_path)  # type: ignore[arg-type]


@pytest.fixture
def spaces(tmp_path: Path, encoder: CachedEncoder) -> list[Space]:
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join(map(json.dumps, CONVERSATIONS)), encoding="utf-8")
    return load_spaces(file, encoder)


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


def test_a_question_is_read_in_three_forms(spaces: list[Space]) -> None:
    asked = spaces[0].asked[0]
    assert asked.whole.parsed.spoken == "What is my dog called?"
    assert asked.keywords.parsed.text == "Ann's dog called"
    assert asked.gold == (1,)
    changed = spaces[0].asked[1]
    assert (changed.old, changed.new) == ((1,), (2,))


def test_the_cache_encodes_a_text_once_and_keeps_what_others_wrote(tmp_path: Path) -> None:
    first, second = BagOfWords(), BagOfWords()
    one = CachedEncoder(first, tmp_path)  # type: ignore[arg-type]
    other = CachedEncoder(second, tmp_path)  # type: ignore[arg-type]
    vector = one.encode(["a dog", "a dog"])
    other.encode(["a cat"])
    third = BagOfWords()
    again = CachedEncoder(third, tmp_path)  # type: ignore[arg-type]
    assert again.encode(["a dog", "a cat"])[:1].tolist() == vector[:1].tolist()
    assert (first.encoded, third.encoded) == (["a dog"], [])


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
