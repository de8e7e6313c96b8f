"""Caches of made numbers; the seed is in the call."""

import numpy as np
import pytest

from memory_service.activation.fingerprint import Fingerprint, Parallelism
from memory_service.activation.key_values import KeyValues
from memory_service.activation.policies.statistics import Statistics


def made_cache(tokens: int, layers: int = 2, heads: int = 2, dim: int = 8, seed: int = 0) -> KeyValues:
    rng = np.random.default_rng(seed)
    keys, values = rng.standard_normal((2, layers, heads, tokens, dim), np.float32)
    return KeyValues(keys, values, np.arange(tokens))


def made_statistics(tokens: int, queries: int = 4, seed: int = 0, **shape: int) -> Statistics:
    cache = made_cache(tokens, seed=seed, **shape)
    rng = np.random.default_rng((seed, 1))
    attention = rng.exponential(size=(cache.layers, cache.heads, queries, tokens)).astype(np.float32) ** 3
    return Statistics(
        cache,
        attention=attention / attention.sum(axis=3, keepdims=True) if tokens else attention,
        queries=rng.standard_normal((cache.layers, cache.heads, 2 * queries, cache.dim), np.float32),
        surprisal=rng.exponential(size=tokens).astype(np.float32),
        turns=np.sort(rng.integers(0, 3, tokens)),
        sentences=np.arange(tokens) // 5,
        retention=rng.random((cache.layers, cache.heads, tokens), np.float32),
    )


@pytest.fixture
def fingerprint() -> Fingerprint:
    return Fingerprint(
        weights="0" * 64,
        config="1" * 64,
        tokenizer="2" * 64,
        chat_template=None,
        dtype="bfloat16",
        kv_dtype="auto",
        block_size=128,
        parallelism=Parallelism(),
        isa="avx512",
        layout="cpu-attn-nhd",
        engine="vllm",
        engine_version="0.32.0",
    )
