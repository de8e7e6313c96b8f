"""Forms in which agents keep what they remember, asked about: chats with assistants, facts, a team's talk, notes.

    python -m benchmarks.four_forms

``four_forms_data`` was written for this project by six writers who had seen neither the service's code nor any data set
that it was developed on, nor each other's work: one namespace each with 55 to 80 questions and their evidence. No rule was
written looking at it but where README says so. In-process, by the modules that the service ranks with; nothing has to be
downloaded.

It prints how the usual configuration does beside vectors alone, keywords alone and both without anything else, with the
interval of the difference to the better of the first two (paired bootstrap over questions, 95%), and how often the newest
value of what changed stands above the older ones.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks.ablation import open_encoder
from benchmarks.ablation_data import load_spaces
from benchmarks.ablation_ranks import DEPTHS, Placed, ask_all, by_category, newer_first, recalls
from benchmarks.ablation_raw import packed, questions_of
from benchmarks.ablation_setup import BARE, Setup
from benchmarks.ablation_switches import USUAL
from benchmarks.ablation_table import difference
from benchmarks.bootstrap import paired_difference
from benchmarks.provenance import RESULTS, provenance
from benchmarks.readable import readable_failures
from benchmarks.results import require_writable, write_result
from memory_service.cli.console import output

FOLDER: Final = Path(__file__).with_name("four_forms_data")
FORMS: Final = ("assistant", "facts", "team", "notes", "travel", "coach")
DEPTH: Final = 10
SETUPS: Final = {
    "usual": USUAL,
    "vectors and keywords": BARE,
    "vectors": Setup(alone="vector"),
    "keywords": Setup(alone="keyword"),
}
BASELINES: Final = ("vectors", "keywords")


def main() -> None:
    """Ask, print, and write the result."""
    options = _options()
    require_writable(options.out)
    encoder = open_encoder(options.cache)
    measured: dict[str, Any] = {}
    for form in FORMS:
        spaces = load_spaces(FOLDER / f"{form}.jsonl", encoder)
        placed = {name: ask_all(spaces, setup.rank, form=setup.form) for name, setup in SETUPS.items()}
        measured[form] = report_of(placed) | {
            "memories": sum(len(space.rows) for space in spaces),
            "questions": questions_of(placed["usual"]),
            "ranks": {name: packed(found) for name, found in placed.items()},
        }
        output().print(_table(form, measured[form]))
    write_result(options.out, {"name": "four-forms", **provenance(), "measured": measured})
    print(f"written: {options.out.name}")


def report_of(placed: Mapping[str, Sequence[Placed]]) -> dict[str, Any]:
    """Return recall by setup and category, the difference to the best baseline, and where newest values stand.

    Args:
        placed: by setup, where the evidence of every question came up.
    """
    recall = {
        name: {"all": recalls(found)} | {label: recalls(group) for label, group in by_category(found).items()}
        for name, found in placed.items()
    }
    best = max(BASELINES, key=lambda name: recall[name]["all"][DEPTH])
    gain = paired_difference(*([one.recall(DEPTH) for one in placed[name] if one.gold] for name in ("usual", best)))
    above, both = newer_first([one for one in placed["usual"] if one.old])
    return {
        "recall": {
            name: {
                label: {str(depth): round(value, 4) for depth, value in found.items()} for label, found in of.items()
            }
            for name, of in recall.items()
        },
        "best_baseline": best,
        "gain": {"mean": gain.mean, "low": gain.low, "high": gain.high, "written": difference(gain)},
        "newest_above": above,
        "newest_and_old_found": both,
    }


def _table(form: str, measured: dict[str, Any]) -> Table:
    table = Table(title=f"{form}: recall, percent, within the first {' / '.join(map(str, DEPTHS))}")
    table.add_column("questions")
    for name in SETUPS:
        table.add_column(name, justify="right")
    for label in measured["recall"]["usual"]:
        cells = [measured["recall"][name][label] for name in SETUPS]
        table.add_row(label, *(" / ".join(f"{100 * cell[str(depth)]:.0f}" for depth in DEPTHS) for cell in cells))
    gain = measured["gain"]["written"]
    table.caption = (
        f"recall@{DEPTH} against {measured['best_baseline']}: {gain}; newest above old: "
        f"{measured['newest_above']} of {measured['newest_and_old_found']}"
    )
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder for vectors, so that texts are encoded once")
    parser.add_argument("--out", type=Path, default=RESULTS / "four-forms.json", help="result file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(readable_failures(main))
