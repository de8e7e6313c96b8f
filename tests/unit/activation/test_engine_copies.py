"""What the engine's connector carries of this service is the same: names of blocks, fingerprints, files, digests of folders.

The connector lives in an environment without the service. Its modules that touch no vLLM are read from its folder here.
"""

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from memory_service.activation import blob, chain, engine_layout, fingerprint, model_folder, run_file, saved_file
from memory_service.activation.exactness import Exactness
from memory_service.activation.key_values import KeyValues

SOURCE = Path(__file__).parents[3] / "clients" / "vllm" / "src"
ENGINE, OTHER = "ab" * 32, "cd" * 32
LAYOUT = "vllm-cpu-vec/layers=2/heads=3/block=16/dim=4/type=bfloat16"


@pytest.fixture(scope="module")
def theirs() -> Iterator[Any]:
    sys.path.insert(0, str(SOURCE))
    try:
        from memory_vllm import blob, chain, errors, fingerprint, layout, model_folder, run_file

        yield SimpleNamespace(
            blob=blob, chain=chain, errors=errors, fingerprint=fingerprint, layout=layout, folder=model_folder,
            run_file=run_file,
        )  # fmt: skip
    finally:
        sys.path.remove(str(SOURCE))


@pytest.mark.parametrize("tokens", [0, 1, 15, 16, 17, 100])
@pytest.mark.parametrize("salt", ["", "a", "Ünïcode"])
@pytest.mark.parametrize("parent", [chain.ROOT, OTHER])
def test_names_of_blocks(theirs: Any, tokens: int, salt: str, parent: str) -> None:
    ids = [(7 * at) << (at % 50) for at in range(tokens)]
    said = {"block_size": 16, "engine": ENGINE, "salt": salt, "parent": parent}
    assert theirs.chain.block_hashes(ids, **said) == chain.block_hashes(ids, **said)
    assert theirs.chain.tokens_digest(ids) == fingerprint.tokens_digest(ids)


@pytest.mark.parametrize("ids", [[-1] * 16, [True] * 16, [1 << 63] * 16, ["1"] * 16, [1.0] * 16])
def test_what_is_no_token_has_no_name_on_either_side(theirs: Any, ids: list[Any]) -> None:
    said = {"block_size": 16, "engine": ENGINE, "salt": ""}
    with pytest.raises(Exception, match="token ids"):
        chain.block_hashes(ids, **said)
    with pytest.raises(theirs.errors.MemoryKVError, match="token ids"):
        theirs.chain.block_hashes(ids, **said)


@pytest.mark.parametrize("template", [None, OTHER])
@pytest.mark.parametrize("tensor", [1, 2])
def test_fingerprints(theirs: Any, template: str | None, tensor: int) -> None:
    said = {
        "weights": ENGINE, "config": OTHER, "tokenizer": ENGINE, "chat_template": template, "dtype": "bfloat16",
        "kv_dtype": "bfloat16", "block_size": 128, "isa": "x86_64-vec", "layout": LAYOUT, "engine": "vllm",
        "engine_version": "0.32.0",
    }  # fmt: skip
    ours = fingerprint.Fingerprint(parallelism=fingerprint.Parallelism(tensor), **said)
    other = theirs.fingerprint.Fingerprint(parallelism=theirs.fingerprint.Parallelism(tensor), **said)
    assert other.digest() == ours.digest()
    assert other.fields() == asdict(ours)


def test_digests_of_a_models_folder(theirs: Any, tmp_path: Path) -> None:
    config = {"rope_theta": 10000.0, "_name_or_path": "/here", "use_cache": True, "rope_scaling": {"factor": 8.0}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    named = [{"name": "tool", "template": "a"}, {"name": "default", "template": "b {{ x }}"}]
    for template in ("{{ messages }} é", named, None):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
        assert theirs.folder.chat_template_digest(tmp_path) == model_folder.text_digests(tmp_path).chat_template
    (tmp_path / "chat_template.jinja").write_text("first")
    digests = model_folder.text_digests(tmp_path)
    assert theirs.folder.chat_template_digest(tmp_path) == digests.chat_template
    assert theirs.folder.file_digest(tmp_path / "tokenizer.json") == digests.tokenizer
    assert theirs.fingerprint.config_digest(config) == model_folder.folder_config_digest(tmp_path)
    kept = tmp_path / "kept" / "weights.json"
    for weights in (b"first", b"changed"):
        (tmp_path / "model-1.safetensors").write_bytes(weights)
        (tmp_path / "model-2.safetensors").write_bytes(b"second")
        for _ in range(2):
            assert theirs.folder.weights_digest(tmp_path, kept=kept) == model_folder.weights_digest(tmp_path)
    assert kept.exists()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.float16, np.float32])
