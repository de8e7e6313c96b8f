"""What screening sets aside without reading must be what reading would let stand."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consolidation.conflicts import decisions, screening
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
sentences = st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=12).map(" ".join)


@given(old=sentences, new=sentences, shared=st.booleans(), cosine=st.sampled_from(COSINES))
def test_whatever_is_said_is_decided_as_it_was(old: str, new: str, shared: bool, cosine: float) -> None:
    screened, read = both(
        said(old, 1, language="en"), said(f"{old}. {new}" if shared else new, 2, language="en"), cosine
    )
    assert screened == read


@pytest.fixture
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(screening, "_kept", screening.Recent(most=10))
    screening._read.cache_clear()
    yield
    screening._read.cache_clear()


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


def test_no_more_texts_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = screening.Recent[bytes, Any](most=3)
    monkeypatch.setattr(screening, "_kept", kept)
    for number in range(10):
        screening._words_of(said(f"Kettle number {number} leaks.", 1))
    assert len(kept._values) == 3
    assert all(isinstance(key, bytes) and len(key) == 16 for key in kept._values), "no text is kept"
