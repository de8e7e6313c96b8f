"""How sure a search may be that the namespace holds an answer, and when it should say that it does not.

The evidence is the best cosine and how much of the query's words the best match covers:

    evidence = cosine + 0.3 · coverage,    confidence = 1 / (1 + exp(−steepness · (evidence − middle)))

It tells questions of this namespace from those of another. Every question of the development sets asked at home and in each
of the other conversations, AUROC: LoCoMo .983, REALTALK .939, BEAM-100K .946; with the speakers' names exchanged for those of
the foreign conversation, which leaves the topic alone to tell, .924 and .865. From .2 to .5 the share of coverage moves these
by at most .013. It was chosen with all three sets in sight: LoCoMo and REALTALK alone would choose .4 to .5, which gives .943
to .940 on BEAM-100K.

Tried and of no further use: the familiarity of the Hopfield completion (it follows the best cosine), the support of its
attention, the margin to the next, the share of known words, cosine and coverage of one and the same row. None of it sees that
one fact is missing among many on the same topic: .53, chance, for BEAM's questions without an answer.
"""

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a search saw; None where the channel was not asked."""

    cosine: float | None = None  # of the nearest text
    coverage: float | None = None  # idf of the query's words that the best match holds, as a share of all, 0..1


@dataclass(frozen=True, slots=True)
class Calibration:
    """The logistic curve from evidence to confidence."""

    words: float = 0.3  # what full coverage adds to the cosine
    middle: float = 0.61  # evidence at which an answer is as likely as none; .60 to .62 with one set left out
    steepness: float = 13.0  # 11.7 to 13.9 with one set left out
    abstain_below: float = 0.2


DEFAULT: Final = Calibration()


def confidence_of(evidence: Evidence, *, calibration: Calibration = DEFAULT) -> float:
    """Return a probability-like confidence in 0..1; more cosine or coverage never lowers it.

    Worked by hand: .46 + .3 · .5 = .61 is the middle; .1 more gives 1 / (1 + e^(−1.3)) = .79.

    >>> round(confidence_of(Evidence(0.46, 0.5)), 2), round(confidence_of(Evidence(0.56, 0.5)), 2)
    (0.5, 0.79)
    >>> confidence_of(Evidence())
    0.0
    """
    cosine, coverage = evidence.cosine, evidence.coverage
    if cosine is None and coverage is None:
        return 0.0
    # Words alone: half of them covered is as good as the middle.
    alone = 2 * calibration.middle * (coverage or 0.0)
    amount = alone if cosine is None else cosine + calibration.words * (coverage or 0.0)
    return 1 / (1 + math.exp(-calibration.steepness * (amount - calibration.middle)))


def confidence(best_cosine: float | None, coverage: float | None, *, calibration: Calibration = DEFAULT) -> float:
    """Return ``confidence_of`` these two.

    >>> confidence(0.8, 0.9) > 0.95
    True
    """
    return confidence_of(Evidence(best_cosine, coverage), calibration=calibration)
