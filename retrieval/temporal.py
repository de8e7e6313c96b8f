"""The temporal channel: what was meant to have happened when, and what was remembered together.

Three things tell about time. A query may name one: then a row counts as far as it was observed, was valid or speaks of a
moment near it. A query may ask for the latest or the first: then later or earlier rows win among those found. And a row
found by its content brings back the drifting context it was stored in, and with it what was stored in a similar one:
the turns around it, those after more than those before (context maintenance and retrieval, CMR: Polyn, Norman and Kahana
2009, equations 1 to 4). Alone, without a date in the query, the channel therefore never ranks by age.

Times are seconds since the epoch. Scores lie in 0..1 per part, higher is better, NaN where nothing is known.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.query import ParsedQuery
from retrieval.rows import NONE, Rows

DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time a query asks about; -inf or inf where it is open."""

    start: float  # inclusive
    end: float  # exclusive


@dataclass(frozen=True, slots=True)
class TemporalCue:
    """What a query says about time."""

    periods: tuple[Period, ...] = ()
    latest: bool = False  # "most recently", "currently"
    earliest: bool = False  # "first", "originally"


@dataclass(frozen=True, slots=True)
class TemporalSettings:
    """How time counts."""

    date: float = 1.0  # weight of the match with the query's dates
    order: float = 0.5  # weight of being the latest or earliest of what is found
    context: float = 0.5  # weight of the reinstated context beside dates; alone it has all
    observed: float = 0.8  # a row observed in the period, against 1 for one that speaks of it
    valid: float = 0.5  # a row whose truth reaches into the period without beginning there
    coarse: float = 0.25  # exponent: a month that holds the day asked for matches (1/30)^.25 = .43
    near: float = 0.5  # what is just outside the period matches half, and fades
    fade_least: float = DAY  # the distance at which it fades to 1/e: the length of the period, within these bounds
    fade_most: float = 30 * DAY
    open_length: float = 3652.5 * DAY  # what is open at one end counts as ten years long
    faint: float = 0.02  # a match below this is none
    rho: float = 0.7  # how much of the context stays from one turn to the next
    forward: float = 0.5  # share of a hit's own content in the context it brings back: turns after it gain
    hits: int = 12  # rows whose context is brought back
    reach: int = 3  # turns around a hit that are scored
    depth: int = 4  # turns before those from which their context is built: .7^5 = .17 of the oldest is left out


DEFAULT: Final = TemporalSettings()


def cue_of(query: ParsedQuery) -> TemporalCue:
    """Return what a query says about time."""
    periods = tuple(
        Period(
            -np.inf if found.start is None else found.start.timestamp(),
            np.inf if found.end is None else found.end.timestamp(),
        )
        for found in query.dates
    )
    return TemporalCue(periods, latest=query.asks_latest, earliest=query.asks_earliest)


def score(
    rows: Rows,
    cue: TemporalCue,
    match: NDArray[np.float64] | None = None,
    *,
    settings: TemporalSettings = DEFAULT,
) -> NDArray[np.float64]:
    """Score rows by time: (n,), NaN where time says nothing of a row.

    Args:
        rows: What is ranked.
        cue: What the query says about time.
        match: (n,) how well each row fits the query by content, such as the cosine or the fused score; NaN where
            unknown. Without it no context is brought back, and "latest" ranks all rows.
        settings: How time counts.
    """
    parts: list[tuple[float, NDArray[np.float64]]] = []
    if cue.periods:
        parts.append((settings.date, date_match(rows, cue.periods, settings=settings)))
    if match is not None:
        parts.append((settings.context if cue.periods else 1.0, context(rows, match, settings=settings)))
    found = np.zeros(len(rows), dtype=np.bool_)
    for _, part in parts:
        found |= np.isfinite(part)
    if cue.latest or cue.earliest:
        among = found if parts else np.isfinite(rows.observed_at)
        parts.append((settings.order, order(rows, among, latest=cue.latest)))
        found |= among
    total = np.full(len(rows), np.nan)
    total[found] = 0.0
    for weight, part in parts:
        total += weight * np.nan_to_num(part)
    return total


