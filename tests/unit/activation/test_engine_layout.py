"""Blocks are written as engines lay them out, and read back as they were."""

import numpy as np
import pytest

from memory_service.activation.bfloat16 import from_bfloat16
from memory_service.activation.engine_layout import layout_of
from memory_service.activation.errors import ActivationError, BadTensor, BlobRefused
from memory_service.activation.key_values import KeyValues
from memory_service.activation.run_file import BlockRun, pack_run, unpack_run

ENGINE = "ab" * 32


def cache_of(tokens: int, *, layers: int = 3, heads: int = 2, dim: int = 8) -> KeyValues:
    keys, values = np.random.default_rng(0).standard_normal((2, layers, heads, tokens, dim), np.float32)
    return KeyValues(keys, values, np.arange(tokens))


@pytest.mark.parametrize("kind", ["vllm-cpu-vec", "vllm-cpu-vec16", "vllm-cuda-flash_attn", "transformers-plain"])
def test_blocks_come_back_as_they_were(kind: str) -> None:
    layout = layout_of(f"{kind}/layers=3/heads=2/block=4/dim=8/type=float32", block_size=4)
    cache = cache_of(19)
    hashes = tuple(f"{n:064x}" for n in range(3))
    data = pack_run(BlockRun(ENGINE, 1, hashes, "0" * 64), layout, cache)
    back = unpack_run(data, layout, engine=ENGINE, hashes=hashes)
    assert np.array_equal(back.keys, cache.keys[:, :, 4:16])
    assert np.array_equal(back.values, cache.values[:, :, 4:16])
    assert back.positions.tolist() == list(range(4, 16))
    for wrong in ({"engine": "cd" * 32}, {"hashes": hashes[:2]}, {"hashes": hashes[::-1]}):
        with pytest.raises(BlobRefused, match="other blocks"):
            unpack_run(data, layout, **{"engine": ENGINE, "hashes": hashes, **wrong})


def test_on_processors_keys_lie_channel_by_channel() -> None:
    """Number by number: in a head's first half, channel d of token t stands at d · N + t."""
    layout = layout_of("vllm-cpu-vec/layers=1/heads=2/block=4/dim=8/type=float32", block_size=4)
    cache = cache_of(8, layers=1)
    block = layout.pack(cache, first=1, count=1)["layer.0"]
    assert block.shape == (1, 2, 4, 16)
    for head in range(2):
        flat = block[0, head].reshape(-1)
        for token in range(4):
            for channel in range(8):
                assert flat[channel * 4 + token] == cache.keys[0, head, 4 + token, channel]
                assert flat[32 + token * 8 + channel] == cache.values[0, head, 4 + token, channel]


def test_on_gpus_a_key_lies_before_its_value() -> None:
    layout = layout_of("vllm-cuda-x/layers=1/heads=2/block=4/dim=8/type=bfloat16", block_size=4)
    cache = cache_of(4, layers=1)
    block = layout.pack(cache, first=0, count=1)["layer.0"]
    assert block.dtype == np.uint16
    assert np.allclose(from_bfloat16(block)[0, 1, 2, :8], cache.keys[0, 1, 2], rtol=0.01)
    assert np.allclose(from_bfloat16(block)[0, 1, 2, 8:], cache.values[0, 1, 2], rtol=0.01)


@pytest.mark.parametrize(
    "text",
    [
        "", "vllm-cpu-amx/layers=1/heads=1/block=4/dim=8/type=float32",
        "vllm-cpu-neon/layers=1/heads=1/block=4/dim=8/type=float32", "vllm-xpu-x/layers=1/heads=1/block=4/dim=8/type=float32",
        "vllm-cpu-vec/layers=1/heads=1/block=4/dim=8/type=uint8", "vllm-cpu-vec/layers=0/heads=1/block=4/dim=8/type=float32",
        "vllm-cpu-vec/layers=1/heads=1/block=8/dim=8/type=float32",
        "vllm-cuda-x/layers=1/heads=1/block=4/dim=8/content=24/type=float32",
    ],
)  # fmt: skip
def test_other_layouts_are_refused(text: str) -> None:
    with pytest.raises(ActivationError):
        layout_of(text, block_size=4)


def test_a_cache_that_does_not_fit_is_refused() -> None:
    layout = layout_of("transformers-plain/layers=3/heads=2/block=4/dim=8/type=float32", block_size=4)
    with pytest.raises(BadTensor, match="the blocks end at 12"):
        layout.pack(cache_of(11), first=1, count=2)
    with pytest.raises(BadTensor, match="the model has 2 layers"):
        layout.pack(cache_of(8, layers=2), first=0, count=1)
    with pytest.raises(BadTensor, match="blocks of"):
        layout.unpack([np.zeros((1, 2, 4, 8), np.float32)] * 3)
