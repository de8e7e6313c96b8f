"""Search latency through HTTP, beside the floor: 10,000 memories in a namespace, then ten such namespaces.

    python -m benchmarks.search                 # loads 10,000, measures, loads 90,000 more, measures again
    python -m benchmarks.search --namespaces 1  # only the first half

The floor is sentence-transformers in fp32 with one thread and an exact numpy scan over as many vectors as the
namespace has memories. Floor and service answer the same queries, never at the same time.
"""

import argparse
import sys
import time
from dataclasses import asdict
from typing import Any

from benchmarks.blocks import Comparison, alternate
from benchmarks.floor import Floor
from benchmarks.metrics import median, percentile
from benchmarks.readable import readable_failures
from benchmarks.subject import Found, Subject, arguments, connection
from benchmarks.synthetic import questions, texts
from benchmarks.targets import Target, publish
from memory_service.cli.console import progress_bar

TOP_K = 10
RATIO_TO_FLOOR = 1.5
BESIDE_ENCODING_MS = 6.0
GROWTH = 1.3


def main() -> None:
    """Measure and publish."""
    options = _options()
    corpus = texts(options.namespaces * options.memories, seed=options.seed)
    spaces = [f"bench/search/s{options.seed}-{options.memories}/n{n}" for n in range(options.namespaces)]
    shares = [corpus[start : start + options.memories] for start in range(0, len(corpus), options.memories)]
    with Floor() as floor, Subject(connection(options)) as subject:
        floor.scan_random(options.memories, seed=options.seed)
        if not options.reuse:
            subject.load(shares[0], namespace=spaces[0])
        one, one_found = _measure(floor, subject, spaces[:1], options=options, round_number=0)
        many: Comparison | None = None
        many_found: list[Found] = []
        if options.namespaces > 1:
            if not options.reuse:
                for share, space in zip(shares[1:], spaces[1:], strict=True):
                    subject.load(share, namespace=space)
            many, many_found = _measure(floor, subject, spaces, options=options, round_number=1)
    growth = many.service_median / one.service_median if many and not options.reuse else None
    beside = median([found.beside_encoding_ms for found in one_found])
    label = f"{options.memories:,} in a namespace"
    targets = [
        Target(f"search p50 / floor, {label}", one.ratio, RATIO_TO_FLOOR),
        Target(f"search p50 beside own encoding, {label}", beside, BESIDE_ENCODING_MS, unit="ms"),
        Target(f"search p50 with {options.namespaces} such namespaces / with one", growth, GROWTH),
    ]
    measured = {"one_namespace": _numbers(one, one_found)}
    if many:
        measured["all_namespaces"] = _numbers(many, many_found)
    settings = {key: value for key, value in vars(options).items() if key in SETTINGS}
    publish("search", targets=targets, settings={**settings, "top_k": TOP_K}, measured=measured, out=options.out)


SETTINGS = ("memories", "namespaces", "blocks", "queries", "seed", "settle", "reuse")


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--memories", type=int, default=10_000, help="memories per namespace")
    parser.add_argument("--namespaces", type=int, default=10, help="namespaces in the second measurement")
    parser.add_argument("--queries", type=int, default=25, help="queries per block")
    parser.add_argument("--settle", type=float, default=20.0, help="seconds of rest after loading (vacuum, statistics)")
    parser.add_argument("--reuse", action="store_true", help="the memories were stored by an earlier run")
    return parser.parse_args()


def _measure(
    floor: Floor, subject: Subject, spaces: list[str], *, options: argparse.Namespace, round_number: int
) -> tuple[Comparison, list[Found]]:
    """Compare over the given namespaces, each query in the next one; no query is asked twice."""
    time.sleep(0 if options.reuse else options.settle)
    seed = options.seed * 10 + round_number
    asked = questions((options.blocks + 1) * options.queries, seed=seed)
    kept: list[Found] = []

    def block(number: int) -> list[str]:
        return asked[number * options.queries : (number + 1) * options.queries]

    def run_service(number: int) -> list[float]:
        found = [
            subject.search(query, namespace=spaces[place % len(spaces)], k=TOP_K)
            for place, query in enumerate(block(number))
        ]
        if number:
            kept.extend(found)
        return [one.milliseconds for one in found]

    with progress_bar() as bar:
        task = bar.add_task(f"measuring {len(spaces)} namespace(s)", total=options.blocks + 1)
        compared = alternate(
            options.blocks,
            floor=lambda number: floor.search(block(number), k=TOP_K).milliseconds,
            service=run_service,
            done=lambda: bar.advance(task),
        )
    return compared, kept


def _numbers(compared: Comparison, found: list[Found]) -> dict[str, Any]:
    service = [one.milliseconds for one in found]
    return {
        "floor_p50_ms": compared.floor_median,
        "service_p50_ms": compared.service_median,
        "service_p95_ms": percentile(service, 0.95),
        "service_encode_p50_ms": median([one.encode_ms for one in found]),
        "service_beside_encoding_p50_ms": median([one.beside_encoding_ms for one in found]),
        "service_parts_p50_ms": {
            part: median([one.timings_ms[part] for one in found if part in one.timings_ms])
            for part in sorted({part for one in found for part in one.timings_ms})
        },
        "block_ratios": compared.block_ratios,
        "raw_ms": asdict(compared),
    }


if __name__ == "__main__":
    sys.exit(readable_failures(main))
