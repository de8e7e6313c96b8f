"""Links between memories: which, how many, and that planning again changes nothing."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consolidation.planning import Change, Join, Part
from consolidation.records import Considered, Edge, Neighbour, Record
from consolidation.zettelkasten.linking import LinkingSettings, plan_links
from consolidation.zettelkasten.mixture import higher_mode
from memory_service.types import CALLER, LinkType

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def memory(number: int, content: str = "", **fields: object) -> Record:
    at = NOW + timedelta(minutes=number)
    plain: dict[str, object] = {"keywords": ("lake",), "speaker": "Ana", "language": "en"}
    return Record(UUID(int=number), 1, content or f"text {number}", at, at, **(plain | fields))  # type: ignore[arg-type]


def beside(record: Record, near: Sequence[tuple[Record, float]], edges: Sequence[Edge] = ()) -> Considered:
    found = tuple(Neighbour(other, cosine) for other, cosine in near)
    return Considered(record, np.zeros(2, np.float32), found, tuple(edges))


def joins(changes: Sequence[Change]) -> list[Join]:
    return [change for change in changes if isinstance(change, Join)]


def namespace(count: int, seed: int, *, dimensions: int = 3) -> list[Considered]:
    """Memories in a small space, so that some are near to many; each with what came before."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    words = ["lake", "boat", "tent", "fire"]
    records = [
        memory(n + 1, keywords=tuple(rng.choice(words, 2)), entities=("Tom",) * int(n % 3 == 0)) for n in range(count)
    ]
    found = []
    for n in range(count):
        order = sorted(range(n), key=lambda m: (-float(vectors[n] @ vectors[m]), m))[:20]
        found.append(beside(records[n], [(records[m], float(vectors[n] @ vectors[m])) for m in order]))
    return found


def applied(
    considered: Sequence[Considered], edges: Sequence[Edge], changes: Sequence[Change], start: int
) -> list[Edge]:
    gone = {change.link_id for change in changes if isinstance(change, Part)}
    new = [Edge(UUID(int=start + n), j.source, j.target, j.type, j.weight) for n, j in enumerate(joins(changes))]
    return [*(edge for edge in edges if edge.id not in gone), *new]


def with_edges(considered: Sequence[Considered], edges: Sequence[Edge]) -> list[Considered]:
    result = []
    for one in considered:
        touched = {one.record.id, *(n.record.id for n in one.neighbours)}
        result.append(replace(one, edges=tuple(e for e in edges if touched & {e.source, e.target})))
    return result


def test_what_stands_out_is_linked_from_the_later_to_the_earlier() -> None:
    near = [(memory(n), 0.8) for n in (1, 2)] + [(memory(n), 0.3) for n in range(3, 13)]
    found = joins(plan_links([beside(memory(50), near)], NOW))
    assert [(j.source.int, j.target.int, j.type) for j in found] == [(50, 1, "similar"), (50, 2, "similar")]
    assert all(0 < j.weight <= 1 for j in found)


def test_equal_neighbours_are_linked_only_when_they_are_near() -> None:
    far = [(memory(n, keywords=(f"w{n}",)), 0.3) for n in range(1, 11)]
    near = [(memory(n), 0.8) for n in range(1, 11)]
    assert plan_links([beside(memory(50), far)], NOW) == []
    assert len(joins(plan_links([beside(memory(50), near)], NOW))) == LinkingSettings().outgoing


def test_what_is_about_nothing_is_not_linked() -> None:
    assert plan_links([beside(memory(50, keywords=()), [(memory(1), 0.95)])], NOW) == []
    assert plan_links([beside(memory(50), [(memory(1, keywords=()), 0.95)])], NOW) == []


def test_a_rare_name_makes_a_link_of_its_own_kind_and_a_speaker_does_not() -> None:
    others = [(memory(n, entities=("Ana",)), 0.2) for n in range(3, 13)]
    near = [(memory(1, entities=("Tom", "Ana")), 0.7), *others]
    (tom,) = joins(plan_links([beside(memory(50, entities=("Tom", "Ana")), near)], NOW))
    assert tom.type == LinkType.SAME_ENTITY
    (ana,) = joins(plan_links([beside(memory(50, entities=("Ana",)), near)], NOW))
    assert ana.type == LinkType.SIMILAR


def test_two_sources_agree_or_contradict_and_one_source_does_neither() -> None:
    says = "The bakery on Main Street opens on Sundays."
    denies = "The bakery on Main Street does not open on Sundays."

    def kind(content: str, speaker: str) -> str:
        (join,) = joins(plan_links([beside(memory(50, content, speaker=speaker), [(memory(1, says), 0.93)])], NOW))
        return join.type

    assert kind(says, "Ben") == "supports"
    assert kind(denies, "Ben") == "contradicts"
    assert kind(denies, "Ana") == "similar"
    assert kind("The bakery on Main Street opens on Sundays?", "Ben") == "similar"
    assert kind("The bakery on Main Street opens on 3 Sundays.", "Ben") == "similar"


