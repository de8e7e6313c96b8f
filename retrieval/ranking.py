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

from retrieval import spreading, temporal
from retrieval.alternatives import grouped
from retrieval.bm25 import Matches, match
from retrieval.contiguity import (
    ContiguitySettings,
    answer_scores,
    following_scores,
    neighbour_scores,
    session_scores,
)
from retrieval.granularity import session_share
from retrieval.hopfield import associate
from retrieval.intent import wants_course
from retrieval.priors import CHANNEL_OF, PriorSettings, Signals, question_signals, statement_signals
from retrieval.query import ParsedQuery
from retrieval.router import Route, RouterSettings, Routing, route
from retrieval.rows import NONE, Rows
from retrieval.segments import SegmentSettings, over_time
from retrieval.similarity import Similarity, distinct_similarity, similarity
from retrieval.standard import spread, standardised

CHANNELS: Final = ("vector", "keyword", "graph", "temporal", "hopfield")
_PLACES: Final = 9  # decimals of a score that order; rounding below them depends on where a row stands in memory
_NOTHING: Final[Mapping[str, NDArray[np.float64]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RankingSettings:
    """One configuration for all data; the amounts were chosen on plateaus of development data."""

    keywords: float = 0.3  # of the keyword channel; the vector channel has the rest
    trusted_coverage: float = 0.5  # from here on keywords have their full weight
    keys: float = (
        0.0  # of the vector channel: vectors beside those of the text; answers are found by contiguity instead
    )
    following: float = 0.2  # for statements: the turn after
    graph: float = 0.1  # activation that reached a row over what it has in common with the best
    hopfield: float = (
        0.0  # nearness to the completed cue; nothing by default, see docs/discussion/associative-memory.md
    )
    hopfield_asked: float = 0.2  # the same where the caller names the channel among others
    completed: int = 300  # rows nearest to the cue, from which it is completed
    extra: Mapping[str, float] = field(default_factory=dict)  # channels given by the caller; what is not named is off
    asked: float = 0.5  # of a channel that is off by default and that the caller names among several
    routes_granularity: bool = True  # sessions count the more, the better they are told apart beside the turns
    contiguity: ContiguitySettings = field(default_factory=ContiguitySettings)
    priors: PriorSettings = field(default_factory=PriorSettings)
    router: RouterSettings = field(default_factory=RouterSettings)
    segments: SegmentSettings | None = field(default_factory=SegmentSettings)  # None: never spread over time


DEFAULT: Final = RankingSettings()
# Spreading activation is the dearest channel of a large namespace; `fast` does without.
PRESETS: Final[Mapping[str, RankingSettings]] = {
    "fast": replace(DEFAULT, graph=0.0),
    "balanced": DEFAULT,
    "thorough": DEFAULT,
}


@dataclass(frozen=True, slots=True)
class Channel:
    """What one channel says of the rows."""

    weight: float
    score: NDArray[np.float64]  # (n,) as the channel counts, NaN where it did not find the row
    contribution: NDArray[np.float64]  # (n,) to the total score


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

    def without(self, channel: str, *, limit: int | None = None) -> NDArray[np.intp]:
        """Return the order there would be if one channel were silent; the rows found stay the same."""
        score = self.score - self.channels[channel].contribution if channel in self.channels else self.score
        return best_first(score, self.found, self.ids, limit=len(self.order) if limit is None else limit)

    def rank_of(self, row: int, *, score: NDArray[np.float64] | None = None) -> int | None:
        """Return the rank of any row, also beyond `order`, by the total or by another (n,) score; None if not found."""
        if not self.found[row]:
            return None
        values = np.round(self.score if score is None else score, _PLACES)
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
    now: float = math.nan,
    extra: Mapping[str, NDArray[np.float64]] = _NOTHING,
    limit: int = 200,
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
        now: Seconds since the epoch.
        extra: Scores of further channels, (n,) with NaN where a channel did not find the row, by channel name.
        limit: How many rows `order` holds.
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
    routing = route(query, covered, settings=chosen.router)
    if alone is not None:
        routing = Routing(Route.QUESTION, f"the channel {alone} was asked alone")
    elif near is None:
        routing = Routing(Route.QUESTION, "there is no vector of the query")
    activation = None
    if near is not None and vector is not None and routing.route is Route.STATEMENT:
        drafts, signals = _statement(rows, near, vector, settings=chosen)
    else:
        own = _own(rows, near, matches, covered, settings=chosen)
        activation = _activation(alone, factors, rows, query, own, settings=chosen)
        if alone is not None:
            drafts, signals = _alone(alone, rows, query, near, matches, own, vector, activation, settings=chosen), {}
        else:
            drafts, signals = _question(rows, query, near, matches, own, vector, factors, activation, settings=chosen)
    _with_extra(drafts, signals, extra, factors, settings=chosen)
    if alone is not None:
        channels = {alone: drafts[alone]} if alone in drafts else {}
    else:
        channels = _relearned(_scaled(_with_signals(drafts, signals), factors), learned)
        signals = {name: amount for name, amount in signals.items() if _channel_of(name, drafts) in channels}
    score = np.zeros(len(rows))
    found = np.zeros(len(rows), dtype=np.bool_)
    for channel in channels.values():
        score = score + channel.contribution
        found |= ~np.isnan(channel.score)
    found &= may
    order = best_first(score, found, rows.ids, limit=limit)
    if chosen.segments is not None and alone is None and wants_course(query.text):
        wide = best_first(score, found, rows.ids, limit=max(limit, chosen.segments.considered))
        order = over_time(wide, rows.observed_at, settings=chosen.segments)[:limit]
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
        known = np.sort(channel.score[ranked.found & ~np.isnan(channel.score)])
        raw = channel.score[rows]
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


@dataclass(frozen=True, slots=True)
class _Own:
    """What a row's own words and meaning say of it, before its surroundings do."""

    keyword: float  # the share of the keyword channel
    words: NDArray[np.float64]  # (n,)
    meaning: NDArray[np.float64]  # (n,)

    @property
    def total(self) -> NDArray[np.float64]:
        """The fused score: (n,), deviation 1."""
        return self.words + self.meaning


def _own(rows: Rows, near: Similarity | None, matches: Matches, covered: float, *, settings: RankingSettings) -> _Own:
    """Fuse words and meaning; keywords count the less, the fewer of the query's words the namespace knows."""
    keyword = settings.keywords * min(1.0, covered / settings.trusted_coverage) if near else 1.0
    words = keyword * standardised(matches.score)
    meaning = np.zeros(len(rows))
    if near is not None:
        meaning = (1 - keyword) * standardised(_cosines(near, settings=settings))
    deviation = spread(words + meaning) or 1.0
    return _Own(keyword, words / deviation, meaning / deviation)


def _cosines(near: Similarity, *, settings: RankingSettings) -> NDArray[np.float64]:
    return (1 - settings.keys) * near.text + settings.keys * near.key


def _activation(
    alone: str | None,
    factors: Mapping[str, float] | None,
    rows: Rows,
    query: ParsedQuery,
    own: _Own,
    *,
    settings: RankingSettings,
) -> spreading.Activation | None:
    """Let activation spread, where the graph channel takes part."""
    if alone is not None:
        return spreading.spread(rows, query, own.total, settings=spreading.ALONE) if alone == "graph" else None
    # Where only roles speak, names are mostly those of things under discussion, and what they have in common misleads.
    if settings.graph > 0 and rows.speakers and _takes_part("graph", factors):
        return spreading.spread(rows, query, own.total)
    return None


def _question(
    rows: Rows,
    query: ParsedQuery,
    near: Similarity | None,
    matches: Matches,
    own: _Own,
    vector: NDArray[np.float32] | None,
    factors: Mapping[str, float] | None,
    activation: spreading.Activation | None,
    *,
    settings: RankingSettings,
) -> tuple[dict[str, Channel], Signals]:
    """Rank by what the query asks for: words and meaning, their surroundings, and what a question wants."""
    total = own.total
    sessions = session_scores(rows, query.terms, total, settings=settings.contiguity)
    mean_weight = (settings.contiguity.session_words + settings.contiguity.session_best) / 2
    if settings.routes_granularity and mean_weight > 0:
        # Told apart as they are, not as little as they count; even shares leave the amounts as they are.
        sessions = 2 * session_share(total, sessions / mean_weight, rows.session) * sessions
    around = (
        neighbour_scores(rows, total, settings=settings.contiguity)
        + sessions
        + settings.contiguity.answer * answer_scores(rows, total)
    )
    channels = {"keyword": Channel(own.keyword, np.where(matches.score > 0, matches.score, np.nan), own.words)}
    if near is not None:
        channels["vector"] = Channel(1 - own.keyword, _cosines(near, settings=settings), own.meaning)
    channels["temporal"] = Channel(1.0, np.where(rows.session == NONE, np.nan, around), around)
    if activation is not None:
        reached = activation.score
        channels["graph"] = Channel(settings.graph, reached, settings.graph * standardised(np.nan_to_num(reached)))
    hopfield = settings.hopfield or (settings.hopfield_asked if factors and factors.get("hopfield") else 0.0)
    if hopfield > 0 and near is not None and vector is not None and _takes_part("hopfield", factors):
        nearness = associate(rows, vector, _nearest(near, settings.completed)).scores
        filled = np.where(np.isnan(nearness), np.nanmin(nearness), nearness)
        channels["hopfield"] = Channel(hopfield, nearness, hopfield * standardised(filled))
    return channels, question_signals(rows, query, settings=settings.priors)


def _alone(
    name: str,
    rows: Rows,
    query: ParsedQuery,
    near: Similarity | None,
    matches: Matches,
    own: _Own,
    vector: NDArray[np.float32] | None,
    activation: spreading.Activation | None,
    *,
    settings: RankingSettings,
) -> dict[str, Channel]:
    """Rank by one channel's own score; rows it did not find have none."""
    score: NDArray[np.float64] | None = None
    match name:
        case "keyword":
            score = np.where(matches.score > 0, matches.score, np.nan)
        case "vector" if near is not None:
            score = _cosines(near, settings=settings)
        case "graph" if activation is not None:
            score = activation.score
        case "temporal":
            score = temporal.score(rows, temporal.cue_of(query), own.total)
        case "hopfield" if near is not None and vector is not None:
            score = associate(rows, vector, _nearest(near, settings.completed)).scores
    return {} if score is None else {name: Channel(1.0, score, np.nan_to_num(score))}


def _nearest(near: Similarity, count: int) -> NDArray[np.intp]:
    """Return the rows nearest to the query, in no order."""
    n = len(near.text)
    return np.argpartition(near.text, n - count)[n - count :] if n > count else np.arange(n)


def _takes_part(name: str, factors: Mapping[str, float] | None) -> bool:
    return factors is None or factors.get(name, 0.0) > 0


def _statement(
    rows: Rows, near: Similarity, vector: NDArray[np.float32], *, settings: RankingSettings
) -> tuple[dict[str, Channel], Signals]:
    """Rank by what the query hints at: meaning apart from the usual topics, and what a statement calls for."""
    distinct = distinct_similarity(rows, vector)
    own = standardised(distinct)
    around = settings.following * following_scores(rows, own)
    channels = {
        "vector": Channel(1.0, near.text, own),
        "temporal": Channel(settings.following, np.where(rows.session == NONE, np.nan, around), around),
    }
    return channels, statement_signals(rows, settings=settings.priors)


def _with_extra(
    channels: dict[str, Channel],
    signals: Signals,
    extra: Mapping[str, NDArray[np.float64]],
    factors: Mapping[str, float] | None,
    *,
    settings: RankingSettings,
) -> None:
    """Add scores that the caller computed: to their channel, or as a signal where they are none of the five."""
    for name, score in extra.items():
        asked = factors is not None and factors.get(name, 0.0) > 0
        weight = settings.extra.get(name, settings.asked if asked else 0.0)
        if weight == 0 and not asked:
            continue
        known = ~np.isnan(score)
        filled = np.where(known, score, min(0.0, float(score[known].min())) if known.any() else 0.0)
        amount = weight * standardised(filled)
        if name not in CHANNELS:
            signals[name] = amount
        elif name in channels:
            old = channels[name]
            raw = np.where(np.isnan(old.score) & ~known, np.nan, np.nan_to_num(old.score) + amount)
            channels[name] = Channel(old.weight, raw, old.contribution + amount)
        else:
            channels[name] = Channel(weight, score, amount)


def _with_signals(channels: Mapping[str, Channel], signals: Signals) -> dict[str, Channel]:
    """Count every signal in the contribution of its channel."""
    whole = dict(channels)
    for name, amount in signals.items():
        of = _channel_of(name, channels)
        if of in whole:
            one = whole[of]
            whole[of] = Channel(one.weight, one.score, one.contribution + amount)
        else:
            whole[of] = Channel(1.0, np.full(len(amount), np.nan), amount)
    return whole


def _channel_of(signal: str, channels: Mapping[str, Channel]) -> str:
    """Return the channel a signal belongs to: how a text is worded counts with the vectors where keywords have no say."""
    name = CHANNEL_OF.get(signal, "vector")
    return "vector" if name == "keyword" and "keyword" not in channels else name


def _scaled(channels: Mapping[str, Channel], factors: Mapping[str, float] | None) -> dict[str, Channel]:
    """Multiply the contributions by the caller's factors and leave out what has no weight."""
    if factors is not None:
        channels = {
            name: Channel(one.weight * factors[name], one.score, one.contribution * factors[name])
            for name, one in channels.items()
            if factors.get(name, 0.0) > 0
        }
    return {name: channels[name] for name in CHANNELS if name in channels and channels[name].weight > 0}


def _relearned(channels: Mapping[str, Channel], learned: Mapping[str, float]) -> dict[str, Channel]:
    """Multiply whole contributions, signals included, by learned factors."""
    return {
        name: Channel(one.weight * learned.get(name, 1.0), one.score, one.contribution * learned.get(name, 1.0))
        for name, one in channels.items()
    }
