"""Learn factors on the channels from judged searches, and refuse those that do not help. Pure.

A score is a sum of contributions, so factors on the channels re-weigh it exactly, without searching again:

    score(row) = Σ factor[channel] · contribution[row, channel]

Factors are fitted by pairwise logistic loss (RankNet: Burges et al., 2005) on what was useful against what was not, pulled
towards 1, on a grid, by coordinate search: few numbers, no step size, the same answer every time. Weights learned on one
data set did not transfer to another, so steps are small and the guard decides on searches that the fit has not seen.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

CHANNELS: Final = ("vector", "keyword", "graph", "temporal", "hopfield")
_UNIT: Final = 0  # only ratios matter: vector keeps its weight, and the others are learned relative to it
_ALMOST: Final = 1e-9  # what two means may differ by through rounding

Factors = Mapping[str, float]  # by channel; one that is not named has 1


@dataclass(frozen=True, slots=True)
class LearningSettings:
    """How boldly to learn."""

    octave: int = 8  # grid points from a factor to its double: steps of nine per cent
    bound: int = 8  # grid points at most from 1: factors of 0.5 to 2
    step: int = 3  # grid points at most from the factors in force: 30 per cent in one go
    pull: float = 0.5  # loss of a factor one octave away from 1, in searches; the more searches, the less it counts
    opponents: int = 10  # best others that stand for "not useful" where nobody said what was not
    fewest: int = 10  # judged searches to learn from, and saved queries to be measured by
    k: int = 10  # results that count
    least_gain: float = 0.005  # of mean nDCG on searches the fit has not seen; below it a change is noise
    margin: int = 3  # unseen searches more that get better than worse; a coin falls so at every eighth change


DEFAULT: Final = LearningSettings()


@dataclass(frozen=True, slots=True)
class Judged:
    """One search with what was of use in it. Rows are in order of id, which breaks ties."""

    key: str  # which search; equal for equal questions
    contributions: NDArray[np.float64]  # (n, 5) of each channel, as they are with all factors at 1
    relevant: NDArray[np.bool_]  # (n,)
    rejected: NDArray[np.bool_]  # (n,) said to be of no use
    saved: bool = True  # it guards
    promised: bool = False  # saved by the caller himself: it may not get worse


@dataclass(frozen=True, slots=True)
class Outcome:
    """How good one ranking is, 0..1 each."""

    recall: float
    ndcg: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rankings of the same searches."""

    searches: int
    before: Outcome  # means
    after: Outcome
    better: int  # searches whose nDCG rose
    worse: int
    broken: int  # promised searches that lost recall


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a round of learning proposes, whether it may be put in force, and why."""

    factors: dict[str, float]
    accepted: bool
    reason: str
    unseen: Comparison | None  # each half of the saved queries under factors fitted on the other
    overall: Comparison | None  # all saved queries under the factors proposed


def learn(
    searches: Sequence[Judged], current: Factors | None = None, *, settings: LearningSettings = DEFAULT
) -> Lesson:
    """Fit factors to judged searches and decide whether they may replace those in force.

    A change is accepted only if all of this holds: mean nDCG rises by `least_gain` on saved queries that the fit has not
    seen (two halves, each measured under the factors of the other); there mean recall does not fall, and at least `margin`
    more searches get better than worse, so that no single search carries the mean; with the factors proposed neither mean
    falls over all of them; and no query that a caller saved by hand loses recall. That last one is a promise, as a
    regression test is: feedback is plentiful and noisy, a saved query is neither.
    """
    present = {name: float((current or {}).get(name, 1.0)) for name in CHANNELS}
    taught = sorted((s for s in searches if len(differences(s, present, settings=settings))), key=lambda s: s.key)
    saved = sorted((s for s in searches if s.saved and s.relevant.any()), key=lambda s: s.key)
    if min(len(taught), len(saved)) < settings.fewest:
        reason = (
            f"{len(taught)} judged searches and {len(saved)} saved queries; each must be {settings.fewest} at least"
        )
        return Lesson(present, False, reason, None, None)
    proposed = fit(taught, present, settings=settings)
    if proposed == present:
        return Lesson(present, False, "the factors in force fit best", None, None)
    half = {key: place % 2 for place, key in enumerate(sorted({s.key for s in searches}))}
    # A search is judged by the fit of the half that it is not in.
    fits = [fit([s for s in taught if half[s.key] != side], present, settings=settings) for side in (0, 1)]
    unseen = compare([(s, present, fits[half[s.key]]) for s in saved], settings=settings)
    overall = compare([(s, present, proposed) for s in saved], settings=settings)
    reason = _objection(unseen, overall, settings)
    return Lesson(proposed, not reason, reason or "better on saved queries it was not fitted to", unseen, overall)


def _objection(unseen: Comparison, overall: Comparison, settings: LearningSettings) -> str:
    """Say what speaks against a change; nothing if nothing does."""
    if overall.broken:
        return f"{overall.broken} of the caller's saved queries would lose recall"
    if unseen.after.recall < unseen.before.recall - _ALMOST:
        return "recall on saved queries it was not fitted to would fall"
    if unseen.after.ndcg - unseen.before.ndcg < settings.least_gain:
        return "nDCG on saved queries it was not fitted to would hardly rise"
    if unseen.better < unseen.worse + settings.margin:
        return f"{unseen.better} saved queries would get better and {unseen.worse} worse, which may be chance"
    if min(overall.after.recall - overall.before.recall, overall.after.ndcg - overall.before.ndcg) < -_ALMOST:
        return "recall or nDCG of all saved queries would fall"
    return ""


def fit(searches: Sequence[Judged], current: Factors, *, settings: LearningSettings = DEFAULT) -> dict[str, float]:
    """Return the factors of least loss that lie within reach of those in force.

    The vector channel is the unit. A useless channel, one that speaks for what is not useful, loses weight; one search
    teaches little, many teach a whole step:

    >>> search = Judged("q", np.array([[1.0, 0.0, 0, 0, 0], [0.0, 2.0, 0, 0, 0]]), np.array([True, False]),
    ...                 np.array([False, True]))
    >>> few, many = (fit([search] * count, {})["keyword"] for count in (1, 50))
    >>> many == 2 ** (-3 / 8) and many <= few < 1
    True
    """
    start = [_point(current.get(name, 1.0), settings) for name in CHANNELS]
    pairs = [d for s in searches if len(d := differences(s, current, settings=settings))]
    if not pairs:
        return _factors(start, settings)
    stacked = np.concatenate(pairs)
    weight = np.concatenate([np.full(len(d), 1 / (len(d) * len(pairs))) for d in pairs])  # every search counts the same
    spoken = np.abs(stacked).max(axis=0) > 0

    def loss(points: Sequence[int]) -> float:
        octaves = np.array(points) / settings.octave
        return float(
            weight @ np.logaddexp(0.0, -(stacked @ np.exp2(octaves))) + settings.pull / len(pairs) * (octaves @ octaves)
        )

    best, least = list(start), loss(start)
    improved = True
    while improved:
        improved = False
        for at in range(len(CHANNELS)):
            if at == _UNIT or not spoken[at]:
                continue
            low = max(-settings.bound, start[at] - settings.step)
            for point in range(low, min(settings.bound, start[at] + settings.step) + 1):
                tried = [*best[:at], point, *best[at + 1 :]]
                found = loss(tried)
                if found < least - _ALMOST:
                    best, least, improved = tried, found, True
    return _factors(best, settings)


def differences(search: Judged, factors: Factors, *, settings: LearningSettings = DEFAULT) -> NDArray[np.float64]:
    """Return by what the contributions of useful rows exceed those of others: (pairs, 5).

    Where nobody said what was of no use, the best of the other rows stand for it.

    >>> search = Judged("q", np.array([[1.0, 0, 0, 0, 0], [0.0, 3, 0, 0, 0]]), np.array([True, False]), np.zeros(2, bool))
    >>> differences(search, {}).tolist()
    [[1.0, -3.0, 0.0, 0.0, 0.0]]
    """
    against = np.flatnonzero(search.rejected & ~search.relevant)
    if not len(against):
        order = _order(search, factors)
        against = order[~search.relevant[order]][: settings.opponents]
    useful = search.contributions[search.relevant]
    found: NDArray[np.float64] = (useful[:, None, :] - search.contributions[against][None, :, :]).reshape(
        -1, len(CHANNELS)
    )
    return found


def outcome(search: Judged, factors: Factors, *, k: int = DEFAULT.k) -> Outcome:
    """Return recall@k and nDCG@k (Järvelin and Kekäläinen, 2002; gain 1 or 0) of a search under some factors.

    Two rows are relevant. The second is found in second place: recall 1/2, nDCG (1/log₂3) / (1 + 1/log₂3) = 0.387.

    >>> scores = np.array([[1.0, 0, 0, 0, 0], [3.0, 0, 0, 0, 0], [2.0, 0, 0, 0, 0]])
    >>> found = outcome(Judged("q", scores, np.array([True, False, True]), np.zeros(3, bool)), {}, k=2)
    >>> found.recall, round(found.ndcg, 3)
    (0.5, 0.387)
    """
    hits = search.relevant[_order(search, factors)[:k]]
    wanted = int(search.relevant.sum())
    gains = 1 / np.log2(np.arange(2, k + 2))
    return Outcome(
        recall=float(hits.sum()) / min(wanted, k), ndcg=float(gains[: len(hits)] @ hits / gains[: min(wanted, k)].sum())
    )


def compare(pairs: Sequence[tuple[Judged, Factors, Factors]], *, settings: LearningSettings = DEFAULT) -> Comparison:
    """Compare searches under the factors before and after."""
    outcomes = [(outcome(s, old, k=settings.k), outcome(s, new, k=settings.k), s) for s, old, new in pairs]
    return Comparison(
        searches=len(outcomes),
        before=_mean([before for before, _, _ in outcomes]),
        after=_mean([after for _, after, _ in outcomes]),
        better=sum(after.ndcg > before.ndcg + _ALMOST for before, after, _ in outcomes),
        worse=sum(after.ndcg < before.ndcg - _ALMOST for before, after, _ in outcomes),
        broken=sum(s.promised and after.recall < before.recall - _ALMOST for before, after, s in outcomes),
    )


def _mean(outcomes: Sequence[Outcome]) -> Outcome:
    count = len(outcomes)
    return Outcome(math.fsum(o.recall for o in outcomes) / count, math.fsum(o.ndcg for o in outcomes) / count)


def _order(search: Judged, factors: Factors) -> NDArray[np.intp]:
    score = search.contributions @ np.array([factors.get(name, 1.0) for name in CHANNELS])
    return np.argsort(-np.round(score, 9), kind="stable")


def _point(factor: float, settings: LearningSettings) -> int:
    return max(-settings.bound, min(settings.bound, round(settings.octave * math.log2(factor))))


def _factors(points: Sequence[int], settings: LearningSettings) -> dict[str, float]:
    return {name: 2.0 ** (point / settings.octave) for name, point in zip(CHANNELS, points, strict=True)}
