"""Measure what every part of the ranking is worth, in-process, on the modules that the service ranks with.

    python -m benchmarks.ablation --data FOLDER [--sets locomo realtalk beam plus] [--cache FOLDER] [--table]
    python -m benchmarks.ablation --data FOLDER --without session_id
    python -m benchmarks.ablation --data FOLDER --form roles
    python -m benchmarks.ablation --data FOLDER --sets locomo realtalk --together
    python -m benchmarks.ablation --data FOLDER --worded

Without ``--table`` it prints how the usual configuration does; with it, every mechanism is turned the other way and left
alone, and the ranks go to a file that `ablation_table` reads.

The folder holds data sets as jsonl, see benchmarks/README.md. Nothing of their text is written anywhere but vectors into
the cache.
"""

import argparse
import json
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from benchmarks.ablation_data import FIELDS, IN_TEXT, Space, load_spaces, load_together, strangers
from benchmarks.ablation_encoding import CachedEncoder
from benchmarks.ablation_forms import FORMS, Form
from benchmarks.ablation_overlap import overlaps
from benchmarks.ablation_questions import WORDINGS, worded
from benchmarks.ablation_ranks import (
    KNOWLEDGE_UPDATE,
    Placed,
    ask_all,
    by_category,
    counted,
    newer_first,
    recalls,
    told_apart,
    usual,
)
from benchmarks.ablation_raw import packed, questions_of
from benchmarks.ablation_switches import setups
from benchmarks.provenance import RESULTS, provenance
from benchmarks.results import write_result
from memory_service.cli.failures import CommandFailure
from memory_service.encoder.loading import load_encoder
from memory_service.settings import get_settings
from retrieval.confidence import confidence

SETS = {
    "locomo": "locomo_dev.jsonl",
    "realtalk": "realtalk_dev.jsonl",
    "beam": "beam100k_dev.jsonl",
    "plus": "locomo_plus_dev.jsonl",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = _options(argv)
    encoder = open_encoder(options.cache)
    if options.together:
        paths = {name: file_of(options.data, name) for name in options.sets}
        for space in load_together(paths, encoder):
            report_baseline(space.name, [space], encoder)
        return
    for name in options.sets:
        spaces = load_set(
            options.data, name, encoder, without=options.without, form=FORMS[options.form] if options.form else None
        )
        if options.worded is not None:
            report_wordings(name, spaces, encoder, wordings=options.worded or list(WORDINGS))
        elif options.table:
            run_table(name, spaces, out=options.out)
        else:
            report_baseline(name, spaces, encoder)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add what says where the data are."""
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), help="which of them")
    parser.add_argument("--cache", type=Path, help="folder for vectors, so that texts are encoded once")


def open_encoder(cache: Path | None) -> CachedEncoder:
    """Return the service's encoder behind a cache."""
    return CachedEncoder(load_encoder(get_settings()), cache)


def load_set(
    folder: Path, name: str, encoder: CachedEncoder, *, without: Collection[str] = (), form: Form | None = None
) -> list[Space]:
    """Return the conversations of a data set, as of somebody who leaves some of it out or loads it in a form.

    Raises:
        CommandFailure: the folder does not hold it.
    """
    return load_spaces(file_of(folder, name), encoder, without=without, form=form)


def file_of(folder: Path, name: str) -> Path:
    """Return where a data set lies.

    Raises:
        CommandFailure: the folder does not hold it.
    """
    path = folder / SETS[name]
    if not path.is_file():
        raise CommandFailure(f"there is no {SETS[name]} in the folder of the data")
    return path


def report_baseline(name: str, spaces: Sequence[Space], encoder: CachedEncoder) -> None:
    """Print how the usual configuration does on a data set."""
    placed = ask_all(spaces, usual)
    keywords = ask_all(spaces, usual, form=lambda asked: asked.keywords)
    abroad = []
    for space, cue in strangers(spaces, encoder):
        ranked = usual(space, cue)
        abroad.append(confidence(ranked.best_cosine, ranked.coverage))
    print(f"\n{name}: {len(spaces)} namespaces, {sum(len(space.rows) for space in spaces)} memories")
    print(f"{'':28}{'questions':>10}{'R@1':>8}{'R@10':>8}{'R@50':>8}")
    groups = {"all that count": counted(placed), "  as keywords": counted(keywords), **by_category(placed)}
    for label, group in groups.items():
        numbers = "".join(f"{100 * value:8.1f}" for value in recalls(group).values())
        print(f"{label:28}{len(group):10}{numbers}")
    above, both = newer_first([one for one in placed if one.category == KNOWLEDGE_UPDATE])
    if both:
        print(f"newest above old: {above} of {both} that have both among the first 50")
    if abroad:
        print(f"confidence at home against abroad, AUROC: {told_apart(placed, abroad):.3f}", flush=True)


def report_wordings(name: str, spaces: Sequence[Space], encoder: CachedEncoder, *, wordings: Sequence[str]) -> None:
    """Print how the usual configuration does on a data set whose questions are put in other words."""
    print(f"\n{name:28}{'R@1':>8}{'R@10':>8}{'R@50':>8}")
    for label in wordings:
        found = recalls(counted(ask_all(worded(spaces, WORDINGS[label], encoder), usual)))
        print(f"{label:28}" + "".join(f"{100 * value:8.1f}" for value in found.values()), flush=True)


def run_table(name: str, spaces: Sequence[Space], *, out: Path) -> None:
    """Run every setup on a data set and put the ranks into the result file beside those of other sets."""
    ranks: dict[str, str] = {}
    placed: list[Placed] = []
    for label, setup in setups().items():
        began = time.perf_counter()
        placed = ask_all(spaces, setup.rank, form=setup.form)
        ranks[label] = packed(placed)
        recall = recalls(counted(placed))
        print(f"{name}: {label}: R@10 {100 * recall[10]:.1f} ({time.perf_counter() - began:.0f} s)", flush=True)
    alone = overlaps(spaces)
    print(f"{name}: share of the first ten that the vectors alone find too: " + listed(alone), flush=True)
    sets = json.loads(out.read_text(encoding="utf-8"))["sets"] if out.is_file() else {}
    sets[name] = {
        **provenance(),
        "file": SETS[name],
        "questions": questions_of(placed),
        "overlap": alone,
        "ranks": ranks,
    }
    write_result(out, {"kind": "ablation", "sets": {one: sets[one] for one in SETS if one in sets}})


def listed(numbers: Mapping[str, float]) -> str:
    """Write numbers by name.

    >>> listed({"keyword": 0.25, "hopfield": 1})
    'keyword .25, hopfield 1.00'
    """
    return ", ".join(f"{name} {value:.2f}".replace(" 0.", " .") for name, value in numbers.items())


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation", description=(__doc__ or "").split("\n", 1)[0]
    )
    add_data_options(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--table", action="store_true", help="run all mechanisms")
    what.add_argument(
        "--without", nargs="+", choices=[*FIELDS, IN_TEXT], default=[], help="as of somebody who does not send these"
    )
    what.add_argument("--form", choices=list(FORMS), help="as of somebody who loads the conversations in this form")
    what.add_argument("--together", action="store_true", help="all conversations of the sets in one namespace")
    what.add_argument("--worded", nargs="*", choices=list(WORDINGS), help="the questions in other words: these, or all")
    parser.add_argument("--out", type=Path, default=RESULTS / "ablation.json", help="where the table's raw results go")
    return parser.parse_args(argv)


if __name__ == "__main__":
    try:
        main()
    except CommandFailure as failure:
        sys.exit(str(failure))
