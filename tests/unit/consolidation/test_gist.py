"""Gists: words of the memories and nothing else, told apart, and written only when they change."""

from itertools import count
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consolidation.planning import End, Put, Step, Structure
from consolidation.structure.gist import GistSettings, Source, Target, Written, plan_gists, summarise


def sources(*texts: str, keywords: tuple[str, ...] = ()) -> list[Source]:
    rng = np.random.default_rng(len(texts))
    vectors = rng.standard_normal((len(texts), 8)) + 2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [Source(UUID(int=n + 1), 1, text, vectors[n].astype(np.float32), keywords) for n, text in enumerate(texts)]


TRIP = (
    "We booked a cabin near the lake for August. It has a sauna!", "Ok, great.",
    "The lake cabin costs ninety euros a night.", "Is the sauna of the cabin included?",
    "The train to the lake leaves Berlin at seven. Did you know?",
)  # fmt: skip


@given(st.lists(st.text(max_size=200), min_size=1, max_size=6))
def test_every_span_points_at_the_words_it_brought(texts: list[str]) -> None:
    given_ = sources(*texts)
    made = summarise(given_)
    if made is not None:
        content = {source.id: source.content for source in given_}
        assert made.text == " ".join(content[id][start:end] for id, _, start, end in made.spans)


def test_a_gist_is_short_and_says_nothing_twice() -> None:
    usual = GistSettings()
    made = summarise(sources(*TRIP, *TRIP))
    assert made is not None
    assert len(made.text) <= usual.characters
    quoted = [made.text.count(sentence) for sentence in ("ninety euros", "leaves Berlin", "booked a cabin")]
    assert max(quoted) == 1


def test_small_talk_and_questions_are_not_what_it_is_about() -> None:
    made = summarise(sources(*TRIP), settings=GistSettings(sentences=3))
    assert made is not None
    assert "great" not in made.text
    assert "?" not in made.text


def test_of_small_talk_there_is_no_gist() -> None:
    assert summarise(sources("Ok!", "Wow.", "")) is None


def test_a_gist_is_written_once_and_ends_with_its_subject() -> None:
    numbers = count(100)
    target = Target(Structure.EPISODE, UUID(int=7), sources(*TRIP, keywords=("cabin", "lake")))
    new_id = lambda: UUID(int=next(numbers))  # noqa: E731
    (put,) = plan_gists([target], {}, step=Step.EPISODES, new_id=new_id)
    assert isinstance(put, Put)
    assert put.values["keywords"] == ["cabin", "lake"]
    assert put.values["members"] == sorted({UUID(span[0]) for span in put.values["spans"]})
    spans = tuple((UUID(id), version, start, end) for id, version, start, end in put.values["spans"])
    there = {target.id: Written(put.id, put.values["text"], spans)}
    assert plan_gists([target], there, step=Step.EPISODES, new_id=new_id) == []
    (again,) = plan_gists(
        [Target(Structure.EPISODE, target.id, target.sources[:1])], there, step=Step.EPISODES, new_id=new_id
    )
    assert isinstance(again, Put)
    assert again.id == put.id
    nothing = Target(Structure.EPISODE, target.id, sources("Ok."))
    for changes in (
        plan_gists([], there, step=Step.EPISODES, ended=[target.id], new_id=lambda: pytest.fail("nothing is new")),
        plan_gists([nothing], there, step=Step.EPISODES, new_id=lambda: pytest.fail("nothing is new")),
    ):
        (end,) = changes
        assert isinstance(end, End)
        assert end.id == put.id
