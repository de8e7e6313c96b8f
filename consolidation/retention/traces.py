"""How often a memory was used, in eight numbers: leaky traces with time constants from two days to twelve years.

    m_j ← m_j e^(-Δt/τ_j) + gain · c_j,    activation = Σ m_j

An access adds `gain` to the activation and then fades as the power law of retention does for a stability of one day,
(1 + F t)^-w: a sum of exponentials with well-chosen weights c_j is a power law as far as anybody measures. So a history of
any length is kept in constant space and brought up to date in constant time, whenever the next access comes.

Spacing: an access soon after the one before adds little, gain = 1 - e^(-gap / one day). Ten recalls within an hour say less
of the future than three in three weeks. Source: leaky memory units of the ELM neuron (Spieler et al. 2023), base-level
learning of ACT-R (Anderson & Schooler 1991).
"""

import math
from collections.abc import Sequence
from typing import Final

Traces = tuple[float, ...]
"""The eight traces m_j at one moment."""

TIME_CONSTANTS_DAYS: Final = (2.0, 6.0, 18.0, 54.0, 162.0, 486.0, 1458.0, 4374.0)  # 2 · 3^j
# Least squares of the relative error from 1 hour to 2 years, none negative; it is at most 0.09% there.
WEIGHTS: Final = (0.1108, 0.2547, 0.2393, 0.16, 0.0988, 0.0594, 0.0134, 0.0636)
SPACING_DAYS: Final = 1.0  # after so long a gap an access counts 63%

FRESH: Final[Traces] = WEIGHTS
"""The traces of a memory that has just been made, which is its first access."""


def faded(traces: Sequence[float], elapsed_days: float) -> Traces:
    """Return the traces some days later, if nothing happens.

    >>> faded((1.0,) * 8, 2.0)[0] == math.exp(-1)
    True
    """
    return tuple(
        m * math.exp(-max(0.0, elapsed_days) / tau) for m, tau in zip(traces, TIME_CONSTANTS_DAYS, strict=True)
    )


def accessed(traces: Sequence[float], elapsed_days: float, *, gain: float = 1.0) -> Traces:
    """Return the traces after an access some days later.

    >>> round(activation(accessed(FRESH, 0.0)), 9)
    2.0
    """
    return tuple(m + gain * c for m, c in zip(faded(traces, elapsed_days), WEIGHTS, strict=True))


def activation(traces: Sequence[float]) -> float:
    """Return how much a memory has been used of late: fresh accesses count 1 each, earlier ones as far as they have faded.

    After 30 days an access counts (1 + 30 F)^-0.5 = 0.353:

    >>> activation(FRESH)
    1.0
    >>> round(activation(faded(FRESH, 30.0)), 3)
    0.353
    """
    return math.fsum(traces)


def spaced_gain(gap_days: float) -> float:
    """Return what an access counts so many days after the one before.

    >>> spaced_gain(0.0), round(spaced_gain(1.0), 3), round(spaced_gain(7.0), 3)
    (0.0, 0.632, 0.999)
    """
    return 1.0 - math.exp(-max(0.0, gap_days) / SPACING_DAYS)
