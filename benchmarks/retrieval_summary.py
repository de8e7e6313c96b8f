"""Turn answered questions into the numbers of a run; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.datasets import ADVERSARIAL, Question
from benchmarks.loading import LoadReport
from benchmarks.metrics import average_over, mean, ndcg_at, percentile, recall_at, reciprocal_rank, separation

DEPTHS = (1, 5, 10, 20, 50)
NDCG_DEPTH = 10
ALL = "all"
ALL_BUT_ADVERSARIAL = "all but adversarial"
"""LoCoMo's categories 1–4: its adversarial questions have no true answer in the conversation."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One question with what came back for it."""

    conversation: str
    question: Question
    returned: tuple[str, ...]
    confidence: float | None
    abstain: bool | None
    milliseconds: float
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """Means over the questions of a category that have evidence; shares of 1, not percent."""

    questions: int
    recall: dict[str, float]
    """By depth, as in ``{"10": 0.71}``: JSON keys are strings."""
    mrr: float
    ndcg10: float


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """What the service says about questions without evidence, beside those with evidence."""

    questions: int
    mean_confidence: float
    mean_confidence_answerable: float
    abstain_share: float
    abstain_share_answerable: float
    confidence_auroc: float
    """Probability that a question with evidence gets the higher confidence."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of a search: seen by the client, and the parts the service states."""

    p50_ms: float
    p95_ms: float
    encode_p50_ms: float
    total_p50_ms: float
    """The service's own total, without HTTP."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of one run."""

    groups: dict[str, GroupMetrics]
    unanswerable: Unanswerable
    latency: Latency
    memories_per_second: float


def summarise(answered: Sequence[Answered], report: LoadReport) -> Summary:
    """Return metrics by category and over all, latencies, and the ingest rate."""
    judged = [one for one in answered if one.question.gold]
    groups = {
        category: _metrics([one for one in judged if one.question.category == category])
        for category in sorted({one.question.category for one in judged})
    }
    if ADVERSARIAL in groups:
        groups[ALL_BUT_ADVERSARIAL] = _metrics([one for one in judged if one.question.category != ADVERSARIAL])
    groups[ALL] = _metrics(judged)
    return Summary(
        groups=groups,
        unanswerable=_unanswerable(judged, [one for one in answered if not one.question.gold]),
        latency=_latency(answered),
        memories_per_second=report.sent / report.seconds if report.seconds else 0.0,
    )


def _metrics(judged: Sequence[Answered]) -> GroupMetrics:
    pairs = [(one.returned, one.question.gold) for one in judged]
    return GroupMetrics(
        questions=len(judged),
        recall={str(depth): average_over(pairs, partial(recall_at, depth)) for depth in DEPTHS},
        mrr=average_over(pairs, reciprocal_rank),
        ndcg10=average_over(pairs, partial(ndcg_at, NDCG_DEPTH)),
    )


def _unanswerable(judged: Sequence[Answered], without: Sequence[Answered]) -> Unanswerable:
    def confidences(questions: Sequence[Answered]) -> list[float]:
        return [one.confidence for one in questions if one.confidence is not None]

    def abstained(questions: Sequence[Answered]) -> float:
        return mean([float(one.abstain) for one in questions if one.abstain is not None])

    return Unanswerable(
        questions=len(without),
        mean_confidence=mean(confidences(without)),
        mean_confidence_answerable=mean(confidences(judged)),
        abstain_share=abstained(without),
        abstain_share_answerable=abstained(judged),
        confidence_auroc=separation(confidences(judged), confidences(without)),
    )


def _latency(answered: Sequence[Answered]) -> Latency:
    def stated(part: str) -> list[float]:
        return [one.timings_ms[part] for one in answered if part in one.timings_ms]

    walls = [one.milliseconds for one in answered]
    return Latency(
        p50_ms=percentile(walls, 0.5),
        p95_ms=percentile(walls, 0.95),
        encode_p50_ms=percentile(stated("encode"), 0.5),
        total_p50_ms=percentile(stated("total"), 0.5),
    )
