"""Put the channels together into one ranking, and say what each contributed to every row.

    score = Σ contributions of the channels

Channels are standardised over the rows (z = (x − mean) / deviation) and weighed; a weighted sum of z-scores stands 6
points of recall@10 above reciprocal rank fusion on LoCoMo. The fused vector and keyword score is standardised once more,
so that what comes on top of it (neighbours, session, signals) weighs the same for every query. Signals are amounts with a
name that count in the contribution of the channel they belong to (``priors``).

A *score* is higher-is-better, a *rank* starts at 1, ties are broken by id: no plan and no order of arrival changes them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval import spreading
from retrieval.alternatives import grouped
from retrieval.bm25 import match
from retrieval.channels import (
    Channel,
    activation_of,
    channel_alone,
    channel_of,
    own_scores,
    question_channels,
    raised,
    relearned,
    scaled,
    statement_channels,
    with_extra,
    with_signals,
)
from retrieval.intent import wants_course, wants_summary
from retrieval.priors import WISH
from retrieval.query import ParsedQuery
from retrieval.ranking_settings import PRESETS, RankingSettings
from retrieval.router import Route, Routing, route
from retrieval.rows import Rows
from retrieval.segments import over_time
from retrieval.similarity import Similarity, similarity
from retrieval.summaries import by_episode
from retrieval.wishes import lift, wishes_for

_PLACES: Final = 9  # decimals of a score that order; rounding below them depends on where a row stands in memory
_NOTHING: Final[Mapping[str, NDArray[np.float64]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChannelCell:
    """What one channel said of one row; no rank and no score where it did not find it."""

    rank: int | None
    score: float | None
    weight: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Shown:
    """One row of the ranking with its explanation; the contributions add up to the score."""

    row: int
    id: UUID
    rank: int
    score: float
    channels: Mapping[str, ChannelCell]
    signals: Mapping[str, float]  # what of the contributions are signals, by name


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranking of n rows."""

    ids: Sequence[UUID]
    order: NDArray[np.intp]  # rows found, best first, as many as were asked for
    score: NDArray[np.float64]  # (n,)
    found: NDArray[np.bool_]  # (n,) whether a channel with weight found the row and it is allowed
    channels: Mapping[str, Channel]
    signals: Mapping[str, NDArray[np.float64]]
    routing: Routing
    coverage: float | None  # of the query's words by the best row, 0..1; None where no keywords were asked
    best_cosine: float | None
    activation: spreading.Activation | None = None  # of the graph channel, where it took part; it tells the reasons
    learned: Mapping[str, float] = field(default_factory=dict)  # factors that the contributions already have in them

    def without(self, channel: str) -> "Ranked":
        """Return the ranking there would be if one channel were silent: what no other found is not found, and has no rank."""
        rest = {name: other for name, other in self.channels.items() if name != channel}
        score, found = np.zeros_like(self.score), np.zeros_like(self.found)
        for other in rest.values():
            score = score + other.contribution
            found |= ~np.isnan(other.score)
        found &= self.found
        order = best_first(score, found, self.ids, limit=len(self.order))
        return replace(self, order=order, score=score, found=found, channels=rest)

    def rank_of(self, row: int) -> int | None:
        """Return the rank of any row by its score, also beyond `order`; None if not found."""
        if not self.found[row]:
            return None
        values = np.round(self.score, _PLACES)
        equal = np.flatnonzero(self.found & (values == values[row]))
        above = int(np.count_nonzero(self.found & (values > values[row])))
        return 1 + above + sum(self.ids[other] < self.ids[row] for other in equal.tolist())

    def shown(self, k: int) -> list[Shown]:
        """Explain the first k rows of the order."""
        return explain(self, self.order[:k])


