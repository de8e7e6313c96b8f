"""Measure what the client costs over plain HTTP: the same calls to the same service, alternating in one run.

python clients/python/benchmarks/overhead.py [CALLS]
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

from memory_client import AsyncMemoryClient, MemoryClient
from memory_client.discovery import find_endpoint

NAMESPACE = "benchmarks/overhead"
CALLS = 300
WARM_UP = 20
IMPORTS = 5


Taken = tuple[float, float]  # Milliseconds on the wall clock, and of this process's CPU.


def now() -> Taken:
    """Return both clocks."""
    return time.perf_counter() * 1000, time.process_time() * 1000


def since(began: Taken) -> Taken:
    """Return what both clocks say has passed."""
    wall, cpu = now()
    return wall - began[0], cpu - began[1]


def timed(call: Callable[[], Any]) -> Taken:
    """Return what one call takes."""
    began = now()
    call()
    return since(began)


def report(name: str, plain: list[Taken], ours: list[Taken]) -> None:
    """Print medians; the difference of medians of alternating calls is what the client adds.

    On a busy machine the wall clock says more about the others; the CPU is ours alone.
    """
    for clock, place in (("wall", 0), ("CPU", 1)):
        a = statistics.median(one[place] for one in plain[WARM_UP:])
        b = statistics.median(one[place] for one in ours[WARM_UP:])
        print(f"{name:<14} {clock:<4} plain {a:7.3f} ms   client {b:7.3f} ms   difference {b - a:+.3f} ms")


def blocking(calls: int) -> None:
    """Compare the blocking client with httpx, call by call."""
    endpoint = find_endpoint()
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    with MemoryClient() as client, httpx.Client(base_url=endpoint.url, headers=headers, timeout=60) as http:
        memory = client.add("Rosa is a marine biologist.", namespace=NAMESPACE)
        asked = {"query": "What does Rosa do?", "namespace": NAMESPACE}
        pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            "get": (
                lambda: json.loads(http.get(f"/v1/memories/{memory.id}").content),
                lambda: client.get(memory.id),
            ),
            "search": (
                lambda: json.loads(http.post("/v1/search", json=asked).content),
                lambda: client.search(asked["query"], namespace=NAMESPACE),
            ),
        }
        for name, (plain, ours) in pairs.items():
            measured = [(timed(plain), timed(ours)) for _ in range(calls + WARM_UP)]
            report(name, [a for a, _ in measured], [b for _, b in measured])


async def awaiting(calls: int) -> None:
    """Compare the awaiting client with httpx, call by call."""
    endpoint = find_endpoint()
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    async with AsyncMemoryClient() as client, httpx.AsyncClient(base_url=endpoint.url, headers=headers) as http:
        memory = await client.add("Rosa is a marine biologist.", namespace=NAMESPACE)
        plain, ours = [], []
        for _ in range(calls + WARM_UP):
            began = now()
            json.loads((await http.get(f"/v1/memories/{memory.id}")).content)
            plain.append(since(began))
            began = now()
            await client.get(memory.id)
            ours.append(since(began))
        report("get, awaited", plain, ours)


def importing() -> None:
    """Print how long an import takes in a fresh interpreter, and how long httpx and pydantic alone do."""
    script = "import time; t = time.process_time(); import {}; print((time.process_time() - t) * 1000)"
    for name, modules in {"dependencies": "httpx, pydantic.main", "memory_client": "memory_client"}.items():
        runs = [
            float(
                subprocess.run([sys.executable, "-c", script.format(modules)], capture_output=True, check=True).stdout
            )
            for _ in range(IMPORTS)
        ]
        print(f"import {name:<14} {statistics.median(runs):6.1f} ms of CPU, the median of {IMPORTS}")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    importing()
    blocking(count)
    asyncio.run(awaiting(count))
