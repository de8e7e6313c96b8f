"""Batch and single ingest through HTTP, beside the floor's encoder.

    python -m benchmarks.ingest

Each block, the floor encodes a batch of new texts and the service stores a batch of other new texts. The CPU time of
the service's processes, Postgres and worker included, comes from the operating system; the encoder's CPU time from
the service's metrics. Needs the embedded service of ``--data-dir`` for the CPU time.

A batch is answered before its memories are enriched. Both CPU times are stated, until the answer and until nothing
waits for the worker any more; the promise is about the second, and the floor is not measured before it has come.

What the service uses without any work (health checks, the beat, the broker's clock) goes by the second, not by the memory: it is
measured at rest, before the blocks and behind them, stated, and taken off for as long as a block took.

The encoder's wall time is no substitute for its CPU time there: on a busy machine it is longer, and what is left
beside it would look smaller than it is. Without the CPU counter that promise is stated as not measured.
"""

import argparse
import sys
import time
from typing import Any

from benchmarks.blocks import alternate
from benchmarks.floor import Floor
from benchmarks.metrics import median, percentile
from benchmarks.prometheus import Sample, difference
from benchmarks.readable import readable_failures
from benchmarks.resting import Reading, await_idle, read, share_at_rest
from benchmarks.subject import Subject, arguments, connection
from benchmarks.synthetic import texts
from benchmarks.targets import Target, publish
from memory_service.cli.console import progress_bar
from memory_service.cli.failures import CommandFailure

THROUGHPUT_TO_FLOOR = 0.9
CPU_MS_BESIDE_ENCODING = 0.8
SINGLE_BESIDE_ENCODING_MS = 8.0
ENCODER_CPU_SECONDS = "memory_service_encoder_cpu_seconds_total"
ENCODER_SECONDS = "memory_service_encoder_seconds_total"


def main() -> None:
    """Measure and publish."""
    options = _options()
    space = f"bench/ingest/{time.time_ns():x}"
    made = texts((options.blocks + 1) * options.batch * 2 + options.singles + 20, seed=options.seed)
    with Subject(connection(options)) as subject:
        with Floor() as floor:
            batch = _batches(floor, subject, made, space=space, options=options)
        await_idle(options.data_dir)
        single = _singles(subject, made[-options.singles - 20 :], space=f"{space}/single")
    targets = [
        Target("batch ingest / floor's encoding", batch["throughput_ratio"], THROUGHPUT_TO_FLOOR, at_most=False),
        Target(
            "CPU per memory beside encoding, with enrichment",
            batch["cpu_ms_beside_encoding"],
            CPU_MS_BESIDE_ENCODING,
            unit="ms",
        ),
        Target("single POST p50 beside own encoding", single["beside_ms"], SINGLE_BESIDE_ENCODING_MS, unit="ms"),
    ]
    settings = {key: getattr(options, key) for key in ("blocks", "batch", "singles", "seed")}
    publish("ingest", targets=targets, settings=settings, measured={"batch": batch, "single": single}, out=options.out)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--batch", type=int, default=500, help="memories per block, in one request")
    parser.add_argument("--singles", type=int, default=200, help="memories stored one by one")
    parser.set_defaults(blocks=10)
    return parser.parse_args()


