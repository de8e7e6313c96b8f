"""Blocks are written as engines lay them out, and read back as they were."""

from dataclasses import replace

import numpy as np
import pytest

from memory_service.activation import blob
from memory_service.activation.bfloat16 import from_bfloat16
from memory_service.activation.engine_layout import layout_of
from memory_service.activation.errors import ActivationError, BadTensor, BlobRefused
from memory_service.activation.exactness import Exactness
from memory_service.activation.key_values import KeyValues
from memory_service.activation.run_file import INT8, BlockRun, pack_run, unpack_run

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


@pytest.mark.parametrize("block", [4, 48])
def test_blocks_in_eight_bits_come_back_nearly_as_they_were_and_say_so(block: int) -> None:
    layout = layout_of(f"vllm-cpu-vec/layers=3/heads=2/block={block}/dim=8/type=bfloat16", block_size=block)
    cache = cache_of(6 * block)
    hashes = tuple(f"{n:064x}" for n in range(4))
    data = pack_run(BlockRun(ENGINE, 2, hashes, "0" * 64), layout, cache, codec=INT8)
    assert blob.read(data)[0].exactness is Exactness.COMPRESSED
    back = unpack_run(data, layout, engine=ENGINE, hashes=hashes)
    assert back.positions.tolist() == list(range(2 * block, 6 * block))
    for there, here in ((back.keys, cache.keys), (back.values, cache.values)):
        off = np.abs(there - here[:, :, 2 * block :])
        assert 0 < off.max() < 0.02
    raw = pack_run(BlockRun(ENGINE, 2, hashes, "0" * 64), layout, cache)
    # Groups of 128 tokens, as long as there are as many.
    assert len(data) < (0.9 if block == 4 else 0.7) * len(raw)
    with pytest.raises(BlobRefused, match="other blocks"):
        unpack_run(data, layout, engine=ENGINE, hashes=hashes[:2])
    other = layout_of(layout.text.replace("heads=2", "heads=1"), block_size=block)
    with pytest.raises(BlobRefused):
        unpack_run(data, other, engine=ENGINE, hashes=hashes)


def test_no_file_of_eight_bits_says_that_it_is_exact_and_no_codec_is_made_up() -> None:
    layout = layout_of("transformers-plain/layers=3/heads=2/block=4/dim=8/type=float32", block_size=4)
    run, cache = BlockRun(ENGINE, 0, ("0" * 64,), "0" * 64), cache_of(4)
    for exactness in (Exactness.EXACT, Exactness.SHIFTED):
        with pytest.raises(ActivationError, match="are not"):
            pack_run(run, layout, cache, codec=INT8, exactness=exactness)
    with pytest.raises(ActivationError, match="are not"):
        pack_run(run, layout, cache, exactness=Exactness.COMPRESSED)
    with pytest.raises(ActivationError, match="not written"):
        pack_run(run, layout, cache, codec="int2")
    moved = pack_run(run, layout, cache, exactness=Exactness.SHIFTED)
    assert blob.read(moved)[0].exactness is Exactness.SHIFTED
    # The numbers of another file under a header that calls them exact.
    header, tensors = blob.read(pack_run(run, layout, cache, codec=INT8))
    forged = blob.write(replace(header, exactness=Exactness.EXACT), tensors)
    with pytest.raises(BlobRefused, match="whole blocks"):
        unpack_run(forged, layout, engine=ENGINE, hashes=run.hashes)


def test_eight_bits_of_other_places_are_refused() -> None:
    layout = layout_of("transformers-plain/layers=3/heads=2/block=4/dim=8/type=float32", block_size=4)
    run = BlockRun(ENGINE, 0, ("0" * 64,), "0" * 64)
    header, tensors = blob.read(pack_run(run, layout, cache_of(4), codec=INT8))
    for changed, match in (
        ({"positions": np.arange(1, 5)}, "other places"),
        ({"key_codes": tensors["key_codes"][:, :, :3]}, "different shapes|fit"),
    ):
        with pytest.raises((BlobRefused, BadTensor), match=match):
            unpack_run(blob.write(header, {**tensors, **changed}), layout, engine=ENGINE, hashes=run.hashes)


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


def test_with_amx_keys_and_values_lie_in_tiles() -> None:
    """Number by number, as the connector's page has it: keys `[N/16, D/2, 16, 2]`, values `[D/16, N/2, 16, 2]`."""
    tokens, channels = 64, 32
    layout = layout_of(f"vllm-cpu-amx/layers=2/heads=2/block={tokens}/dim={channels}/type=bfloat16", block_size=tokens)
    cache = cache_of(3 * tokens, layers=2, dim=channels)
    packed = layout.pack(cache, first=1, count=2)
    half = tokens * channels
    at = [(n, t, d) for n in range(2) for t in range(tokens) for d in range(channels)]
    for head in range(2):
        flat = from_bfloat16(packed["layer.1"])[:, head].reshape(2, -1)
        key = [flat[n, ((t // 16 * (channels // 2) + d // 2) * 16 + t % 16) * 2 + d % 2] for n, t, d in at]
        value = [flat[n, half + ((d // 16 * (tokens // 2) + t // 2) * 16 + d % 16) * 2 + t % 2] for n, t, d in at]
        for found, whole in ((key, cache.keys), (value, cache.values)):
            assert np.allclose(found, whole[1, head, tokens:].reshape(-1), rtol=0.01)
    back = layout.unpack([packed["layer.0"], packed["layer.1"]], first=1)
    assert np.allclose(back.keys, cache.keys[:, :, tokens:], rtol=0.01)
    assert np.allclose(back.values, cache.values[:, :, tokens:], rtol=0.01)


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
        "", "vllm-cpu-amx/layers=1/heads=1/block=4/dim=16/type=bfloat16",
        "vllm-cpu-neon/layers=1/heads=1/block=4/dim=8/type=float32", "vllm-xpu-x/layers=1/heads=1/block=4/dim=8/type=float32",
        "vllm-cpu-vec/layers=1/heads=1/block=4/dim=8/type=uint8", "vllm-cpu-vec/layers=0/heads=1/block=4/dim=8/type=float32",
        "vllm-cpu-vec/layers=1/heads=1/block=8/dim=8/type=float32",
        "vllm-cuda-x/layers=1/heads=1/block=4/dim=8/content=24/type=float32",
    ],
)  # fmt: skip
def test_other_layouts_are_refused(text: str) -> None:
    with pytest.raises(ActivationError):
        layout_of(text, block_size=4)


@pytest.mark.parametrize(
    "shape", ["block=48/dim=32/type=bfloat16", "block=32/dim=80/type=bfloat16", "block=32/dim=32/type=float16"]
)
def test_tiles_are_written_as_an_engine_uses_them(shape: str) -> None:
    with pytest.raises(ActivationError, match="tiles hold bfloat16"):
        layout_of(f"vllm-cpu-amx/layers=1/heads=1/{shape}", block_size=int(shape[6:8]))


def test_a_cache_that_does_not_fit_is_refused() -> None:
    layout = layout_of("transformers-plain/layers=3/heads=2/block=4/dim=8/type=float32", block_size=4)
    with pytest.raises(BadTensor, match="the blocks end at 12"):
        layout.pack(cache_of(11), first=1, count=2)
    with pytest.raises(BadTensor, match="the model has 2 layers"):
        layout.pack(cache_of(8, layers=2), first=0, count=1)
    with pytest.raises(BadTensor, match="blocks of"):
        layout.unpack([np.zeros((1, 2, 4, 8), np.float32)] * 3)