def test_a_hub_parts_its_weakest_link_when_a_stronger_comes() -> None:
    hub = memory(1)
    small = LinkingSettings(incoming=2)
    edges = [Edge(UUID(int=100 + n), UUID(int=n), hub.id, "similar", weight) for n, weight in ((2, 0.6), (3, 0.5))]
    strong = plan_links([beside(memory(50), [(hub, 0.95)], edges)], NOW, settings=small)
    assert [change.link_id.int for change in strong if isinstance(change, Part)] == [103]
    assert [j.source.int for j in joins(strong)] == [50]
    weak = plan_links(
        [beside(memory(50, keywords=("boat",)), [(hub, 0.72)], [replace(e, weight=0.9) for e in edges])],
        NOW,
        settings=small,
    )
    assert weak == []


def test_what_a_caller_drew_gives_way_to_nothing_stronger() -> None:
    hub = memory(1)
    edges = [
        Edge(UUID(int=102), UUID(int=2), hub.id, "similar", 0.6),
        Edge(UUID(int=103), UUID(int=3), hub.id, "contradicts", 0.5, method=CALLER),
        Edge(UUID(int=104), UUID(int=3), hub.id, "similar", 0.4),
    ]

    def parted(edges: list[Edge]) -> list[int]:
        changes = plan_links([beside(memory(50), [(hub, 0.95)], edges)], NOW, settings=LinkingSettings(incoming=2))
        return [change.link_id.int for change in changes if isinstance(change, Part)]

    assert parted(edges) == [102]
    assert parted([replace(edge, method=CALLER) for edge in edges]) == []


def test_links_of_other_kinds_are_left_alone_and_count_for_nothing() -> None:
    edge = Edge(UUID(int=100), UUID(int=50), UUID(int=1), "supersedes", 1.0)
    changes = plan_links([beside(memory(50), [(memory(1), 0.9)], [edge])], NOW)
    assert [j.type for j in joins(changes)] == ["similar"]


def test_what_leaves_the_results_is_not_linked() -> None:
    gone = memory(1)
    one = beside(memory(50), [(gone, 0.95)])
    assert plan_links([one], NOW, without=[gone.id]) == []
    assert plan_links([one], NOW, without=[one.record.id]) == []


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 70), st.integers(1, 6))
def test_degrees_are_capped_and_neither_order_nor_repetition_matters(seed: int, count: int, batches: int) -> None:
    few = LinkingSettings(outgoing=3, incoming=4, plain=0.3, floor=0.3)
    considered = namespace(count, seed)
    edges = applied(considered, [], plan_links(considered, NOW, settings=few), 1000)
    outgoing, incoming = Counter(e.source for e in edges), Counter(e.target for e in edges)
    assert max(outgoing.values(), default=0) <= 3
    assert max(incoming.values(), default=0) <= 4
    assert len({(e.source, e.target) for e in edges}) == len(edges)
    assert all(e.source > e.target for e in edges)
    assert plan_links(with_edges(considered, edges), NOW, settings=few) == []
    # Batch by batch in another order, the links are the same.
    mixed = considered[:]
    random.Random(seed).shuffle(mixed)
    step = max(1, count // batches)
    later: list[Edge] = []
    for start in range(0, count, step):
        some = with_edges(mixed[start : start + step], later)
        later = applied(some, later, plan_links(some, NOW, settings=few), 10_000 * (start + 1))
    assert {(e.source, e.target, e.weight) for e in later} == {(e.source, e.target, e.weight) for e in edges}


@given(st.lists(st.floats(-1, 1), max_size=20))
def test_the_higher_mode_is_made_of_the_highest(values: list[float]) -> None:
    chance = higher_mode(np.array([values], dtype=np.float64).reshape(1, -1))[0]
    known = ~np.isnan(chance)
    assert known.all() or not known.any()
    if known.any():
        order = np.argsort(values, kind="stable")
        assert (np.diff(chance[order]) >= -1e-12).all()
        assert ((chance >= 0) & (chance <= 1)).all()


def test_sets_of_values_do_not_touch_one_another() -> None:
    rows = np.array([[0.9, 0.85, 0.2, 0.25, 0.22, np.nan], [0.6, 0.6, 0.6, 0.6, 0.6, 0.6]])
    assert np.allclose(higher_mode(rows)[:1, :5], higher_mode(rows[:1, :5]), equal_nan=True)
