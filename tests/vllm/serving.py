"""vLLM's server as a process of its own, for as long as a test needs it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.vllm.process import answering, free_port

ENVIRONMENT: Final = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GB
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "TORCH_COMPILE_DISABLE": "1",  # Log probabilities would be compiled first, half a minute long.
}


@contextmanager
def serving(
    python: str,
    model: Path,
    log: Path,
    arguments: Sequence[str],
    *,
    dtype: str = "bfloat16",
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Run a server that serves a model as `tiny`, computed in these numbers, and give its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", "tiny"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--enforce-eager", "--dtype", dtype, *arguments]
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VLLM_"))}
    around = {**ours, **ENVIRONMENT, **(environment or {})}
    with answering(command, f"{url}/health", log, environment=around):
        yield url
