"""Rotary positions (RoPE, Su et al. 2021, §3.2), and how a key is moved from one to another.

A key at position p is the plain key with each pair of channels i turned by the angle p · ω_i. Turning it further by Δ · ω_i
gives what the model would have cached at p + Δ. That is exact for the key as such. What is lost when a chunk moves is
something else: in every layer above the first, keys and values contain what their tokens saw before them, and in another place
they would have seen other things. Reuse of that kind is therefore `shifted`, never `exact`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor, UnsupportedRope
from memory_service.activation.key_values import KeyValues

_MOST_POSITIONS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Rope:
    """The frequencies ω of a model, one for each pair of channels: channel i and i + half turn together, as in Llama.

    Channels past the first 2 · len(frequencies) are not turned at all (`partial_rotary_factor`).
    """

    frequencies: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.frequencies or not all(math.isfinite(one) and one >= 0 for one in self.frequencies):
            raise UnsupportedRope("frequencies are finite numbers from 0")


def plain_frequencies(dim: int, theta: float) -> tuple[float, ...]:
    """Return ω_i = θ^(−2i/dim) for i < dim/2 (Su et al. 2021, eq. 15).

    >>> plain_frequencies(4, 10000.0)
    (1.0, 0.01)
    """
    return tuple(theta ** (-2 * i / dim) for i in range(dim // 2))


def llama3_frequencies(
    plain: tuple[float, ...], *, factor: float, low: float, high: float, trained: int
) -> tuple[float, ...]:
    """Return frequencies as Llama 3.1 stretches them: long waves by `factor`, short ones not, between them in part.

    With λ = 2π/ω and s = (trained/λ − low) / (high − low), ω becomes ω where s ≥ 1, ω/factor where s ≤ 0, and
    (1 − s) · ω/factor + s · ω between (Llama 3.1, reference implementation of its RoPE).

    A wave of 100 positions fits twice into a training length of 200; half way between 1 and 3 that is s = ½, so that a
    factor of 8 leaves ½/8 + ½ = .5625 of the frequency:

    >>> omega = 2 * math.pi / 100
    >>> round(llama3_frequencies((omega,), factor=8, low=1, high=3, trained=200)[0] / omega, 9)
    0.5625
    >>> llama3_frequencies((1.0, 1e-6), factor=8, low=1, high=4, trained=8192)
    (1.0, 1.25e-07)
    """
    stretched = []
    for omega in plain:
        share = (trained * omega / (2 * math.pi) - low) / (high - low)
        share = min(1.0, max(0.0, share))
        stretched.append((1 - share) * omega / factor + share * omega)
    return tuple(stretched)


def rope_of(config: Mapping[str, Any]) -> Rope:
    """Return the rotation of a model by its configuration, as the JSON file of a Llama or Qwen2 holds it.

    Both spellings are read: `rope_theta` with `rope_scaling`, and `rope_parameters`.

    >>> rope_of({"head_dim": 4, "rope_theta": 10000.0}).frequencies
    (1.0, 0.01)
    >>> rope_of({"head_dim": 4, "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}}).frequencies
    (0.5, 0.005)

    Raises:
        UnsupportedRope: the angles depend on the length of the text (`dynamic`, `longrope`), keys are scaled besides
            (`yarn`), or the configuration says too little.
    """
    try:
        said = {**(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}
        kind = said.get("rope_type", said.get("type", "default"))
        dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        theta = float(said.get("rope_theta", config.get("rope_theta", 10000.0)))
        turned = int(dim * float(said.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0))))
        plain = plain_frequencies(turned, theta)
        if kind == "default":
            return Rope(plain)
        if kind == "linear":
            return Rope(tuple(one / float(said["factor"]) for one in plain))
        if kind == "llama3":
            return Rope(
                llama3_frequencies(
                    plain,
                    factor=float(said["factor"]),
                    low=float(said["low_freq_factor"]),
                    high=float(said["high_freq_factor"]),
                    trained=int(said["original_max_position_embeddings"]),
                )
            )
    except (KeyError, TypeError, AttributeError, ZeroDivisionError, OverflowError) as error:
        raise UnsupportedRope(f"the configuration says too little about its rotary positions: {error!r}") from error
    except ValueError as error:
        raise UnsupportedRope(f"the configuration's rotary positions cannot be read: {error}") from error
    raise UnsupportedRope(f"rotary positions of type {str(kind)[:40]!r} cannot be moved")


def turn(keys: NDArray[np.float32], by: NDArray[np.int64], rope: Rope) -> NDArray[np.float32]:
    """Return float32[…, token, dim] with each token's key turned further by so many positions.

    By one position at ω = π/2, (1, 0) becomes (0, 1). Angles are computed in float64, so that position 100,000 is as exact
    as position 1.

    >>> turn(np.array([[1, 0]], np.float32), np.array([1]), Rope((math.pi / 2,))).round(6).tolist()
    [[0.0, 1.0]]
    >>> turn(np.array([[3, 4]], np.float32), np.array([0]), Rope((1.0,))).tolist()
    [[3.0, 4.0]]

    Raises:
        BadTensor: there is not one number of positions for each token, or the model turns more channels than there are.
    """
    half = len(rope.frequencies)
    if keys.ndim < 2 or by.shape != keys.shape[-2:-1] or 2 * half > keys.shape[-1]:
        raise BadTensor(f"keys {list(keys.shape)} cannot be turned by {list(by.shape)} in {half} pairs of channels")
    if by.size and np.abs(by).max() > _MOST_POSITIONS:
        raise BadTensor("no text is that long")
    angles = by.astype(np.float64)[:, None] * np.array(rope.frequencies)
    cosine, sine = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    left, right = keys[..., :half], keys[..., half : 2 * half]
    turned = np.concatenate(
        [left * cosine - right * sine, right * cosine + left * sine, keys[..., 2 * half :]], axis=-1
    )
    return np.where((by == 0)[:, None], keys, turned)


def move(cache: KeyValues, start: int, rope: Rope) -> KeyValues:
    """Return the cache as if its first token stood at `start`; the distances between tokens stay.

    Values have no position. Whoever moves a cache records it as `shifted`, except by nothing.

    Raises:
        BadTensor: `start` is negative, or past any text.
    """
    if not 0 <= start <= _MOST_POSITIONS:
        raise BadTensor(f"{start} is no position")
    if not cache.tokens:
        return cache
    by = np.full(cache.tokens, start - int(cache.positions[0]), np.int64)
    return KeyValues(turn(cache.keys, by, rope), cache.values, cache.positions + by)
