"""Conflict decisions on pairs of statements labelled by hand: precision and recall of duplicate and supersede.

    python -m benchmarks.conflicts [--errors dev|held_out|all]

The pairs in ``tests/unit/consolidation/conflict_pairs.jsonl`` were written for this project before there were rules. Rules
were tuned on the half called ``dev``; the half ``held_out`` says how they fare on what they have not seen. Facts and vectors
are made as the service makes them: by the rules of `memory_service.analysis.facts`, by the packaged encoder.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.provenance import RESULTS, provenance
from benchmarks.results import require_writable, write_result
from consolidation.conflicts.decisions import Action, Decision, decide
from consolidation.records import Record
from memory_service.analysis.facts import facts
from memory_service.analysis.language import guess
from memory_service.cli.console import output
from memory_service.encoder.loading import load_encoder
from memory_service.settings import get_settings

FILE = Path(__file__).parents[1] / "tests" / "unit" / "consolidation" / "conflict_pairs.jsonl"
LABELS = (Action.DUPLICATE, Action.SUPERSEDE, Action.ADD)
HALVES = ("dev", "held_out")

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled pair and what was decided about it."""

    pair: dict[str, Any]
    decision: Decision

    @property
    def given(self) -> str:
        """The decision in the words of the labels; asking a person is one of its own."""
        action = self.decision.action
        return "ask" if action in {Action.ASK_CONFLICT, Action.ASK_DUPLICATE} else action.value


def read_pairs(path: Path = FILE) -> list[dict[str, Any]]:
    """Return the labelled pairs."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def judge(pairs: Sequence[dict[str, Any]], encode: Encode) -> list[Judged]:
    """Decide about each pair as consolidation does."""
    texts = [pair[side]["text"] for pair in pairs for side in ("old", "new")]
    vectors = encode(texts).astype(np.float32)
    judged = []
    for place, pair in enumerate(pairs):
        old, new = (_record(pair[side], number) for number, side in enumerate(("old", "new"), start=1))
        cosine = float(vectors[2 * place] @ vectors[2 * place + 1])
        found = [
            facts(one.content, speaker=one.speaker, role=one.role, language=one.language, observed_at=one.observed_at)
            for one in (old, new)
        ]
        judged.append(Judged(pair, decide(new, old, cosine=cosine, old_facts=found[0], new_facts=found[1])))
    return judged


def _record(said: dict[str, Any], number: int) -> Record:
    at = datetime.fromisoformat(said["at"])
    return Record(
        id=UUID(int=number), version=1, content=said["text"], observed_at=at, created_at=at,
        speaker=said["speaker"], role=said["role"], language=guess(said["text"]),
    )  # fmt: skip


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return precision and recall of duplicate and supersede, and what was decided by label."""
    confusion = Counter((one.pair["label"], one.given) for one in judged)
    answer: dict[str, Any] = {"pairs": len(judged)}
    for label in (Action.DUPLICATE, Action.SUPERSEDE):
        right = confusion[label, label]
        given = sum(count for (_, decided), count in confusion.items() if decided == label)
        wanted = sum(count for (stated, _), count in confusion.items() if stated == label)
        answer[label] = {
            "precision": right / given if given else None,
            "recall": right / wanted if wanted else None,
            "given": given,
            "wanted": wanted,
        }
    answer["confusion"] = {
        label: {decided: confusion[label, decided] for decided in (*LABELS, "ask")} for label in LABELS
    }
    asked = [one for one in judged if one.given == "ask"]
    answer["asked"] = {"all": len(asked), "where_asking_is_fine": sum(one.pair["ask_is_fine"] for one in asked)}
    return answer


def by_kind(judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    """Return by kind of pair how many there are and how many were decided as labelled."""
    kinds: dict[str, dict[str, int]] = {}
    for one in judged:
        kind = kinds.setdefault(one.pair["kind"], {"pairs": 0, "right": 0, "asked": 0})
        kind["pairs"] += 1
        kind["right"] += one.given == one.pair["label"]
        kind["asked"] += one.given == "ask"
    return kinds


def main() -> None:
    """Judge the pairs, print, and write the result."""
    options = _options()
    require_writable(options.out)
    encoder = load_encoder(get_settings())
    judged = judge(read_pairs(), encoder.encode)
    halves = {half: [one for one in judged if one.pair["half"] == half] for half in HALVES}
    result = {
        "kind": "conflicts",
        **provenance(),
        "encoder": encoder.identity.name,
        "all": summary(judged),
        **{half: summary(some) for half, some in halves.items()},
        "by_kind": by_kind(judged),
    }
    write_result(options.out, result)
    output().print(_table(result))
    for half in HALVES if options.errors == "all" else (options.errors,):
        for one in halves.get(half or "", ()):
            if one.given != one.pair["label"]:
                pair = one.pair
                output().print(
                    f"{pair['id']}: {pair['label']} → {one.given} ({one.decision.score:.2f}, {one.decision.reason})"
                )
                output().print(f"   {pair['old']['text']}\n   {pair['new']['text']}", markup=False, highlight=False)
    output().print(f"Written to {options.out}")


def _table(result: dict[str, Any]) -> Table:
    table = Table("half", "pairs", "decision", "precision", "recall", "given", "wanted")
    for half in ("all", *HALVES):
        for label in (Action.DUPLICATE, Action.SUPERSEDE):
            one = result[half][label]
            shown = ("–" if one[name] is None else f"{one[name]:.3f}" for name in ("precision", "recall"))
            table.add_row(half, str(result[half]["pairs"]), label, *shown, str(one["given"]), str(one["wanted"]))
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--errors", choices=(*HALVES, "all"), help="print the pairs that were decided otherwise than labelled"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "conflicts.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
