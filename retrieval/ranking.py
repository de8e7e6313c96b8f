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
from retrieval.bm25 import Matches, match
from retrieval.channels import (
    Asked,
    Channel,
    activation_of,
    channel_alone,
    channel_of,
    own_scores,
    question_channels,
    raised,
    relearned,
    scaled,
    signals_of_question,
    statement_channels,
    with_extra,
    with_signals,
)
from retrieval.intent import wants_course, wants_summary
from retrieval.priors import WISH, Signals
from retrieval.query import ParsedQuery
from retrieval.ranking_settings import PRESETS, RankingSettings
from retrieval.router import Route, Routing, route
from retrieval.rows import Rows
from retrieval.segments import over_time
from retrieval.similarity import similarity
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
        score, found = _summed(rest, among=self.found)
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


@dataclass(frozen=True, slots=True)
class Wording:
    """What a query and n rows say to each other in words: all that can be told before the query's vector is there."""

    rows: Rows  # alternatives of a word count as one
    matches: Matches
    signals: Signals  # of a question


def worded(rows: Rows, query: ParsedQuery, *, settings: RankingSettings) -> Wording:
    """Compare the words of a query with those of the rows, in time that an encoder leaves."""
    rows = grouped(rows, query.alternatives)
    return Wording(rows, match(rows, query.terms), signals_of_question(rows, query, settings=settings))


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
    wording: Wording | None = None,
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
        wording: What `worded` returned for the same rows, query and settings; None where nobody asked yet.

    Raises:
        KeyError: there is no such preset.
        ValueError: a weight is negative or not finite, or none is positive.
    """
    settings = PRESETS[preset] if settings is None else settings
    alone, factors = _factors(weights)
    if wording is None:
        wording = worded(rows, query, settings=settings)
    asked = _asked(wording, query, vector=vector, allowed=allowed, alone=alone, factors=factors, settings=settings)
    routing = _routing(asked)
    drafts, signals, activation = _drafted(asked, routing.route)
    with_extra(drafts, signals, extra, asked.factors, settings=asked.settings)
    channels, signals = _counted(asked, drafts, signals, learned)
    score, found = _summed(channels, among=asked.may)
    if routing.route is Route.QUESTION:
        amounts = _wished(asked, score, found, results=results)
        if amounts.any():
            score = score + amounts
            channels, signals = raised(channels, amounts), {**signals, WISH: amounts}
    return Ranked(
        ids=asked.rows.ids,
        order=_ordered(asked, score, found, limit=limit),
        score=score,
        found=found,
        channels=channels,
        signals=signals,
        routing=routing,
        coverage=asked.covered if query.terms else None,
        best_cosine=asked.best_cosine,
        activation=activation,
        learned=learned if asked.alone is None else {},
    )


def _asked(
    wording: Wording,
    query: ParsedQuery,
    *,
    vector: NDArray[np.float32] | None,
    allowed: NDArray[np.bool_] | None,
    alone: str | None,
    factors: Mapping[str, float] | None,
    settings: RankingSettings,
) -> Asked:
    """Measure what all channels go by: how well words match, and how near vectors are."""
    rows, matches = wording.rows, wording.matches
    may = np.ones(len(rows), dtype=np.bool_) if allowed is None else allowed
    return Asked(
        rows=rows,
        query=query,
        vector=vector,
        matches=matches,
        signals=wording.signals,
        near=similarity(rows, vector) if vector is not None and len(rows) else None,
        may=may,
        covered=float(matches.covered[may].max(initial=0.0)),
        alone=alone,
        factors=factors,
        settings=settings,
    )


def _routing(asked: Asked) -> Routing:
    """Choose the path of a query; one that names channels is a question, and so is one that no vector speaks for."""
    if asked.alone is not None:
        return Routing(Route.QUESTION, f"the channel {asked.alone} was asked alone")
    if asked.factors is not None:
        return Routing(Route.QUESTION, "the channels were named")
    if not len(asked.rows):
        return Routing(Route.QUESTION, "there is nothing to rank")
    if asked.near is None:
        return Routing(Route.QUESTION, "there is no vector of the query")
    return route(asked.query, asked.covered, settings=asked.settings.router)


def _drafted(asked: Asked, path: Route) -> tuple[dict[str, Channel], Signals, spreading.Activation | None]:
    """Return what each channel says before the caller's weights and signals count in it, the signals, and the activation."""
    if asked.near is not None and asked.vector is not None and path is Route.STATEMENT:
        return *statement_channels(asked.rows, asked.near, asked.vector, settings=asked.settings), None
    own = own_scores(asked)
    activation = activation_of(asked, own)
    if asked.alone is not None:
        return channel_alone(asked.alone, asked, own, activation), {}, activation
    return question_channels(asked, own, activation), dict(asked.signals), activation


def _counted(
    asked: Asked, drafts: Mapping[str, Channel], signals: Signals, learned: Mapping[str, float]
) -> tuple[Mapping[str, Channel], Signals]:
    """Return the channels with all that counts in them, and the signals among it; a channel alone says its own and no more."""
    if asked.alone is not None:
        return {name: one for name, one in drafts.items() if name == asked.alone}, signals
    channels = relearned(scaled(with_signals(drafts, signals), asked.factors), learned)
    return channels, {name: amount for name, amount in signals.items() if channel_of(name, drafts) in channels}


def _summed(
    channels: Mapping[str, Channel], *, among: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the score of every row, and which of them a channel found: (n,) each."""
    score, found = np.zeros(len(among)), np.zeros(len(among), dtype=np.bool_)
    for channel in channels.values():
        score = score + channel.contribution
        found |= ~np.isnan(channel.score)
    return score, found & among


def _wished(asked: Asked, score: NDArray[np.float64], found: NDArray[np.bool_], *, results: int) -> NDArray[np.float64]:
    """Return what comes to the scores of what was asked for once and for all, nothing where channels are named: (n,)."""
    settings = asked.settings.wishes
    if settings is None or asked.factors is not None or asked.near is None or asked.vector is None:
        return np.zeros(len(score))
    first = min(settings.first, results)
    wanted = wishes_for(asked.rows, asked.query, asked.vector, found, most=first // settings.one_in, settings=settings)
    if not wanted:
        return np.zeros(len(score))
    best = best_first(score, found, asked.rows.ids, limit=first + len(wanted))
    return lift(score, best, wanted, results=first)


def _ordered(asked: Asked, score: NDArray[np.float64], found: NDArray[np.bool_], *, limit: int) -> NDArray[np.intp]:
    """Return the rows that were found, best first, spread as the query asks; of a channel alone by their scores alone."""
    rows, query = asked.rows, asked.query
    segments, summaries = asked.settings.segments, asked.settings.summaries
    if asked.alone is not None:
        return best_first(score, found, rows.ids, limit=limit)
    if summaries is not None and rows.episode is not None and wants_summary(query.text):
        everything = best_first(score, found, rows.ids, limit=len(rows))
        return by_episode(everything, score, rows.episode, settings=summaries)[:limit]
    if segments is not None and wants_course(query.text):
        wide = best_first(score, found, rows.ids, limit=max(limit, segments.considered))
        return over_time(wide, rows.in_time(), among=found, settings=segments)[:limit]
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
