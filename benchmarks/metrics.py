"""Retrieval metrics over binary relevance.

``ranked`` is the list of returned ids, best first, without repetitions; ``gold`` the ids of the evidence.
Every function of a question asks for a non-empty ``gold`` and raises ValueError without it: a question without
evidence has no recall, and counting it as 0 or 1 would move the mean.
"""

import math
from collections.abc import Callable, Collection, Sequence


def recall_at(k: int, *, ranked: Sequence[str], gold: Collection[str]) -> float:
    """Return the share of the evidence among the first ``k`` results, |gold ∩ top k| / |gold|.

    >>> recall_at(2, ranked=["a", "x", "b"], gold={"a", "b"})
    0.5
    >>> recall_at(3, ranked=["a", "x", "b"], gold={"a", "b"})
    1.0
    """
    wanted = _gold(gold)
    return len(wanted.intersection(ranked[:k])) / len(wanted)


def reciprocal_rank(*, ranked: Sequence[str], gold: Collection[str]) -> float:
    """Return 1 / rank of the first piece of evidence, 0 when none was returned.

    >>> reciprocal_rank(ranked=["x", "a", "b"], gold={"a", "b"})
    0.5
    >>> reciprocal_rank(ranked=["x"], gold={"a"})
    0.0
    """
    wanted = _gold(gold)
    return next((1 / rank for rank, one in enumerate(ranked, start=1) if one in wanted), 0.0)


def ndcg_at(k: int, *, ranked: Sequence[str], gold: Collection[str]) -> float:
    """Return the normalised discounted cumulative gain of the first ``k`` results (Järvelin and Kekäläinen, 2002).

    A hit at rank r gains 1 / log2(r + 1); the ideal puts all evidence first.

    Evidence at ranks 1 and 3 gains 1 + 0.5 of an ideal 1 + 0.6309:

    >>> round(ndcg_at(10, ranked=["a", "x", "b"], gold={"a", "b"}), 4)
    0.9197
    """
    wanted = _gold(gold)
    gained = sum(_discount(rank) for rank, one in enumerate(ranked[:k], start=1) if one in wanted)
    ideal = sum(_discount(rank) for rank in range(1, min(k, len(wanted)) + 1))
    return gained / ideal


def ranks_of(gold: Sequence[str], *, ranked: Sequence[str]) -> list[int | None]:
    """Return the rank of each piece of evidence, None where it was not returned.

    >>> ranks_of(["b", "z"], ranked=["a", "b"])
    [2, None]
    """
    places = {one: rank for rank, one in enumerate(ranked, start=1)}
    return [places.get(one) for one in gold]


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean, NaN of nothing.

    >>> mean([1.0, 0.0])
    0.5
    """
    return math.fsum(values) / len(values) if values else math.nan


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0..1) of the values lie, interpolated between neighbours; NaN of nothing.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.5
    >>> percentile([10.0, 20.0], 0.95)
    19.5
    """
    if not values:
        return math.nan
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def median(values: Sequence[float]) -> float:
    """Return the middle value, NaN of nothing.

    >>> median([3.0, 1.0, 2.0])
    2.0
    """
    return percentile(values, 0.5)


def separation(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Return the probability that a random positive scores above a random negative (AUROC); ties count half.

    NaN when either side is empty.

    >>> separation([0.9, 0.6], [0.6, 0.1])
    0.875
    """
    if not positives or not negatives:
        return math.nan
    won = sum((high > low) + 0.5 * (high == low) for high in positives for low in negatives)
    return won / (len(positives) * len(negatives))


def average_over(questions: Sequence[tuple[Sequence[str], Collection[str]]], metric: Callable[..., float]) -> float:
    """Return the mean of ``metric(ranked=…, gold=…)`` over pairs of results and evidence.

    >>> average_over([(["a"], {"a"}), (["x"], {"a"})], reciprocal_rank)
    0.5
    """
    return mean([metric(ranked=ranked, gold=gold) for ranked, gold in questions])


def _gold(gold: Collection[str]) -> frozenset[str]:
    if not gold:
        raise ValueError("a question without evidence has no recall")
    return frozenset(gold)


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)
