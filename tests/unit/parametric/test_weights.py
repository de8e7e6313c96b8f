"""Weights as bytes: what was written is read, and nothing else."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.parametric import weights
from memory_service.parametric.associative import Association, learned
from memory_service.parametric.weights import DamagedWeights


def state() -> Association:
    rng = np.random.default_rng(1)
    return learned(rng.normal(size=(4, 6)), rng.normal(size=(4, 6)), gamma=0.9)


def test_what_was_packed_is_read_as_float32() -> None:
    packed = weights.pack(state())
    assert packed[:4] == struct.pack("<f", state().keys[0, 0])
    read = weights.unpack(packed, dimension=6, checksum=weights.checksum_of(packed))
    np.testing.assert_array_equal(read.keys, state().keys.astype("<f4"))
    np.testing.assert_array_equal(read.values, state().values.astype("<f4"))


@given(st.data())
def test_one_changed_byte_is_seen(data: st.DataObject) -> None:
    packed = weights.pack(state())
    at = data.draw(st.integers(0, len(packed) - 1))
    damaged = packed[:at] + bytes([packed[at] ^ data.draw(st.integers(1, 255))]) + packed[at + 1 :]
    with pytest.raises(DamagedWeights, match="checksum"):
        weights.unpack(damaged, dimension=6, checksum=weights.checksum_of(packed))


def test_what_is_cut_off_or_no_number_is_refused() -> None:
    packed = weights.pack(state())
    for cut in (packed[:-4], packed + b"\0" * 4, b""):
        with pytest.raises(DamagedWeights, match="bytes"):
            weights.unpack(cut, dimension=6, checksum=weights.checksum_of(cut))
    for bad in (np.nan, np.inf):
        broken = np.full((2, 6, 6), bad, dtype="<f4").tobytes()
        with pytest.raises(DamagedWeights, match="number"):
            weights.unpack(broken, dimension=6, checksum=weights.checksum_of(broken))
