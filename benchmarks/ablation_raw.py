"""Raw results of an ablation: which rank every piece of evidence had under every setup; ids and ranks, no text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.ablation_ranks import DEPTHS, Placed
from benchmarks.datasets import ADVERSARIAL
from benchmarks.metrics import mean

_MISSING = "-"
_BETWEEN_QUESTIONS = "|"


@dataclass(frozen=True, slots=True)
class RawSet:
    """What was measured on one data set."""

    questions: Sequence[Mapping[str, Any]]
    setups: Mapping[str, Sequence[Sequence[int | None]]]  # by setup, per question the ranks of its evidence

    def recall(self, setup: str, depth: int) -> list[float]:
        """Return the recall of each question that counts under a setup, in the order of the questions."""
        return [
            sum(place is not None and place <= depth for place in places) / len(places)
            for question, places in zip(self.questions, self.setups[setup], strict=True)
            if places and question["category"] != ADVERSARIAL
        ]

    def mean_recall(self, setup: str) -> dict[int, float]:
        """Return the mean recall at each depth."""
        return {depth: mean(self.recall(setup, depth)) for depth in DEPTHS}


def questions_of(placed: Sequence[Placed]) -> list[dict[str, Any]]:
    """Return what names the questions of a set."""
    return [{"conversation": one.space, "qid": one.qid, "category": one.category} for one in placed]


def packed(placed: Sequence[Placed]) -> str:
    """Write the ranks of all questions as one line.

    >>> some = [Placed("c", "q1", "", (3, None), (), (), 1.0), Placed("c", "q2", "", (), (), (), 1.0)]
    >>> packed(some), unpacked(packed(some))
    ('3 -|', [[3, None], []])
    """
    return _BETWEEN_QUESTIONS.join(
        " ".join(_MISSING if place is None else str(place) for place in one.gold) for one in placed
    )


def unpacked(line: str) -> list[list[int | None]]:
    """Read what ``packed`` wrote."""
    return [
        [None if place == _MISSING else int(place) for place in one.split()] for one in line.split(_BETWEEN_QUESTIONS)
    ]


def read_sets(result: Mapping[str, Any]) -> dict[str, RawSet]:
    """Return the data sets of a result file."""
    return {
        name: RawSet(one["questions"], {setup: unpacked(line) for setup, line in one["ranks"].items()})
        for name, one in result["sets"].items()
    }
