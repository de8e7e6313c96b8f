"""What a cache is, and what none is."""

import numpy as np
import pytest

from memory_service.activation.errors import BadTensor
from memory_service.activation.key_values import KeyValues

GOOD = np.ones((1, 2, 3, 4), np.float32)


@pytest.mark.parametrize(
    ("keys", "values", "positions"),
    [
        (GOOD.astype(np.float64), GOOD, np.arange(3)),
        (GOOD[0], GOOD[0], np.arange(3)),
        (GOOD, GOOD[..., :2], np.arange(3)),
        (GOOD[:, :0], GOOD[:, :0], np.arange(3)),
        (GOOD, GOOD, np.arange(4)),
        (GOOD, GOOD, np.arange(3, dtype=np.int32)),
        (GOOD, GOOD, np.array([0, 2, 1])),
        (GOOD, GOOD, np.array([-1, 0, 1])),
        (GOOD * np.nan, GOOD, np.arange(3)),
        (GOOD, GOOD * np.inf, np.arange(3)),
    ],
)
def test_what_is_no_cache_is_refused(keys: np.ndarray, values: np.ndarray, positions: np.ndarray) -> None:
    with pytest.raises(BadTensor):
        KeyValues(keys, values, positions)


def test_a_cache_of_no_tokens_is_one() -> None:
    none = np.ones((2, 2, 0, 4), np.float32)
    assert KeyValues(none, none, np.arange(0)).bytes_in_bfloat16() == 0


def test_bytes_are_those_of_two_tensors_in_sixteen_bits() -> None:
    assert KeyValues(GOOD, GOOD, np.arange(3)).bytes_in_bfloat16() == 2 * 24 * 2
