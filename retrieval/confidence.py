"""How sure a search may be that the namespace holds an answer, and when it should say that it does not.

The evidence is the best cosine and how much of the query's words the best match covers. It tells questions about other
things from questions about this namespace: of 600 LoCoMo questions, half of them asked in another conversation, the
middle half of the strangers lay at .38 to .51 and 95% of the others above .61. It cannot see that one fact is missing
among many on the same topic. The sample came from development data and the constants were rounded by hand.
"""

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Calibration:
    """The logistic curve from evidence to confidence."""

    middle: float = 0.62  # evidence at which an answer is as likely as none
    steepness: float = 12.0
    abstain_below: float = 0.2


DEFAULT: Final = Calibration()


def confidence(best_cosine: float | None, coverage: float | None, *, calibration: Calibration = DEFAULT) -> float:
    """Return a probability-like confidence in 0..1; more cosine or coverage never lowers it.

    >>> round(confidence(0.62, 0.0), 2)
    0.5
    >>> confidence(0.8, 0.9) > 0.95
    True
    >>> confidence(None, None)
    0.0
    """
    if best_cosine is None and coverage is None:
        return 0.0
    # A channel that was not asked says nothing for or against: judge the other alone, at twice its say.
    words = coverage or 0.0
    evidence = 2 * calibration.middle * words if best_cosine is None else best_cosine + 0.5 * words
    return 1 / (1 + math.exp(-calibration.steepness * (evidence - calibration.middle)))
