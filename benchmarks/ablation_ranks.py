"""Ask the questions of a data set under one configuration, and measure what comes back."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.ablation_data import Asked, Cue, Space
from benchmarks.datasets import ADVERSARIAL
from benchmarks.metrics import mean, separation
from retrieval.confidence import confidence
from retrieval.ranking import Ranked, rank
from retrieval.rows import NONE, Role
from retrieval.updates import Statement, newest_first, usual_terms

DEPTHS = (1, 10, 50)
DEEPEST = max(DEPTHS)
FIRST = 10
"""Results of a search that is told nothing else."""
KNOWLEDGE_UPDATE = "knowledge_update"

Ranking = Callable[[Space, Cue], Ranked]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the evidence of one question came up: ranks from 1, None beyond the deepest."""

    space: str
    qid: str
    category: str
    gold: tuple[int | None, ...]
    old: tuple[int | None, ...]
    new: tuple[int | None, ...]
    confidence: float

    def recall(self, depth: int) -> float:
        """Return the share of the evidence within the first ``depth``, NaN without evidence.

        >>> Placed("c", "q", "", gold=(3, None), old=(), new=(), confidence=1.0).recall(10)
        0.5
        """
        if not self.gold:
            return math.nan
        return sum(place is not None and place <= depth for place in self.gold) / len(self.gold)


def usual(space: Space, cue: Cue) -> Ranked:
    """Rank as the service does without being told anything else."""
    return with_updates(space, cue, rank(space.rows, cue.parsed, vector=cue.vector, limit=DEEPEST))


def with_updates(space: Space, cue: Cue, ranked: Ranked) -> Ranked:
    """Put newer values of what is asked for above older ones, as a search does with the texts of its results."""
    rows, first = space.rows, ranked.order[:FIRST]
    statements = [
        Statement(
            text=space.texts[row],
            observed_at=float(rows.observed_at[row]),
            speaker=rows.speakers[rows.speaker[row]] if rows.speaker[row] != NONE else Role(rows.role[row]).name,
            vector=rows.vectors[row],
        )
        for row in first.tolist()
    ]
    order, _ = newest_first(cue.parsed, statements, usual=usual_terms(cue.parsed, rows))
    return replace(ranked, order=np.concatenate([first[order], ranked.order[FIRST:]]))


def ask_all(
    spaces: Sequence[Space], ranking: Ranking, *, form: Callable[[Asked], Cue] = lambda asked: asked.whole
) -> list[Placed]:
    """Ask every question in one of its forms."""
    return [_placed(space, asked, ranking(space, form(asked))) for space in spaces for asked in space.asked]


def _placed(space: Space, asked: Asked, ranked: Ranked) -> Placed:
    places = {row: place for place, row in enumerate(ranked.order[:DEEPEST].tolist(), start=1)}
    return Placed(
        space=space.name,
        qid=asked.question.id,
        category=asked.question.category,
        gold=tuple(places.get(row) for row in asked.gold),
        old=tuple(places.get(row) for row in asked.old),
        new=tuple(places.get(row) for row in asked.new),
        confidence=confidence(ranked.best_cosine, ranked.coverage),
    )


def counted(placed: Sequence[Placed]) -> list[Placed]:
    """Return the questions that the headline counts: with evidence, and not adversarial (they name the wrong person)."""
    return [one for one in placed if one.gold and one.category != ADVERSARIAL]


def recalls(placed: Sequence[Placed]) -> dict[int, float]:
    """Return the mean recall at each depth over questions with evidence."""
    return {depth: mean([one.recall(depth) for one in placed if one.gold]) for depth in DEPTHS}


def by_category(placed: Sequence[Placed]) -> dict[str, list[Placed]]:
    """Group questions with evidence by category, in the order of their names."""
    groups: dict[str, list[Placed]] = {}
    for one in placed:
        if one.gold:
            groups.setdefault(one.category, []).append(one)
    return dict(sorted(groups.items()))


def newer_first(placed: Sequence[Placed]) -> tuple[int, int]:
    """Count where the newest value stands above the old one, of the questions that found both.

    >>> found = Placed("c", "q", "", gold=(1,), old=(4, 2), new=(None, 3), confidence=1.0)
    >>> newer_first([found, found])
    (0, 2)
    """
    pairs = [(_best(one.new), _best(one.old)) for one in placed]
    both = [(new, old) for new, old in pairs if new is not None and old is not None]
    return sum(new < old for new, old in both), len(both)


def _best(places: Sequence[int | None]) -> int | None:
    return min((place for place in places if place is not None), default=None)


def told_apart(at_home: Sequence[Placed], abroad: Sequence[float]) -> float:
    """Return how well confidence tells questions asked at home from those asked in a foreign namespace (AUROC)."""
    return separation([one.confidence for one in at_home if one.gold], abroad)
