"""Measure what the client costs over plain HTTP: the same calls to the same service, alternating in one run.

python clients/python/benchmarks/overhead.py [--calls 300] [--out FILE]
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from recording import record, target

from memory_client import AsyncMemoryClient, MemoryClient
from memory_client.discovery import find_endpoint

NAMESPACE = "benchmarks/overhead"
CALLS = 300
WARM_UP = 20
IMPORTS = 11
MOST_MS, MOST_IMPORT_MS = 1.0, 300.0
CLOCKS = ("wall", "cpu")

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


def order(number: int) -> tuple[int, int]:
    """Return who goes first, 0 for plain HTTP or 1 for the client; they take turns, since the second finds caches warm."""
    return (number % 2, 1 - number % 2)


def compared(name: str, plain: list[Taken], ours: list[Taken]) -> dict[str, float]:
    """Print and return medians; the difference of medians of alternating calls is what the client adds.

    On a busy machine the wall clock says more about the others; the CPU is ours alone.
    """
    found = {}
    for clock, place in zip(CLOCKS, (0, 1), strict=True):
        a = statistics.median(one[place] for one in plain[WARM_UP:])
        b = statistics.median(one[place] for one in ours[WARM_UP:])
        print(f"{name:<14} {clock:<4} plain {a:7.3f} ms   client {b:7.3f} ms   difference {b - a:+.3f} ms")
        found |= {f"plain_{clock}_ms": a, f"client_{clock}_ms": b, f"difference_{clock}_ms": b - a}
    return {key: round(value, 3) for key, value in found.items()}


def blocking(calls: int) -> dict[str, dict[str, float]]:
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
        found = {}
        for name, (plain, ours) in pairs.items():
            taken: tuple[list[Taken], list[Taken]] = ([], [])
            for number in range(calls + WARM_UP):
                for which in order(number):
                    taken[which].append(timed((plain, ours)[which]))
            found[name] = compared(name, *taken)
        return found


async def awaiting(calls: int) -> dict[str, dict[str, float]]:
    """Compare the awaiting client with httpx, call by call."""
    endpoint = find_endpoint()
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    async with AsyncMemoryClient() as client, httpx.AsyncClient(base_url=endpoint.url, headers=headers) as http:
        memory = await client.add("Rosa is a marine biologist.", namespace=NAMESPACE)

        async def plain() -> Any:
            return json.loads((await http.get(f"/v1/memories/{memory.id}")).content)

        taken: tuple[list[Taken], list[Taken]] = ([], [])
        for number in range(calls + WARM_UP):
            for which in order(number):
                began = now()
                await (client.get(memory.id) if which else plain())
                taken[which].append(since(began))
        return {"get, awaited": compared("get, awaited", *taken)}


def importing() -> dict[str, dict[str, float]]:
    """Return how long an import takes in a fresh interpreter, and how long httpx and pydantic alone do.

    An import is the same work each time, so what makes one slower than the fastest is other programs.
    """
    script = (
        "import time; w, c = time.perf_counter(), time.process_time(); import {};"
        "print((time.perf_counter() - w) * 1000, (time.process_time() - c) * 1000)"
    )
    found = {}
    for name, modules in {"dependencies": "httpx, pydantic.main", "memory_client": "memory_client"}.items():
        runs = []
        for _ in range(IMPORTS):
            done = subprocess.run([sys.executable, "-c", script.format(modules)], capture_output=True, check=True)
            runs.append([float(one) for one in done.stdout.split()])
        wall, cpu = ([run[place] for run in runs] for place in (0, 1))
        taken = {
            "wall_ms": round(statistics.median(wall), 1),
            "fastest_wall_ms": round(min(wall), 1),
            "cpu_ms": round(statistics.median(cpu), 1),
        }
        print(
            f"import {name:<14} wall {taken['wall_ms']:6.1f} ms, fastest {taken['fastest_wall_ms']:6.1f} ms", end="   "
        )
        print(f"CPU {taken['cpu_ms']:6.1f} ms, of {IMPORTS}")
        found[name] = taken
    return found


def main() -> int:
    """Measure, keep, and say whether everything is as cheap as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    imports = importing()
    calls = blocking(given.calls) | asyncio.run(awaiting(given.calls))
    targets = [
        target("import of memory_client, fastest", imports["memory_client"]["fastest_wall_ms"], MOST_IMPORT_MS, "ms"),
        *(target(f"{name}, above plain HTTP, wall", one["difference_wall_ms"], MOST_MS, "ms") for name, one in calls.items()),
    ]  # fmt: skip
    settings = {"calls": given.calls, "warm_up": WARM_UP, "imports": IMPORTS}
    record(given.out, "client-overhead", settings=settings, targets=targets, measured={"import": imports} | calls)
    return int(not all(one["met"] for one in targets))


if __name__ == "__main__":
    sys.exit(main())
