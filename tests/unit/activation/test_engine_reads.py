"""What this service computes ahead is what the connector in an engine reads: names, files and layouts, from its own code."""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory_service.activation.chain import block_hashes
from memory_service.activation.engine_layout import layout_of
from memory_service.activation.fingerprint import Fingerprint, tokens_digest
from memory_service.activation.key_values import KeyValues
from memory_service.activation.model_folder import text_digests, weights_digest
from memory_service.activation.run_file import BlockRun, pack_run

CONNECTOR = Path(__file__).parents[3] / "clients" / "vllm" / "src"


@pytest.fixture
def connector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the connector's modules that need no vLLM."""
    monkeypatch.syspath_prepend(str(CONNECTOR))
    import memory_vllm.chain
    import memory_vllm.fingerprint
    import memory_vllm.layout
    import memory_vllm.model_folder
    import memory_vllm.run_file

    yield memory_vllm
    for name in [name for name in sys.modules if name.partition(".")[0] == "memory_vllm"]:
        del sys.modules[name]


@pytest.mark.parametrize("kind", ["cpu-vec", "cuda-flash_attn"])
def test_the_connector_reads_our_files(connector: Any, kind: str) -> None:
    theirs = connector.layout.Layout(kind, 2, 2, 4, 8, 16, "bfloat16")
    ours = layout_of(str(theirs), block_size=4)
    keys, values = np.random.default_rng(0).standard_normal((2, 2, 2, 12, 8), np.float32)
    cache = KeyValues(keys, values, np.arange(12))
    hashes = block_hashes(range(12), block_size=4, engine="ab" * 32, salt="s")
    data = pack_run(BlockRun("ab" * 32, 0, hashes, tokens_digest(list(range(12)))), ours, cache)
    read = connector.run_file.unpack(data, engine="ab" * 32, layout=theirs, hashes=hashes[1:], offset=1)
    packed = ours.pack(cache, first=1, count=2)
    assert len(read) == 2
    for at, layer in enumerate(read):
        assert np.array_equal(layer, packed[f"layer.{at}"])


def test_engines_have_the_same_names(connector: Any, fingerprint: Fingerprint) -> None:
    fields = asdict(fingerprint)
    parallelism = connector.fingerprint.Parallelism(**fields.pop("parallelism"))
    assert connector.fingerprint.Fingerprint(**fields, parallelism=parallelism).digest() == fingerprint.digest()


def test_folders_have_the_same_digests(connector: Any, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    for name in ("b", "a"):
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
    theirs, ours = connector.model_folder, text_digests(tmp_path)
    assert theirs.file_digest(tmp_path / "tokenizer.json") == ours.tokenizer == hashlib.sha256(b"{}").hexdigest()
    assert theirs.chat_template_digest(tmp_path) == ours.chat_template
    assert theirs.weights_digest(tmp_path) == weights_digest(tmp_path)
