"""Time to the first token: from a stored cache, and from nothing."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.kv_recall import ASK, FIRST_KEY, FIRST_WORD, VOCABULARY
from memory_service.activation.blob import Header
from memory_service.activation.exactness import Exactness
from memory_service.activation.fingerprint import tokens_digest
from memory_service.activation.packing import Codec, pack, unpack
from memory_service.activation.transformer.caches import precompute, to_dynamic

LENGTHS = (256, 2048)
REPEATS = 7


def times(model: Any, seed: int) -> list[dict[str, Any]]:
    """Return for each length and codec what reuse takes: the file checked and read, the cache built, a question answered."""
    rng = np.random.default_rng(seed)
    found = []
    for length in LENGTHS:
        tokens = rng.integers(FIRST_WORD, VOCABULARY, length).tolist()
        cache = precompute(model, tokens)
        for codec in (Codec.FLOAT32, Codec.BFLOAT16, Codec.INT8):
            exactness = Exactness.EXACT if codec is Codec.FLOAT32 else Exactness.COMPRESSED
            data = pack(cache, Header("0" * 64, tokens_digest(tokens), length, codec, exactness))
            found.append(
                {
                    "tokens": length,
                    "codec": str(codec),
                    "bytes": len(data),
                    "load_ms": 1000 * fastest(lambda data=data: loaded(model, data)),  # type: ignore[misc]
                    "prefill_ms": 1000 * fastest(lambda tokens=tokens: prefilled(model, tokens)),  # type: ignore[misc]
                }
            )
    return found


@torch.inference_mode()
def loaded(model: Any, data: bytes) -> torch.Tensor:
    """Return the logits of a question after a cache that is read from a file's bytes."""
    _, cache = unpack(data)
    return _said(model(input_ids=torch.tensor([[ASK, FIRST_KEY]]), past_key_values=to_dynamic(cache), use_cache=True))


@torch.inference_mode()
def prefilled(model: Any, tokens: list[int]) -> torch.Tensor:
    """Return the logits of the same question after the same text, computed."""
    return _said(model(input_ids=torch.tensor([[*tokens, ASK, FIRST_KEY]]), use_cache=True, logits_to_keep=1))


def _said(output: Any) -> torch.Tensor:
    logits: torch.Tensor = output.logits[0, -1]
    return logits


def fastest(work: Callable[[], object]) -> float:
    """Return the least CPU seconds of several runs: others use the machine, too."""
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)
