"""The packaged model as processes serve it: measured, timed, on several threads."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from memory_service.api.metrics import Metrics, TimedEncoder
from memory_service.encoder import LoadedEncoder, Served
from memory_service.encoder.openvino_runtime import OpenVinoEncoder
from memory_service.encoder.protocol import TokenizesTexts
from memory_service.encoder.tokens import Tokenization

TEXTS = ["Maria has adopted a puppy. " * (1 + number % 5) for number in range(48)]


class Counting:
    """An encoder that knows how many are in it at a time."""

    def __init__(self, inner: LoadedEncoder) -> None:
        self.most = 0
        self._inside = 0
        self._inner = inner
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        try:
            return self._inner.encode(texts)
        finally:
            with self._lock:
                self._inside -= 1


def test_an_encoder_that_is_timed_still_tokenises_apart(loaded: LoadedEncoder) -> None:
    timed = TimedEncoder(loaded, Metrics())
    assert isinstance(timed, TokenizesTexts), "batches would be packed by guesses"
    assert timed.tokenize(TEXTS) == loaded.tokenize(TEXTS)
    assert [list(one.ids) for one in timed.tokenize(TEXTS)] == loaded.tokenization.ids(TEXTS)


@pytest.mark.parametrize("runtime", ["as loaded", "onnx"])
def test_texts_are_tokenised_once_and_have_the_same_vectors(
    loaded: LoadedEncoder, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if runtime == "onnx" and isinstance(loaded.encoder, OpenVinoEncoder):
        loaded = replace(loaded, encoder=loaded.encoder._onnx(), runtime="onnx")
    wanted = loaded.encode(TEXTS)
    read: list[str] = []
    ids = Tokenization.ids

    def counted(self: Tokenization, texts: Sequence[str]) -> list[list[int]]:
        read.extend(texts)
        return ids(self, texts)

    monkeypatch.setattr(Tokenization, "ids", counted)
    served = Served.of(loaded, threads=1, inner=TimedEncoder(loaded, Metrics()))
    try:
        np.testing.assert_allclose(served.batching.encode_passages(TEXTS), wanted, atol=1e-5)
    finally:
        served.close()
    assert sorted(read) == sorted(TEXTS)


def test_tokenising_counts_as_encoding(loaded: LoadedEncoder) -> None:
    metrics = Metrics()
    TimedEncoder(loaded, metrics).tokenize(TEXTS)
    page = metrics.render().decode()
    (cpu,) = (line for line in page.splitlines() if line.startswith("memory_service_encoder_cpu_seconds_total"))
    assert float(cpu.split()[-1]) > 0


def test_what_torch_encodes_is_the_same_in_two_steps(loaded: LoadedEncoder) -> None:
    class TakesTexts:
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return loaded.encode(texts)

    torch = replace(loaded, encoder=TakesTexts(), runtime="torch")
    np.testing.assert_array_equal(torch.encode_tokenized(torch.tokenize(TEXTS)), loaded.encode(TEXTS))


@pytest.mark.parametrize(("runtime", "most"), [("onnx", 3), ("openvino", 1), ("torch", 1)])
def test_only_a_runtime_that_lets_several_threads_in_gets_several(
    loaded: LoadedEncoder, runtime: str, most: int
) -> None:
    named = replace(loaded, runtime=runtime)  # type: ignore[arg-type]
    counting = Counting(named)
    served = Served.of(named, threads=3, inner=counting)
    try:
        np.testing.assert_allclose(served.batching.encode_passages(TEXTS), loaded.encode(TEXTS), atol=1e-5)
    finally:
        served.close()
    assert counting.most == most
