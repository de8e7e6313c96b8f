"""Complete a partial or noisy cue from the memories near it: one or two steps of a modern Hopfield network.

Ramsauer et al. (2021), equation 3: with patterns X (one row per memory vector) and a cue ξ, the next state is
ξ' = Xᵀ softmax(β X ξ). A memory's score is its similarity to the state reached. The sparse forms are Hu et al. (2023)
and Martins et al. (2023); the no-match bias follows the softmax₁ of Hu et al. (2024), whose 1 in the denominator we
write exp(βτ), because among many patterns 1 is nothing.

**β.** On unit vectors the 1/√d of attention layers spreads attention evenly: every cue ends in the same mean and finds
the same memories. Attention settles on the best of N patterns when exp(βΔ) outweighs N, so β = ln(N) / Δ, where Δ is
how far the best stands above a typical pattern.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.attention import Form, attend, entropy
from retrieval.rows import Rows

_FARTHEST: Final = 700.0  # nats; exp() of more overflows


@dataclass(frozen=True, slots=True)
class Parameters:
    """How cues are completed."""

    steps: int = 1  # a second step forgets the cue where memories lie close together
    form: Form = Form.DENSE
    no_match: float = 0.5  # cosine at which "something like it is stored" and "nothing is" weigh the same
    lowest_beta: float = 20.0  # below, attention spreads over everything
    highest_beta: float = 60.0  # above, only the nearest counts and nothing is completed


DEFAULT: Final = Parameters()


@dataclass(frozen=True, slots=True)
class Completion:
    """What a cue was completed to.

    Attributes:
        state: (d,) normalised; the cue itself where there is no pattern.
        attention: (m,) shares of the patterns in the last step, summing to 1.
        familiarity: In 0..1, the share that the patterns win against "no match" in the first step, before completion
            makes everything familiar.
        support: How many patterns share the attention, exp of its entropy: 1 when one has it all, m when evenly spread.
        beta: What was used.
    """

    state: NDArray[np.float64]
    attention: NDArray[np.float64]
    familiarity: float
    support: float
    beta: float

    @property
    def active(self) -> int:
        """How many patterns have any share; less than all of them in the sparse forms."""
        return int(np.count_nonzero(self.attention))


@dataclass(frozen=True, slots=True)
class Association:
    """The scores of all rows, NaN outside the candidates, and the completion that they come from."""

    scores: NDArray[np.float64]  # (n,) cosine to the completed state, higher is better
    completion: Completion


def choose_beta(similarities: ArrayLike, *, lowest: float = 20.0, highest: float = 60.0) -> float:
    """Choose β = ln(N) / Δ from N similarities, where Δ is how far the best stands above their median.

    With 150 patterns of which a typical one has cosine .3 and the best .5, β = ln(150) / .2 = 25:

    >>> round(choose_beta([0.5] + [0.3] * 149), 2)
    25.05
    >>> choose_beta([0.31] + [0.3] * 149), choose_beta([])
    (60.0, 20.0)
    """
    values: NDArray[np.float64] = np.asarray(similarities, dtype=np.float64)
    if len(values) < 2:
        return lowest
    margin = float(values.max() - np.median(values))
    return min(highest, max(lowest, math.log(len(values)) / margin)) if margin > 0 else highest


def complete(
    patterns: ArrayLike,
    cue: ArrayLike,
    *,
    beta: float | None = None,
    steps: int = DEFAULT.steps,
    form: Form = DEFAULT.form,
    no_match: float = DEFAULT.no_match,
) -> Completion:
    """Complete a cue from stored patterns.

    Args:
        patterns: (m, d) normalised rows; m may be 0.
        cue: (d,) normalised.
        beta: Above 0; chosen from the similarities when None, see ``choose_beta``.
        steps: How many updates, at least 1. The state is normalised after each.
        form: How attention falls off below the best.
        no_match: The cosine at which familiarity is ½ for a single pattern.

    Raises:
        ValueError: ``beta`` is not above 0, ``steps`` is below 1, or something is not finite.

    Worked by hand: two orthogonal patterns and a cue of cosines .8 and .6, β = 10. Softmax gives the first
    1 / (1 + e^(−10 · .2)) = .8808, so the state points to (.8808, .1192), normalised (.991, .134). Against no match at
    .5 the familiarity is (e⁸ + e⁶) / (e⁸ + e⁶ + e⁵) = .958.

    >>> completed = complete([[1, 0], [0, 1]], [0.8, 0.6], beta=10)
    >>> completed.attention.round(4).tolist(), completed.state.round(3).tolist()
    ([0.8808, 0.1192], [0.991, 0.134])
    >>> round(completed.familiarity, 3), round(completed.support, 2)
    (0.958, 1.44)
    >>> complete([[1, 0], [0, 1]], [0.8, 0.6], beta=10, form=Form.SPARSEMAX).attention.tolist()
    [1.0, 0.0]
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    stored = _floating(patterns)
    state: NDArray[np.float64] = np.asarray(cue, dtype=np.float64)
    if not len(stored):
        return Completion(state, np.empty(0), familiarity=0.0, support=0.0, beta=DEFAULT.lowest_beta)
    similarities = (stored @ state.astype(stored.dtype, copy=False)).astype(np.float64)
    sharpness = choose_beta(similarities) if beta is None else beta
    attention = attend(similarities, beta=sharpness, form=form)
    familiarity = _familiarity(similarities, beta=sharpness, no_match=no_match)
    state = _recombined(stored, attention, otherwise=state)
    for _ in range(steps - 1):
        similarities = (stored @ state.astype(stored.dtype, copy=False)).astype(np.float64)
        attention = attend(similarities, beta=sharpness, form=form)
        state = _recombined(stored, attention, otherwise=state)
    return Completion(state, attention, familiarity, support=math.exp(entropy(attention)), beta=sharpness)


