"""Models other than the packaged one: made on the spot, random, small."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from memory_service.computing import told_when_computing
from memory_service.encoder import (
    EncoderMismatch,
    EncoderUnavailable,
    LoadedEncoder,
    export_needed,
    load_encoder,
    verify_identity,
)
from memory_service.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TEXTS = ["the cat sat on the mat.", "a big red dog ran to the house!", "", "happy ? sad", "the cat " * 60, "zebra"]


def settings_for(model: object, data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir, encoder=str(model))


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", True), ("cls", False)])
def test_a_model_by_path_is_exported_and_faithful(
    save_tiny_model: Callable[..., Path], tmp_path: Path, pooling: str, normalize: bool
) -> None:
    settings = settings_for(save_tiny_model(f"tiny-{pooling}", pooling=pooling, normalize=normalize), tmp_path)
    assert export_needed(settings)
    loaded = load_encoder(settings)
    assert loaded.runtime in {"openvino", "onnx"}
    assert loaded.reason == ""
    assert (loaded.identity.dimension, loaded.identity.max_tokens) == (32, 48)
    assert not export_needed(settings)
    torch = load_encoder(settings.model_copy(update={"encoder_runtime": "torch"}))
    least = 0.9999 if loaded.runtime == "openvino" else 0.99999
    assert np.sum(loaded.encode(TEXTS) * torch.encode(TEXTS), axis=1).min() > least
    assert len(loaded.chunk("the cat sat on the mat. " * 20)) > 2
    verify_identity(torch.identity, loaded.identity)


def test_a_model_of_another_shape_runs_in_torch_and_says_why(
    save_tiny_model: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(save_tiny_model("tiny-dense", dense=True), tmp_path)
    # The application may have set another level for the whole process by now.
    with caplog.at_level("WARNING", logger="memory_service.encoder"):
        loaded = load_encoder(settings)
    assert loaded.runtime == "torch"
    assert "Transformer + Pooling + Dense + Normalize" in loaded.reason
    assert any(r.levelname == "WARNING" and loaded.reason in r.getMessage() for r in caplog.records)
    told: list[int] = []
    with told_when_computing(lambda: told.append(1)):
        assert loaded.encode(TEXTS).shape == (len(TEXTS), 12)
    assert told == [1], "who waits for it hears when it computes"
    assert loaded.encode([]).shape == (0, 12)
    np.testing.assert_allclose(np.linalg.norm(loaded.encode(TEXTS), axis=1), 1, atol=1e-5)
    assert not export_needed(settings), "the decision is remembered"


def test_other_weights_under_the_same_name_are_refused(
    save_tiny_model: Callable[..., Path], loaded: LoadedEncoder, tmp_path: Path
) -> None:
    folder = save_tiny_model("tiny-swapped")
    settings = settings_for(folder, tmp_path).model_copy(update={"encoder_runtime": "torch"})
    before = load_encoder(settings).identity
    other = save_tiny_model("tiny-swapped-cls", pooling="cls")
    (folder / "1_Pooling" / "config.json").write_bytes((other / "1_Pooling" / "config.json").read_bytes())
    with pytest.raises(EncoderMismatch, match="model files"):
        verify_identity(before, load_encoder(settings).identity)
    with pytest.raises(EncoderMismatch, match="384 dimensions instead of 32"):
        verify_identity(before, loaded.identity)


def test_concurrent_starts_export_once(save_tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    settings = settings_for(save_tiny_model("tiny-concurrent"), tmp_path)
    steps: list[list[str]] = [[], []]
    with ThreadPoolExecutor(2) as pool:
        identities = list(pool.map(lambda s: load_encoder(settings, progress=s.append).identity, steps))
    verify_identity(*identities)
    assert sorted(bool(s) for s in steps) == [False, True]


def test_a_killed_export_leaves_nothing_believed(save_tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    settings = settings_for(save_tiny_model("tiny-killed"), tmp_path)
    program = (
        "import pathlib, sys; from memory_service.encoder import load_encoder; "
        "from memory_service.settings import Settings; "
        "load_encoder(Settings(data_dir=pathlib.Path(sys.argv[1]), encoder=sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), settings.encoder])
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("models/.exporting-*/tokenizer.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert list(tmp_path.glob("models/.exporting-*"))
    assert export_needed(settings)
    assert load_encoder(settings).runtime in {"openvino", "onnx"}
    assert not list(tmp_path.glob("models/.exporting-*"))


@pytest.mark.parametrize("name", ["no-such-owner/no-such-model", "not a valid name!"])
def test_a_model_that_cannot_be_had_says_what_to_do(name: str, tmp_path: Path, run_python: Callable[..., str]) -> None:
    program = """
import os, pathlib, sys
os.environ["HF_HUB_OFFLINE"] = "1"
from memory_service.encoder import EncoderUnavailable, load_encoder
from memory_service.settings import Settings
try:
    load_encoder(Settings(data_dir=pathlib.Path(sys.argv[1]), encoder=sys.argv[2]))
except EncoderUnavailable as error:
    print(error.detail)
"""
    said = run_python(program, tmp_path, name)
    assert f"The model {name!r} is not on this machine and cannot be downloaded" in said
    assert "set MEMORY_SERVICE_ENCODER to that folder" in said


def test_a_broken_model_folder_says_what_to_do(save_tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = save_tiny_model("tiny-broken")
    (folder / "config.json").write_text("{")
    with pytest.raises(EncoderUnavailable, match="tiny-broken"):
        load_encoder(settings_for(folder, tmp_path))
