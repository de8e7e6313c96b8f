"""Write what the protocol for noisy cues gave as tables, and take its decision.

python -m benchmarks.noisy_table [RESULT.json]
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.ablation_table import SHORT, difference
from benchmarks.bootstrap import Interval, paired_difference
from benchmarks.cue_noise import Kind
from benchmarks.metrics import mean
from benchmarks.provenance import RESULTS

PAIRS = {"ranking": ("ranking off", "ranking on, hopfield"), "fusion": ("fusion off", "fusion on")}
"""What is compared: names of orders, off and on."""
FORMS = ("ranking on, hopfield sparsemax", "ranking on, hopfield entmax15", "ranking on, hopfield two steps")
ALONE = (
    "vector alone",
    "hopfield alone",
    "hopfield sparsemax alone",
    "hopfield entmax15 alone",
    "hopfield two steps alone",
)
SHARES = ("ranking off", "ranking on, hopfield", "vector alone", "hopfield alone", "temporal alone")

Ranks = Sequence[int]  # of the targets, 0 where one is not among the deepest


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables of a result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noisy_table")
    parser.add_argument("result", type=Path, nargs="?", default=RESULTS / "noisy-cues.json")
    sets = json.loads(parser.parse_args(argv).result.read_text(encoding="utf-8"))["sets"]
    for name in PAIRS:
        print(f"{name}\n\n{comparison(sets, name)}\n")
    print(f"other forms, pooled, recall@1 against off: {forms(sets)}\n")
    print(f"{alone(sets)}\n\n{shares(sets, 'episode')}\n\n{shares(sets, 'sessions')}")


def comparison(sets: Mapping[str, Any], name: str) -> str:
    """Return the table of off against on, by set and kind of cue and pooled over all cues."""
    off, on = PAIRS[name]
    lines = [
        "| cues | n | R@1 off | R@1 on − off | R@10 off | R@10 on − off | reciprocal rank on − off |",
        "|---|---|---|---|---|---|---|",
    ]
    groups = {f"{SHORT[one]}, {kind}": [(raw, kind)] for one, raw in sets.items() for kind in Kind}
    groups["**pooled**"] = [(raw, kind) for raw in sets.values() for kind in Kind]
    for label, parts in groups.items():
        before = [rank for raw, kind in parts for rank in read_ranks(raw, kind, off)]
        after = [rank for raw, kind in parts for rank in read_ranks(raw, kind, on)]
        cells = [label, str(len(before))]
        for depth in (1, 10):
            cells += [
                f"{100 * mean(hits(before, depth)):.1f}",
                difference(paired_difference(hits(after, depth), hits(before, depth))),
            ]
        cells.append(difference(paired_difference(reciprocal(after), reciprocal(before))))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def pooled_gain(sets: Mapping[str, Any], on: str, *, off: str = "ranking off") -> Interval:
    """Return the difference in recall@1 over all cues of all sets."""
    before = [rank for raw in sets.values() for kind in Kind for rank in read_ranks(raw, kind, off)]
    after = [rank for raw in sets.values() for kind in Kind for rank in read_ranks(raw, kind, on)]
    return paired_difference(hits(after, 1), hits(before, 1))


def forms(sets: Mapping[str, Any]) -> str:
    """Return what the other forms of the channel change, in one line."""
    return ", ".join(f"{one.rpartition(', hopfield ')[2]} {difference(pooled_gain(sets, one))}" for one in FORMS)


def alone(sets: Mapping[str, Any]) -> str:
    """Return the table of channels alone: recall@1 / @10 by kind of cue, over all sets."""
    lines = [f"| alone | {' | '.join(Kind)} |", f"|---|{'---|' * len(Kind)}"]
    for name in ALONE:
        cells = []
        for kind in Kind:
            ranks = [rank for raw in sets.values() for rank in read_ranks(raw, kind, name)]
            cells.append(f"{100 * mean(hits(ranks, 1)):.1f} / {100 * mean(hits(ranks, 10)):.1f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def shares(sets: Mapping[str, Any], what: str) -> str:
    """Return the table of what share of an episode was found, or of the results belongs to the session."""
    lines = [f"| {what} | {' | '.join(SHORT[one] for one in sets)} | on − off, or − vector alone, pooled |"]
    lines.append(f"|---|{'---|' * (len(sets) + 1)}")
    for name in SHARES:
        found = {one: read_shares(raw, what, name) for one, raw in sets.items()}
        beside = "ranking off" if name.startswith("ranking") else "vector alone"
        pooled = [value for values in found.values() for value in values]
        other = [value for raw in sets.values() for value in read_shares(raw, what, beside)]
        gained = difference(paired_difference(pooled, other)) if name != beside else ""
        lines.append(f"| {name} | {' | '.join(f'{100 * mean(values):.1f}' for values in found.values())} | {gained} |")
    return "\n".join(lines)


def hits(ranks: Ranks, depth: int) -> list[float]:
    """Say of each target whether it stands within the first ``depth``.

    >>> hits([1, 0, 11], 10)
    [1.0, 0.0, 0.0]
    """
    return [float(0 < rank <= depth) for rank in ranks]


def reciprocal(ranks: Ranks) -> list[float]:
    """Return 1 / rank, 0 where a target was not found.

    >>> reciprocal([2, 0])
    [0.5, 0.0]
    """
    return [1 / rank if rank else 0.0 for rank in ranks]


def read_ranks(raw: Mapping[str, Any], kind: Kind, name: str) -> list[int]:
    """Read the ranks of the targets of one set."""
    return [int(one) for one in raw["cues"][kind][name].split()]


def read_shares(raw: Mapping[str, Any], what: str, name: str) -> list[float]:
    """Read the shares that exist."""
    held = raw["cues"]["episode"] if what == "episode" else raw["sessions"]
    return [float(one) for one in held[name].split() if one != "-"]


if __name__ == "__main__":
    main()
