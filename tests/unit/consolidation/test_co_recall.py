"""Links of common use: weights, what makes them and what does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from consolidation.planning import Change, Join, Part
from consolidation.records import Edge
from consolidation.zettelkasten.co_recall import (
    CoRecalls,
    CoRecallSettings,
    Recalled,
    Use,
    plan_co_recalls,
    uses_of,
    weight_of,
)
from memory_service.types import LinkType

NOW = datetime(2024, 6, 1, tzinfo=UTC)
A, B, C = (UUID(int=n) for n in (1, 2, 3))


def recalled(memory: UUID, trace: int, *, days_ago: float = 1, rank: int = 1, useful: bool | None = True) -> Recalled:
    return Recalled(memory, UUID(int=1000 + trace), rank, useful, None, NOW - timedelta(days=days_ago))


def known(recalls: list[Recalled], edges: tuple[Edge, ...] = ()) -> CoRecalls:
    live = {r.memory_id for r in recalls} | {end for edge in edges for end in (edge.source, edge.target)}
    return CoRecalls(tuple(recalls), edges, frozenset(live))


def applied(changes: list[Change], edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    gone = {change.link_id for change in changes if isinstance(change, Part)}
    joined = [change for change in changes if isinstance(change, Join)]
    return (
        *(edge for edge in edges if edge.id not in gone),
        *(Edge(UUID(int=10**6 + n), j.source, j.target, j.type, j.weight) for n, j in enumerate(joined)),
    )


def test_one_search_whose_results_were_of_use_links_them_from_the_later_to_the_earlier() -> None:
    (join,) = plan_co_recalls(known([recalled(B, 1), recalled(A, 1)]), NOW)
    assert isinstance(join, Join)
    assert (join.source, join.target, join.type) == (B, A, LinkType.CO_RECALLED)
    assert 0.29 < join.weight < 0.3


def test_a_result_that_was_of_no_use_is_not_linked() -> None:
    assert plan_co_recalls(known([recalled(A, 1), recalled(B, 1, useful=False)]), NOW) == []
    # The later judgement counts, also over the reinforcement before it.
    reinforced = [recalled(m, 1, rank=1, useful=None, days_ago=3) for m in (A, B)]
    assert plan_co_recalls(known([*reinforced, recalled(B, 1, useful=False)]), NOW) == []


def test_a_search_that_reinforced_a_long_list_makes_no_clique() -> None:
    many = [recalled(UUID(int=n), 1, rank=n, useful=None) for n in range(1, 11)]
    assert plan_co_recalls(known(many), NOW) == []


def test_repeated_use_strengthens_and_time_fades() -> None:
    often = [recalled(m, n, days_ago=10 - n) for n in range(8) for m in (A, B)]
    (join,) = plan_co_recalls(known(often), NOW)
    assert isinstance(join, Join)
    assert join.weight > 0.8
    edges = applied([join], ())
    later = plan_co_recalls(known(often, edges), NOW + timedelta(days=90))
    weaker = next(change for change in later if isinstance(change, Join))
    assert [type(change) for change in later] == [Part, Join]
    assert weaker.weight == round(join.weight / 2, 4)
    at_last = plan_co_recalls(known(often, edges), NOW + timedelta(days=1000))
    assert [type(change) for change in at_last] == [Part]


def test_a_link_of_unknown_origin_stays() -> None:
    edge = Edge(UUID(int=7), B, A, LinkType.CO_RECALLED, 0.5)
    assert plan_co_recalls(known([recalled(A, 1)], (edge,)), NOW) == []


def test_a_link_whose_uses_were_all_taken_back_ends() -> None:
    edge = Edge(UUID(int=7), B, A, LinkType.CO_RECALLED, 0.5)
    (part,) = plan_co_recalls(replace(known([recalled(A, 1)], (edge,)), drawn_here=frozenset({edge.id})), NOW)
    assert isinstance(part, Part)
    assert part.link_id == edge.id


def test_nothing_is_linked_to_what_has_left_the_results() -> None:
    recalls = [recalled(A, 1), recalled(B, 1)]
    assert plan_co_recalls(CoRecalls(tuple(recalls), (), frozenset({A})), NOW) == []


Recalls = st.lists(
    st.builds(
        Recalled,
        st.integers(1, 12).map(lambda n: UUID(int=n)),
        st.integers(1, 6).map(lambda n: UUID(int=1000 + n)),
        st.integers(1, 20),
        st.sampled_from([True, False, None]),
        st.sampled_from([True, False, None]),
        st.integers(0, 10**7).map(lambda s: NOW - timedelta(seconds=s)),
    ),
    max_size=60,
)


@given(Recalls, st.integers(0, 500))
def test_weights_are_shares_degrees_are_capped_and_planning_again_changes_nothing(
    recalls: list[Recalled], days: int
) -> None:
    settings = CoRecallSettings(degree=3)
    now = NOW + timedelta(days=days)
    changes = plan_co_recalls(known(recalls), now, settings=settings)
    degrees: dict[UUID, int] = {}
    for join in changes:
        assert isinstance(join, Join)
        assert settings.least <= join.weight <= 1
        assert join.source > join.target
        for end in (join.source, join.target):
            degrees[end] = degrees.get(end, 0) + 1
    assert all(degree <= settings.degree for degree in degrees.values())
    assert plan_co_recalls(known(recalls, applied(changes, ())), now, settings=settings) == []


@given(Recalls)
def test_noise_changes_nothing(recalls: list[Recalled]) -> None:
    noise = [Recalled(r.memory_id, UUID(int=r.trace_id.int + 500), r.rank, False, r.cited, r.at) for r in recalls]
    assert uses_of([*recalls, *noise]) == uses_of(recalls)


@given(st.lists(st.tuples(st.integers(0, 10**8), st.floats(0, 1)), max_size=50))
def test_a_weight_stays_in_0_to_1(uses: list[tuple[int, float]]) -> None:
    assert 0 <= weight_of([Use(NOW - timedelta(seconds=s), r) for s, r in uses], NOW) <= 1
