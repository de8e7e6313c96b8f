"""What the proxy adds to a chat beside the model and the search: all three timed by themselves, in turn."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from benchmarks.chats import NAMESPACE, chat
from benchmarks.metrics import median, percentile
from benchmarks.model_server import ModelServer
from benchmarks.week import SYSTEM, Asked


def cost(
    http: httpx.Client, model: ModelServer, asked: Sequence[Asked], *, blocks: int, chats: int, top_k: int, seed: int
) -> dict[str, Any]:
    """Return medians in milliseconds, and of the differences of the three that were timed one behind the other.

    Args:
        http: a client of a service in front of the model.
        model: what stands in for one.
        asked: what is asked.
        blocks: that are measured, beside one that warms up.
        chats: in a block.
        top_k: memories per prompt.
        seed: of the choice of chats.
    """
    rng = random.Random(seed)
    proxied: list[float] = []
    direct: list[float] = []
    searched: list[float] = []
    stated: list[float] = []
    with httpx.Client(timeout=60) as plain:
        for block in range(blocks + 1):
            for one in rng.sample(asked, chats):
                messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": one.text}]
                search = {"query": one.text, "namespace": NAMESPACE, "top_k": top_k}
                took = _timed(lambda m=messages: chat(http, m, top_k=top_k))
                alone = _timed(lambda m=messages: plain.post(f"{model.url}/chat/completions", json={"messages": m}))
                began = time.perf_counter()
                found = http.post("/v1/search", json=search).json()
                by_itself = (time.perf_counter() - began) * 1000
                if block:  # the first one warms up
                    proxied.append(took)
                    direct.append(alone)
                    searched.append(by_itself)
                    stated.append(found["timings_ms"]["total"])
    return {
        "chats": len(proxied),
        "proxied_p50_ms": median(proxied),
        "proxied_p95_ms": percentile(proxied, 0.95),
        "direct_p50_ms": median(direct),
        "search_p50_ms": median(searched),
        "search_stated_p50_ms": median(stated),
        # Its own statement, without HTTP: what is left includes the way to us and back.
        "beside_search_ms": median([p - d - s for p, d, s in zip(proxied, direct, stated, strict=True)]),
        "beside_search_request_ms": median([p - d - s for p, d, s in zip(proxied, direct, searched, strict=True)]),
    }


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000
