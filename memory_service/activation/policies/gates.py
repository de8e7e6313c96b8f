"""A retention gate, fitted to what was looked at later.

TRIM-KV trains its gates with the model frozen, through the attention (Bui et al. 2025, §3.3). This one is a logistic
regression for each head, from a token's key (turned back to position 0) and value, to whether any later question looked at it.
It needs no gradients through the model and sees no question when it decides.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor
from memory_service.activation.key_values import KeyValues
from memory_service.activation.policies.statistics import Floats
from memory_service.activation.rope import Rope, turn

_LOGIT_LIMIT = 30.0  # e³⁰ is far from overflow, and 1 − 1/(1 + e³⁰) is 1 in float32


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """Weights of a gate, float32[layer, head, 2·dim + 1], the last one the intercept."""

    weights: Floats
    rope: Rope

    def retention(self, cache: KeyValues) -> Floats:
        """Return β for each token, float32[layer, head, token], such that β^tokens is the probability to be needed.

        Raises:
            BadTensor: the gate is one of another model.
        """
        wanted = (cache.layers, cache.heads, 2 * cache.dim + 1)
        if self.weights.shape != wanted:
            raise BadTensor(f"the gate is {list(self.weights.shape)}, the model's would be {list(wanted)}")
        logits = np.einsum("lhtf,lhf->lht", features(cache, self.rope), self.weights)
        needed = _sigmoid(logits.astype(np.float64))
        beta: Floats = (needed ** (1 / max(1, cache.tokens))).astype(np.float32)
        return beta


def features(cache: KeyValues, rope: Rope) -> Floats:
    """Return what a gate looks at, float32[layer, head, token, 2·dim + 1]: key at position 0, value, 1."""
    plain = turn(cache.keys, -cache.positions, rope)
    one = np.ones((*plain.shape[:3], 1), np.float32)
    return np.concatenate([plain, cache.values, one], axis=-1)


def fit(rows: Floats, needed: NDArray[np.bool_], *, ridge: float = 1.0, steps: int = 12) -> Floats:
    """Return logistic weights for float32[row, feature], by Newton steps with a ridge penalty on all but the intercept.

    Two rows at ±1, the right one needed. With w the weight and no intercept, −(1 − σ(w)) · 2 + w = 0 at w ≈ .675:

    >>> fit(np.array([[-1, 1], [1, 1]], np.float32), np.array([False, True])).round(3).tolist()
    [0.675000011920929, 0.0]

    Raises:
        BadTensor: shapes do not fit, or a number is NaN.
    """
    if rows.ndim != 2 or needed.shape != rows.shape[:1] or not np.isfinite(rows).all():
        raise BadTensor("a gate is fitted to rows of numbers and whether each was needed")
    wide = rows.astype(np.float64)
    penalty = np.full(wide.shape[1], ridge)
    penalty[-1] = 1e-6  # enough for the matrix to be regular where all rows are needed
    weights = np.zeros(wide.shape[1])
    for _ in range(steps):
        chance = _sigmoid(wide @ weights)
        slope = wide.T @ (chance - needed) + penalty * weights
        curve = (wide * (chance * (1 - chance))[:, None]).T @ wide + np.diag(penalty)
        weights = weights - np.linalg.solve(curve, slope)
    return weights.astype(np.float32)


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    chances: NDArray[np.float64] = 1 / (1 + np.exp(-logits.clip(-_LOGIT_LIMIT, _LOGIT_LIMIT)))
    return chances
