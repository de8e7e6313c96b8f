"""The packaged MiniLM, exported for real, served by what is fastest here and by ONNX Runtime."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memory_service.computing import told_when_computing
from memory_service.encoder import (
    EncoderMismatch,
    LoadedEncoder,
    UnencodableText,
    export_needed,
    load_encoder,
    verify_identity,
)
from memory_service.encoder.openvino_runtime import is_offered, multiplies_bfloat16
from memory_service.encoder.varied_texts import VARIED_TEXTS
from memory_service.settings import Settings

pytestmark = pytest.mark.slow


in_bfloat16 = pytest.mark.skipif(not is_offered(), reason="this processor does not multiply bfloat16 itself")


@pytest.fixture(scope="module", params=["auto", "onnx"])
def served(request: pytest.FixtureRequest, encoder_settings: Settings) -> Iterator[LoadedEncoder]:
    encoder = load_encoder(encoder_settings.model_copy(update={"encoder_runtime": request.param}))
    assert encoder.runtime == ("openvino" if request.param == "auto" and is_offered() else "onnx")
    yield encoder
    encoder.close()


@pytest.fixture
def copied(loaded: LoadedEncoder, encoder_settings: Settings, tmp_path: Path) -> Path:
    """Return a data folder with the export in it, to be changed."""
    shutil.copytree(encoder_settings.data_dir / "models", tmp_path / "models")
    return tmp_path


def test_vectors_are_faithful_to_sentence_transformers(
    served: LoadedEncoder, reference: Callable[[list[str]], NDArray[np.float32]]
) -> None:
    texts = [*VARIED_TEXTS, *(f"On day {i} we spoke about {'tea and ' * (i % 30)}travel plans." for i in range(60))]
    vectors = served.encode(texts)
    assert vectors.shape == (len(texts), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = np.sum(vectors * reference(texts), axis=1)
    assert len(texts) >= 100
    assert cosines.min() >= 0.9999


def test_who_waits_for_it_hears_when_it_computes(served: LoadedEncoder) -> None:
    told: list[int] = []
    with told_when_computing(lambda: told.append(1)):
        served.encode(["When did Ada go to Rome?"])
    assert told == [1]


def test_a_vector_does_not_depend_on_its_batch(served: LoadedEncoder) -> None:
    together = served.encode(VARIED_TEXTS)
    alone = np.concatenate([served.encode([text]) for text in VARIED_TEXTS])
    # In bfloat16 the order of a sum would show, so there it is not nearly the same but the same.
    np.testing.assert_allclose(together, alone, rtol=0, atol=0 if served.runtime == "openvino" else 1e-5)


def test_threads_that_share_it_get_their_own_vectors(served: LoadedEncoder) -> None:
    texts = [f"On day {n} we spoke about {'tea and ' * (n % 30)}plans." for n in range(200)]
    wanted = served.encode(texts)
    with ThreadPoolExecutor(8) as pool:
        found = np.concatenate(list(pool.map(lambda text: served.encode([text]), texts)))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_no_texts_give_no_rows(served: LoadedEncoder) -> None:
    assert served.encode([]).shape == (0, 384)


def test_a_lone_surrogate_is_refused(served: LoadedEncoder) -> None:
    with pytest.raises(UnencodableText, match="lone surrogate"):
        served.encode(["fine", "a\udcffb"])


@in_bfloat16
def test_what_runs_in_bfloat16_tells_nobody(
    loaded: LoadedEncoder, encoder_settings: Settings, run_python: Callable[..., str]
) -> None:
    program = """
