"""Try every policy for key–value caches on a small model trained here from scratch.

    python -m benchmarks.kv_policies [--seed N] [--train-s CPU_SECONDS] [--texts N]

Trains on one thread for a few minutes, keeps no weights, and writes `results/kv-policies.json`; `--table` prints that as the
table in README.md. See docs/discussion/kv-compression.md for what the policies do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import kv_contest as contest
from benchmarks.kv_recall import LESSONS
from benchmarks.kv_timing import times
from benchmarks.kv_training import Trained, run
from benchmarks.metrics import mean
from memory_service.activation.int8 import packed_share
from memory_service.activation.policies.channels import ThinK
from memory_service.activation.policies.d2o import D2O
from memory_service.activation.policies.heads import HeadProfile, HeadWise
from memory_service.activation.policies.keep import Policy
from memory_service.activation.policies.observed import Cake, PyramidKV, SnapKV
from memory_service.activation.policies.sentences import SentenceKV
from memory_service.activation.policies.statistics import Budget
from memory_service.activation.policies.tokens import Retention, TokenEntropy
from memory_service.activation.policies.window import Random, Strided, Whole, Window

SHARES = (0.5, 0.25)
ROOM_FOR_HEADS = 0.55  # half of the heads whole, and the ends of the others


def policies(profile: HeadProfile) -> list[Policy]:
    """Return all that are tried."""
    return [
        Window(),
        Random(seed=7),
        Strided(),
        SnapKV(),
        PyramidKV(),
        Cake(),
        D2O(merges=False, name="d2o, no merging"),
        D2O(),
        TokenEntropy(),
        Retention(),
        Retention(shared=True, name="retention, one budget"),
        HeadWise(profile, summary=False),
        HeadWise(profile),
        ThinK(inner=SnapKV()),
        ThinK(inner=Retention()),
        SentenceKV(),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Train, try and write, or print what was written."""
    run(argv, name="kv-policies", measure=tried, table=table)


def tried(trained: Trained) -> dict[str, Any]:
    """Return the whole result."""
    return {**measured(trained.model, trained.seed, trained.texts), "training": trained.training}


def measured(model: Any, seed: int, texts: int) -> dict[str, Any]:
    """Return the result of all policies on a trained model."""
    gate, profile, looked_at = contest.fit_gate(model, contest.make_texts(seed + 1000, 24))
    cases = [contest.make_case(model, text, gate) for text in contest.make_texts(seed + 2000, texts)]
    rows = [row("whole", 1.0, [contest.try_policy(model, case, Whole(), Budget(1)) for case in cases])]
    for share in SHARES:
        for policy in policies(profile):
            scores = [contest.try_policy(model, case, policy, Budget(share)) for case in cases]
            rows.append(row(policy.name, share, scores))
            print(f"{policy.name}, {share:.0%}: {rows[-1]['unasked']:.3f}", flush=True)
    for policy in (HeadWise(profile, summary=False), HeadWise(profile)):
        scores = [contest.try_policy(model, case, policy, Budget(ROOM_FOR_HEADS)) for case in cases]
        rows.append(row(policy.name, ROOM_FOR_HEADS, scores))
    alone = [contest.try_policy(model, case, ThinK(), Budget(0.82)) for case in cases]
    rows.append(row("think, no tokens given up", 0.82, alone))
    rows.append(row("int8", packed_share(model.config.head_dim), [contest.try_int8(model, case) for case in cases]))
    rows.append(row("second half moved", 1.0, [contest.try_shifted(model, case) for case in cases]))
    return {
        "context_tokens": LESSONS[-1].context,
        "facts": LESSONS[-1].facts,
        "texts": texts,
        "questions": contest.QUESTIONS,
        "head_profile": profile.scores,
        "looks_at": [[where(head) for head in layer] for layer in looked_at],
        "rows": rows,
        "times": times(model, seed),
    }


def where(offsets: NDArray[np.int64]) -> dict[str, float]:
    """Return on what a head's questions look, as shares: the key, the answer, the full stop behind it, anything else."""
    shares = {name: float((offsets == at).mean()) for name, at in (("key", -1), ("answer", 0), ("stop", 1))}
    return {**shares, "else": 1 - sum(shares.values())}


def row(name: str, share: float, scores: Sequence[contest.Score]) -> dict[str, Any]:
    """Return one policy at one budget, over all texts."""
    return {
        "policy": name,
        "budget": share,
        "first": mean([one.first for one in scores]),
        "later": mean([one.later for one in scores]),
        "unasked": mean([one.unasked for one in scores]),
        "bytes": mean([one.bytes for one in scores]),
        "of_whole": mean([one.bytes / one.whole_bytes for one in scores]),
        "first_token_ms": 1000 * float(np.median([one.first_token_s for one in scores])),
        "prefill_ms": 1000 * float(np.median([one.prefill_s for one in scores])),
    }


def table(result: Mapping[str, Any]) -> str:
    """Return a result as tables."""
    lines = [
        "| policy | budget | bytes | asked first: turn 1 | turns 2–8 | not asked | first token, ms | prefill, ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    percent: Callable[[float], str] = lambda value: f"{100 * value:.1f}"  # noqa: E731 — shorter than its name repeated
    for one in result["rows"]:
        cells = [one["policy"], f"{100 * one['budget']:.0f} %", f"{one['bytes']:,.0f} ({100 * one['of_whole']:.0f} %)"]
        cells += [percent(one[name]) for name in ("first", "later", "unasked")]
        cells += [f"{one['first_token_ms']:.1f}", f"{one['prefill_ms']:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| cache of | as | bytes | load and first token, ms | prefill and first token, ms |",
        "|---|---|---|---|---|",
    ]
    for one in result["times"]:
        lines.append(
            f"| {one['tokens']} tokens | {one['codec']} | {one['bytes']:,} | {one['load_ms']:.1f} | {one['prefill_ms']:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