def date_match(rows: Rows, periods: tuple[Period, ...], *, settings: TemporalSettings = DEFAULT) -> NDArray[np.float64]:
    """Say how well each row fits the periods asked for: (n,) in 0..1, the best of what is known of it, NaN for none.

    See `fit` for the formula. What was observed counts `observed`, a validity that merely reaches into the period
    `valid`, a span the text speaks of counts in full.
    """
    best = np.zeros(len(rows))
    spans = rows.spans
    begins = np.where(np.isnan(rows.valid_from), rows.observed_at, rows.valid_from)
    bounded = ~(np.isnan(rows.valid_from) & np.isnan(rows.valid_to))
    for period in periods:
        seen = settings.observed * fit(period, rows.observed_at, rows.observed_at, settings=settings)
        best = np.fmax(best, seen)
        if bounded.any():
            ends = np.where(np.isnan(rows.valid_to), np.inf, rows.valid_to)
            reaches = bounded & (begins < period.end) & (ends > period.start)
            best[reaches] = np.maximum(best[reaches], settings.valid)
            best = np.fmax(best, np.where(bounded, fit(period, begins, begins, settings=settings), 0.0))
        if len(spans.row):
            np.fmax.at(best, spans.row, fit(period, spans.start, spans.end, settings=settings))
    best[best < settings.faint] = np.nan
    return best