import json, pathlib, sys
told = []
def hear(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event.startswith(("socket.", "subprocess.", "os.mkdir", "os.system", "urllib")) or writes:
        told.append([event, str(arguments[0])])
from memory_service.encoder import load_encoder
from memory_service.settings import Settings
data = pathlib.Path(sys.argv[1])
sys.addaudithook(hear)
encoder = load_encoder(Settings(data_dir=data, encoder="packaged-minilm"))
encoder.encode(["hello there"])
elsewhere = [one for one in told if not one[1].startswith(str(data)) and "__pycache__" not in one[1]]
print(json.dumps([encoder.runtime, elsewhere]))
"""
    assert json.loads(run_python(program, encoder_settings.data_dir)) == ["openvino", []]


def test_without_the_library_onnx_serves(
    loaded: LoadedEncoder, encoder_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory_service.encoder.openvino_runtime.is_offered", lambda: False)
    assert load_encoder(encoder_settings).runtime == "onnx"


@in_bfloat16
def test_a_graph_unfaithful_in_bfloat16_is_served_by_onnx(encoder_settings: Settings, copied: Path) -> None:
    (path,) = copied.glob("models/*/export.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"bfloat16": 0.9989}))
    assert load_encoder(encoder_settings.model_copy(update={"data_dir": copied})).runtime == "onnx"


@pytest.mark.parametrize(
    ("text", "offers"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f amx_bf16 amx_tile\n", True),
        ("flags\t\t: fpu avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu avx512f avx2\n", False),
        ("Features\t: fp asimd bf16\n", False),
        ("", False),
    ],
)
def test_the_processor_says_whether_it_multiplies_bfloat16(tmp_path: Path, text: str, offers: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert multiplies_bfloat16(tmp_path / "cpuinfo") is offers
    assert multiplies_bfloat16(tmp_path / "missing") is False


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
same = bool((batching.encode_passages(texts) * before).sum(axis=1).min() > 0.9999)
if child == 0:
    os._exit(0 if same else 1)
print(same, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run_python(program, encoder_settings.data_dir).split() == ["True", "0"]


@in_bfloat16
def test_a_fork_while_a_thread_encodes_leaves_the_child_able_to(
    loaded: LoadedEncoder, encoder_settings: Settings, run_python: Callable[..., str]
) -> None:
    program = """
import os, pathlib, sys, threading, time
from memory_service.encoder import load_encoder
from memory_service.settings import Settings
encoder = load_encoder(Settings(data_dir=pathlib.Path(sys.argv[1]), encoder="packaged-minilm"))
wanted = encoder.encode(["hello there"])
done = threading.Event()
def work():
    while not done.is_set():
        encoder.encode(["general " * 60] * 4)
threading.Thread(target=work, daemon=True).start()
ended = []
for n in range(6):
    if n == 3:
        done.set()
    time.sleep(0.05)
    child = os.fork()
    if child == 0:
        os._exit(0 if (encoder.encode(["hello there"]) * wanted).sum() > 0.9999 else 1)
    until = time.monotonic() + 30
    while (status := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < until:
        time.sleep(0.01)
    if status == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    ended.append(status != (0, 0) and os.waitstatus_to_exitcode(status[1]) == 0)
print(encoder.runtime, ended)
"""
    assert run_python(program, encoder_settings.data_dir).split(None, 1) == ["openvino", f"{[True] * 6}\n"]


@in_bfloat16
@pytest.mark.parametrize("broken", ["import", "infer"])
def test_where_openvino_fails_onnx_serves(
    loaded: LoadedEncoder, encoder_settings: Settings, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ImportError("libopenvino.so: cannot open shared object file") if broken == "import" else RuntimeError()

    if broken == "import":
        monkeypatch.setattr("memory_service.encoder.openvino_runtime._library", fail)
    else:
        monkeypatch.setattr("openvino.InferRequest.infer", fail)
    assert load_encoder(encoder_settings).runtime == "onnx"


@in_bfloat16
def test_another_openvino_is_compared_with_the_model_anew(encoder_settings: Settings, copied: Path) -> None:
    (path,) = copied.glob("models/*/export.json")
    settings = encoder_settings.model_copy(update={"data_dir": copied})
    assert not export_needed(settings)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"bfloat16_by": "openvino 2020.1.0"}))
    assert export_needed(settings)


def test_a_warm_start_needs_no_export(loaded: LoadedEncoder, encoder_settings: Settings) -> None:
    assert not export_needed(encoder_settings)
    progress: list[str] = []
    again = load_encoder(encoder_settings, progress=progress.append)
    assert progress == []
    assert again.runtime == loaded.runtime
    verify_identity(loaded.identity, again.identity)


def test_the_torch_runtime_is_the_same_encoder(loaded: LoadedEncoder, encoder_settings: Settings) -> None:
    torch = load_encoder(encoder_settings.model_copy(update={"encoder_runtime": "torch"}))
    assert torch.runtime == "torch"
    assert torch.identity.max_tokens == loaded.identity.max_tokens
    verify_identity(loaded.identity, torch.identity)
    np.testing.assert_allclose(torch.encode(VARIED_TEXTS), loaded.encode(VARIED_TEXTS), atol=5e-3)


def test_another_model_of_the_same_name_is_refused(loaded: LoadedEncoder) -> None:
    other = replace(loaded.identity, probe=loaded.encode(["something else"])[0])
    with pytest.raises(EncoderMismatch, match="probe sentence"):
        verify_identity(loaded.identity, other)


@pytest.mark.parametrize("file", ["model.onnx.data", "tokenizer.json"])
def test_a_damaged_export_is_made_again(
    loaded: LoadedEncoder, encoder_settings: Settings, copied: Path, file: str
) -> None:
    (damaged,) = copied.glob(f"models/*/{file}")
    size = damaged.stat().st_size
    damaged.write_bytes(bytes(size) if file == "model.onnx.data" else damaged.read_bytes()[: size // 2])
    progress: list[str] = []
    again = load_encoder(encoder_settings.model_copy(update={"data_dir": copied}), progress=progress.append)
    assert any("Exporting" in step for step in progress)
    verify_identity(loaded.identity, again.identity)
