"""Texts travel through CrewAI as vectors."""

import doctest
import importlib
from typing import Any

import pytest
from crewai.memory.encoding_flow import EncodingFlow
from crewai.memory.types import embed_text, embed_texts

from memory_crewai import NotOurVector, carry
from memory_crewai.vectors import MOST_BYTES, carried

TEXTS = ["Rosa lives in Porto.", "", "é", "Zürich 🐟", "a" * 6, "b" * 7, "\t\n ", "x" * MOST_BYTES]


@pytest.mark.parametrize("text", TEXTS)
def test_a_vector_carries_its_text(text: str) -> None:
    assert carried(carry([text])[0]) == text


def test_crewai_hands_the_vectors_on_as_they_are() -> None:
    assert carried(embed_text(carry, "Zürich")) == "Zürich"
    first, nothing, last = embed_texts(carry, ["one", " ", "two"])
    assert (carried(first), nothing, carried(last)) == ("one", [], "two")


def test_what_no_memory_can_hold_is_no_word_to_look_for() -> None:
    assert carried(carry(["a\x00b"])[0]) == "a b"
    assert carried(carry(["a\ud800b"])[0]) == "a?b"
    assert carried(carry(["é" * MOST_BYTES])[0]) == "é" * (MOST_BYTES // 2)


def test_only_what_says_the_same_points_the_same_way() -> None:
    base = "Rosa lives in Porto."
    others = ["Rosa lives in Porto!", "rosa lives in Porto.", "Rosa sits in Porto.", "x" * 20]
    long = "x" * 2 * MOST_BYTES
    first, *rest = carry([base, *others])
    assert EncodingFlow._cosine_similarity(first, carry([base])[0]) == pytest.approx(1)
    assert all(EncodingFlow._cosine_similarity(first, one) < 0.7 for one in rest)
    # Texts that differ only beyond what is carried are still two.
    assert EncodingFlow._cosine_similarity(*carry([long + "a", long + "b"])) < 0.7


@pytest.mark.parametrize(
    "vector",
    [
        [],
        [0.1] * 384,
        [0.0] * 66,
        carry(["Rosa"])[0][:-1],
        [*carry(["Rosa"])[0], 0.0],
        [*carry(["Rosa"])[0][:-1], 2.0**-50],
        [float("nan")] * 70,
        [float("inf")] * 70,
    ],
)
def test_another_embedders_vector_is_refused(storage: Any, vector: list[float]) -> None:
    if vector == [0.0] * 66:  # the empty text, but for the direction
        assert storage.search(vector) == []
        return
    with pytest.raises(NotOurVector, match=r"embedder=storage\.embedder"):
        storage.search(vector)


@pytest.mark.parametrize("name", ["vectors", "places"])
def test_the_worked_examples_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"memory_crewai.{name}"))
    assert found.attempted > 0
    assert found.failed == 0
