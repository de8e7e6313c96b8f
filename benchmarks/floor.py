"""Start the floor (``benchmarks.floor_server``) and ask it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from benchmarks.provenance import CHECKOUT

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Two threads spin on machines with few cores and would make the floor look tens of times slower than it is."""


@dataclass(frozen=True, slots=True)
class FloorSearches:
    """What the floor did with a run of queries."""

    milliseconds: list[float]
    encode_ms: list[float]
    rows: list[list[int]]
    scores: list[list[float]]


class Floor:
    """A floor process; it waits on its pipe, and so uses no time, while others are measured."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.floor_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=CHECKOUT,
            env={**os.environ, **ONE_THREAD, "HF_HUB_OFFLINE": "1"},
        )
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def scan_random(self, count: int, *, seed: int) -> None:
        """Scan ``count`` random vectors from now on."""
        self._ask({"job": "random", "count": count, "seed": seed})

    def scan_texts(self, texts: Sequence[str]) -> None:
        """Scan the vectors of these texts from now on; row i is text i."""
        self._ask({"job": "load", "texts": list(texts)})

    def encode_seconds(self, texts: Sequence[str]) -> float:
        """Return how long encoding these texts took."""
        return float(self._ask({"job": "encode", "texts": list(texts)})["seconds"])

    def search(self, queries: Sequence[str], *, k: int) -> FloorSearches:
        """Answer the queries one after the other."""
        return FloorSearches(**self._ask({"job": "search", "queries": list(queries), "k": k}))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the floor ended with status {self._process.wait()}; its message is above")
        answer: dict[str, Any] = json.loads(line)
        return answer
