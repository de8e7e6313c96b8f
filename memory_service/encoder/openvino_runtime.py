"""Serve an exported model with OpenVINO in bfloat16, where the processor multiplies such numbers itself.

Half the bytes and matrix units made for them: on a processor with AMX a short query takes three quarters of the time that ONNX
Runtime needs in fp32, a batch a quarter to a half. Other processors would have to convert; there ONNX Runtime serves.
"""

import importlib.util
import os
import sys
import threading
import weakref
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from memory_service.encoder.graph_inputs import INPUTS, GraphUnusable, runs_of
from memory_service.encoder.tokens import Tokenization

if TYPE_CHECKING:
    from memory_service.encoder.onnx_runtime import OnnxEncoder

MULTIPLE: Final = 16
"""Rows are filled up to a multiple of this. Then a vector is the same bit for bit whatever is encoded beside it, which a sum in
bfloat16 otherwise is not; and there are few shapes, each of which is compiled when it first comes (10 to 40 ms)."""

_CPU_INFO: Final = Path("/proc/cpuinfo")
_MULTIPLIES: Final = frozenset({"amx_bf16", "avx512_bf16"})


def multiplies_bfloat16(cpu_info: Path = _CPU_INFO) -> bool:
    """Say whether the processor multiplies bfloat16 by instructions of its own; False where that cannot be known."""
    try:
        text = cpu_info.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in text.splitlines() if line.startswith("flags")), "")
    return not _MULTIPLIES.isdisjoint(flags.split())


def is_offered() -> bool:
    """Say whether this runtime is worth its memory here: the library is installed and the processor made for it."""
    return multiplies_bfloat16() and importlib.util.find_spec("openvino") is not None


def installed() -> str:
    """Return which OpenVINO would be used, as `openvino 2026.1.0`; empty where this runtime is not offered."""
    return f"openvino {version('openvino')}" if is_offered() else ""


def _library() -> Any:
    """Import OpenVINO without its telemetry, which writes into the user's home as soon as it is imported, and may send."""
    # What stands for None cannot be imported, and OpenVINO goes on without it.
    sys.modules.setdefault("openvino_telemetry", cast(ModuleType, None))
    # Here and not above: the library takes memory, and most of this package's users need none of it.
    import openvino

    return openvino


class OpenVinoEncoder:
    """Encode with an exported graph that pools and normalises itself; threads that share it wait for each other.

    In the child of a fork ONNX Runtime serves the same graph: OpenVINO's threads are not there, and whether it waits for
    them depends on what the parent did at that moment.
    """

    def __init__(self, model: Path, tokenization: Tokenization, *, dimension: int, pad_id: int) -> None:
        """Compile the graph `model`; `pad_id` fills the rows of a batch.

        Raises:
            GraphUnusable: OpenVINO cannot open it.
        """
        self._model = model
        self._tokenization = tokenization
        self._dimension = dimension
        self._pad_id = pad_id
        self._lock = threading.Lock()
        self._request: Any = self._compiled()
        self._instead: OnnxEncoder | None = None
        _instances.add(self)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an (n, d) float32 array of L2-normalised rows; text beyond the window is cut.

        Raises:
            UnencodableText: A text holds a lone surrogate.
            GraphUnusable: OpenVINO cannot compute it.
        """
        return self.encode_ids(self._tokenization.ids(texts))

    def encode_ids(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the same of texts that are tokenised already: the ids of each, special tokens included, within the window.

        Raises:
            GraphUnusable: OpenVINO cannot compute it.
        """
        if self._request is None:
            return self._onnx().encode_ids(rows)
        vectors = np.empty((len(rows), self._dimension), dtype=np.float32)
        runs = runs_of(rows, window=self._tokenization.window, pad_id=self._pad_id, multiple=MULTIPLE)
        for batch, *arrays in runs:
            # The answer lies in memory of the request, so it is copied out before another thread may use that.
            with self._lock:
                try:
                    answer = self._request.infer(
                        dict(zip(INPUTS, arrays, strict=True)), share_inputs=True, share_outputs=True
                    )
                except RuntimeError as error:
                    raise GraphUnusable(_said(error)) from error
                vectors[batch] = answer[0]
        return vectors

    def _compiled(self) -> Any:
        # One thread, as with ONNX Runtime; concurrency comes from batching.
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            return _library().Core().compile_model(str(self._model), "CPU", settings).create_infer_request()
        except Exception as error:  # The library's errors have no base class of their own, and it may be broken itself.
            raise GraphUnusable(_said(error)) from error

    def _onnx(self) -> "OnnxEncoder":
        from memory_service.encoder.onnx_runtime import OnnxEncoder

        with self._lock:
            if self._instead is None:
                self._instead = OnnxEncoder(
                    self._model, self._tokenization, dimension=self._dimension, pad_id=self._pad_id
                )
            return self._instead

    def forget(self) -> None:
        """Use OpenVINO no more, without asking it."""
        self._lock = threading.Lock()
        self._lost, self._request = self._request, None  # Not released either: that may wait, too.


def _said(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1]


_instances: "weakref.WeakSet[OpenVinoEncoder]" = weakref.WeakSet()


def _forget_after_fork() -> None:
    for instance in _instances:
        instance.forget()


os.register_at_fork(after_in_child=_forget_after_fork)
