"""Many clients at once: throughput, latency, and how many queries the encoder takes together.

    python -m benchmarks.concurrency --clients 16

Searches the first namespace that ``benchmarks.search`` loads, and loads it if needed. The clients run on the same
machine and take their share of its cores, so the throughput is a lower bound. What the cores could do at most is taken from
the CPU time of a search of one client alone: encoding, SQL and HTTP of the whole service, without the client's own.
"""

import argparse
import os
import sys
import threading
import time
from contextlib import ExitStack
from itertools import islice
from typing import Any

from benchmarks.metrics import percentile
from benchmarks.process_tree import usage
from benchmarks.prometheus import histogram, median_bucket
from benchmarks.readable import readable_failures
from benchmarks.subject import Subject, arguments, connection
from benchmarks.synthetic import questions, texts
from benchmarks.targets import Target, publish
from memory_service.cli.failures import CommandFailure

TOP_K = 10
SHARE_OF_CORES = 0.8
TAIL = 4.0
BATCH_SIZES = "memory_service_encoder_batch_size"
QUERIES_PER_CLIENT = 4_000
"""More than a client can ask in the time, so that no query is asked twice."""


def main() -> None:
    """Measure and publish."""
    options = _options()
    space = f"bench/search/s{options.seed}-{options.memories}/n0"
    with Subject(connection(options)) as subject:
        if not options.reuse:
            subject.load(texts(options.memories, seed=options.seed), namespace=space)
        _warm_up(options, space)
        alone = _run(1, space, options=options, seconds=min(5.0, options.seconds))
        before = subject.metrics()
        crowd = _run(options.clients, space, options=options, seconds=options.seconds)
        after = subject.metrics()
    counts = histogram(before, after, BATCH_SIZES, kind="query")
    middle = median_bucket(counts) if counts else None
    # A bucket's upper bound above one means that the median batch held at least two queries.
    possible = 1000 * (os.cpu_count() or 1) / alone["cpu_ms_per_search"] if alone["cpu_ms_per_search"] else None
    label = f"at {options.clients} clients"
    targets = [
        Target(f"median encoder batch {label}", middle, 2, at_most=False, unit="queries"),
        Target(
            f"searches per second {label} / what the cores could do",
            crowd["per_second"] / possible if possible else None,
            SHARE_OF_CORES,
            at_most=False,
        ),
        Target(f"search p95 / p50 {label}", crowd["p95_ms"] / crowd["p50_ms"], TAIL),
    ]
    measured = {
        "possible_per_second": possible,
        "one_client": alone,
        "clients": crowd,
        "encoder_batch_sizes": {str(bound): count for bound, count in counts.items()},
    }
    settings = {key: getattr(options, key) for key in ("memories", "clients", "seconds", "seed")}
    publish("concurrency", targets=targets, settings={**settings, "top_k": TOP_K}, measured=measured, out=options.out)


def _warm_up(options: argparse.Namespace, space: str) -> None:
    """Search on many connections at once, so that every API process reads the namespace, which is no part of a search."""
    with ExitStack() as held:
        for _ in range(2 * options.clients):
            subject = held.enter_context(Subject(connection(options)))
            subject.search("Who is there?", namespace=space, k=TOP_K)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--memories", type=int, default=10_000, help="memories in the namespace")
    parser.add_argument("--clients", type=int, default=16, help="threads, each with its own connection")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the clients ask")
    parser.add_argument("--reuse", action="store_true", help="the memories were stored by an earlier run")
    return parser.parse_args()


def _run(clients: int, space: str, *, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Let the clients ask for a while; return throughput and latencies."""
    asked = questions(QUERIES_PER_CLIENT, seed=options.seed * 100 + clients)
    took: list[list[float]] = [[] for _ in range(clients)]
    failures: list[Exception] = []
    go = threading.Barrier(clients + 1)
    until = time.perf_counter() + seconds + 1

    def ask(number: int) -> None:
        try:
            with Subject(connection(options)) as subject:
                go.wait()
                for query in islice(asked, number, None, clients):
                    if time.perf_counter() >= until:
                        return
                    took[number].append(subject.search(query, namespace=space, k=TOP_K).milliseconds)
        except Exception as error:
            # Kept for the main thread: a client that fell silent must not pass for a slow one.
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    used = _cpu_seconds(options)
    go.wait()
    began = time.perf_counter()
    until = began + seconds
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    if failures:
        raise failures[0]
    every = [one for part in took for one in part]
    now_used = _cpu_seconds(options)
    return {
        "clients": clients,
        "searches": len(every),
        "per_second": len(every) / elapsed,
        "cpu_ms_per_search": None if used is None or now_used is None else 1000 * (now_used - used) / len(every),
        "p50_ms": percentile(every, 0.5),
        "p95_ms": percentile(every, 0.95),
        "p99_ms": percentile(every, 0.99),
    }


def _cpu_seconds(options: argparse.Namespace) -> float | None:
    """Return what the service has used so far; None where it does not run in the data folder named."""
    try:
        return usage(options.data_dir).cpu_s
    except CommandFailure:
        return None


if __name__ == "__main__":
    sys.exit(readable_failures(main))
