"""Strengthen links between memories that were of use together, and let them fade: what fires together wires together.

    w ← w + η · relevance · (1 − w)      at each search that found both and both were of use
    w ← w · exp(−λ Δt)                   between

A search that nobody judged and that was not asked to reinforce leaves no trace here. A weight is worked out from all such
searches of a pair that are known, in order of time, not added to what was there: to count the same searches again changes
nothing. Source: Synaptic Resonance (2024); η, λ and the rest are ours.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Final
from uuid import UUID

from consolidation.planning import Change, Join, Part, Step, Why
from consolidation.records import Edge
from memory_service.types import LinkType

_SECONDS_A_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class CoRecallSettings:
    """How fast links of common use grow and fade."""

    eta: float = 0.3  # of what is missing to 1, won by one common use
    half_life_days: float = 90.0
    least: float = (
        0.25  # weight from which there is a link: one search whose two results were said to be of use is enough
    )
    gone: float = 0.1  # weight below which a link ends
    moved: float = 0.1  # by so much a weight has to change before the link is drawn anew
    together: int = 20  # memories of one search, the most relevant; their pairs are counted
    degree: int = 8  # links of this kind at one memory, the strongest


DEFAULT: Final = CoRecallSettings()


@dataclass(frozen=True, slots=True)
class Recalled:
    """One memory recalled by one search.

    `useful` and `cited` are None where nobody said, as it is when a search was asked to reinforce what it found.
    """

    memory_id: UUID
    trace_id: UUID
    rank: int
    useful: bool | None
    cited: bool | None
    at: datetime


@dataclass(frozen=True, slots=True)
class CoRecalls:
    """What is known of common use: all recalls of the memories concerned, and the links of this kind at them."""

    recalls: tuple[Recalled, ...] = ()
    edges: tuple[Edge, ...] = ()
    live: frozenset[UUID] = frozenset()  # memories that are in the results; no link is drawn to others
    drawn_here: frozenset[UUID] = frozenset()  # links whose uses were known; where none is left, they were taken back


@dataclass(frozen=True, slots=True)
class Use:
    """A search to which two memories were of use."""

    at: datetime
    relevance: float  # 0..1


def plan_co_recalls(known: CoRecalls, now: datetime, *, settings: CoRecallSettings = DEFAULT) -> list[Change]:
    """Plan how links of common use come, change and go.

    A link is changed by ending it and drawing another, so that a search as of earlier sees the earlier one.
    """
    uses = uses_of(known.recalls, settings=settings)
    weights = {pair: weight_of(some, now, settings=settings) for pair, some in uses.items()}
    together = _found_together(known.recalls)
    present: dict[frozenset[UUID], list[Edge]] = defaultdict(list)
    for edge in known.edges:
        if edge.type != LinkType.CO_RECALLED:
            continue
        pair = frozenset((edge.source, edge.target))
        present[pair].append(edge)
        if pair not in together and edge.id not in known.drawn_here:
            weights[pair] = edge.weight  # nothing is known of where it came from; it stays
    wanted = _strongest(
        {
            pair: weight
            for pair, weight in weights.items()
            if pair <= known.live and weight >= (settings.gone if pair in present else settings.least)
        },
        settings.degree,
    )
    changes: list[Change] = []
    for pair in sorted(present.keys() | wanted.keys(), key=sorted):
        edges = sorted(present.get(pair, ()), key=lambda edge: edge.id)
        weight = wanted.get(pair)
        if weight is not None and edges and abs(edges[0].weight - weight) < settings.moved:
            edges, weight = edges[1:], None  # it is as good as it was
        reason = "of use together no more" if pair not in wanted else "its weight changed"
        changes += [Part(edge.id, Why(Step.CO_RECALLS, reason, score=edge.weight)) for edge in edges]
        if weight is not None:
            earlier, later = sorted(pair)
            why = Why(Step.CO_RECALLS, "of use to the same searches", score=weight)
            changes.append(Join(later, earlier, LinkType.CO_RECALLED, weight, why))
    return changes


def weight_of(uses: Sequence[Use], now: datetime, *, settings: CoRecallSettings = DEFAULT) -> float:
    """Return the weight of a pair, in 0..1, after all its uses up to a moment.

    Used once with relevance 1 the weight is η = .3; a half-life later it is .15, and used again .15 + .3 · .85 = .405:

    >>> from datetime import UTC, timedelta
    >>> once = datetime(2024, 1, 1, tzinfo=UTC)
    >>> later = once + timedelta(days=90)
    >>> weight_of([Use(once, 1.0)], once), weight_of([Use(once, 1.0)], later)
    (0.3, 0.15)
    >>> weight_of([Use(once, 1.0), Use(later, 1.0)], later)
    0.405
    """
    rate = math.log(2) / (settings.half_life_days * _SECONDS_A_DAY)
    weight, since = 0.0, None
    for use in sorted(uses, key=lambda use: (use.at, use.relevance)):
        if use.at > now:
            break
        if since is not None:
            weight *= math.exp(-rate * (use.at - since).total_seconds())
        weight += settings.eta * use.relevance * (1 - weight)
        since = use.at
    if since is not None:
        weight *= math.exp(-rate * (now - since).total_seconds())
    return round(weight, 4)


def uses_of(recalls: Iterable[Recalled], *, settings: CoRecallSettings = DEFAULT) -> dict[frozenset[UUID], list[Use]]:
    """Return the searches to which two memories were of use, by pair."""
    searches: dict[UUID, list[Recalled]] = defaultdict(list)
    for recall in recalls:
        searches[recall.trace_id].append(recall)
    uses: dict[frozenset[UUID], list[Use]] = defaultdict(list)
    for found in searches.values():
        at = max(recall.at for recall in found)
        strength = relevance_of(found)
        best = sorted(strength, key=lambda one: (-strength[one], one))[: settings.together]
        for a, b in combinations(best, 2):
            uses[frozenset((a, b))].append(Use(at, strength[a] * strength[b]))
    return dict(uses)


def relevance_of(recalls: Iterable[Recalled]) -> Mapping[UUID, float]:
    """Return how far each memory was of use to one search: (0, 1], memories of none left out.

    What was said to be of use, or was cited, counts 1; the last judgement counts. What was found by a search that
    reinforces, without a judgement, counts 1/rank.

    >>> from datetime import UTC
    >>> noon = datetime(2024, 5, 8, 12, tzinfo=UTC)
    >>> def found(memory, rank, useful=None):
    ...     return Recalled(UUID(int=memory), UUID(int=0), rank, useful, None, noon)
    >>> list(relevance_of([found(1, 1), found(2, 2), found(3, 3), found(3, 3, True), found(1, 1, False)]).values())
    [0.5, 1.0]
    """
    strength: dict[UUID, float] = {}
    judged: dict[UUID, bool] = {}
    for recall in sorted(recalls, key=lambda r: r.at):
        if recall.useful is None:
            strength[recall.memory_id] = max(strength.get(recall.memory_id, 0.0), 1 / max(1, recall.rank))
            if recall.cited:
                judged[recall.memory_id] = True
        else:
            judged[recall.memory_id] = recall.useful
    strength |= {memory: float(useful) for memory, useful in judged.items()}
    return {memory: value for memory, value in sorted(strength.items()) if value > 0}


def _found_together(recalls: Iterable[Recalled]) -> set[frozenset[UUID]]:
    searches: dict[UUID, set[UUID]] = defaultdict(set)
    for recall in recalls:
        searches[recall.trace_id].add(recall.memory_id)
    return {frozenset(pair) for found in searches.values() for pair in combinations(sorted(found), 2)}


def _strongest(weights: Mapping[frozenset[UUID], float], degree: int) -> dict[frozenset[UUID], float]:
    """Keep the strongest pairs, so that no memory is in more of them than `degree`."""
    count: dict[UUID, int] = defaultdict(int)
    kept: dict[frozenset[UUID], float] = {}
    for pair in sorted(weights, key=lambda pair: (-weights[pair], sorted(pair))):
        if all(count[one] < degree for one in pair):
            kept[pair] = weights[pair]
            for one in pair:
                count[one] += 1
    return kept
