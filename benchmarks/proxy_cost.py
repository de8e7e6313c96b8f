"""What the proxy adds to a chat beside the model and the search: all three timed by themselves, in turn.

On a machine that others use a chat waits for its turn more often than a search by itself, so the service's CPU time is stated, too.
"""

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import httpx
import psutil

from benchmarks.chats import NAMESPACE, chat
from benchmarks.metrics import mean, median, percentile
from benchmarks.model_server import ModelServer
from benchmarks.week import SYSTEM, Asked


def cost(
    http: httpx.Client,
    model: ModelServer,
    asked: Sequence[Asked],
    *,
    pid: int,
    blocks: int,
    chats: int,
    top_k: int,
    seed: int,
) -> dict[str, Any]:
    """Return medians in milliseconds, and of the differences of the three that were timed one behind the other.

    Args:
        http: a client of a service in front of the model.
        model: what stands in for one.
        pid: the process of the service's API.
        asked: what is asked.
        blocks: that are measured, beside one that warms up.
        chats: in a block.
        top_k: memories per prompt.
        seed: of the choice of chats.
    """
    rng, service = random.Random(seed), psutil.Process(pid)

    def spent() -> float:
        times = service.cpu_times()
        return float(times.user + times.system) * 1000

    proxied: list[float] = []
    direct: list[float] = []
    searched: list[float] = []
    stated: list[float] = []
    worked: list[float] = []  # CPU of a chat beside that of a search; in ticks of ten, so only the mean says something
    with httpx.Client(timeout=60) as plain:
        for block in range(blocks + 1):
            for one in rng.sample(asked, chats):
                messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": one.text}]
                search = {"query": one.text, "namespace": NAMESPACE, "top_k": top_k}
                before = spent()
                took = _timed(partial(chat, http, messages, top_k=top_k))
                in_chat = spent() - before
                alone = _timed(partial(plain.post, f"{model.url}/chat/completions", json={"messages": messages}))
                before, began = spent(), time.perf_counter()
                found = http.post("/v1/search", json=search).json()
                by_itself = (time.perf_counter() - began) * 1000
                in_search = spent() - before
                if block:  # the first one warms up
                    proxied.append(took)
                    direct.append(alone)
                    searched.append(by_itself)
                    stated.append(found["timings_ms"]["total"])
                    worked.append(in_chat - in_search)
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
        "beside_search_request_cpu_ms": mean(worked),
    }


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000
