"""What each channel says of the rows: a score in its own unit, a weight, and what it contributes to the ranking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory_service.analysis.traits import traits
from retrieval import spreading, temporal
from retrieval.bm25 import Matches
from retrieval.breadth import breadth_scores
from retrieval.contiguity import answer_scores, following_scores, neighbour_scores, session_scores
from retrieval.granularity import first_of_each, session_share
from retrieval.hopfield import associate
from retrieval.intent import wants_course, wants_summary
from retrieval.priors import CHANNEL_OF, WISH, Signals, question_signals, statement_signals
from retrieval.query import ParsedQuery
from retrieval.ranking_settings import RankingSettings
from retrieval.rows import NONE, Rows
from retrieval.similarity import Similarity, distinct_similarity
from retrieval.standard import spread, standardised
from retrieval.summaries import openings

CHANNELS: Final = ("vector", "keyword", "graph", "temporal", "hopfield")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, the n rows it is asked of, and what is measured of both once for all channels."""

    rows: Rows
    query: ParsedQuery
    vector: NDArray[np.float32] | None  # (d,) the query, normalised
    matches: Matches
    signals: Signals  # of a question
    near: Similarity | None  # None: no vector speaks for the query, or there is nothing to compare it with
    may: NDArray[np.bool_]  # (n,) which rows may be found
    covered: float  # of the query's words by the best row that may be found, 0..1
    alone: str | None  # the one channel that is asked
    factors: Mapping[str, float] | None  # on the usual weights, by channel; None: as they are
    settings: RankingSettings

    @property
    def best_cosine(self) -> float | None:
        """The cosine of the nearest text that may be found; None where there is none."""
        return float(self.near.text[self.may].max()) if self.near is not None and self.may.any() else None


@dataclass(frozen=True, slots=True)
class Channel:
    """What one channel says of the rows."""

    weight: float
    score: NDArray[np.float64]  # (n,) as the channel counts, NaN where it did not find the row
    contribution: NDArray[np.float64]  # (n,) to the total score


@dataclass(frozen=True, slots=True)
class Own:
    """What a row's own words and meaning say of it, before its surroundings do."""

    keyword: float  # the share of the keyword channel
    words: NDArray[np.float64]  # (n,)
    meaning: NDArray[np.float64]  # (n,)

    @property
    def total(self) -> NDArray[np.float64]:
        """The fused score: (n,), deviation 1."""
        return self.words + self.meaning


def own_scores(asked: Asked) -> Own:
    """Fuse words and meaning; keywords count the less, the fewer of the query's words the namespace knows."""
    near, settings = asked.near, asked.settings
    keyword = 1.0 if near is None else settings.keywords * min(1.0, asked.covered / settings.trusted_coverage)
    words = keyword * standardised(asked.matches.score)
    meaning = np.zeros(len(asked.rows))
    if near is not None:
        meaning = (1 - keyword) * standardised(_cosines(near, settings=settings))
    deviation = spread(words + meaning) or 1.0
    return Own(keyword, words / deviation, meaning / deviation)


def _cosines(near: Similarity, *, settings: RankingSettings) -> NDArray[np.float64]:
    return (1 - settings.keys) * near.text + settings.keys * near.key


def activation_of(asked: Asked, own: Own) -> spreading.Activation | None:
    """Let activation spread from rows that may be found, where the graph channel takes part."""
    match = _of_allowed(own, asked.may)
    if asked.alone is not None:
        alone = asked.alone == "graph"
        return spreading.spread(asked.rows, asked.query, match, settings=spreading.ALONE) if alone else None
    # Of what roles say names are mostly those of things under discussion, and what they have in common misleads: where only
    # roles speak, and, unless the caller names channels, where a user asks for their own.
    theirs = asked.factors is None and asked.query.speaker is None and _of_asker(asked.query)
    people = bool(asked.rows.speakers) and not theirs
    if asked.settings.graph > 0 and people and _takes_part("graph", asked.factors):
        return spreading.spread(asked.rows, asked.query, match)
    return None


def _of_asker(query: ParsedQuery) -> bool:
    return traits(query.text, query.language).first_person > 0


def question_channels(asked: Asked, own: Own, activation: spreading.Activation | None) -> dict[str, Channel]:
    """Rank by what the query asks for: words and meaning, and their surroundings."""
    settings = asked.settings
    around = _surroundings(asked, own.total)
    channels = {"keyword": Channel(own.keyword, _keyword_scores(asked), own.words)}
    if asked.near is not None:
        channels["vector"] = Channel(1 - own.keyword, _cosines(asked.near, settings=settings), own.meaning)
    channels["temporal"] = Channel(1.0, np.where(asked.rows.session == NONE, np.nan, around), around)
    if activation is not None:
        reached = activation.score
        channels["graph"] = Channel(settings.graph, reached, settings.graph * standardised(np.nan_to_num(reached)))
    if (completed := _completed(asked)) is not None:
        channels["hopfield"] = completed
    return channels


def _keyword_scores(asked: Asked) -> NDArray[np.float64]:
    scores = asked.matches.score
    return np.where(scores > 0, scores, np.nan)


