"""What screening sets aside without reading must be what reading would let stand."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consolidation.conflicts import decisions, screening, statements
from consolidation.conflicts.decisions import Action, Decision, decide
from consolidation.conflicts.statements import read_statements, read_words
from consolidation.records import Record
from memory_service.analysis.facts import facts
from memory_service.analysis.language import guess

PAIRS = [
    json.loads(line)
    for line in Path(__file__).with_name("conflict_pairs.jsonl").read_text(encoding="utf-8").splitlines()
]
START = datetime(2024, 3, 4, 10, tzinfo=UTC)
COSINES = (0.5, 0.7, 0.82, 0.9, 0.97)


def said(text: str, number: int, **fields: Any) -> Record:
    at = START + timedelta(days=number)
    return Record(UUID(int=number), 1, text, at, at, language=fields.pop("language", guess(text)), **fields)


def both(old: Record, new: Record, cosine: float, *, with_facts: bool = True) -> tuple[Decision, Decision]:
    """Decide with screening and without."""
    found = [
        facts(one.content, speaker=one.speaker, role=one.role, language=one.language, observed_at=one.observed_at)
        if with_facts
        else ()
        for one in (new, old)
    ]

    def decided() -> Decision:
        return decide(new, old, cosine=cosine, new_facts=found[0], old_facts=found[1])

    screened = decided()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decisions, "worth_reading", lambda *_, **__: True)
        return screened, decided()


@pytest.mark.parametrize("with_facts", [True, False])
def test_no_labelled_pair_is_decided_otherwise(with_facts: bool) -> None:
    decided = []
    for pair in PAIRS:
        old, new = (
            said(pair[side]["text"], number, speaker=pair[side]["speaker"], role=pair[side]["role"])
            for number, side in enumerate(("old", "new"), start=1)
        )
        for cosine in COSINES:
            screened, read = both(old, new, cosine, with_facts=with_facts)
            assert screened == read, (pair["id"], cosine)
            decided.append(read.action)
    assert {Action.DUPLICATE, Action.SUPERSEDE, Action.ADD, Action.ASK_DUPLICATE} <= set(decided)


def test_texts_of_different_pairs_are_decided_as_they_were() -> None:
    rng = random.Random(7)
    texts = [pair[side]["text"] for pair in PAIRS for side in ("old", "new")]
    for _ in range(1_500):
        one, other = rng.sample(texts, 2)
        for cosine in (0.5, 0.85):
            screened, read = both(said(one, 1), said(other, 2), cosine)
            assert screened == read, (one, other, cosine)


WORDS = (
    "my the a rent flat car is are was not no longer now from to instead of but 950 1,020 euros Monday May 3rd 10 pm "
    "and I we moved switched changed tea coffee Berlin Munich actually any more, because work if ? . , dog sold"
)
# Split and joined, at the same place and at another.
COMPOUNDS = (
    "whiteboard white board white-board big bigwhite checklist check list bedroom bed room tearoom roomlist hangs costs 40 50 "
    "b oard the my . , and"
)


def sentences_of(words: str, *more: str) -> st.SearchStrategy[str]:
    chosen = st.sampled_from((*words.split(), *more))
    return st.lists(chosen, min_size=1, max_size=12).map(" ".join)


sentences = sentences_of(f"{WORDS} {COMPOUNDS}")


@settings(deadline=None)  # of what the machine does besides
@given(old=sentences, new=sentences, shared=st.booleans(), cosine=st.sampled_from(COSINES))
def test_whatever_is_said_is_decided_as_it_was(old: str, new: str, shared: bool, cosine: float) -> None:
    screened, read = both(
        said(old, 1, language="en"), said(f"{old}. {new}" if shared else new, 2, language="en"), cosine
    )
    assert screened == read


RESPACED = (("white board", "whiteboard"), ("check list", "checklist"), ("bed room", "bedroom"), ("is now", "costs"))


@settings(deadline=None)
@given(old=sentences_of(COMPOUNDS), data=st.data(), cosine=st.sampled_from(COSINES))
def test_words_that_are_joined_or_split_are_decided_as_they_were(old: str, data: st.DataObject, cosine: float) -> None:
    new = old
    for apart, together in data.draw(st.lists(st.sampled_from(RESPACED), max_size=4)):
        new = new.replace(*((apart, together) if data.draw(st.booleans()) else (together, apart)))
    new = new.replace("40", "50") if data.draw(st.booleans()) else new
    if data.draw(st.booleans()):
        new = f"{data.draw(sentences_of(COMPOUNDS))}. {new}"
    screened, read = both(said(old, 1, language="en"), said(new, 2, language="en"), cosine)
    assert screened == read


@pytest.mark.parametrize(
    ("old", "new", "action"),
    [
        (
            "The check list and the white board are in the meeting room",
            "The checklist and the whiteboard are in the meeting room",
            Action.DUPLICATE,
        ),
        (
            "The check list and the white board cost 40 euros",
            "The checklist and the whiteboard now cost 50 euros",
            Action.SUPERSEDE,
        ),
        ("The big whiteboard hangs in the hall", "The white big board hangs in the hall", Action.DUPLICATE),
        ("The big whiteboard hangs in the hall", "The big white board hangs in the hall", Action.DUPLICATE),
    ],
)
def test_words_written_as_one_are_those_written_as_several(old: str, new: str, action: Action) -> None:
    screened, read = both(said(old, 1, language="en"), said(new, 2, language="en"), 0.9)
    assert (screened.action, read.action) == (action, action)


def test_few_texts_are_read_for_words_that_may_be_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    reading = screening.read_words
    monkeypatch.setattr(
        screening, "read_words", lambda content, language: (read.append(content), reading(content, language))[1]
    )
    rng = random.Random(7)
    texts = [pair[side]["text"] for pair in PAIRS for side in ("old", "new")]
    pairs = [rng.sample(texts, 2) for _ in range(1_000)]
    for text in texts:
        screening._words_of(said(text, 1))
    read.clear()
    for one, other in pairs:
        screening.worth_reading(said(one, 2), said(other, 1), cosine=0.5, near=0.95)
    assert len(read) < 100


@pytest.fixture
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(screening, "_kept", screening.Recent(most=10_000, size=screening._bytes))
    screening.forget_texts()
    yield
    screening.forget_texts()


@pytest.mark.usefixtures("nothing_kept")
def test_a_text_that_was_new_is_not_read_again_for_what_comes_near_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = said("The kettle of Mrs Oyelaran leaks.", 2), said("Luc repaired the bicycle in Porto.", 3)
    assert both(said("The workshop in Leith was closed.", 1), first, 0.6)[0].action is Action.ADD

    def never(*_: Any) -> Any:
        raise AssertionError("read again")

    monkeypatch.setattr(screening, "read_words", never)
    assert decide(second, first, cosine=0.6).action is Action.ADD


def test_words_are_those_of_the_whole_reading() -> None:
    for pair in PAIRS:
        for side in ("old", "new"):
            text = pair[side]["text"]
            assert read_words(text, guess(text)) == read_statements(text, guess(text)).whole.words


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = screening.Recent[bytes, Any](most=5_000, size=screening._bytes)
    monkeypatch.setattr(screening, "_kept", kept)
    for number in range(40):
        screening._words_of(said(f"Kettle number {number} leaks.", 1))
    assert len(kept._values) == 5_000 // screening._bytes(screening._words_of(said("Kettle number 1 leaks.", 1)))
    long = " ".join(f"kettle{number}" for number in range(400))
    screening._words_of(said(long, 1))
    assert sum(map(screening._bytes, kept._values.values())) <= 5_000, "a text of many words takes the room of many"
    assert all(isinstance(key, bytes) and len(key) == 16 for key in kept._values), "no text is kept"


def test_no_text_stays_once_it_is_to_be_forgotten() -> None:
    old, new = (
        said("The kettle of Mrs Oyelaran costs 40 euros.", 1),
        said("The kettle of Mrs Oyelaran costs 50 euros.", 2),
    )
    assert decide(new, old, cosine=0.9).action is Action.SUPERSEDE
    caches = (screening._read, statements.read_statements, statements.read_parts)
    assert all(cache.cache_info().currsize for cache in caches)
    screening.forget_texts()
    assert not any(cache.cache_info().currsize for cache in caches)
