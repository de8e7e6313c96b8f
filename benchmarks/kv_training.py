"""The frame of what is measured on a small model trained on the spot: train, measure and write, or print what was written."""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.kv_recall import new_model, train
from benchmarks.provenance import RESULTS, provenance
from benchmarks.results import require_writable, write_result


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that recalls, and what was asked of the measurement; `load_before` is the machine's before training."""

    model: Any
    seed: int
    texts: int
    training: dict[str, Any]
    load_before: float


def run(
    argv: Sequence[str] | None,
    *,
    name: str,
    measure: Callable[[Trained], dict[str, Any]],
    table: Callable[[dict[str, Any]], str],
    prepare: Callable[[], object] = lambda: None,
) -> None:
    """Train on one thread, write what `measure` returns to `results/<name>.json` and print its table; `--table` only prints.

    What `prepare` cannot do ends the run before it trains.

    Raises:
        CommandFailure: the result could not be written; found out before training.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name.replace('-', '_')}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--train-s", type=float, default=240, help="CPU seconds that training may take at most")
    parser.add_argument("--texts", type=int, default=40)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json")
    parser.add_argument("--table", action="store_true", help="print the table of a result, and measure nothing")
    chosen = parser.parse_args(argv)
    if chosen.table:
        print(table(json.loads(chosen.out.read_text(encoding="utf-8"))))
        return
    require_writable(chosen.out)
    prepare()
    load = os.getloadavg()[1]
    torch.set_num_threads(1)
    model = new_model(chosen.seed)
    training = train(model, chosen.seed, most_cpu_s=chosen.train_s, say=lambda line: print(line, flush=True))
    said = {"steps": training.steps, "cpu_s": round(training.cpu_s), "accuracy": training.accuracy}
    result = measure(Trained(model, chosen.seed, chosen.texts, said, load))
    write_result(chosen.out, {**provenance(), "seed": chosen.seed, **result})
    print(table(result))
