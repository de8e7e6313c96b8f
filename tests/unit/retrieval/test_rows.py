"""What is worked out once per rows: asked for anew when they change, kept when only their postings do."""

from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from retrieval.annotation_lists import AnnotationLists
from retrieval.entries import Annotations, Entry, Vectors
from retrieval.gathering import Gathering
from retrieval.query import parse_query
from retrieval.ranking import rank
from retrieval.rows import Rows

SPACE = UUID(int=1)
TURNS = (
    ("Ana", "Where did you plant the pear tree, Ben?"),
    ("Ben", "I planted the pear tree behind the mill in Lisbon."),
    ("Ana", "Lisbon has mills? I had no idea."),
    ("Ben", "It has two, and one of them grinds chestnuts."),
    ("Ana", "My sister bakes bread from chestnuts."),
    ("Ben", "Bring her to the mill in October."),
)


def gathered() -> Gathering:
    gathering = Gathering()
    rng = np.random.default_rng(3)
    for place, (speaker, text) in enumerate(TURNS):
        entry = Entry(
            id=UUID(int=100 + place), namespace_id=SPACE, content_version=1, session_id=f"s{place // 3}", user_id=None,
            agent_id=None, speaker=speaker, role=None, observed_at=float(place), valid_from=None, valid_to=None,
            expires_at=None, superseded=False, archived=False, traits=place % 2, terms=tuple(text.lower().split()),
        )  # fmt: skip
        vector = rng.standard_normal((1, 8)).astype(np.float32)
        gathering.add(entry, Vectors(vector / np.linalg.norm(vector)))
        gathering.annotate(entry.id, Annotations((), ("lisbon", "mill") if place < 4 else ("mill",)))
    return gathering


def test_a_thing_is_worked_out_once_and_anew_for_changed_rows() -> None:
    rows, asked = gathered().rows(), []
    for _ in range(2):
        assert rows.once("thing", lambda: asked.append(1) or len(asked)) == 1
    assert replace(rows, documents=9).once("thing", lambda: asked.append(1) or len(asked)) == 2
    assert rows.with_postings({}).once("thing", lambda: asked.append(1) or len(asked)) == 1
    assert rows.with_postings({}).postings == {}


@pytest.mark.parametrize(
    "question", ["Where did Ben plant the pear tree?", "chestnuts bread", "What about Lisbon and Ana?"]
)
def test_what_an_earlier_query_left_changes_no_ranking(question: str) -> None:
    def ranked(rows: Rows, asked: str) -> tuple[list[int], np.ndarray]:
        query = parse_query(asked, speakers=rows.speakers, languages=("en",))
        vector = np.full(8, 8**-0.5, np.float32)
        found = rank(rows, query, vector=vector)
        return found.order.tolist(), found.score

    warm = gathered().rows()
    for other in ("Who grinds chestnuts in Lisbon?", "Does Ana know a mill?"):
        ranked(warm, other)
    assert warm.worked_out
    order, score = ranked(warm, question)
    cold_order, cold_score = ranked(gathered().rows(), question)
    assert order == cold_order
    assert_array_equal(score, cold_score)


def test_entities_have_one_name_each() -> None:
    lists = AnnotationLists()
    lists.note(0, Annotations((), ("mill", "lisbon")))
    lists.note(1, Annotations((), ("mill",)))
    assert sorted(lists.entities) == ["lisbon", "mill"]