def fit(
    period: Period,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    *,
    settings: TemporalSettings = DEFAULT,
) -> NDArray[np.float64]:
    """Say how well spans [start, end) fit a period: (s,) in 0..1, NaN where a span is.

    Where they overlap: (share of the span inside the period)^coarse, so that a span within the period is 1 and one much
    coarser than it less. Apart: near · e^(−gap / fade), fade being the length of the period within its bounds.

    A day asked for; that day, the 10 days that begin with it, a moment two days after it:

    >>> day = Period(0.0, DAY)
    >>> fit(day, np.array([0.0, 0.0, 3 * DAY]), np.array([DAY, 10 * DAY, 3 * DAY])).round(3).tolist()
    [1.0, 0.562, 0.068]

    By hand: 1; (1/10)^.25 = .562; .5 · e^(−2) = .068.

    What lasts since that day and is open counts as ten years long; asked for everything since, it lies within:

    >>> fit(day, np.array([0.0]), np.array([np.inf])).round(3).tolist()
    [0.129]
    >>> fit(Period(0.0, np.inf), np.array([0.0]), np.array([np.inf])).tolist()
    [1.0]

    By hand: (1/3652.5)^.25 = .129.
    """
    length = np.minimum(end - start, settings.open_length)
    inside = np.minimum(np.minimum(end, period.end) - np.maximum(start, period.start), settings.open_length)
    fade = min(max(period.end - period.start, settings.fade_least), settings.fade_most)
    # A moment has no length: it is inside, or it is not. The end of a period is outside of it.
    moment = length <= 0
    overlaps = np.where(moment, (start >= period.start) & (start < period.end), inside > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(moment, 1.0, np.clip(inside / length, 0.0, 1.0))
        apart = settings.near * np.exp(-np.maximum(-inside, 0.0) / fade)
    result = np.where(overlaps, share**settings.coarse, apart)
    return np.where(np.isnan(length), np.nan, result)


def order(rows: Rows, among: NDArray[np.bool_], *, latest: bool) -> NDArray[np.float64]:
    """Place some rows by when they were observed: (n,), 1 for the latest (or earliest) and falling to 1/m; NaN elsewhere.

    Rows of one moment share a place. What another memory superseded is not the latest: it counts half.
    """
    result = np.full(len(rows), np.nan)
    chosen = np.flatnonzero(among & np.isfinite(rows.observed_at))
    if len(chosen):
        times = rows.observed_at[chosen]
        moments = np.unique(times)
        place = np.searchsorted(moments, times) + 1
        result[chosen] = (place if latest else len(moments) + 1 - place) / len(moments)
        if latest:
            result[chosen] *= np.where(rows.superseded[chosen], 0.5, 1.0)
    return result


def context(rows: Rows, match: NDArray[np.float64], *, settings: TemporalSettings = DEFAULT) -> NDArray[np.float64]:
    """Bring back the contexts of the best matches and score the rows around them: (n,) in 0..1, NaN elsewhere.

    Along a session the context drifts: c_t = ρ c_{t−1} + β v_t, with v_t the vector of turn t, β such that |c_t| = 1,
    and c_t = v_t where the session begins. A hit h brings back u = (1 − forward) c_h + forward · v_h; a row i near it
    gains weight_h · (c_i · u)⁺ / |u|. The weight of a hit is its lead over the first row that is no hit, relative to
    the best. As v_h is part of the contexts after h and not of those before, turns after a hit gain more (a test).
    """
    result = np.full(len(rows), np.nan)
    hits, weight = _strongest(match, settings.hits)
    if not len(hits):
        return result
    runs = _runs(rows, hits, back=settings.reach + settings.depth, ahead=settings.reach)
    contexts = drift(np.where((runs != NONE)[..., None], rows.vectors[runs], np.float32(0)), rho=settings.rho)
    here = settings.reach + settings.depth
    brought = (1 - settings.forward) * contexts[:, here] + settings.forward * rows.vectors[hits]
    brought /= np.maximum(np.linalg.norm(brought, axis=1, keepdims=True), 1e-9)
    around = slice(settings.depth, None)
    gained = np.einsum("hpd,hd->hp", contexts[:, around], brought).clip(0.0, 1.0) * weight[:, None]
    places = runs[:, around]
    reached = places[places != NONE]
    result[reached] = 0.0
    np.add.at(result, reached, gained[places != NONE])
    return result / max(1.0, float(np.nanmax(result)))


def drift(vectors: NDArray[np.float32], *, rho: float) -> NDArray[np.float64]:
    """Let a context drift along sequences of vectors: (h, t, d) → (h, t, d).

    c_t = ρ c_{t−1} + β v_t with β = √(1 + ρ²((c·v)² − 1)) − ρ (c·v), which keeps |c_t| = 1. Vectors of zeros stand for
    turns that are not there; the first one that is begins the context.

    Two orthogonal turns and ρ = .6: β = √(1 − .36) = .8.

    >>> drift(np.array([[[1.0, 0.0], [0.0, 1.0]]], dtype=np.float32), rho=0.6).round(2).tolist()
    [[[1.0, 0.0], [0.6, 0.8]]]
    """
    contexts = np.zeros(vectors.shape)
    now = np.zeros((vectors.shape[0], vectors.shape[2]))
    for turn in range(vectors.shape[1]):
        new = vectors[:, turn].astype(np.float64)
        begun = np.any(now != 0, axis=1)
        there = np.any(new != 0, axis=1)
        along = np.einsum("hd,hd->h", now, new)
        beta = np.sqrt(np.maximum(1 + rho**2 * (along**2 - 1), 0.0)) - rho * along
        moved = rho * now + beta[:, None] * new
        now = np.where((begun & there)[:, None], moved, np.where(there[:, None], new, now))
        contexts[:, turn] = now
    return contexts


def _strongest(match: NDArray[np.float64], hits: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the rows that match best, and what each weighs in 0..1; ties by place, so that no plan changes them."""
    known = np.flatnonzero(np.isfinite(match))
    if len(known) > hits + 1:
        floor = np.partition(match[known], len(known) - hits - 1)[len(known) - hits - 1]
        known = known[match[known] >= floor]
    ranked = known[np.argsort(-match[known], kind="stable")]
    if not len(ranked):
        return ranked, np.empty(0)
    floor = match[ranked[hits]] if len(ranked) > hits else match[ranked[-1]] - 1.0
    ranked = ranked[:hits]
    lead = match[ranked] - floor
    return ranked, lead / lead[0] if lead[0] > 0 else np.ones(len(ranked))


def _runs(rows: Rows, hits: NDArray[np.intp], *, back: int, ahead: int) -> NDArray[np.int32]:
    """List the rows around each hit in its session, NONE where there is none: (h, back + 1 + ahead)."""
    runs = np.full((len(hits), back + 1 + ahead), NONE, dtype=np.int32)
    runs[:, back] = hits
    # The last place of an appended array is where NONE points to.
    previous = np.append(rows.previous, np.int32(NONE))
    following = np.append(rows.following, np.int32(NONE))
    for step in range(1, back + 1):
        runs[:, back - step] = previous[runs[:, back - step + 1]]
    for step in range(1, ahead + 1):
        runs[:, back + step] = following[runs[:, back + step - 1]]
    return runs
