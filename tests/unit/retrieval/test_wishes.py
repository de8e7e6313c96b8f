"""What was asked for once and for all stands among the first results, and takes the place of nothing better than the last."""

from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from memory_service.analysis.tokens import terms
from retrieval.entries import Entry, Vectors
from retrieval.gathering import Gathering
from retrieval.query import parse_query
from retrieval.ranking import Ranked, explain, rank
from retrieval.ranking_settings import DEFAULT
from retrieval.rows import Rows
from retrieval.wishes import WishKind

CUE = np.array([1.0, 0.0, 0.0], np.float32)
ASKED = "Can you suggest tools for the harbour project?"
FACT = "Which tools are used in the harbour project?"
FAR = 30  # a row that ranks far below


def at(cosine: float) -> list[float]:
    return [cosine, float(np.sqrt(1 - cosine**2)), 0.0]


def gathered(texts: list[str], vectors: np.ndarray) -> Rows:
    gathering = Gathering()
    for number, (text, vector) in enumerate(zip(texts, vectors, strict=True), start=1):
        entry = Entry(
            id=UUID(int=number), namespace_id=UUID(int=9), content_version=1, session_id=None, user_id=None, agent_id=None,
            speaker=None, role="user", observed_at=1e9 + number, valid_from=None, valid_to=None, expires_at=None,
            superseded=False, archived=False, traits=0, terms=tuple(terms(text)),
        )  # fmt: skip
        gathering.add(entry, Vectors(vector[None, :]))
    return gathering.rows()


def rows_with(wishes: dict[int, WishKind], *, near: float = 0.3) -> Rows:
    vectors = np.array([at(0.99 - number / 100) for number in range(40)], np.float32)
    for row in wishes:
        if row >= FAR:
            vectors[row] = at(near - row / 1000)
    rows = gathered([f"harbour project tools {number}" for number in range(40)], vectors)
    return replace(rows, wish=np.array([wishes.get(row, WishKind.NONE) for row in range(40)], np.int8))


def ranked(rows: Rows, query: str = ASKED, **options: object) -> Ranked:
    return rank(rows, parse_query(query), vector=CUE, **options)  # type: ignore[arg-type]


def usual(rows: Rows, query: str = ASKED) -> list[int]:
    return [int(row) for row in ranked(replace(rows, wish=None), query).order]


def test_an_instruction_comes_in_at_the_end_of_the_first_ten() -> None:
    rows = rows_with({35: WishKind.INSTRUCTION})
    before, after = usual(rows), ranked(rows)
    assert before.index(35) > 20
    assert after.order.tolist()[:10] == [*before[:9], 35]
    assert after.order.tolist()[10] == before[9]
    (shown,) = explain(after, np.array([35]))
    assert shown.rank == 10
    assert shown.signals["wish"] > 0
    assert shown.score == pytest.approx(sum(cell.contribution for cell in shown.channels.values()))


def test_preferences_are_for_advice_and_instructions_for_everything() -> None:
    rows = rows_with({33: WishKind.INSTRUCTION, 35: WishKind.PREFERENCE})
    assert ranked(rows).order.tolist()[8:10] == [33, 35]
    assert ranked(rows, FACT).order.tolist()[:10] == [*usual(rows, FACT)[:9], 33]


def test_work_wants_what_is_liked_twice_where_no_instruction_is_near() -> None:
    work = "Set up the tools for the harbour project."
    liked = rows_with({33: WishKind.PREFERENCE, 35: WishKind.PREFERENCE, 37: WishKind.PREFERENCE})
    assert ranked(liked, work).order.tolist()[:10] == [*usual(liked, work)[:8], 33, 35]
    both = rows_with({33: WishKind.PREFERENCE, 35: WishKind.PREFERENCE, 37: WishKind.INSTRUCTION})
    assert ranked(both, work).order.tolist()[:10] == [*usual(both, work)[:8], 33, 37]
    assert ranked(both, work, results=5).order.tolist()[:5] == [*usual(both, work)[:4], 33]


def test_what_stands_among_the_first_stays_where_it_is() -> None:
    rows = rows_with({2: WishKind.INSTRUCTION})
    assert ranked(rows).order.tolist() == usual(rows)
    last = usual(rows)[9]
    # The one that is there already must not fall out for the other.
    both = rows_with({last: WishKind.INSTRUCTION, 35: WishKind.PREFERENCE})
    assert {last, 35} <= set(ranked(both).order.tolist()[:10])
    assert ranked(both).order.tolist()[:8] == usual(both)[:8]


def test_only_the_nearest_of_a_kind_comes_in_and_only_when_it_is_near() -> None:
    rows = rows_with({33: WishKind.INSTRUCTION, 35: WishKind.INSTRUCTION})
    assert ranked(rows).order.tolist()[:10] == [*usual(rows)[:9], 33]
    same = rows.vectors.copy()
    same[33] = same[35]
    assert ranked(replace(rows, vectors=same)).order.tolist()[9] == 33  # the older id
    far = rows_with({35: WishKind.INSTRUCTION}, near=0.2)
    assert ranked(far).order.tolist() == usual(far)


@pytest.mark.parametrize(
    "query", ["Summarise how the harbour project went", "Which tools did you recommend for the harbour project?"]
)
def test_summaries_and_earlier_answers_want_none(query: str) -> None:
    rows = rows_with({35: WishKind.INSTRUCTION})
    assert ranked(rows, query).order.tolist() == usual(rows, query)


def test_it_is_left_out_by_filters_successors_named_channels_and_settings() -> None:
    rows = rows_with({35: WishKind.INSTRUCTION})
    allowed = np.ones(40, bool)
    allowed[35] = False
    assert 35 not in ranked(rows, allowed=allowed).order.tolist()
    superseded = np.zeros(40, bool)
    superseded[35] = True
    assert ranked(replace(rows, superseded=superseded)).order.tolist() == usual(rows)
    named = {"vector": 1.0, "keyword": 1.0}
    assert (
        ranked(rows, weights=named).order.tolist()[:10]
        == ranked(replace(rows, wish=None), weights=named).order.tolist()[:10]
    )
    assert ranked(rows, settings=replace(DEFAULT, wishes=None)).order.tolist() == usual(rows)


@pytest.mark.parametrize(("results", "places"), [(1, 0), (4, 0), (5, 1), (9, 1), (10, 2), (50, 2)])
def test_a_fifth_of_the_results_at_most(results: int, places: int) -> None:
    rows = rows_with({33: WishKind.INSTRUCTION, 35: WishKind.PREFERENCE})
    first = ranked(rows, results=results).order.tolist()[: min(results, 10)]
    assert len({33, 35} & set(first)) == places


def test_a_namespace_of_few_memories_has_room_for_all() -> None:
    rows = gathered(["harbour project tools", "else"], np.array([at(0.5), at(0.9)], np.float32))
    rows = replace(rows, wish=np.array([WishKind.INSTRUCTION, WishKind.NONE], np.int8))
    assert ranked(rows).order.tolist() == usual(rows)
