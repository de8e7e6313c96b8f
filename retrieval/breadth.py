"""Breadth: a question about the course of things wants what belongs to the same events and subjects as the hits.

"Summarise how the project went" finds the turns that say "project", and wants those that tell what was done. Where
consolidation cut sessions into episodes and gathered memories under topics, each is judged by its best row, and lifts its
other rows (in the manner of hierarchical recall, Lampinen et al. 2021). For other questions this costs precision: see
docs/discussion/ablation.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.rows import NONE, Rows
from retrieval.standard import standardised


@dataclass(frozen=True, slots=True)
class BreadthSettings:
    """What the best of its group weighs beside a row's own standardised score.

    Nothing by default: .35 each gained a little in-process and lost as much through HTTP, where trees grew in another order.
    """

    episode: float = 0.0
    topic: float = 0.0


def breadth_scores(rows: Rows, own: NDArray[np.float64], *, settings: BreadthSettings) -> NDArray[np.float64]:
    """Score every row by the best of its episode and of its topic: (n,) → (n,), 0 where it has none."""
    total = np.zeros(len(rows))
    for group, weight in ((rows.episode, settings.episode), (rows.topic, settings.topic)):
        if group is not None and weight > 0:
            total += weight * best_of_group(group, own)
    return total


def best_of_group(group: NDArray[np.int32], own: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score rows by the best of their group, standardised over the rows that have one: (n,), (n,) → (n,).

    Two groups with the best 3 and 1, mean 2 and deviation 1, and a row in none:

    >>> best_of_group(np.array([0, 0, 1, 1, -1]), np.array([3.0, 0.0, 1.0, 1.0, 9.0])).tolist()
    [1.0, 1.0, -1.0, -1.0, 0.0]
    """
    result = np.zeros(len(own))
    inside = np.flatnonzero(group != NONE)
    if len(inside):
        best = np.full(int(group.max()) + 1, -np.inf)
        np.maximum.at(best, group[inside], own[inside])
        result[inside] = standardised(best[group[inside]])
    return result
