"""Surprise on streams whose novelties are known."""

import numpy as np
import pytest

from consolidation.surprise import CONTEXT, LEAST, MOMENTUM, MOST, TYPICAL, first_importance, surprises


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def stream(seed: int, *, turns: int = 600, dimension: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return turns that wander around a few themes, one in twenty of them about something else, and which those are."""
    rng = np.random.default_rng(seed)
    themes = unit(rng.normal(size=(3, dimension)))
    novel = rng.random(turns) < 0.05
    rows = themes[rng.integers(0, 3, turns)] + 0.08 * rng.normal(size=(turns, dimension))
    rows[novel] = unit(rng.normal(size=(int(novel.sum()), dimension)))
    return unit(rows), novel


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return how likely a positive scores above a negative; ties count half."""
    high, low = scores[positive][:, None], scores[~positive][None, :]
    return float(np.mean((high > low) + 0.5 * (high == low)))


@pytest.mark.parametrize("seed", range(5))
def test_what_is_new_is_surprising(seed: int) -> None:
    rows, novel = stream(seed)
    found = surprises(rows)
    assert auc(found[CONTEXT:], novel[CONTEXT:]) > 0.9
    assert auc(np.array([first_importance(s) for s in found[CONTEXT:]]), novel[CONTEXT:]) > 0.9


def test_momentum_carries_into_the_turns_after_it() -> None:
    rows, novel = stream(1)
    with_it, without = surprises(rows), surprises(rows, momentum=0.0)
    after = np.flatnonzero(novel[:-1]) + 1
    after = after[(after > CONTEXT) & ~novel[after]]
    calm = np.setdiff1d(np.flatnonzero(~novel), np.concatenate([after, after + 1, np.arange(CONTEXT)]))
    assert with_it[after].mean() > with_it[calm].mean() + 0.5 * MOMENTUM * (
        without[novel].mean() - without[calm].mean()
    )
    assert abs(without[after].mean() - without[calm].mean()) < 0.05


def test_a_stream_in_two_parts_is_the_same_stream() -> None:
    rows, _ = stream(2, turns=60)
    whole = surprises(rows)
    first = surprises(rows[:37])
    second = surprises(rows[37:], rows[:37], before=float(first[-1]))
    assert np.allclose(np.concatenate([first, second]), whole)


def test_bounds() -> None:
    rows, _ = stream(3, turns=50)
    found = surprises(rows)
    assert ((found >= 0) & (found <= 2)).all()
    values = [first_importance(s) for s in np.linspace(0, 2, 50)]
    assert values == sorted(values)
    assert min(values) >= LEAST
    assert max(values) <= MOST
    assert surprises(np.zeros((0, 8))).shape == (0,)
    assert surprises(rows[:1]).tolist() == [TYPICAL]
    assert surprises(np.repeat(rows[:1], 30, axis=0))[-1] < 0.01
    with pytest.raises(ValueError, match="cannot be compared"):
        surprises(rows, np.ones((2, 3)))
