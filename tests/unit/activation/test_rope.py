"""A key that is turned is the key that the model would have cached there."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from memory_service.activation.errors import BadTensor, UnsupportedRope
from memory_service.activation.key_values import KeyValues
from memory_service.activation.rope import Rope, move, rope_of, turn
from memory_service.activation.transformer.caches import from_dynamic
from tests.unit.activation.conftest import made_cache

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
ROPES: dict[str, dict[str, Any]] = {
    "default": {"rope_type": "default", "rope_theta": 10000.0},
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
    "llama3": {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
}


def model_of(kind: str, rope: str) -> Any:
    torch.manual_seed(0)
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=dict(ROPES[rope]))).eval()
    return Qwen2ForCausalLM(Qwen2Config(**SIZES, rope_parameters=dict(ROPES[rope]))).eval()


@torch.inference_mode()
def cached_at(model: Any, start: int, tokens: int = 20) -> KeyValues:
    ids = torch.arange(tokens)[None] % 50
    positions = torch.arange(start, start + tokens)[None]
    return from_dynamic(model(input_ids=ids, position_ids=positions, use_cache=True).past_key_values, start)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize("rope", ROPES)
def test_moving_is_what_the_model_would_have_computed_there(kind: str, rope: str) -> None:
    model = model_of(kind, rope)
    for start, to in ((0, 37), (50, 3), (7, 120)):
        here, there = cached_at(model, start), cached_at(model, to)
        moved = move(here, to, rope_of(model.config.to_dict()))
        assert np.abs(moved.keys - there.keys).max() <= 1e-5
        assert np.abs(moved.values - there.values).max() <= 1e-6
        assert np.array_equal(moved.positions, there.positions)
        assert np.abs(here.keys - there.keys).max() > 1e-2  # else nothing was to be done


def test_not_moving_is_the_identity() -> None:
    cache = made_cache(9)
    rope = rope_of({"head_dim": 8, "rope_theta": 1e4})
    assert np.array_equal(move(cache, 0, rope).keys, cache.keys)
    assert move(made_cache(0), 5, rope).tokens == 0


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_two_moves_are_one(first: int, second: int) -> None:
    cache = made_cache(9)
    rope = rope_of({"head_dim": 8, "rope_theta": 1e4})
    twice = move(move(cache, first, rope), second, rope)
    assert twice.keys == pytest.approx(move(cache, second, rope).keys, abs=1e-5)
    assert move(twice, 0, rope).keys == pytest.approx(cache.keys, abs=1e-5)


@given(st.integers(-5000, 5000))
def test_turning_keeps_lengths_and_what_a_query_sees_nearby(by: int) -> None:
    cache = made_cache(6)
    rope = rope_of({"head_dim": 8, "rope_theta": 1e4})
    turned = turn(cache.keys, np.full(6, by), rope)
    assert np.linalg.norm(turned, axis=-1) == pytest.approx(np.linalg.norm(cache.keys, axis=-1), rel=1e-5)
    seen = cache.keys @ cache.keys.swapaxes(-1, -2)  # keys as queries of the same place
    assert turned @ turned.swapaxes(-1, -2) == pytest.approx(seen, abs=1e-4)


def test_channels_that_the_model_does_not_turn_stay() -> None:
    rope = rope_of({"head_dim": 8, "rope_theta": 1e4, "partial_rotary_factor": 0.5})
    cache = made_cache(4)
    turned = turn(cache.keys, np.full(4, 9), rope)
    assert np.array_equal(turned[..., 4:], cache.keys[..., 4:])
    assert not np.allclose(turned[..., :4], cache.keys[..., :4])


def test_configurations_are_read_in_both_spellings() -> None:
    plain = rope_of({"hidden_size": 64, "num_attention_heads": 8, "rope_theta": 1e4, "rope_scaling": None})
    assert plain == rope_of({"head_dim": 8, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}})
    assert len(rope_of(AutoConfig.for_model("llama").to_dict()).frequencies) == 64


@pytest.mark.parametrize(
    "config",
    [
        {"head_dim": 8, "rope_parameters": {"rope_type": "yarn", "factor": 2.0}},
        {"head_dim": 8, "rope_parameters": {"rope_type": "dynamic", "factor": 2.0}},
        {"head_dim": 8, "rope_scaling": {"type": "longrope"}},
        {"head_dim": 8, "rope_scaling": {"type": "linear"}},
        {"head_dim": 8, "rope_scaling": {"type": "linear", "factor": 0}},
        {"head_dim": 8, "rope_theta": "many"},
        {"head_dim": 8, "rope_theta": float("nan")},
        {"head_dim": 1},
        {},
    ],
)
def test_positions_that_cannot_be_moved_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedRope):
        rope_of(config)


def test_impossible_moves_are_refused() -> None:
    rope = Rope((1.0,))
    with pytest.raises(BadTensor):
        move(made_cache(3), -1, rope)
    with pytest.raises(BadTensor):
        turn(np.zeros((3, 1), np.float32), np.zeros(3, np.int64), rope)
    with pytest.raises(BadTensor):
        turn(np.zeros((3, 2), np.float32), np.zeros(2, np.int64), rope)
    with pytest.raises(BadTensor):
        turn(np.zeros((1, 2), np.float32), np.full(1, 1 << 40), rope)