def test_files_are_the_same_byte_for_byte(theirs: Any, dtype: Any) -> None:
    tensors = {"layer.1": np.arange(24).reshape(2, 3, 4).astype(dtype), "layer.0": np.zeros((1, 5), dtype)}
    said = {"fingerprint": ENGINE, "tokens": OTHER, "count": 6, "codec": "raw", "note": '{"ä":1}'}
    ours = blob.write(blob.Header(exactness=Exactness.EXACT, **said), tensors)
    assert theirs.blob.write(theirs.blob.Header(**said), tensors) == ours
    header, found = theirs.blob.read(ours)
    assert asdict(header) == asdict(blob.read(ours)[0])
    assert all(np.array_equal(found[name], tensors[name]) for name in tensors)


def cache_of(tokens: int) -> KeyValues:
    keys, values = np.random.default_rng(1).standard_normal((2, 2, 3, tokens, 4), np.float32)
    return KeyValues(keys, values, np.arange(tokens))


def test_a_run_of_blocks_is_read_by_the_other_side(theirs: Any) -> None:
    layout = engine_layout.layout_of(LAYOUT, block_size=16)
    other = theirs.layout.Layout("cpu-vec", 2, 3, 16, 4, 8, "bfloat16")
    assert str(other) == LAYOUT
    hashes = chain.block_hashes(range(48), block_size=16, engine=ENGINE, salt="s")
    cache, tokens = cache_of(48), fingerprint.tokens_digest(list(range(48)))
    ours = run_file.pack_run(run_file.BlockRun(ENGINE, 0, hashes, tokens), layout, cache)
    layers = theirs.run_file.unpack(ours, engine=ENGINE, layout=other, hashes=hashes, offset=0)
    packed = layout.pack(cache, first=0, count=3)
    assert all(np.array_equal(found, packed[f"layer.{at}"]) for at, found in enumerate(layers))
    part = theirs.run_file.unpack(ours, engine=ENGINE, layout=other, hashes=hashes[1:], offset=1)
    assert all(np.array_equal(found, layer[1:]) for found, layer in zip(part, layers, strict=True))
    back = theirs.run_file.pack(theirs.run_file.Blocks(ENGINE, 0, hashes, tokens), other, layers)
    unpacked = run_file.unpack_run(back, layout, engine=ENGINE, hashes=hashes)
    assert np.allclose(unpacked.keys, cache.keys, rtol=2**-8)
    entries = saved_file.read_entries(io.BytesIO(back), size=len(back))
    saved_file.check_blocks(entries, blocks=3)


@pytest.mark.parametrize("broken", ["engine", "layout", "hashes", "offset", "bytes", "count", "cut"])
def test_another_file_is_refused(theirs: Any, broken: str) -> None:
    text = LAYOUT.replace("cpu-vec", "cpu-vec16") if broken == "layout" else LAYOUT
    layout = engine_layout.layout_of(text, block_size=16)
    hashes = chain.block_hashes(range(48), block_size=16, engine=ENGINE, salt="s")
    engine = OTHER if broken == "engine" else ENGINE
    held = hashes[:2] if broken == "count" else hashes
    data = run_file.pack_run(run_file.BlockRun(engine, 0, held, OTHER), layout, cache_of(48))
    if broken == "bytes":
        data = data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]
    if broken == "cut":
        data = data[:-2]
    wanted = (OTHER, *hashes[1:]) if broken == "hashes" else hashes
    other = theirs.layout.Layout("cpu-vec", 2, 3, 16, 4, 8, "bfloat16")
    with pytest.raises(theirs.errors.BlobRefused):
        theirs.run_file.unpack(data, engine=ENGINE, layout=other, hashes=wanted, offset=1 if broken == "offset" else 0)
