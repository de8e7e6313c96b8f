import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memory_service.encoder import EncoderIdentity, EncoderMismatch, EncoderUnavailable, verify_identity
from memory_service.encoder.export import existing_export, export_folder
from memory_service.encoder.exported_model import GRAPH_FILE, TOKENIZER_FILE, Manifest, read_manifest
from memory_service.encoder.identity import fingerprint
from memory_service.encoder.openvino_runtime import installed

STORED = EncoderIdentity(
    name="model-a", dimension=4, max_tokens=256, fingerprint="a" * 64, probe=np.array([1, 0, 0, 0], dtype=np.float32)
)


def test_a_renamed_model_is_the_same_model() -> None:
    verify_identity(STORED, replace(STORED, name="elsewhere/model-a"))


@pytest.mark.parametrize(
    ("current", "words"),
    [
        (replace(STORED, fingerprint="b" * 64), "SHA-256 differs"),
        (replace(STORED, dimension=8, probe=np.ones(8, dtype=np.float32)), "8 dimensions instead of 4"),
        (replace(STORED, probe=np.array([0.9, 0.43589, 0, 0], dtype=np.float32)), "cosine 0.9000"),
        (replace(STORED, probe=np.full(4, np.nan, dtype=np.float32)), "cosine nan"),
    ],
)
def test_another_model_is_refused_with_what_to_do(current: EncoderIdentity, words: str) -> None:
    with pytest.raises(EncoderMismatch, match=words) as caught:
        verify_identity(STORED, current)
    assert "Set MEMORY_SERVICE_ENCODER back to 'model-a'" in caught.value.detail


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "onnx").mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    return folder


def test_the_fingerprint_follows_weights_tokenizer_and_pooling_only(model: Path) -> None:
    first = fingerprint(model)
    (model / "README.md").write_text("hello")
    (model / "onnx" / "config.json").write_text("other runtime")
    assert fingerprint(model) == first
    seen = {first}
    for name in ("model.safetensors", "tokenizer.json", "1_Pooling/config.json"):
        (model / name).write_text("changed")
        seen.add(fingerprint(model))
    assert len(seen) == 4


def test_the_fingerprint_is_remembered_while_the_files_stay(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "models" / "fingerprints.json"
    first = fingerprint(model, cache=cache)
    known = json.loads(cache.read_text())
    known[str(model)]["fingerprint"] = "remembered"
    cache.write_text(json.dumps(known))
    assert fingerprint(model, cache=cache) == "remembered"
    (model / "tokenizer.json").write_text("{ }")
    assert fingerprint(model, cache=cache) not in {first, "remembered"}
    cache.write_text("{ damaged")
    assert fingerprint(model, cache=cache) == fingerprint(model)


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailable, match="holds no weights"):
        fingerprint(tmp_path)


def manifest(**changes: object) -> Manifest:
    whole = Manifest(outcome="exported", fingerprint="f" * 64, dimension=2, probe=(1.0, 0.0), bfloat16_by=installed())
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_an_incomplete_or_foreign_export_is_not_believed(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    manifest().write(tmp_path)
    assert read_manifest(tmp_path) is None, "graph and tokenizer are missing"
    (tmp_path / GRAPH_FILE).touch()
    (tmp_path / TOKENIZER_FILE).touch()
    assert existing_export(tmp_path, fingerprint="f" * 64) == manifest()
    assert existing_export(tmp_path, fingerprint="e" * 64) is None
    manifest(format=0).write(tmp_path)
    assert read_manifest(tmp_path) is None


def test_a_failed_export_is_tried_again_with_other_library_versions(tmp_path: Path) -> None:
    manifest(outcome="torch", reason="no", versions=("numpy 0.0.1",)).write(tmp_path)
    assert existing_export(tmp_path, fingerprint="f" * 64) is None
    manifest(outcome="torch", reason="no", versions=(f"numpy {np.__version__}",)).write(tmp_path)
    assert existing_export(tmp_path, fingerprint="f" * 64) is not None


def test_export_folders_have_safe_names(tmp_path: Path) -> None:
    assert export_folder(tmp_path, "../../etc/passwd", "0" * 64).name == "etc-passwd-000000000000"
    assert export_folder(tmp_path, "///", "0" * 64).name == "model-000000000000"
    assert export_folder(tmp_path, "../x", "0" * 64).parent == tmp_path