def rank(
    rows: Rows,
    query: ParsedQuery,
    *,
    vector: NDArray[np.float32] | None,
    allowed: NDArray[np.bool_] | None = None,
    weights: Mapping[str, float] | None = None,
    learned: Mapping[str, float] = MappingProxyType({}),
    preset: str = "balanced",
    extra: Mapping[str, NDArray[np.float64]] = _NOTHING,
    limit: int = 200,
    results: int = 10,
    settings: RankingSettings | None = None,
) -> Ranked:
    """Rank memories.

    Args:
        rows: What there is to rank; statistics are over all of it.
        query: What was understood of the query.
        vector: float32[d], the query encoded as `query.spoken` and normalised; None leaves the vector channel out.
        allowed: (n,) which rows may be found; None for all. The others still are neighbours and count in statistics.
        weights: Of channels, by the caller. One name: that channel alone ranks. Several: factors on the usual weights,
            relative to the largest; channels not named are off.
        learned: Factors on whole channels on top of that (``learning``); channels not named have 1. They turn none on or off.
        preset: A name in `PRESETS`.
        extra: Scores of further channels, (n,) with NaN where a channel did not find the row, by channel name.
        limit: How many rows `order` holds.
        results: How many of them will be shown, for what has to stand among them.
        settings: In place of those of the preset.

    Raises:
        KeyError: there is no such preset.
        ValueError: a weight is negative or not finite, or none is positive.
    """
    chosen = PRESETS[preset] if settings is None else settings
    alone, factors = _factors(weights)
    rows = grouped(rows, query.alternatives)
    matches = match(rows, query.terms)
    near = similarity(rows, vector) if vector is not None and len(rows) else None
    may = np.ones(len(rows), dtype=np.bool_) if allowed is None else allowed
    covered = float(matches.covered[may].max(initial=0.0))
    routing = _routing(alone, factors, rows, near, query, covered, settings=chosen)
    activation = None
    if near is not None and vector is not None and routing.route is Route.STATEMENT:
        drafts, signals = statement_channels(rows, near, vector, settings=chosen)
    else:
        own = own_scores(rows, near, matches, covered, settings=chosen)
        activation = activation_of(alone, factors, rows, query, own, may, settings=chosen)
        if alone is not None:
            drafts, signals = (
                channel_alone(alone, rows, query, near, matches, own, vector, activation, may, settings=chosen),
                {},
            )
        else:
            drafts, signals = question_channels(
                rows, query, near, matches, own, vector, factors, activation, may, settings=chosen
            )
    with_extra(drafts, signals, extra, factors, settings=chosen)
    if alone is not None:
        channels = {alone: drafts[alone]} if alone in drafts else {}
    else:
        channels = relearned(scaled(with_signals(drafts, signals), factors), learned)
        signals = {name: amount for name, amount in signals.items() if channel_of(name, drafts) in channels}
    score = np.zeros(len(rows))
    found = np.zeros(len(rows), dtype=np.bool_)
    for channel in channels.values():
        score = score + channel.contribution
        found |= ~np.isnan(channel.score)
    found &= may
    told = weights is None and near is not None and routing.route is Route.QUESTION
    if told and vector is not None and chosen.wishes is not None:
        first = min(chosen.wishes.first, results)
        most = first // chosen.wishes.one_in
        wanted = wishes_for(rows, query, vector, found, most=most, settings=chosen.wishes)
        if wanted:
            best = best_first(score, found, rows.ids, limit=first + len(wanted))
            amounts = lift(score, best, wanted, results=first)
            if amounts.any():
                score = score + amounts
                channels, signals = raised(channels, amounts), {**signals, WISH: amounts}
    order = _ordered(rows, query, score, found, limit=limit, settings=None if alone is not None else chosen)
    return Ranked(
        ids=rows.ids,
        order=order,
        score=score,
        found=found,
        channels=channels,
        signals=signals,
        routing=routing,
        coverage=covered if query.terms else None,
        best_cosine=float(near.text[may].max()) if near is not None and may.any() else None,
        activation=activation,
        learned=learned if alone is None else {},
    )


def _routing(
    alone: str | None,
    factors: Mapping[str, float] | None,
    rows: Rows,
    near: Similarity | None,
    query: ParsedQuery,
    covered: float,
    *,
    settings: RankingSettings,
) -> Routing:
    """Choose the path of a query; one that names channels is a question, and so is one that no vector speaks for."""
    if alone is not None:
        return Routing(Route.QUESTION, f"the channel {alone} was asked alone")
    if factors is not None:
        return Routing(Route.QUESTION, "the channels were named")
    if not len(rows):
        return Routing(Route.QUESTION, "there is nothing to rank")
    if near is None:
        return Routing(Route.QUESTION, "there is no vector of the query")
    return route(query, covered, settings=settings.router)


