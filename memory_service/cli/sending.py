"""Send many memories in batches that one call may hold, and count what became of them."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from memory_service.cli.client import ServiceClient
from memory_service.cli.console import note, print_ndjson, progress_bar
from memory_service.cli.failures import CommandFailure, RequestRefused

BATCH_ITEMS = 200
BATCH_BYTES = 1_000_000
"""Of JSON in ASCII: half of what one call may hold as content, whatever the rest is."""

Item = tuple[str, dict[str, Any]]
"""Where a memory stood, for people, and the memory."""


class SomeRefused(CommandFailure):
    """Some of many were refused; the others are stored."""

    exit_code = RequestRefused.exit_code

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} {'were' if count > 1 else 'was'} refused, see above; the others are stored")


def send_items(
    client: ServiceClient,
    items: Iterable[Item],
    *,
    total: Callable[[], int | None] | None = None,
    as_json: bool = False,
) -> dict[str, int]:
    """Return how many were created, skipped, superseded and rejected; those rejected are named on standard error.

    Args:
        client: where to.
        items: taken as they come.
        total: counts them beforehand, for the progress bar; asked only when there is one.
        as_json: print the outcome of each, counted on from batch to batch.
    """
    counts = dict.fromkeys(("created", "skipped", "superseded", "rejected"), 0)
    sent, ended = 0, False
    with progress_bar() as bar:
        task = bar.add_task("remembering", total=None if bar.disable or total is None else total())
        try:
            for batch in batches(items):
                outcomes = _send(client, [item for _, item in batch])
                first, sent = sent, sent + len(batch)
                for (place, _), outcome in zip(batch, outcomes, strict=True):
                    counts[outcome["status"]] += 1
                    if outcome["status"] == "rejected":
                        note(f"{place}: {(outcome['problem'] or {}).get('detail') or 'refused'}")
                if as_json:
                    print_ndjson({**outcome, "index": first + outcome["index"]} for outcome in outcomes)
                bar.advance(task, len(batch))
            ended = True
        finally:  # Whatever ended it: the service, a line that cannot be read, somebody at the keyboard.
            if sent and not ended:
                note(f"{sent} were sent before this; the same command again skips what is stored")
    return counts


def report_counts(counts: dict[str, int]) -> None:
    """Say how many there were of each.

    Raises:
        SomeRefused: some were rejected.
    """
    note(", ".join(f"{count} {status}" for status, count in counts.items() if count) or "nothing")
    if counts["rejected"]:
        raise SomeRefused(counts["rejected"])


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut items into batches that one call may hold; an item too large for any is a batch of its own."""
    batch: list[Item] = []
    size = 0
    for place, item in items:
        weight = len(json.dumps(item))
        if batch and (len(batch) == BATCH_ITEMS or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((place, item))
        size += weight
    if batch:
        yield batch


def _send(client: ServiceClient, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        outcomes: list[dict[str, Any]] = client.post("/v1/memories/batch", {"items": items})["results"]
    except RequestRefused as refused:
        if len(items) > 1 or refused.status != 413:
            raise
        return [{"index": 0, "status": "rejected", "id": None, "problem": refused.problem}]
    return outcomes
