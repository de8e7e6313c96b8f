"""Does completion find what a partial or noisy cue means? The protocol is in docs/discussion/associative-memory.md.

python -m benchmarks.noisy_cues --data FOLDER [--sets …] [--cache FOLDER]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation import SETS, add_data_options, load_set, open_encoder
from benchmarks.ablation_data import Cue, Space, read_cues
from benchmarks.ablation_encoding import CachedEncoder
from benchmarks.cue_noise import SEED, Kind, noisy, rng_of
from benchmarks.noisy_ranks import orders
from benchmarks.provenance import RESULTS, provenance
from benchmarks.results import write_result
from memory_service.cli.failures import CommandFailure
from retrieval.rows import NONE, Rows

MOST_TARGETS = 300
FEWEST_WORDS = 6
DEEPEST = 50
AROUND = 2  # turns on both sides of a target that make its episode
FIRST = 10


@dataclass(frozen=True, slots=True)
class Target:
    """A memory that cues are made of."""

    space: Space
    row: int

    @property
    def memory(self) -> str:
        """The id of the memory in its data set."""
        return self.space.external_ids[self.row]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the protocol and write ranks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noisy_cues")
    add_data_options(parser)
    parser.add_argument("--out", type=Path, default=RESULTS / "noisy-cues.json", help="where raw results go")
    options = parser.parse_args(argv)
    encoder = open_encoder(options.cache)
    for name in options.sets:
        targets = draw_targets(load_set(options.data, name, encoder))
        result = {**provenance(), "file": SETS[name], "cues": cue_ranks(targets, encoder)}
        result["sessions"] = session_shares(targets, encoder)
        sets = json.loads(options.out.read_text(encoding="utf-8"))["sets"] if options.out.is_file() else {}
        sets[name] = result
        ordered = {one: sets[one] for one in SETS if one in sets}
        write_result(options.out, {"kind": "noisy-cues", "sets": ordered})
        print(f"{name}: {len(targets)} targets", flush=True)


def draw_targets(spaces: Sequence[Space]) -> list[Target]:
    """Return evidence of at least ``FEWEST_WORDS`` words, each once, drawn by seed."""
    found = [
        Target(space, row)
        for space in spaces
        for row in dict.fromkeys(row for asked in space.asked for row in asked.gold)
        if len(space.texts[row].split()) >= FEWEST_WORDS
    ]
    order = np.random.default_rng(SEED).permutation(len(found))
    return [found[place] for place in order[:MOST_TARGETS]]


def cue_ranks(targets: Sequence[Target], encoder: CachedEncoder) -> dict[str, object]:
    """Return by kind of cue and by what ranked: the rank of every target, 0 where it is not among the deepest.

    For fragments also what share of the target's episode stands among the first ten.
    """
    found: dict[str, object] = {"targets": [f"{one.space.name}/{one.memory}" for one in targets]}
    for kind in Kind:
        texts = [noisy(t.space.texts[t.row], kind, rng_of(t.space.name, t.memory, kind)) for t in targets]
        ranks: dict[str, list[int]] = {}
        episodes: dict[str, list[float | None]] = {}
        for target, cue in zip(targets, read_in_place(targets, texts, encoder), strict=True):
            around = episode(target.space.rows, target.row)
            for name, order in orders(target.space.rows, cue, limit=DEEPEST).items():
                ranks.setdefault(name, []).append(place_of(target.row, order))
                episodes.setdefault(name, []).append(share_found(around, order[:FIRST]))
        found[kind] = {name: " ".join(map(str, places)) for name, places in ranks.items()}
        if kind is Kind.FRAGMENT:
            found["episode"] = {name: _decimals(shares) for name, shares in episodes.items()}
    return found


def session_shares(targets: Sequence[Target], encoder: CachedEncoder) -> dict[str, str]:
    """Return by what ranked: which share of the first ten belongs to the target's session, its whole text being the cue."""
    shares: dict[str, list[float | None]] = {}
    texts = [target.space.texts[target.row] for target in targets]
    for target, cue in zip(targets, read_in_place(targets, texts, encoder), strict=True):
        rows = target.space.rows
        mine = (rows.session == rows.session[target.row]) & (rows.session != NONE)
        for name, order in orders(rows, cue, limit=FIRST + 1).items():
            others = order[order != target.row][:FIRST]
            shares.setdefault(name, []).append(float(mine[others].mean()) if len(others) else 0.0)
    return {name: _decimals(values) for name, values in shares.items()}


def read_in_place(targets: Sequence[Target], texts: Sequence[str], encoder: CachedEncoder) -> list[Cue]:
    """Read and encode each text as a query in the namespace of its target."""
    found: dict[int, Cue] = {}
    for space in dict.fromkeys(target.space.name for target in targets):
        places = [place for place, target in enumerate(targets) if target.space.name == space]
        where = targets[places[0]].space
        cues = read_cues([texts[place] for place in places], rows=where.rows, contents=where.texts, encoder=encoder)
        found.update(zip(places, cues, strict=True))
    return [found[place] for place in range(len(targets))]


def episode(rows: Rows, row: int) -> list[int]:
    """Return the rows within two turns of one, without it."""
    found: list[int] = []
    for step in (rows.previous, rows.following):
        at = row
        for _ in range(AROUND):
            at = int(step[at])
            if at == NONE:
                break
            found.append(at)
    return sorted(found)


def place_of(row: int, order: NDArray[np.intp]) -> int:
    """Return the rank of a row, 0 where it is not there.

    >>> place_of(7, np.array([3, 7])), place_of(1, np.array([3, 7]))
    (2, 0)
    """
    found = np.flatnonzero(order == row)
    return int(found[0]) + 1 if len(found) else 0


def share_found(wanted: Sequence[int], order: NDArray[np.intp]) -> float | None:
    """Return which share of some rows is in the order, None when there are none.

    >>> share_found([1, 2], np.array([2, 9])), share_found([], np.array([2]))
    (0.5, None)
    """
    return float(np.isin(wanted, order).mean()) if len(wanted) else None


def _decimals(values: Sequence[float | None]) -> str:
    return " ".join("-" if value is None else f"{value:.3g}" for value in values)


if __name__ == "__main__":
    try:
        main()
    except CommandFailure as failure:
        sys.exit(str(failure))
