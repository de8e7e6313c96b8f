"""Tell the near from the rest: the higher mode of a mixture of two Gaussians.

MemGAS (2025, section 3.2) accepts the associations of the higher mode of a Gaussian mixture over similarities. Here both
components share one variance, so that a value's chance to be of the higher mode only grows with the value, and many sets
of values are fitted at once (expectation maximisation, Dempster et al. 1977).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class MixtureSettings:
    """How a mixture is fitted."""

    rounds: int = 30
    least: int = 4  # values; fewer have no modes
    apart: float = 2.0  # distance of the means in deviations; nearer, and there is one mode (Ashman et al. 1994)
    narrowest: float = 0.01  # deviation of a component: rounding is no mode


DEFAULT: Final = MixtureSettings()


def higher_mode(values: NDArray[np.float64], *, settings: MixtureSettings = DEFAULT) -> NDArray[np.float64]:
    """Return the chance of each value to be of the higher of two modes: (m, k) → (m, k), m sets of at most k values.

    NaN where there is no value, and for a whole set that has no two modes: too few values, or all much alike.

    Two values near .7 and four near .3 are told apart; equal ones are not:

    >>> some = np.array([[0.7, 0.68, 0.32, 0.3, 0.29, 0.31], [0.5, 0.5, 0.5, 0.5, 0.5, np.nan]])
    >>> higher_mode(some).round(2).tolist()
    [[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [nan, nan, nan, nan, nan, nan]]

    One round by hand: of 0, 0, 1, 1 the means begin at 0 and 1 with deviation .5, so a 1 is of the higher mode with
    1 / (1 + exp(−(1 − ½) · (1 − 0) / .25)) = 1 / (1 + e⁻²) = .881, a 0 with .119.

    >>> once = MixtureSettings(rounds=0, apart=0.0)
    >>> higher_mode(np.array([[0.0, 0.0, 1.0, 1.0]]), settings=once).round(3).tolist()
    [[0.119, 0.119, 0.881, 0.881]]
    """
    if values.size == 0:
        return np.full(values.shape, np.nan)
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    x = np.where(known, values, 0.0)
    n = np.maximum(count, 1)
    mean = x.sum(axis=1) / n
    least = settings.narrowest**2
    variance = np.maximum((np.where(known, x - mean[:, None], 0.0) ** 2).sum(axis=1) / n, least)
    low = np.where(known, values, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, values, -np.inf).max(axis=1, initial=-np.inf)
    low, high = np.where(count > 0, low, 0.0), np.where(count > 0, high, 0.0)
    share = np.full(len(values), 0.5)
    chance = _chance(x, known, low, high, variance, share)
    for _ in range(settings.rounds):
        of_high = chance.sum(axis=1)
        of_low = n - of_high
        high = (chance * x).sum(axis=1) / np.maximum(of_high, 1e-9)
        low = (np.where(known, 1 - chance, 0.0) * x).sum(axis=1) / np.maximum(of_low, 1e-9)
        spread = chance * (x - high[:, None]) ** 2 + np.where(known, 1 - chance, 0.0) * (x - low[:, None]) ** 2
        variance = np.maximum(spread.sum(axis=1) / n, least)
        share = np.clip(of_high / n, 1e-6, 1 - 1e-6)
        chance = _chance(x, known, low, high, variance, share)
    two = (count >= settings.least) & (high - low >= settings.apart * np.sqrt(variance))
    return np.where(known & two[:, None], chance, np.nan)


def _chance(
    x: NDArray[np.float64],
    known: NDArray[np.bool_],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    variance: NDArray[np.float64],
    share: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the chance of each value to be of the higher component: a logistic, as both share their variance."""
    middle = (low + high) / 2
    odds = (x - middle[:, None]) * ((high - low) / variance)[:, None] + np.log(share / (1 - share))[:, None]
    return np.where(known, 1 / (1 + np.exp(-np.clip(odds, -60.0, 60.0))), 0.0)
