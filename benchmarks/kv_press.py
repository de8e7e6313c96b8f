"""Policies of ours beside the presses of kvpress, on the same caches of a small model trained here from scratch.

    python -m benchmarks.kv_press [--seed N] [--train-s CPU_SECONDS] [--texts N]

Makes an environment for kvpress where there is none, trains as `benchmarks.kv_policies` does, and writes `results/kv-press.json`;
`--table` prints that. Methods that both have are asked with the same window, kernel and sinks.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks import kv_contest as contest
from benchmarks.kv_policies import row
from benchmarks.kv_recall import new_model, train
from benchmarks.kvpress.policy import KvPress, Presses, presses
from benchmarks.provenance import CHECKOUT, RESULTS, provenance
from benchmarks.results import require_writable, write_result
from memory_service.activation.policies.keep import Policy
from memory_service.activation.policies.observed import PyramidKV, SnapKV
from memory_service.activation.policies.statistics import Budget
from memory_service.activation.policies.window import Random, Whole, Window

SHARES: Final = (0.5, 0.25)
OBSERVED: Final = {"window_size": contest.OBSERVED, "kernel_size": 5}


def pairs(running: Presses) -> list[tuple[Policy | None, KvPress]]:
    """Return presses, and the policy of ours by the same method where there is one."""
    return [
        (Window(), KvPress(running, "StreamingLLMPress", {"n_sink": 4}, "kvpress StreamingLLM")),
        (SnapKV(), KvPress(running, "SnapKVPress", OBSERVED, "kvpress SnapKV")),
        (PyramidKV(), KvPress(running, "PyramidKVPress", OBSERVED, "kvpress PyramidKV")),
        (Random(seed=7), KvPress(running, "RandomPress", {"seed": 7}, "kvpress Random")),
        (None, KvPress(running, "TOVAPress", {}, "kvpress TOVA")),
        (None, KvPress(running, "KnormPress", {}, "kvpress Knorm")),
        (None, KvPress(running, "KeyDiffPress", {}, "kvpress KeyDiff")),
    ]


def interpreter() -> Path:
    """Return the Python of the environment of kvpress, installed when there is none.

    Raises:
        SystemExit: it cannot be installed; what was wrong stands above.
    """
    made = subprocess.run(
        [sys.executable, CHECKOUT / "tests" / "vllm" / "environment.py", "kvpress"],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        sys.exit("error: kvpress cannot be installed")
    return Path(made.stdout.strip().splitlines()[-1])


def main(argv: Sequence[str] | None = None) -> None:
    """Train, try and write, or print what was written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kv_press")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--train-s", type=float, default=240, help="CPU seconds that training may take at most")
    parser.add_argument("--texts", type=int, default=40)
    parser.add_argument("--out", type=Path, default=RESULTS / "kv-press.json")
    parser.add_argument("--table", action="store_true", help="print the table of a result, and measure nothing")
    chosen = parser.parse_args(argv)
    if chosen.table:
        print(table(json.loads(chosen.out.read_text(encoding="utf-8"))))
        return
    require_writable(chosen.out)
    python = interpreter()
    torch.set_num_threads(1)
    model = new_model(chosen.seed)
    training = train(model, chosen.seed, most_cpu_s=chosen.train_s, say=lambda line: print(line, flush=True))
    with presses(python) as running:
        rows = measured(model, chosen.seed, chosen.texts, running)
    result = {
        "seed": chosen.seed,
        "texts": chosen.texts,
        "training": {"steps": training.steps, "cpu_s": round(training.cpu_s), "accuracy": training.accuracy},
        "rows": rows,
    }
    write_result(chosen.out, {**provenance(), **result})
    print(table(result))


def measured(model: Any, seed: int, texts: int, running: Presses) -> list[dict[str, Any]]:
    """Return a row for each method and share: ours, then the press."""
    cases = [contest.make_case(model, text) for text in contest.make_texts(seed + 2000, texts)]
    rows = [row("whole", 1.0, [contest.try_policy(model, case, Whole(), Budget(1)) for case in cases])]
    for share in SHARES:
        for ours, press in pairs(running):
            for policy in (ours, press):
                if policy is None:
                    continue
                scores = [contest.try_policy(model, case, policy, Budget(share)) for case in cases]
                rows.append(row(policy.name, share, scores))
                print(f"{policy.name}, {share:.0%}: {rows[-1]['unasked']:.3f}", flush=True)
    return rows


def table(result: dict[str, Any]) -> str:
    """Return the rows of a result as a table."""
    lines = ["| policy | share | asked first | asked later | not asked | bytes |", "|---|---|---|---|---|---|"]
    for one in result["rows"]:
        right = " | ".join(f"{one[name]:.3f}" for name in ("first", "later", "unasked"))
        lines.append(f"| {one['policy']} | {one['budget']:.0%} | {right} | {one['bytes']:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
