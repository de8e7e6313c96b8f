"""What numbers lose when they are written in fewer bits, and how many bits that takes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from memory_service.activation import int8
from memory_service.activation.bfloat16 import from_bfloat16, to_bfloat16
from memory_service.activation.errors import BadTensor
from memory_service.activation.key_values import KeyValues
from tests.unit.activation.conftest import made_cache

FINITE = st.floats(-60000, 60000, width=32)


@given(hnp.arrays(np.float32, 20, elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_bfloat16_is_torchs(values: np.ndarray) -> None:
    theirs = torch.from_numpy(values).to(torch.bfloat16)
    assert to_bfloat16(values).tolist() == theirs.view(torch.uint16).tolist()
    assert from_bfloat16(to_bfloat16(values)).tolist() == theirs.float().tolist()


@given(st.integers(0, 0xFFFF))
def test_every_finite_bfloat16_survives(bits: int) -> None:
    one = np.array([bits], np.uint16)
    if bits & 0x7F80 == 0x7F80:
        with pytest.raises(BadTensor):
            from_bfloat16(one)
    else:
        assert to_bfloat16(from_bfloat16(one)).tolist() == [bits]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, np.finfo(np.float32).max])
def test_bfloat16_refuses_what_it_cannot_hold(bad: float) -> None:
    with pytest.raises(BadTensor):
        to_bfloat16(np.array([1, bad], np.float32))


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=3, max_side=6), elements=FINITE), st.integers(0, 1))
def test_a_number_comes_back_at_most_half_a_step_away(values: np.ndarray, axis: int) -> None:
    coded = int8.encode_along(values, axis)
    back = int8.decode_along(coded)
    allowed = np.broadcast_to(coded.steps.astype(np.float64) / 2, values.shape)
    rounding = np.abs(values.astype(np.float64)).max(initial=0) * 2.0**-22  # of float32, when it is added up again
    assert (np.abs(back.astype(np.float64) - values) <= allowed + rounding).all()


@given(hnp.arrays(np.float32, (3, 4), elements=FINITE))
def test_least_and_largest_stay_in_order(values: np.ndarray) -> None:
    back = int8.decode_along(int8.encode_along(values, 1))
    order = np.argsort(values, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(back, order, 1), axis=1) >= 0).all()


def test_a_large_channel_does_not_blur_the_others() -> None:
    cache = made_cache(256, dim=32)
    keys = cache.keys.copy()
    keys[..., 5] += 200
    back = int8.decode(int8.encode(KeyValues(keys, cache.values, cache.positions)))
    others = np.arange(32) != 5
    assert np.abs(back.keys - keys)[..., others].max() < 0.02  # a common step would leave .4


@pytest.mark.parametrize("tokens", [0, 1, 127, 128, 129, 300])
def test_any_number_of_tokens_makes_a_round_trip(tokens: int) -> None:
    cache = made_cache(tokens)
    coded = int8.encode(cache)
    back = int8.decode(coded)
    assert back.keys.shape == cache.keys.shape
    assert coded.keys.steps.shape[2] == -(-tokens // 128)
    assert np.allclose(back.keys, cache.keys, atol=0.02)
    assert np.allclose(back.values, cache.values, atol=0.02)


@pytest.mark.parametrize("dim", [32, 64, 128])
def test_whole_blocks_take_the_share_that_is_promised(dim: int) -> None:
    cache = made_cache(256, dim=dim)
    share = int8.encode(cache).packed_bytes() / cache.bytes_in_bfloat16()
    assert share == pytest.approx(int8.packed_share(dim))
    assert share <= 0.54


@pytest.mark.parametrize("bad", [np.nan, np.inf, 70000, -70000, -65519])
def test_eight_bits_refuse_what_they_cannot_hold(bad: float) -> None:
    with pytest.raises(BadTensor):
        int8.encode_along(np.array([[0, bad]], np.float32), 1)


def test_hostile_steps_are_refused() -> None:
    coded = int8.encode(made_cache(5))
    for bad in (np.nan, np.inf, -1):
        steps = np.full_like(coded.keys.steps, bad)
        with pytest.raises(BadTensor):
            int8.decode(
                int8.CodedKeyValues(
                    int8.Coded(coded.keys.codes, steps, coded.keys.floors), coded.values, coded.positions
                )
            )
    with pytest.raises(BadTensor, match="groups"):
        int8.decode(coded, group=2)
