"""How memories fade: retrievability as a power law of time (FSRS).

R(t) = (1 + F t / S)^-w with w = 0.5 and F = 19/81, so that R(S) = 0.9. Times and stabilities are in days.
Source: FSRS-4.5 forgetting curve, https://github.com/open-spaced-repetition/fsrs4anki/wiki/The-Algorithm.
"""

import math
from dataclasses import dataclass
from datetime import datetime

W = 0.5
F = 19 / 81
SECONDS_A_DAY = 86_400.0

# Days until a memory of each type, never recalled, falls to R = 0.9. Working memory is for today, core memory for years.
INITIAL_STABILITY_DAYS = {"working": 1.0, "episodic": 14.0, "semantic": 60.0, "procedural": 120.0, "core": 365.0}
INITIAL_DIFFICULTY = 5.0


@dataclass(frozen=True, slots=True)
class Strength:
    """How firmly a memory holds: stability in days, difficulty from 1 (easy) to 10."""

    stability_days: float
    difficulty: float


def retrievability(elapsed_days: float, stability_days: float) -> float:
    """Return the probability of recall after some days, from 1 down towards 0.

    >>> retrievability(0, 14)
    1.0
    >>> round(retrievability(14, 14), 6)
    0.9
    >>> round(retrievability(365, 14), 3)
    0.375
    """
    return float((1 + F * max(0.0, elapsed_days) / stability_days) ** -W)


def initial_strength(memory_type: str, importance: float) -> Strength:
    """Return the strength of a new memory: its type's stability, doubled by full importance, halved by none.

    >>> initial_strength("episodic", 0.5).stability_days
    14.0
    >>> initial_strength("episodic", 1.0).stability_days
    28.0
    """
    base = INITIAL_STABILITY_DAYS.get(memory_type, INITIAL_STABILITY_DAYS["episodic"])
    return Strength(stability_days=base * 2 ** (2 * importance - 1), difficulty=INITIAL_DIFFICULTY)


# FSRS-4.5 weights w8, w9, w10 of the stability increase after a recall, and what a lapse keeps.
RECALL_GAIN = 1.46
STABILITY_SATURATION = 0.13
RETRIEVABILITY_EFFECT = 1.0
LAPSE_KEEPS = 0.5
SHORTEST_STABILITY_DAYS = 0.1
LONGEST_STABILITY_DAYS = 36_500.0


def after_recall(strength: Strength, recalled_at_r: float) -> Strength:
    """Return the strength after a useful recall; it grows more the nearer the memory was to being forgotten.

    S' = S [1 + e^w8 (11 - D) S^-w9 (e^(w10 (1 - R)) - 1)]

    >>> after_recall(Strength(10.0, 5.0), 1.0).stability_days
    10.0
    >>> round(after_recall(Strength(10.0, 5.0), 0.9).stability_days, 2)
    30.14
    """
    growth = (
        math.exp(RECALL_GAIN)
        * (11 - strength.difficulty)
        * strength.stability_days**-STABILITY_SATURATION
        * (math.exp(RETRIEVABILITY_EFFECT * (1 - recalled_at_r)) - 1)
    )
    return Strength(min(LONGEST_STABILITY_DAYS, strength.stability_days * (1 + growth)), strength.difficulty)


def after_lapse(strength: Strength) -> Strength:
    """Return the strength after negative feedback: half the stability, a little more difficulty.

    >>> after_lapse(Strength(10.0, 5.0))
    Strength(stability_days=5.0, difficulty=6.0)
    """
    kept = max(SHORTEST_STABILITY_DAYS, LAPSE_KEEPS * strength.stability_days)
    return Strength(kept, min(10.0, strength.difficulty + 1))


def days_between(earlier: datetime, later: datetime) -> float:
    """Return the days from one moment to another, never negative."""
    return max(0.0, (later - earlier).total_seconds() / SECONDS_A_DAY)


def curve(
    strength: Strength, *, since: datetime, now: datetime, ahead_days: tuple[float, ...]
) -> list[tuple[float, float]]:
    """Return (days from now, retrievability) points: the present one and a forecast without further recalls."""
    elapsed = days_between(since, now)
    return [(d, retrievability(elapsed + d, strength.stability_days)) for d in (0.0, *ahead_days)]