def associate(
    rows: Rows, cue: ArrayLike, candidates: NDArray[np.intp] | NDArray[np.bool_], *, parameters: Parameters = DEFAULT
) -> Association:
    """Complete a cue from the candidates and score them by how near they are to the completed state.

    Every vector of a candidate is a pattern: its text's and its further keys'. A row's score is that of its nearest
    vector. Asked alone, pass the rows nearest to the cue: a few hundred, as completion is local.

    Args:
        rows: The memories.
        cue: (d,) the query's vector, normalised.
        candidates: Numbers of rows, or a mask (n,); only they complete the cue, and only they are scored.
        parameters: How to complete.
    """
    mask = _mask(candidates, len(rows))
    chosen = np.flatnonzero(mask)
    further = np.flatnonzero(mask[rows.keys.row])
    stored = np.empty((len(chosen) + len(further), rows.vectors.shape[1]), dtype=np.float32)
    # "clip" only because "raise" copies twice; every number is in range.
    np.take(rows.vectors, chosen, axis=0, out=stored[: len(chosen)], mode="clip")
    np.take(rows.keys.vectors, further, axis=0, out=stored[len(chosen) :], mode="clip")
    query: NDArray[np.float32] = np.asarray(cue, dtype=np.float32)
    similarities = stored @ query
    completion = complete(
        stored,
        query,
        beta=choose_beta(similarities, lowest=parameters.lowest_beta, highest=parameters.highest_beta),
        steps=parameters.steps,
        form=parameters.form,
        no_match=parameters.no_match,
    )
    nearness = (stored @ completion.state.astype(np.float32)).astype(np.float64)
    scores = np.full(len(rows), np.nan)
    scores[chosen] = nearness[: len(chosen)]
    if len(further):
        np.fmax.at(scores, rows.keys.row[further], nearness[len(chosen) :])
    return Association(scores, completion)


def score(
    rows: Rows, cue: ArrayLike, candidates: NDArray[np.intp] | NDArray[np.bool_], *, parameters: Parameters = DEFAULT
) -> NDArray[np.float64]:
    """Return ``associate(...).scores``: (n,) cosines to the completed state, NaN outside the candidates."""
    return associate(rows, cue, candidates, parameters=parameters).scores


def _floating(patterns: ArrayLike) -> NDArray[np.floating]:
    """Keep the precision of stored vectors: copying them to double would cost more than the completion."""
    given = np.asarray(patterns)
    return given if np.issubdtype(given.dtype, np.floating) else given.astype(np.float64)


def _mask(candidates: NDArray[np.intp] | NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    mask = np.zeros(count, dtype=np.bool_)
    mask[candidates] = True  # by number or by mask alike
    return mask


def _recombined(
    stored: NDArray[np.floating], attention: NDArray[np.float64], *, otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mix the patterns by their shares, normalised; opposite patterns may cancel out, then the state stays."""
    mixed: NDArray[np.float64] = (attention.astype(stored.dtype, copy=False) @ stored).astype(np.float64)
    length = float(np.linalg.norm(mixed))
    return mixed / length if length > 1e-12 else otherwise


def _familiarity(similarities: NDArray[np.float64], *, beta: float, no_match: float) -> float:
    """Return Σ exp(βs) / (Σ exp(βs) + exp(βτ)), computed without overflow."""
    best = float(similarities.max())
    away = np.maximum(similarities - best, -_FARTHEST / max(beta, 1.0))
    ahead = math.log(float(np.exp(beta * away).sum()))
    lead = min(1.0, max(-1.0, (best - no_match) * (beta / _FARTHEST))) * _FARTHEST + ahead
    return 1.0 / (1.0 + math.exp(-min(_FARTHEST, max(-_FARTHEST, lead))))
