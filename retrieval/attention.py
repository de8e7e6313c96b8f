"""Turn similarities into shares of attention: dense by softmax, sparse by sparsemax and 1.5-entmax, all exact.

Sparsemax is Martins and Astudillo (2016), algorithm 1; 1.5-entmax is Peters, Niculae and Martins (2019), algorithm 2.
The sparse forms give exact zeros to what is far behind, so that the number of shares above zero means something.
"""

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

# exp(−700) is near the smallest double. Sparse forms give nothing to what lies more than 2 below the best.
_LOWEST: Final = -700.0


class Form(StrEnum):
    """How attention falls off below the best."""

    DENSE = "dense"  # softmax: everything gets a share
    SPARSEMAX = "sparsemax"  # falls linearly; the fewest shares above zero
    ENTMAX15 = "entmax15"  # falls with the square; between the two


def attend(similarities: ArrayLike, *, beta: float = 1.0, form: Form = Form.DENSE) -> NDArray[np.float64]:
    """Share out attention of 1 among similarities (m,), sharper with a larger ``beta`` (an inverse temperature).

    Args:
        similarities: Finite numbers, higher is better; none gives none.
        beta: Above 0. No value overflows: only differences from the best count.
        form: How attention falls off.

    Raises:
        ValueError: ``beta`` is not a finite number above 0, or a similarity is not finite.

    Worked by hand with a difference of 1 between two and β = 1. Softmax gives 1 / (1 + e⁻¹) = .731. Sparsemax keeps
    both while 1 + 2 · z₂ > z₁ + z₂, which fails at a difference of 1, so all goes to the first. With difference ½ the
    threshold is (1 + .5 − 1) / 2 = .25 and the shares are 1 − .25 and .5 − .25:

    >>> attend([1.0, 0.0]).round(3).tolist()
    [0.731, 0.269]
    >>> attend([1.0, 0.0], form=Form.SPARSEMAX).tolist()
    [1.0, 0.0]
    >>> attend([1.0, 0.5], form=Form.SPARSEMAX).tolist()
    [0.75, 0.25]

    1.5-entmax solves Σ max(0, z/2 − t)² = 1. For z = (1.2, 0) that is t² − .6t − .32 = 0, halved: t = −.3404, and the
    shares are (.6 + .3404)² = .884 and .3404² = .116; for a difference of 2 the second gets exactly nothing.

    >>> attend([1.2, 0.0], form=Form.ENTMAX15).round(3).tolist()
    [0.884, 0.116]
    >>> attend([2.0, 0.0], form=Form.ENTMAX15).tolist()
    [1.0, 0.0]
    """
    if not (np.isfinite(beta) and beta > 0):
        raise ValueError(f"beta must be a finite number above 0, not {beta}")
    values: NDArray[np.float64] = np.asarray(similarities, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a similarity is not finite")
    if not len(values):
        return np.empty(0)
    # Clipped before it is multiplied: a huge beta must not overflow.
    logits = beta * np.maximum(values - values.max(), _LOWEST / max(beta, 1.0))
    if form is Form.SPARSEMAX:
        return _sparsemax(logits)
    return _entmax15(logits) if form is Form.ENTMAX15 else _softmax(logits)


def entropy(shares: ArrayLike) -> float:
    """Return the entropy of shares that sum to 1, in nats; a share of 0 adds nothing.

    >>> round(entropy([0.5, 0.5, 0.0]), 4)  # ln 2
    0.6931
    """
    values: NDArray[np.float64] = np.asarray(shares, dtype=np.float64)
    present = values[values > 0]
    return max(0.0, -float(present @ np.log(present))) if len(present) else 0.0


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    mass = np.exp(logits)
    shares: NDArray[np.float64] = mass / mass.sum()
    return shares


def _sparsemax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(logits)[::-1]
    sums = np.cumsum(ordered) - 1.0
    counts = np.arange(1, len(ordered) + 1)
    kept = np.count_nonzero(counts * ordered > sums)
    return _exactly_one(np.maximum(logits - sums[kept - 1] / kept, 0.0))


def _entmax15(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    halved = logits / 2.0
    # The best is 0. What lies 1 or more below it has no share; leaving it out keeps the sums of squares exact.
    ordered = np.sort(halved[halved > -1.0])[::-1]
    counts = np.arange(1, len(ordered) + 1)
    means = np.cumsum(ordered) / counts
    spread = np.maximum(np.cumsum(ordered**2) - counts * means**2, 0.0)
    thresholds = means - np.sqrt(np.maximum((1.0 - spread) / counts, 0.0))
    kept = max(1, int(np.count_nonzero(thresholds <= ordered)))
    return _exactly_one(np.maximum(halved - thresholds[kept - 1], 0.0) ** 2)


def _exactly_one(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out what rounding left of a sum beside 1."""
    rescaled: NDArray[np.float64] = shares / shares.sum()
    return rescaled
