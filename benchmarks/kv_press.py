"""Policies of ours beside the presses of kvpress, on the same caches of a small model trained here from scratch.

    python -m benchmarks.kv_press [--seed N] [--train-s CPU_SECONDS] [--texts N]

Makes an environment for kvpress where there is none, trains as `benchmarks.kv_policies` does, and writes `results/kv-press.json`;
`--table` prints that. Methods that both have are asked with the same window, kernel and sinks.
"""

import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from benchmarks import kv_contest as contest
from benchmarks.kv_policies import row
from benchmarks.kv_training import Trained, run
from benchmarks.kvpress.policy import KvPress, Presses, presses
from benchmarks.provenance import CHECKOUT
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


@cache
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
    run(argv, name="kv-press", measure=tried, table=table, prepare=interpreter)


def tried(trained: Trained) -> dict[str, Any]:
    """Return the whole result."""
    with presses(interpreter()) as running:
        rows = measured(trained.model, trained.seed, trained.texts, running)
    return {"texts": trained.texts, "training": trained.training, "rows": rows}


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
