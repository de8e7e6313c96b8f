"""Retrieval in five languages, by words, by meaning, and by both: how often the evidence is among the first results.

    python -m benchmarks.languages [--before FILE]

The conversations in ``languages.jsonl`` were written for this project: German, French, Spanish, Japanese, Chinese, 24
memories and 14 questions each, which ask in other forms of the words than the memories use. Every question is asked in a
namespace of its own language and in one that holds all five. ``--before`` prints an earlier result beside the new one.
"""

import argparse
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.table import Table

from benchmarks.datasets import Conversation, read_conversations
from benchmarks.loading import LoadReport
from benchmarks.metrics import average_over, mean, recall_at, reciprocal_rank
from benchmarks.provenance import RESULTS, provenance
from benchmarks.readable import readable_failures
from benchmarks.results import require_writable, write_result
from benchmarks.retrieval import BATCH_TIMEOUT_S, Plan, ask_all, load_spaces
from benchmarks.retrieval_summary import Answered
from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import find_connection
from memory_service.cli.console import output

FILE = Path(__file__).with_name("languages.jsonl")
DEPTHS = (1, 3, 10)
WAYS: Mapping[str, dict[str, float] | None] = {
    "words": {"keyword": 1.0},
    "meaning": {"vector": 1.0},
    "both": None,
}
"""Channels asked; None as the service weighs them."""

APART, TOGETHER = "apart", "together"
AVERAGE = "mean"

Measured = dict[str, dict[str, dict[str, dict[str, float]]]]
"""By way, by space, by language: recall by depth, and the mean reciprocal rank."""


def main() -> None:
    """Load, ask, print, and write the result."""
    options = _options()
    conversations = read_conversations(FILE)
    require_writable(options.out)
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    spaces = {
        APART: [(f"bench/languages/{run}/{one.id}", one) for one in conversations],
        TOGETHER: [(f"bench/languages/{run}/all", one) for one in conversations],
    }
    measured: Measured = {way: {} for way in WAYS}
    with ServiceClient(
        find_connection(url=options.url, key_file=options.key_file), timeout_s=BATCH_TIMEOUT_S
    ) as client:
        for space, places in spaces.items():
            load_spaces(client, places, plan=_plan(None), report=LoadReport())
            for way, channels in WAYS.items():
                measured[way][space] = by_language(conversations, ask_all(client, places, plan=_plan(channels)))
    result = {"kind": "languages", "service": options.service, **provenance(), "measured": measured}
    write_result(options.out, result)
    before = json.loads(options.before.read_text(encoding="utf-8"))["measured"] if options.before else None
    print_measured(measured, before=before)
    print(f"raw results: {options.out}")


def by_language(conversations: Sequence[Conversation], answered: Sequence[Answered]) -> dict[str, dict[str, float]]:
    """Return recall by depth and the mean reciprocal rank of each language, and their means over languages."""
    found: dict[str, dict[str, float]] = {}
    for conversation in conversations:
        pairs = [(a.returned, a.question.gold) for a in answered if a.conversation == conversation.id]
        found[conversation.id] = {
            **{str(depth): average_over(pairs, partial(recall_at, depth)) for depth in DEPTHS},
            "mrr": average_over(pairs, reciprocal_rank),
        }
    measures = [str(depth) for depth in DEPTHS] + ["mrr"]
    found[AVERAGE] = {measure: mean([one[measure] for one in found.values()]) for measure in measures}
    return found


def print_measured(measured: Measured, *, before: Measured | None) -> None:
    """Print percentages, those of an earlier result before an arrow."""
    console = output()
    for space, title in ((APART, "one namespace per language"), (TOGETHER, "all languages in one namespace")):
        table = Table("language", *(f"{way} @{depth}" for way in WAYS for depth in DEPTHS), title=f"recall, {title}")
        for language in measured["words"][space]:
            cells = [
                _cell(measured, before, way=way, space=space, language=language, depth=depth)
                for way in WAYS
                for depth in DEPTHS
            ]
            table.add_row(language, *cells)
        console.print(table)


def _cell(measured: Measured, before: Measured | None, *, way: str, space: str, language: str, depth: int) -> str:
    now = f"{100 * measured[way][space][language][str(depth)]:.1f}"
    return now if before is None else f"{100 * before[way][space][language][str(depth)]:.1f} → {now}"


def _plan(channels: dict[str, float] | None) -> Plan:
    return Plan(file=FILE, name="languages", top_k=max(DEPTHS), channels=channels)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--url", help="address of the service (default: MEMORY_SERVICE_URL, else the local one)")
    parser.add_argument("--key-file", type=Path, help="file with the API key (default: as for memory-service)")
    parser.add_argument("--out", type=Path, default=RESULTS / "languages.json", help="result file")
    parser.add_argument("--before", type=Path, help="an earlier result to print beside this one")
    parser.add_argument("--service", default="this checkout", help="what runs there, as a note in the result")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(readable_failures(main))