def _batches(
    floor: Floor, subject: Subject, made: list[str], *, space: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Compare throughputs in memories per second, and take the CPU time of the service's blocks."""
    cpu: list[tuple[Reading, Reading, Reading]] = []
    waits: list[float] = []
    pages: list[tuple[list[Sample], list[Sample]]] = []

    def share(number: int, *, of_service: bool) -> list[str]:
        start = (2 * number + of_service) * options.batch
        return made[start : start + options.batch]

    def run_service(number: int) -> list[float]:
        page, used = subject.metrics(), read(options.data_dir)
        seconds = subject.store(share(number, of_service=True), namespace=space, first=number * options.batch)
        answered = read(options.data_dir)
        waited = await_idle(options.data_dir)
        ended = read(options.data_dir)
        if number:
            pages.append((page, subject.metrics()))
            if used and answered and ended:
                cpu.append((used, answered, ended))
                waits.append(waited)
        return [options.batch / seconds]

    resting = [share_at_rest(options.data_dir)]
    with progress_bar() as bar:
        task = bar.add_task("measuring batches", total=options.blocks + 1)
        compared = alternate(
            options.blocks,
            floor=lambda number: [options.batch / floor.encode_seconds(share(number, of_service=False))],
            service=run_service,
            done=lambda: bar.advance(task),
        )
    resting.append(share_at_rest(options.data_dir))
    # The lower of the two: what is left of other work is not at rest.
    at_rest = min((share for share in resting if share is not None), default=0.0)
    request_ms = [1000 * before.until(answered, at_rest=at_rest) / options.batch for before, answered, _ in cpu]
    total_ms = [1000 * before.until(after, at_rest=at_rest) / options.batch for before, _, after in cpu]
    name, encoding_s = _encoding(pages)
    encoding_ms = [1000 * seconds / options.batch for seconds in encoding_s]
    known = name == ENCODER_CPU_SECONDS
    beside = [total - encoding for total, encoding in zip(total_ms, encoding_ms, strict=False)] if known else []
    at_answer = [total - encoding for total, encoding in zip(request_ms, encoding_ms, strict=False)] if known else []
    return {
        "floor_per_second": compared.floor_median,
        "service_per_second": compared.service_median,
        "throughput_ratio": compared.ratio,
        "block_ratios": compared.block_ratios,
        "cpu_ms_per_memory": median(total_ms) if total_ms else None,
        "cpu_ms_per_memory_until_answer": median(request_ms) if request_ms else None,
        "enrichment_wait_s": median(waits) if waits else None,
        "encoding_ms_per_memory": median(encoding_ms) if encoding_ms else None,
        "encoding_measured_by": name,
        "cpu_ms_beside_encoding": median(beside) if beside else None,
        "cpu_ms_beside_encoding_until_answer": median(at_answer) if at_answer else None,
        "cpu_ms_per_second_at_rest": 1000 * at_rest if cpu else None,
        "service_memory_mib": cpu[-1][-1].usage.pss_mib if cpu else None,
    }


def _singles(subject: Subject, made: list[str], *, space: str) -> dict[str, Any]:
    """Store memories one by one, the first 20 as warm-up; own encoding is the mean over each ten."""
    beside: list[float] = []
    walls: list[float] = []
    encodings: list[float] = []
    for start in range(0, len(made), 10):
        page = subject.metrics()
        took = [subject.remember(text, namespace=space) for text in made[start : start + 10]]
        _, [encoding_s] = _encoding([(page, subject.metrics())], names=(ENCODER_SECONDS,))
        encoding = 1000 * encoding_s / len(took)
        if start >= 20:
            walls += took
            encodings.append(encoding)
            beside += [wall - encoding for wall in took]
    return {
        "p50_ms": median(walls),
        "p95_ms": percentile(walls, 0.95),
        "encode_mean_ms": median(encodings),
        "beside_ms": median(beside),
    }


def _encoding(
    pages: list[tuple[list[Sample], list[Sample]]], *, names: tuple[str, ...] = (ENCODER_CPU_SECONDS, ENCODER_SECONDS)
) -> tuple[str, list[float]]:
    """Return which of the metrics the service has, the first by preference, and its growth in each block."""
    for name in names:
        grown = [difference(before, after, name) for before, after in pages]
        found = [one for one in grown if one is not None]
        if len(found) == len(pages):
            return name, found
    raise CommandFailure(f"the service's /metrics has no {ENCODER_SECONDS}")


if __name__ == "__main__":
    sys.exit(readable_failures(main))
