"""Cosines between memories, whatever precision their vectors are kept in."""

import math
from uuid import UUID

import numpy as np
import pytest

from consolidation.neighbourhood import neighbourhood
from retrieval.quantisation import from_sketch

D = 384


@pytest.mark.parametrize("cosine", [0.5, 0.8])
def test_a_faded_memory_is_as_near_as_it_was(cosine: float) -> None:
    """A statement that replaces an older one must find it, also when of that only signs are left."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(50):
        old, across = rng.standard_normal((2, D)).astype(np.float32)
        old /= np.linalg.norm(old)
        across -= (across @ old) * old
        across /= np.linalg.norm(across)
        new = cosine * old + math.sqrt(1 - cosine**2) * across
        left = from_sketch(np.packbits(old[None, :] > 0, axis=1), D)[0]
        near = neighbourhood([UUID(int=1), UUID(int=2)], np.stack([left, 3 * new]), [0, 0])
        ((_, nearness),) = near.nearest([1])[0]
        found.append(nearness)
    assert np.mean(found) == pytest.approx(cosine, abs=0.02)
