"""Read ``/metrics``: just enough of the Prometheus text format to take differences."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

_LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: a name, labels and a value."""

    name: str
    labels: Mapping[str, str]
    value: float


def read_metrics(text: str) -> list[Sample]:
    r"""Return the samples of a metrics page.

    >>> read_metrics('# HELP x y\nx_total{kind="query"} 3')
    [Sample(name='x_total', labels={'kind': 'query'}, value=3.0)]
    """
    matches = (_LINE.match(line) for line in text.splitlines() if not line.startswith("#"))
    return [Sample(found[1], dict(_LABEL.findall(found[2] or "")), float(found[3])) for found in matches if found]


def total(samples: list[Sample], name: str, **labels: str) -> float | None:
    r"""Return the sum of the samples with this name and these labels, None when there is none.

    >>> total(read_metrics('x{a="1"} 2\nx{a="2"} 3'), "x")
    5.0
    """
    values = [one.value for one in samples if one.name == name and labels.items() <= one.labels.items()]
    return math.fsum(values) if values else None


def difference(before: list[Sample], after: list[Sample], name: str, **labels: str) -> float | None:
    """Return by how much a counter grew, None when the service does not have it."""
    ended = total(after, name, **labels)
    return None if ended is None else ended - (total(before, name, **labels) or 0.0)


def histogram(before: list[Sample], after: list[Sample], name: str, **labels: str) -> dict[float, float]:
    r"""Return how many observations between two readings fell into each bucket, by the bucket's upper bound.

    >>> page = 'b_bucket{le="1"} 2\nb_bucket{le="4"} 7\nb_bucket{le="+Inf"} 7'
    >>> histogram([], read_metrics(page), "b")
    {1.0: 2.0, 4.0: 5.0, inf: 0.0}
    """
    bounds = sorted({float(one.labels["le"]) for one in after if one.name == f"{name}_bucket"})
    counts: dict[float, float] = {}
    below = 0.0
    for bound in bounds:
        grown = sum(
            sign * one.value
            for sign, samples in ((1, after), (-1, before))
            for one in samples
            if one.name == f"{name}_bucket"
            and float(one.labels["le"]) == bound
            and labels.items() <= one.labels.items()
        )
        counts[bound] = grown - below
        below = grown
    return counts


def median_bucket(counts: Mapping[float, float]) -> float:
    """Return the upper bound of the bucket that holds the median observation, NaN when there is none.

    >>> median_bucket({1.0: 2.0, 4.0: 5.0})
    4.0
    """
    half = math.fsum(counts.values()) / 2
    seen = 0.0
    for bound, count in sorted(counts.items()):
        seen += count
        if count and seen >= half:
            return bound
    return math.nan
