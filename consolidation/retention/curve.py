"""How memories fade: retrievability as a power law of time (FSRS), or exponentially (Ebbinghaus).

    power law    R(t) = (1 + F t / S)^-w,  w = 0.5, F = 19/81
    Ebbinghaus   R(t) = exp(-t / τ),       τ = S / -ln 0.9

Times and stabilities are in days. Under both curves R(S) = 0.9, so that stability is the same word: what differs is the tail,
which the power law has and the exponential has not. Sources: FSRS-4.5 forgetting curve,
https://github.com/open-spaced-repetition/fsrs4anki/wiki/The-Algorithm; H. Ebbinghaus, Über das Gedächtnis (1885).
"""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

W = 0.5
F = 19 / 81
AT_STABILITY = 0.9  # R when as many days have passed as the stability says
SECONDS_A_DAY = 86_400.0

# Days until a memory of each type, never recalled, falls to R = 0.9. Working memory is for today, core memory for years.
INITIAL_STABILITY_DAYS = {"working": 1.0, "episodic": 14.0, "semantic": 60.0, "procedural": 120.0, "core": 365.0}
INITIAL_DIFFICULTY = 5.0
SHORTEST_STABILITY_DAYS = 0.1
LONGEST_STABILITY_DAYS = 36_500.0
SURPRISE_GAIN = 0.5  # what was wholly unexpected holds half as long again as what was expected


class Curve(StrEnum):
    """The shape in which memories fade."""

    POWER = "power"
    EBBINGHAUS = "ebbinghaus"


@dataclass(frozen=True, slots=True)
class Strength:
    """How firmly a memory holds: stability in days, difficulty from 1 (easy) to 10."""

    stability_days: float
    difficulty: float


@dataclass(frozen=True, slots=True)
class Gains:
    """What a recall adds and a lapse takes; the first three are the weights w8, w9 and w10 of FSRS-4.5."""

    recall: float = 1.46
    saturation: float = 0.13
    forgotten: float = 1.0  # how much more a recall is worth when the memory was nearly forgotten
    lapse_keeps: float = 0.5  # of the stability


DEFAULT_GAINS = Gains()


def retrievability(elapsed_days: float, stability_days: float, curve: Curve = Curve.POWER) -> float:
    """Return the probability of recall after some days, from 1 down towards 0.

    >>> retrievability(0, 14)
    1.0
    >>> round(retrievability(14, 14), 6), round(retrievability(14, 14, Curve.EBBINGHAUS), 6)
    (0.9, 0.9)
    >>> round(retrievability(365, 14), 3), round(retrievability(365, 14, Curve.EBBINGHAUS), 3)
    (0.375, 0.064)
    """
    share = max(0.0, elapsed_days) / stability_days
    if curve is Curve.EBBINGHAUS:
        return float(AT_STABILITY**share)
    return float((1 + F * share) ** -W)


def days_until(r: float, stability_days: float, curve: Curve = Curve.POWER) -> float:
    """Return after how many days a memory falls to a retrievability in (0, 1]: the inverse of the curve.

    (0.5^-2 - 1) / F = 3 · 81/19 = 12.79 stabilities:

    >>> round(days_until(0.5, 14), 1), round(days_until(0.9, 14, Curve.EBBINGHAUS), 6)
    (179.1, 14.0)
    """
    if curve is Curve.EBBINGHAUS:
        return stability_days * math.log(r) / math.log(AT_STABILITY)
    return float(stability_days * (r ** (-1 / W) - 1) / F)


def initial_strength(
    memory_type: str,
    importance: float,
    *,
    base_days: float | None = None,
    source_factor: float = 1.0,
    surprise: float | None = None,
) -> Strength:
    """Return the strength of a new memory.

    S0 = base(type) · 2^(2 importance - 1) · factor(source) · (1 + 0.5 surprise): full importance doubles, none halves.

    Args:
        memory_type: whose usual stability is the base.
        importance: 0..1.
        base_days: in place of the usual stability of the type.
        source_factor: how much longer or shorter what comes from this kind of source holds.
        surprise: 0..1, how unexpected it was; None where nobody measured it.

    >>> initial_strength("episodic", 0.5).stability_days
    14.0
    >>> initial_strength("episodic", 1.0).stability_days
    28.0
    >>> initial_strength("episodic", 0.5, source_factor=0.5, surprise=1.0).stability_days
    10.5
    """
    base = (
        INITIAL_STABILITY_DAYS.get(memory_type, INITIAL_STABILITY_DAYS["episodic"]) if base_days is None else base_days
    )
    days = base * 2 ** (2 * importance - 1) * source_factor * (1 + SURPRISE_GAIN * (surprise or 0.0))
    return Strength(stability_days=within(days), difficulty=INITIAL_DIFFICULTY)


def within(stability_days: float) -> float:
    """Keep a stability between a tenth of a day and a hundred years."""
    return min(LONGEST_STABILITY_DAYS, max(SHORTEST_STABILITY_DAYS, stability_days))


def held_by(importance: float, spaced_uses: float) -> float:
    """Return what holds a memory against fading, 0 for nothing: its importance above the middle, and its use.

    >>> held_by(0.5, 0)
    0.0
    >>> round(held_by(1.0, math.e - 1), 6)
    2.0
    """
    return max(0.0, 2 * importance - 1) + math.log1p(max(0.0, spaced_uses))


def protected(stability_days: float, held: float, kappa: float) -> float:
    """Return the stability by which a memory fades: its rate λ = 1/S becomes λ / (1 + κ F), where F is what holds it.

    Source: elastic weight consolidation (Kirkpatrick et al. 2017): what was of use resists change.

    >>> protected(14.0, 2.0, 0.5)
    28.0
    """
    return within(stability_days * (1 + kappa * held))


def after_recall(strength: Strength, recalled_at_r: float, gains: Gains = DEFAULT_GAINS) -> Strength:
    """Return the strength after a useful recall; it grows more the nearer the memory was to being forgotten.

    S' = S [1 + e^w8 (11 - D) S^-w9 (e^(w10 (1 - R)) - 1)]

    >>> after_recall(Strength(10.0, 5.0), 1.0).stability_days
    10.0
    >>> round(after_recall(Strength(10.0, 5.0), 0.9).stability_days, 2)
    30.14
    """
    growth = (
        math.exp(gains.recall)
        * (11 - strength.difficulty)
        * strength.stability_days**-gains.saturation
        * (math.exp(gains.forgotten * (1 - recalled_at_r)) - 1)
    )
    return Strength(within(strength.stability_days * (1 + growth)), strength.difficulty)


def after_lapse(strength: Strength, gains: Gains = DEFAULT_GAINS) -> Strength:
    """Return the strength after negative feedback: half the stability, a little more difficulty.

    >>> after_lapse(Strength(10.0, 5.0))
    Strength(stability_days=5.0, difficulty=6.0)
    """
    return Strength(within(gains.lapse_keeps * strength.stability_days), min(10.0, strength.difficulty + 1))


def days_between(earlier: datetime, later: datetime) -> float:
    """Return the days from one moment to another, never negative."""
    return max(0.0, (later - earlier).total_seconds() / SECONDS_A_DAY)