def _ordered(
    rows: Rows,
    query: ParsedQuery,
    score: NDArray[np.float64],
    found: NDArray[np.bool_],
    *,
    limit: int,
    settings: RankingSettings | None,
) -> NDArray[np.intp]:
    """Return the rows that were found, best first, spread as the query asks; without settings by their scores alone."""
    if (
        settings is not None
        and settings.summaries is not None
        and rows.episode is not None
        and wants_summary(query.text)
    ):
        everything = best_first(score, found, rows.ids, limit=len(rows))
        return by_episode(everything, score, rows.episode, settings=settings.summaries)[:limit]
    if settings is not None and settings.segments is not None and wants_course(query.text):
        wide = best_first(score, found, rows.ids, limit=max(limit, settings.segments.considered))
        return over_time(wide, rows.in_time(), among=found, settings=settings.segments)[:limit]
    return best_first(score, found, rows.ids, limit=limit)


def best_first(
    score: NDArray[np.float64], found: NDArray[np.bool_], ids: Sequence[UUID], *, limit: int
) -> NDArray[np.intp]:
    """Return the ``limit`` best of the found rows by falling score, equal ones by id.

    >>> best_first(np.array([1.0, 3.0, 3.0]), np.ones(3, bool), [UUID(int=1), UUID(int=9), UUID(int=4)], limit=2).tolist()
    [2, 1]
    """
    rows = np.flatnonzero(found)
    if limit <= 0 or len(rows) == 0:
        return np.empty(0, dtype=np.intp)
    values = np.round(score[rows], _PLACES)
    if limit < len(rows):
        # Everything that ties with the last place takes part, so that ids decide and not the partition.
        last = np.partition(values, len(values) - limit)[len(values) - limit]
        kept = values >= last
        rows, values = rows[kept], values[kept]
    order = np.argsort(-values, kind="stable")
    rows, values = rows[order], values[order]
    ties = np.flatnonzero(values[1:] == values[:-1])
    if len(ties):
        keys = sorted(range(len(rows)), key=lambda place: (-values[place], ids[int(rows[place])]))
        rows = rows[keys]
    return rows[:limit]


def explain(ranked: Ranked, rows: NDArray[np.intp]) -> list[Shown]:
    """Explain some rows that are in the order, in the order given."""
    cells: dict[str, list[ChannelCell]] = {}
    for name, channel in ranked.channels.items():
        raw = channel.score[rows]
        # Only what is at least as good as the worst of the rows decides their ranks; no comparison holds for NaN.
        lowest = np.fmin.reduce(raw, initial=np.inf)
        known = np.sort(channel.score[ranked.found & (channel.score >= lowest)])
        # Equal scores share the better rank.
        ranks = len(known) - np.searchsorted(known, raw, side="right") + 1
        cells[name] = [
            ChannelCell(None, None, channel.weight, contribution)
            if math.isnan(score)
            else ChannelCell(place, score, channel.weight, contribution)
            for place, score, contribution in zip(
                ranks.tolist(), raw.tolist(), channel.contribution[rows].tolist(), strict=True
            )
        ]
    signals = {name: amount[rows].tolist() for name, amount in ranked.signals.items()}
    places = {row: place for place, row in enumerate(ranked.order.tolist(), start=1)}
    return [
        Shown(
            row=row,
            id=ranked.ids[row],
            rank=places[row] if row in places else ranked.rank_of(row) or 0,
            score=score,
            channels={name: column[at] for name, column in cells.items()},
            signals={name: column[at] for name, column in signals.items()},
        )
        for at, (row, score) in enumerate(zip(rows.tolist(), ranked.score[rows].tolist(), strict=True))
    ]


def _factors(weights: Mapping[str, float] | None) -> tuple[str | None, Mapping[str, float] | None]:
    """Return the one channel asked alone, if so, and the factors on the usual weights, None for as they are."""
    if weights is None:
        return None, None
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"the weight of channel {name!r} must be a finite number of at least 0, not {weight}")
    positive = {name: weight for name, weight in weights.items() if weight > 0}
    if not positive:
        raise ValueError("at least one channel needs a weight above 0")
    largest = max(positive.values())
    alone = next(iter(positive)) if len(positive) == 1 else None
    return alone, {name: weight / largest for name, weight in positive.items()}