def _surroundings(asked: Asked, total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what neighbours, sessions and answers say of each row: (n,)."""
    rows, settings = asked.rows, asked.settings
    sessions = session_scores(rows, asked.query.terms, total, settings=settings.contiguity)
    mean_weight = (settings.contiguity.session_words + settings.contiguity.session_best) / 2
    if settings.routes_granularity and mean_weight > 0 and sessions.any():
        # Told apart as they are, not as little as they count; even shares leave the amounts as they are.
        first = rows.once("first of sessions", lambda: first_of_each(rows.session))
        sessions = 2 * session_share(total, sessions / mean_weight, first) * sessions
    around = (
        neighbour_scores(rows, total, settings=settings.contiguity)
        + sessions
        + settings.contiguity.answer * answer_scores(rows, total)
    )
    if wants_course(asked.query.text):
        around = around + breadth_scores(rows, total, settings=settings.breadth)
    return around


def _completed(asked: Asked) -> Channel | None:
    """Return how near rows are to the completed cue; None where that channel takes no part."""
    settings, factors = asked.settings, asked.factors
    weight = settings.hopfield or (settings.hopfield_asked if factors and factors.get("hopfield") else 0.0)
    if weight <= 0 or not _takes_part("hopfield", factors):
        return None
    nearness = _nearness(asked)
    if nearness is None:
        return None
    known = np.isfinite(nearness)
    filled = np.where(known, nearness, nearness[known].min() if known.any() else 0.0)
    return Channel(weight, nearness, weight * standardised(filled))


def _nearness(asked: Asked) -> NDArray[np.float64] | None:
    """Complete the cue from the rows nearest to it and compare it with all: (n,); None without a vector."""
    if asked.near is None or asked.vector is None:
        return None
    return associate(asked.rows, asked.vector, _nearest(asked.near, asked.may, asked.settings.completed)).scores


def signals_of_question(rows: Rows, query: ParsedQuery, *, settings: RankingSettings) -> Signals:
    """Say what a question wants of each row beside the channels."""
    priors, summaries = settings.priors, settings.summaries
    signals = question_signals(rows, query, settings=priors)
    if summaries is not None and priors.opening and rows.episode is not None and wants_summary(query.text):
        near_openings = rows.once(("openings", summaries), lambda: openings(rows.observed_at, settings=summaries))
        signals["opening"] = priors.opening * near_openings
    return signals


def channel_alone(name: str, asked: Asked, own: Own, activation: spreading.Activation | None) -> dict[str, Channel]:
    """Rank by one channel's own score; rows it did not find have none."""
    score: NDArray[np.float64] | None = None
    match name:
        case "keyword":
            score = _keyword_scores(asked)
        case "vector" if asked.near is not None:
            score = _cosines(asked.near, settings=asked.settings)
        case "graph" if activation is not None:
            score = activation.score
        case "temporal":
            score = temporal.score(asked.rows, temporal.cue_of(asked.query), _of_allowed(own, asked.may))
        case "hopfield":
            score = _nearness(asked)
    return {} if score is None else {name: Channel(1.0, score, np.nan_to_num(score))}


def _of_allowed(own: Own, may: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the fused score of rows that may be found, NaN elsewhere: only they may lead to others."""
    return own.total if may.all() else np.where(may, own.total, np.nan)


def _nearest(near: Similarity, may: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """Return the rows nearest to the query among those that may be found, in no order."""
    rows = np.flatnonzero(may)
    n = len(rows)
    return rows[np.argpartition(near.text[rows], n - count)[n - count :]] if n > count else rows


def _takes_part(name: str, factors: Mapping[str, float] | None) -> bool:
    return factors is None or factors.get(name, 0.0) > 0


def statement_channels(
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


def with_extra(
    channels: dict[str, Channel],
    signals: Signals,
    extra: Mapping[str, NDArray[np.float64]],
    factors: Mapping[str, float] | None,
    *,
    settings: RankingSettings,
) -> None:
    """Add scores that the caller computed: to their channel, or as a signal where they are none of the five."""
    for name, score in extra.items():
        named = factors is not None and factors.get(name, 0.0) > 0
        weight = settings.extra.get(name, settings.asked if named else 0.0)
        if weight == 0 and not named:
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


def with_signals(channels: Mapping[str, Channel], signals: Signals) -> dict[str, Channel]:
    """Count every signal in the contribution of its channel."""
    whole = dict(channels)
    for name, amount in signals.items():
        of = channel_of(name, channels)
        if of in whole:
            one = whole[of]
            whole[of] = Channel(one.weight, one.score, one.contribution + amount)
        else:
            whole[of] = Channel(1.0, np.full(len(amount), np.nan), amount)
    return whole


def raised(channels: Mapping[str, Channel], amounts: NDArray[np.float64]) -> dict[str, Channel]:
    """Count what wishes are raised by in the contribution of their channel, behind all factors."""
    name = CHANNEL_OF[WISH]
    one = channels.get(name, Channel(1.0, np.full(len(amounts), np.nan), np.zeros(len(amounts))))
    return {**channels, name: Channel(one.weight, one.score, one.contribution + amounts)}


def channel_of(signal: str, channels: Mapping[str, Channel]) -> str:
    """Return the channel a signal belongs to: how a text is worded counts with the vectors where keywords have no say."""
    name = CHANNEL_OF.get(signal, "vector")
    return "vector" if name == "keyword" and "keyword" not in channels else name


def scaled(channels: Mapping[str, Channel], factors: Mapping[str, float] | None) -> dict[str, Channel]:
    """Multiply the contributions by the caller's factors and leave out what has no weight."""
    if factors is not None:
        channels = {
            name: Channel(one.weight * factors[name], one.score, one.contribution * factors[name])
            for name, one in channels.items()
            if factors.get(name, 0.0) > 0
        }
    return {name: channels[name] for name in CHANNELS if name in channels and channels[name].weight > 0}


def relearned(channels: Mapping[str, Channel], learned: Mapping[str, float]) -> dict[str, Channel]:
    """Multiply whole contributions, signals included, by learned factors."""
    return {
        name: Channel(one.weight * learned.get(name, 1.0), one.score, one.contribution * learned.get(name, 1.0))
        for name, one in channels.items()
    }
