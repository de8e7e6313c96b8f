"""Stored caches go one behind another; one from another place is turned, and the whole says so."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from memory_service.activation.errors import BadTensor, UnsupportedRope
from memory_service.activation.exactness import Exactness
from memory_service.activation.key_values import KeyValues
from memory_service.activation.reusing import Piece, reuse
from memory_service.activation.rope import rope_of
from memory_service.activation.transformer.caches import precompute, to_dynamic
from tests.unit.activation.test_rope import SIZES

IDS = [int(one) for one in np.random.default_rng(4).integers(0, 50, 40)]


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(**{**SIZES, "num_hidden_layers": 3, "initializer_range": 0.2})).eval()


def part(cache: KeyValues, start: int, end: int) -> KeyValues:
    return KeyValues(cache.keys[:, :, start:end], cache.values[:, :, start:end], cache.positions[start:end])


def test_pieces_that_stand_where_they_belong_are_exact(model: Any) -> None:
    whole = precompute(model, IDS)
    made = reuse([Piece(part(whole, 0, 16)), Piece(part(whole, 16, 40))])
    assert made.exactness is Exactness.EXACT
    assert np.array_equal(made.cache.keys, whole.keys)
    assert np.array_equal(made.cache.positions, whole.positions)


def test_a_piece_from_another_place_is_turned_and_the_whole_is_shifted(model: Any) -> None:
    rope = rope_of(model.config.to_dict())
    before, alone, whole = precompute(model, IDS[:16]), precompute(model, IDS[16:]), precompute(model, IDS)
    made = reuse([Piece(before), Piece(alone)], rope)
    assert made.exactness is Exactness.SHIFTED
    # In the first layer keys depend on token and place alone; above it on what the token saw.
    assert np.abs(made.cache.keys[0] - whole.keys[0]).max() < 1e-5
    assert np.abs(made.cache.values[0] - whole.values[0]).max() < 1e-5
    assert np.abs(made.cache.keys[2] - whole.keys[2]).max() > 1e-3
    with torch.inference_mode():
        goes_on = model(input_ids=torch.tensor([[7]]), past_key_values=to_dynamic(made.cache)).logits
    assert goes_on.isfinite().all()
    # Not turned, the first layer would be wrong, too.
    stayed = KeyValues(alone.keys, alone.values, alone.positions + 16)
    assert np.abs(reuse([Piece(before), Piece(stayed)]).cache.keys[0] - whole.keys[0]).max() > 1e-3


def test_back_to_the_beginning_too(model: Any) -> None:
    rope = rope_of(model.config.to_dict())
    whole, alone = precompute(model, IDS), precompute(model, IDS[16:])
    made = reuse([Piece(part(whole, 16, 40))], rope)
    assert made.exactness is Exactness.SHIFTED
    assert np.abs(made.cache.keys[0] - alone.keys[0]).max() < 1e-5


def test_a_whole_is_as_exact_as_its_worst_piece(model: Any) -> None:
    whole = precompute(model, IDS)
    pieces = [Piece(part(whole, 0, 16), Exactness.COMPRESSED), Piece(part(whole, 16, 40))]
    assert reuse(pieces).exactness is Exactness.COMPRESSED


def test_what_does_not_fit_is_refused(model: Any) -> None:
    whole = precompute(model, IDS)
    with pytest.raises(UnsupportedRope):
        reuse([Piece(part(whole, 8, 16))])
    with pytest.raises(BadTensor):
        reuse([])
    gap = KeyValues(whole.keys[:, :, :2], whole.values[:, :, :2], np.array([0, 5]))
    with pytest.raises(BadTensor, match="consecutive"):
        reuse([Piece(gap)])
    other = KeyValues(np.ones((1, 1, 2, 8), np.float32), np.ones((1, 1, 2, 8), np.float32), np.arange(40, 42))
    with pytest.raises(BadTensor, match="one shape"):
        reuse([Piece(whole), Piece(other)])
