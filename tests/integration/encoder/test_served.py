"""The packaged model as processes serve it: measured, timed, on several threads."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from memory_service.api.metrics import Metrics, TimedEncoder
from memory_service.encoder import LoadedEncoder, Served
from memory_service.encoder.protocol import MeasuresTexts

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


def test_an_encoder_that_is_timed_still_measures_texts(loaded: LoadedEncoder) -> None:
    timed = TimedEncoder(loaded, Metrics())
    assert isinstance(timed, MeasuresTexts), "batches would be packed by guesses"
    assert timed.lengths(TEXTS) == loaded.lengths(TEXTS)


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
