"""Caches go into the library's models and come out of them, and the runner says what the models say."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from memory_service.activation import blob
from memory_service.activation.compressing import compress
from memory_service.activation.errors import BadTensor
from memory_service.activation.exactness import Exactness
from memory_service.activation.fingerprint import tokens_digest
from memory_service.activation.packing import Codec, pack, unpack
from memory_service.activation.policies.gates import Gate, features
from memory_service.activation.policies.keep import Keep
from memory_service.activation.policies.statistics import Budget, Statistics
from memory_service.activation.policies.window import Window
from memory_service.activation.rope import move, rope_of
from memory_service.activation.transformer.caches import from_dynamic, precompute, to_dynamic
from memory_service.activation.transformer.running import past_of, past_of_compressed, run
from tests.unit.activation.conftest import made_cache
from tests.unit.activation.test_rope import SIZES

IDS = [int(one) for one in np.random.default_rng(4).integers(0, 50, 40)]


@pytest.fixture(params=["llama", "qwen2"], scope="module")
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(1)
    sizes = {**SIZES, "num_hidden_layers": 3, "initializer_range": 0.2}
    if request.param == "llama":
        return LlamaForCausalLM(LlamaConfig(**sizes)).eval()
    return Qwen2ForCausalLM(Qwen2Config(**sizes)).eval()


@torch.inference_mode()
def logits_of(model: Any, ids: list[int], cache: DynamicCache | None = None) -> torch.Tensor:
    result: torch.Tensor = model(input_ids=torch.tensor([ids]), past_key_values=cache, use_cache=True).logits
    return result


def test_a_stored_cache_goes_on_as_if_it_had_just_been_made(model: Any) -> None:
    header = blob.Header("a" * 64, tokens_digest(IDS[:30]), 30, Codec.FLOAT32, Exactness.EXACT)
    _, loaded = unpack(pack(precompute(model, IDS[:30]), header))
    again = logits_of(model, IDS[30:], to_dynamic(loaded))
    whole = logits_of(model, IDS)[:, 30:]
    assert (again - whole).abs().max() <= 1e-4
    assert torch.equal(again.argmax(-1), whole.argmax(-1))


def test_a_model_in_bfloat16_gets_its_very_numbers_back(model: Any) -> None:
    half = model.to(torch.bfloat16)
    try:
        made = precompute(half, IDS)
        header = blob.Header("a" * 64, tokens_digest(IDS), len(IDS), Codec.BFLOAT16, Exactness.EXACT)
        _, loaded = unpack(pack(made, header))
        assert np.array_equal(loaded.keys, made.keys)
        assert to_dynamic(loaded, dtype=torch.bfloat16).layers[0].keys.dtype == torch.bfloat16
    finally:
        model.to(torch.float32)


def test_the_runner_says_what_the_model_says(model: Any) -> None:
    ours = run(model, [IDS, IDS[::-1]], observed=5)
    assert (ours.logits[0] - logits_of(model, IDS)[0]).abs().max() <= 1e-4
    assert (ours.logits[1] - logits_of(model, IDS[::-1])[0]).abs().max() <= 1e-4
    theirs = precompute(model, IDS)
    assert np.abs(ours.cache.keys - theirs.keys).max() <= 1e-5
    assert ours.attention.shape == (3, 2, 5, 40)
    assert ours.attention.sum(axis=3) == pytest.approx(1, abs=1e-5)
    assert ours.queries.shape == (3, 2, 10, 16)


def test_a_past_is_gone_on_from(model: Any) -> None:
    first = run(model, [IDS[:25]]).cache
    whole = run(model, [IDS]).logits[0, 25:]
    for past in (past_of(first), past_of_compressed(compress(first, Keep(np.ones((3, 2, 25), np.bool_))))):
        assert (run(model, [IDS[25:]], past=past, start=25).logits[0] - whole).abs().max() <= 1e-4


def test_what_was_evicted_is_not_seen(model: Any) -> None:
    first = run(model, [IDS[:25]])
    keep = Window(sinks=2).plan(Statistics(first.cache), Budget(0.4))
    left = run(model, [IDS[25:]], past=past_of_compressed(compress(first.cache, keep)), start=25).logits
    visible = keep.entries

    def choose(layer: int, queries: np.ndarray) -> np.ndarray:
        return np.broadcast_to(visible[layer][None, :, None, :], (len(queries), 2, queries.shape[3], 25))

    masked = run(model, [IDS[25:]], past=past_of(first.cache), start=25, choose=choose).logits
    assert (left - masked).abs().max() <= 1e-4
    assert (left - run(model, [IDS[25:]], past=past_of(first.cache), start=25).logits).abs().max() > 1e-3


def test_caches_elsewhere_or_with_gaps_are_refused(model: Any) -> None:
    cache = precompute(model, IDS)
    moved = move(cache, 7, rope_of(model.config.to_dict()))
    with pytest.raises(BadTensor, match="from 0"):
        to_dynamic(moved)
    assert to_dynamic(move(moved, 0, rope_of(model.config.to_dict()))).get_seq_length() == 40


def test_what_is_no_text_is_refused(model: Any) -> None:
    with pytest.raises(BadTensor):
        precompute(model, [])
    with pytest.raises(BadTensor):
        run(model, [[]])
    with pytest.raises(BadTensor):
        run(model, [IDS], past=past_of(made_cache(4)))
    with pytest.raises(BadTensor):
        from_dynamic(DynamicCache())


def test_a_gate_sees_tokens_wherever_they_stand(model: Any) -> None:
    cache = precompute(model, IDS)
    rope = rope_of(model.config.to_dict())
    moved = move(cache, 90, rope)
    assert features(moved, rope) == pytest.approx(features(cache, rope), abs=1e-4)
    with pytest.raises(BadTensor):
        Gate(np.zeros((3, 2, 4), np.float32), rope).retention(cache)
    even = Gate(np.zeros((3, 2, 33), np.float32), rope).retention(cache)
    assert even**40 == pytest.approx(0.5, abs=1e-5)
