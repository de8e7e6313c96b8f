"""The packaged MiniLM, exported for real and served by ONNX Runtime."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memory_service.encoder import (
    EncoderMismatch,
    LoadedEncoder,
    UnencodableText,
    export_needed,
    load_encoder,
    verify_identity,
)
from memory_service.encoder.varied_texts import VARIED_TEXTS
from memory_service.settings import Settings

pytestmark = pytest.mark.slow


def test_vectors_are_faithful_to_sentence_transformers(
    loaded: LoadedEncoder, reference: Callable[[list[str]], NDArray[np.float32]]
) -> None:
    texts = [*VARIED_TEXTS, *(f"On day {i} we spoke about {'tea and ' * (i % 30)}travel plans." for i in range(60))]
    vectors = loaded.encode(texts)
    assert vectors.shape == (len(texts), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = np.sum(vectors * reference(texts), axis=1)
    assert len(texts) >= 100
    assert cosines.min() >= 0.9999


def test_a_vector_does_not_depend_on_its_batch(loaded: LoadedEncoder) -> None:
    together = loaded.encode(VARIED_TEXTS)
    alone = np.concatenate([loaded.encode([text]) for text in VARIED_TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_no_texts_give_no_rows(loaded: LoadedEncoder) -> None:
    assert loaded.encode([]).shape == (0, 384)


def test_a_lone_surrogate_is_refused(loaded: LoadedEncoder) -> None:
    with pytest.raises(UnencodableText, match="lone surrogate"):
        loaded.encode(["fine", "a\udcffb"])


def test_the_serving_process_never_imports_torch(
    loaded: LoadedEncoder, encoder_settings: Settings, run_python: Callable[..., str]
) -> None:
    program = """
import json, pathlib, sys
from memory_service.encoder import BatchingEncoder, load_encoder
from memory_service.settings import Settings
encoder = load_encoder(Settings(data_dir=pathlib.Path(sys.argv[1]), encoder="packaged-minilm"))
batching = BatchingEncoder(encoder)
print(json.dumps({
    "vector": batching.encode_query("hello there").tolist(),
    "spans": len(encoder.chunk("word " * 1000)),
    "modules": sorted(sys.modules),
}))
batching.close()
"""
    seen = json.loads(run_python(program, encoder_settings.data_dir))
    heavy = {"torch", "transformers", "sentence_transformers", "onnx", "onnxscript", "huggingface_hub", "sklearn"}
    assert not heavy & set(seen["modules"])
    np.testing.assert_allclose(seen["vector"], loaded.encode(["hello there"])[0], atol=1e-5)
    assert seen["spans"] > 1


def test_encoding_survives_a_fork(
    loaded: LoadedEncoder, encoder_settings: Settings, run_python: Callable[..., str]
) -> None:
    program = """
import os, pathlib, sys
from memory_service.encoder import BatchingEncoder, load_encoder
from memory_service.settings import Settings
encoder = load_encoder(Settings(data_dir=pathlib.Path(sys.argv[1]), encoder="packaged-minilm"))
batching = BatchingEncoder(encoder)
texts = ["hello there", "general"] * 20
before = batching.encode_passages(texts)
child = os.fork()
same = bool(abs(batching.encode_passages(texts) - before).max() < 1e-6)
if child == 0:
    os._exit(0 if same else 1)
print(same, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run_python(program, encoder_settings.data_dir).split() == ["True", "0"]


def test_a_warm_start_needs_no_export(loaded: LoadedEncoder, encoder_settings: Settings) -> None:
    assert not export_needed(encoder_settings)
    progress: list[str] = []
    again = load_encoder(encoder_settings, progress=progress.append)
    assert progress == []
    assert again.runtime == "onnx"
    verify_identity(loaded.identity, again.identity)


def test_the_torch_runtime_is_the_same_encoder(loaded: LoadedEncoder, encoder_settings: Settings) -> None:
    torch = load_encoder(encoder_settings.model_copy(update={"encoder_runtime": "torch"}))
    assert torch.runtime == "torch"
    assert torch.identity.max_tokens == loaded.identity.max_tokens
    verify_identity(loaded.identity, torch.identity)
    np.testing.assert_allclose(torch.encode(VARIED_TEXTS), loaded.encode(VARIED_TEXTS), atol=1e-3)


def test_another_model_of_the_same_name_is_refused(loaded: LoadedEncoder) -> None:
    other = replace(loaded.identity, probe=loaded.encode(["something else"])[0])
    with pytest.raises(EncoderMismatch, match="probe sentence"):
        verify_identity(loaded.identity, other)


@pytest.mark.parametrize("file", ["model.onnx.data", "tokenizer.json"])
def test_a_damaged_export_is_made_again(
    loaded: LoadedEncoder, encoder_settings: Settings, tmp_path: Path, file: str
) -> None:
    shutil.copytree(encoder_settings.data_dir / "models", tmp_path / "models")
    (damaged,) = (tmp_path / "models").glob(f"*/{file}")
    size = damaged.stat().st_size
    damaged.write_bytes(bytes(size) if file == "model.onnx.data" else damaged.read_bytes()[: size // 2])
    progress: list[str] = []
    again = load_encoder(encoder_settings.model_copy(update={"data_dir": tmp_path}), progress=progress.append)
    assert any("Exporting" in step for step in progress)
    verify_identity(loaded.identity, again.identity)
