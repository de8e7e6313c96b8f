"""Put other memory systems and the running service through the same conversations, and print one table.

    python -m benchmarks.peers FILE…                        # everybody
    python -m benchmarks.peers FILE… --peers txtai --limit 3

Each peer is installed in the versions of ``requirements`` into an environment of its own in a cache folder, and run in a
process of its own with the same MiniLM, one thread, no model calls and no telemetry. Everybody stores the same texts,
one conversation per namespace, is warmed up, and answers the same questions, in blocks of twenty: the floor, each peer,
the service, then the next block, begun by another one. Never two at a time; who is not asked waits. A peer that cannot
be installed, fails, or takes too long is named with its reason.
"""

import argparse
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.peers.catalogue import FLOOR, PEERS, SERVICE, SERVICE_NOTE, Entry, chosen
from benchmarks.peers.contest import QUESTIONS_PER_BLOCK, Contest
from benchmarks.peers.environments import Environments, default_folder
from benchmarks.peers.material import WARM_UP_QUERIES, Dataset, read_dataset
from benchmarks.peers.opening import install, open_peer
from benchmarks.peers.outcome import Outcome
from benchmarks.peers.record import contestant_record, promises
from benchmarks.peers.running import K
from benchmarks.peers.service import BATCH, ServiceContestant
from benchmarks.peers.table import print_table
from benchmarks.provenance import RESULTS, provenance
from benchmarks.readable import readable_failures
from benchmarks.results import require_writable, write_result
from benchmarks.subject import connection
from memory_service.cli.connection import data_dir
from memory_service.cli.console import output


def main() -> None:
    """Run everybody, print the table and write the results."""
    options = _options()
    entries = chosen(options.peers)
    out = options.out or RESULTS / "peers.json"
    require_writable(out)
    datasets = [read_dataset(path, limit=options.limit, number=place) for place, path in enumerate(options.files)]
    run_name = f"peers-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    with (
        ServiceContestant(connection(options), data_dir=options.data_dir, run=run_name) as service,
        tempfile.TemporaryDirectory(prefix="memory-peers-", ignore_cleanup_errors=True) as folder,
    ):
        Path(folder).chmod(0o711)  # Root starts Postgres as another user, who has to get through.
        outcomes = _run((FLOOR, *entries), service, datasets, folder=Path(folder), options=options)
    if options.peers is None:
        outcomes += [_blank(one, reason=f"left out: {one.left_out}") for one in PEERS if one.left_out]
    _publish(outcomes, datasets, options=options, out=out)


def _run(
    entries: Sequence[Entry],
    service: ServiceContestant,
    datasets: Sequence[Dataset],
    *,
    folder: Path,
    options: argparse.Namespace,
) -> list[Outcome]:
    """Return an outcome for each entry and for the service."""
    environments = Environments(options.environments or default_folder(os.environ))
    installed = install(entries, environments, say=_say)  # All of it before anything is measured.
    opened = partial(open_peer, installed=installed, folder=folder, budget_s=options.minutes * 60)
    contest = Contest(say=_say)
    try:
        for entry in entries:
            contest.enter(_blank(entry), partial(opened, entry), conversations=entry.conversations)
        contest.enter(Outcome(name=SERVICE, encodes="in the service", note=SERVICE_NOTE), lambda _: service)
        contest.run(datasets)
    finally:
        contest.close()
    return contest.outcomes


def _blank(entry: Entry, *, reason: str = "") -> Outcome:
    """Return the outcome of an entry before anything was measured."""
    return Outcome(name=entry.name, encodes=entry.encodes, note=entry.note, reason=reason)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    names = ", ".join(f"{one.name}{' (not by default)' if one.left_out else ''}" for one in PEERS)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="conversations, as for bench retrieval")
    parser.add_argument("--peers", help=f"names with commas between them: {names}")
    parser.add_argument("--limit", type=int, help="only the first conversations of each file")
    parser.add_argument("--minutes", type=float, default=60.0, help="longest time for the steps of one peer together")
    parser.add_argument("--environments", type=Path, help="folder of the environments (default: in the user's cache)")
    parser.add_argument("--url", help="address of the service (default: MEMORY_SERVICE_URL, else the local one)")
    parser.add_argument("--key-file", type=Path, help="file with the API key (default: as for memory-service)")
    parser.add_argument("--data-dir", type=Path, default=data_dir(), help="data folder of the embedded service")
    parser.add_argument("--out", type=Path, help="result file (default: benchmarks/results/peers.json)")
    return parser.parse_args()


def _publish(
    outcomes: Sequence[Outcome], datasets: Sequence[Dataset], *, options: argparse.Namespace, out: Path
) -> None:
    service = next(one for one in outcomes if one.name == SERVICE)
    stated = promises(outcomes)
    result = {
        "kind": "peers",
        **provenance(),
        "settings": {
            "limit": options.limit,
            "minutes": options.minutes,
            "top_k": K,
            "warm_up_queries": WARM_UP_QUERIES,
            "questions_per_block": QUESTIONS_PER_BLOCK,
            "service_batch": BATCH,
        },
        "loading": {one.name: asdict(one.oddities) for one in datasets},
        "targets": [{**asdict(one), "met": one.met} for one in stated],
        "contestants": [contestant_record(one, service=service if service.finished else None) for one in outcomes],
    }
    write_result(out, result)
    print_table(outcomes)
    console = output()
    broken = [one.name for one in stated if one.met is False]
    for name in broken:
        console.print(f"does NOT hold: {name}", style="red", soft_wrap=True)
    console.print(f"{len(stated) - len(broken)} of {len(stated)} comparisons hold", soft_wrap=True)
    console.print(f"written: {out}", style="dim", soft_wrap=True)


def _say(text: str) -> None:
    """Tell the person what happens, apart from the results."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(readable_failures(main))
