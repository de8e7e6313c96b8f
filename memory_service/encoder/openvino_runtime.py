"""Serve an exported model with OpenVINO in bfloat16, where the processor multiplies such numbers itself.

Half the bytes and matrix units made for them: on a processor with AMX a short query takes three quarters of the time that ONNX
Runtime needs in fp32, a batch a quarter to a half. Other processors would have to convert; there ONNX Runtime serves.
"""

import importlib.util
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from memory_service.encoder.graph_inputs import INPUTS, GraphUnusable, runs_of
from memory_service.encoder.tokens import Tokenization

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


def _library() -> Any:
    """Import OpenVINO without its telemetry, which writes into the user's home as soon as it is imported, and may send."""
    # What stands for None cannot be imported, and OpenVINO goes on without it.
    sys.modules.setdefault("openvino_telemetry", cast(ModuleType, None))
    # Here and not above: the library takes memory, and most of this package's users need none of it.
    import openvino

    return openvino


class OpenVinoEncoder:
    """Encode with an exported graph that pools and normalises itself; threads that share it wait for each other."""

    def __init__(self, model: Path, tokenization: Tokenization, *, dimension: int, pad_id: int) -> None:
        """Compile the graph `model`; `pad_id` fills the rows of a batch.

        Raises:
            GraphUnusable: OpenVINO cannot open it.
        """
        openvino = _library()
        # One thread, as with ONNX Runtime; concurrency comes from batching.
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._request = openvino.Core().compile_model(str(model), "CPU", settings).create_infer_request()
        except Exception as error:  # The library's errors have no base class of their own.
            raise GraphUnusable((str(error).strip() or "?").splitlines()[-1]) from error
        self._lock = threading.Lock()
        self._tokenization = tokenization
        self._dimension = dimension
        self._pad_id = pad_id

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an (n, d) float32 array of L2-normalised rows; text beyond the window is cut.

        Raises:
            UnencodableText: A text holds a lone surrogate.
        """
        vectors = np.empty((len(texts), self._dimension), dtype=np.float32)
        for batch, *arrays in runs_of(texts, self._tokenization, pad_id=self._pad_id, multiple=MULTIPLE):
            # The answer lies in memory of the request, so it is copied out before another thread may use that.
            with self._lock:
                answer = self._request.infer(
                    dict(zip(INPUTS, arrays, strict=True)), share_inputs=True, share_outputs=True
                )
                vectors[batch] = answer[0]
        return vectors
