"""What is so now above what was: how often a later statement that makes an earlier one outdated is found above it.

    python -m benchmarks.outdated

``outdated.jsonl`` was written for this project, by somebody who had not seen how the service decides: sixty pairs of which the
later one makes the earlier one outdated, and forty (*traps*) in which it resembles it and does not: another person, another
thing of the kind, a plan that came to nothing. Each pair has a namespace of its own with twenty turns of other talk around
it, and is asked for once. The rules were written looking at the half that is marked ``seen``.

Nothing is consolidated: it is what a search finds before any worker has looked for conflicts.
"""

import argparse
import json
import secrets
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.table import Table

from benchmarks.provenance import RESULTS, provenance
from benchmarks.readable import readable_failures
from benchmarks.results import require_writable, write_result
from benchmarks.synthetic import texts
from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import find_connection
from memory_service.cli.console import output, progress_bar

FILE = Path(__file__).with_name("outdated.jsonl")
OTHERS = 20
DEPTH = 10
BEGINNING = datetime(2026, 1, 5, 12, tzinfo=UTC)
APART = timedelta(days=90)
UPDATE, TRAP = "update", "trap"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two statements and what is asked; `kind` says whether the later one makes the earlier one outdated."""

    kind: str
    half: str
    earlier: str
    later: str
    question: str

    @property
    def wanted(self) -> str:
        """What should stand above the other."""
        return self.later if self.kind == UPDATE else self.earlier


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the two stand, from 1, None beyond the first ten."""

    kind: str
    half: str
    earlier: int | None
    later: int | None

    @property
    def right(self) -> bool:
        """Whether the one that is wanted stands above the other."""
        first, second = (self.later, self.earlier) if self.kind == UPDATE else (self.earlier, self.later)
        return first is not None and (second is None or first < second)


def main() -> None:
    """Store, ask, print, and write the result."""
    options = _options()
    require_writable(options.out)
    pairs = read_pairs(FILE)
    run = f"bench/outdated/{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    talk = texts(OTHERS, seed=1)
    outcomes = []
    with ServiceClient(find_connection(url=options.url, key_file=options.key_file)) as client, progress_bar() as bar:
        task = bar.add_task("asking", total=len(pairs))
        for number, pair in enumerate(pairs):
            outcomes.append(place(client, pair, namespace=f"{run}/{number}", talk=talk))
            bar.advance(task)
    shares = summary(outcomes)
    write_result(
        options.out,
        {"kind": "outdated", **provenance(), "measured": shares, "outcomes": [asdict(one) for one in outcomes]},
    )
    table = Table("pairs", "half", "wanted one above", "and first of all")
    for kind in (UPDATE, TRAP):
        for half, (above, first, count) in shares[kind].items():
            table.add_row(kind, half, f"{above} of {count}", f"{first} of {count}")
    output().print(table)
    print(f"raw results: {options.out}")


def read_pairs(file: Path) -> list[Pair]:
    """Return the pairs of a file, one JSON object a line."""
    return [Pair(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def place(client: ServiceClient, pair: Pair, *, namespace: str, talk: Sequence[str]) -> Outcome:
    """Store a pair among other talk, ask, and return where both stand."""
    half = len(talk) // 2
    said = [*talk[:half], pair.earlier, *talk[half:], pair.later]
    days = [BEGINNING + APART * step / half for step in range(len(said))]
    items = [
        {"content": text, "namespace": namespace, "observed_at": day.isoformat()}
        for text, day in zip(said, days, strict=True)
    ]
    client.post("/v1/memories/batch", {"items": items})
    answer = client.post("/v1/search", {"query": pair.question, "namespace": namespace, "top_k": DEPTH})
    places = {one["memory"]["content"]: one["rank"] for one in answer["results"]}
    return Outcome(pair.kind, pair.half, places.get(pair.earlier), places.get(pair.later))


def summary(outcomes: Sequence[Outcome]) -> Mapping[str, Mapping[str, tuple[int, int, int]]]:
    """Count by kind and half: where the wanted one stands above the other, where it is first of all, and all.

    >>> summary([Outcome("update", "seen", 2, 1), Outcome("update", "unseen", 1, None), Outcome("trap", "seen", 2, 3)])
    {'update': {'seen': (1, 1, 1), 'unseen': (0, 0, 1)}, 'trap': {'seen': (1, 0, 1)}}
    """
    groups: dict[str, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for one in outcomes:
        groups[one.kind][one.half].append(one)
    return {
        kind: {
            half: (
                sum(one.right for one in found),
                sum(one.right and 1 in {one.earlier, one.later} for one in found),
                len(found),
            )
            for half, found in halves.items()
        }
        for kind, halves in groups.items()
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--url", help="address of the service (default: MEMORY_SERVICE_URL, else the local one)")
    parser.add_argument("--key-file", type=Path, help="file with the API key (default: as for memory-service)")
    parser.add_argument("--out", type=Path, default=RESULTS / "outdated.json", help="result file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(readable_failures(main))
