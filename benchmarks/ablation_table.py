"""Write the ablation as a table: every mechanism as it is, turned the other way, and alone.

python -m benchmarks.ablation_table [RESULT.json]
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.ablation_raw import RawSet, read_sets
from benchmarks.ablation_switches import Mechanism, alone_name, mechanisms, switched_name
from benchmarks.bootstrap import Interval, paired_difference
from benchmarks.metrics import mean
from benchmarks.provenance import RESULTS

DEPTH = 10
SHORT = {"locomo": "LoCoMo", "realtalk": "REALTALK", "beam": "BEAM-100K", "plus": "LoCoMo-Plus"}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table of a result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation_table")
    parser.add_argument("result", type=Path, nargs="?", default=RESULTS / "ablation.json")
    print(table(read_sets(json.loads(parser.parse_args(argv).result.read_text(encoding="utf-8")))))


def table(sets: Mapping[str, RawSet]) -> str:
    """Return the whole table as markdown."""
    head = ["mechanism", "default", *(SHORT.get(name, name) for name in sets), "what it does", "alone"]
    lines = [_row(head), _row(["---"] * len(head)), *_whole(sets)]
    for one in mechanisms():
        if all(switched_name(one) in raw.setups for raw in sets.values()):
            lines.append(_mechanism(one, sets))
    return "\n".join(lines)


def _whole(sets: Mapping[str, RawSet]) -> list[str]:
    """Return the rows of the usual configuration and of the bare one: recall@10 (@1 / @50)."""
    rows = []
    for setup, label in (("usual", "**everything that is on**"), ("bare", "vectors and keywords only")):
        cells = []
        for raw in sets.values():
            recall = raw.mean_recall(setup)
            cells.append(f"{_percent(recall[10])} ({_percent(recall[1])} / {_percent(recall[50])})")
        rows.append(_row([label, "", *cells, "", ""]))
    return rows


def _mechanism(one: Mechanism, sets: Mapping[str, RawSet]) -> str:
    worth = {name: gain(one, raw) for name, raw in sets.items()}
    alone = "–"
    if one.alone is not None and all(alone_name(one) in raw.setups for raw in sets.values()):
        alone = " / ".join(_percent(mean(raw.recall(alone_name(one), DEPTH))) for raw in sets.values())
    cells = [difference(found) for found in worth.values()]
    return _row([one.name, "on" if one.by_default else "off", *cells, verdict(list(worth.values())), alone])


def gain(one: Mechanism, raw: RawSet) -> Interval:
    """Return what having a mechanism changes in recall@10, whichever way it is by default."""
    usual, switched = raw.recall("usual", DEPTH), raw.recall(switched_name(one), DEPTH)
    return paired_difference(usual, switched) if one.by_default else paired_difference(switched, usual)


def verdict(worth: Sequence[Interval]) -> str:
    """Say in words on how many sets a mechanism helps or hurts beyond chance.

    >>> verdict([Interval(1, 0.5, 2), Interval(0, -1, 1), Interval(-1, -2, -0.5)])
    'helps 1, hurts 1'
    >>> verdict([Interval(0, -1, 1)])
    'no difference'
    """
    helps = sum(one.low > 0 for one in worth)
    hurts = sum(one.high < 0 for one in worth)
    parts = [f"{word} {count}" for word, count in (("helps", helps), ("hurts", hurts)) if count]
    return ", ".join(parts) or "no difference"


def difference(found: Interval) -> str:
    """Write a difference in points with its interval; what excludes zero stands out.

    >>> difference(Interval(0.0123, 0.004, 0.02)), difference(Interval(0.0, 0.0, 0.0))
    ('**+1.2** [+.4, +2.0]', '0')
    """
    if found.mean == found.low == found.high == 0:
        return "0"
    mean = _points(found.mean)
    return f"{f'**{mean}**' if found.excludes_zero else mean} [{_points(found.low)}, {_points(found.high)}]"


def _points(value: float) -> str:
    text = f"{100 * value:+.1f}"
    return text.replace("+0.", "+.").replace("-0.", "−.").replace("-", "−").replace("+.0", "0").replace("−.0", "0")


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
