"""Search latency through HTTP, beside the floor: 10,000 memories in a namespace, then ten such namespaces.

    python -m benchmarks.search                 # loads 10,000, measures, loads 90,000 more, measures again
    python -m benchmarks.search --namespaces 1  # only the first half, for each of the three presets

It waits until the worker has consolidated what was loaded, which takes minutes: a search beside a run of consolidation shares
two cores with it. The floor is sentence-transformers in fp32 with one thread and an exact numpy scan over as many vectors as the
namespace has memories. Floor and service answer the same queries, never at the same time.
"""

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from benchmarks.blocks import Comparison, alternate_all
from benchmarks.floor import Floor
from benchmarks.metrics import median, percentile
from benchmarks.readable import readable_failures
from benchmarks.resting import await_idle
from benchmarks.subject import Found, Subject, arguments, connection
from benchmarks.synthetic import questions, texts
from benchmarks.targets import Target, publish
from memory_service.cli.console import progress_bar

TOP_K = 10
RATIO_TO_FLOOR = {"fast": 1.2, "balanced": 1.5, "thorough": 3.0}
USUAL = "balanced"
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
        presets = _measure(floor, subject, spaces[:1], options=options, round_number=0, presets=list(RATIO_TO_FLOOR))
        many: Measured | None = None
        if options.namespaces > 1:
            if not options.reuse:
                for share, space in zip(shares[1:], spaces[1:], strict=True):
                    subject.load(share, namespace=space)
            many = _measure(floor, subject, spaces, options=options, round_number=1, presets=[USUAL])[USUAL]
    one = presets[USUAL]
    growth = many.compared.service_median / one.compared.service_median if many and not options.reuse else None
    beside = median([found.beside_encoding_ms for found in one.found])
    label = f"{options.memories:,} in a namespace"
    targets = [
        *(
            Target(f"search p50 / floor, {preset}, {label}", presets[preset].compared.ratio, limit)
            for preset, limit in RATIO_TO_FLOOR.items()
        ),
        Target(f"search p50 beside own encoding, {label}", beside, BESIDE_ENCODING_MS, unit="ms"),
        Target(f"search p50 with {options.namespaces} such namespaces / with one", growth, GROWTH),
    ]
    measured = {"one_namespace": _numbers(one)}
    measured |= {f"one_namespace_{preset}": _numbers(presets[preset]) for preset in presets if preset != USUAL}
    if many:
        measured["all_namespaces"] = _numbers(many)
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


@dataclass(slots=True)
class Measured:
    """One preset beside the floor, with what it found after the warm-up."""

    compared: Comparison
    found: list[Found]


def _measure(
    floor: Floor,
    subject: Subject,
    spaces: list[str],
    *,
    options: argparse.Namespace,
    round_number: int,
    presets: list[str],
) -> dict[str, Measured]:
    """Compare presets over the given namespaces, each query in the next one; no query is asked twice."""
    await_idle(options.data_dir, consolidated=True)
    time.sleep(0 if options.reuse else options.settle)
    seed = options.seed * 10 + round_number
    rounds = options.blocks + 1
    asked = questions(rounds * options.queries * len(presets), seed=seed)
    kept: dict[str, list[Found]] = {preset: [] for preset in presets}

    def block(number: int, preset: str) -> list[str]:
        start = (presets.index(preset) * rounds + number) * options.queries
        return asked[start : start + options.queries]

    def run_service(number: int, preset: str) -> list[float]:
        found = [
            subject.search(query, namespace=spaces[place % len(spaces)], k=TOP_K, preset=preset)
            for place, query in enumerate(block(number, preset))
        ]
        if number:
            kept[preset].extend(found)
        return [one.milliseconds for one in found]

    with progress_bar() as bar:
        task = bar.add_task(f"measuring {len(spaces)} namespace(s)", total=options.blocks + 1)
        compared = alternate_all(
            options.blocks,
            floor=lambda number: floor.search(block(number, presets[0]), k=TOP_K).milliseconds,
            services={preset: partial(run_service, preset=preset) for preset in presets},
            done=lambda: bar.advance(task),
        )
    return {preset: Measured(compared[preset], kept[preset]) for preset in presets}


def _numbers(measured: Measured) -> dict[str, Any]:
    compared, found = measured.compared, measured.found
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
