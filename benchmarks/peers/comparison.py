"""Turn measurements into numbers: of one contestant by itself, and of the service beside another; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.datasets import ADVERSARIAL
from benchmarks.metrics import average_over, mean, median, percentile, recall_at
from benchmarks.peers.outcome import Asked, Course

DEPTHS = (1, 5, 10, 20)
HEADLINE_DEPTH = 10
RESAMPLES = 2000
SEED = 1
ALL = "all"
ALL_BUT_ADVERSARIAL = "all but adversarial"


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one contestant on one file; shares of 1, not percent."""

    questions: int
    """With evidence; the others count for times only."""
    recall: dict[str, dict[str, float]]
    """By group of questions, then by depth, as in ``{"all": {"10": 0.71}}``."""
    search_p50_ms: float
    search_p95_ms: float
    stored_per_second: float

    @property
    def headline(self) -> dict[str, float]:
        """Recall of all questions with evidence, by depth."""
        return self.recall[ALL]


@dataclass(frozen=True, slots=True)
class Beside:
    """The service beside another contestant, on the questions that both answered."""

    questions: int
    recall_gain: float
    """Recall@10 of the service less that of the other; higher is better."""
    recall_gain_low: float
    recall_gain_high: float
    """Bounds of 95 % of resamples of the questions, which takes questions of one conversation as independent."""
    time_ratio: float
    """Median search time of the service over that of the other; lower is better."""


def numbers(course: Course) -> Numbers:
    """Return the numbers of a contestant on one file."""
    judged = [one for one in course.asked if one.question.gold]
    groups = {
        category: [one for one in judged if one.question.category == category]
        for category in sorted({one.question.category for one in judged})
    }
    if ADVERSARIAL in groups:
        groups[ALL_BUT_ADVERSARIAL] = [one for one in judged if one.question.category != ADVERSARIAL]
    groups[ALL] = judged
    times = [one.milliseconds for one in course.asked]
    return Numbers(
        questions=len(judged),
        recall={name: _recall(group) for name, group in groups.items()},
        search_p50_ms=percentile(times, 0.5),
        search_p95_ms=percentile(times, 0.95),
        stored_per_second=course.stored / course.store_s if course.store_s else float("nan"),
    )


def beside(service: Course, other: Course) -> Beside | None:
    """Compare on the questions that both answered, None when there are none with evidence."""
    mine = {one.key: one for one in service.asked}
    pairs = [(mine[one.key], one) for one in other.asked if one.key in mine]
    gains = [_recall_of(ours) - _recall_of(theirs) for ours, theirs in pairs if ours.question.gold]
    if not gains:
        return None
    low, high = interval(gains)
    return Beside(
        questions=len(gains),
        recall_gain=mean(gains),
        recall_gain_low=low,
        recall_gain_high=high,
        time_ratio=median([ours.milliseconds for ours, _ in pairs])
        / median([theirs.milliseconds for _, theirs in pairs]),
    )


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of the middle 95 % of the means of resamples (percentile bootstrap, Efron 1979).

    >>> interval([0.25, 0.25, 0.25])
    (0.25, 0.25)
    >>> low, high = interval([0.0, 1.0] * 50)
    >>> 0.39 < low < 0.42 and 0.58 < high < 0.61
    True
    """
    given = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(SEED)
    means = [given[rng.integers(0, len(given), len(given))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _recall(group: Sequence[Asked]) -> dict[str, float]:
    pairs = [(one.returned, one.question.gold) for one in group]
    return {str(depth): average_over(pairs, partial(recall_at, depth)) for depth in DEPTHS}


def _recall_of(one: Asked) -> float:
    return recall_at(HEADLINE_DEPTH, ranked=one.returned, gold=one.question.gold)
