"""How ``add`` sends what it read, and what it prints."""

import base64
import json
import mimetypes
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from memory_service.cli.client import ServiceClient
from memory_service.cli.console import note, print_json, print_ndjson, print_text, progress_bar
from memory_service.cli.failures import CommandFailure, InputUnusable, RequestRefused
from memory_service.cli.following import finished_job
from memory_service.cli.inputs import STDIN, count_lines, read_bytes, read_lines, read_objects, read_text

BATCH_ITEMS = 200
BATCH_BYTES = 1_000_000
"""Of JSON in ASCII: half of what one call may hold as content, whatever the rest is."""
NOT_OF_DOCUMENTS = frozenset({"speaker", "role", "memory_type", "pinned", "expires_at", "on_conflict"})

Item = tuple[int, dict[str, Any]]


def remember_text(
    client: ServiceClient, name: str | None, text: str | None, fields: dict[str, Any], *, as_json: bool
) -> None:
    """Send one text: the one given, or the one that ``name`` holds."""
    content = text if name is None else read_text(name)
    answer = client.call("POST", "/v1/memories", body={**fields, "content": content})
    if as_json:
        print_json(answer.value)
        return
    print_text(answer.value["id"])
    note("stored" if answer.status == 201 else "it is there already, nothing was stored")


def remember_many(client: ServiceClient, name: str, fields: dict[str, Any], *, ndjson: bool, as_json: bool) -> None:
    """Send a line at a time as batches, and report what became of each.

    Raises:
        CommandFailure: at least one line was refused.
    """
    counts = dict.fromkeys(("created", "skipped", "superseded", "rejected"), 0)
    items: Iterable[Item] = (
        ((number, {**fields, **value}) for number, value in read_objects(name))
        if ndjson
        else ((number, {**fields, "content": text}) for number, text in read_lines(name))
    )
    with progress_bar() as bar:
        task = bar.add_task("remembering", total=None if bar.disable else count_lines(name))
        sent = 0
        for batch in batches(items):
            try:
                outcomes = _send(client, [item for _, item in batch])
            except CommandFailure:
                note(f"{sent} lines were sent before this; the same command again skips what is stored")
                raise
            for (number, _), outcome in zip(batch, outcomes, strict=True):
                counts[outcome["status"]] += 1
                if outcome["status"] == "rejected":
                    note(f"line {number}: {(outcome['problem'] or {}).get('detail') or 'refused'}")
            if as_json:
                print_ndjson({**outcome, "index": sent + outcome["index"]} for outcome in outcomes)
            sent += len(batch)
            bar.advance(task, len(batch))
    if not sent:
        raise InputUnusable(f"{'standard input' if name == STDIN else name} holds no line")
    note(", ".join(f"{count} {status}" for status, count in counts.items() if count))
    if counts["rejected"]:
        raise LinesRefused(counts["rejected"])


class LinesRefused(CommandFailure):
    """Some lines were refused; the others are stored."""

    exit_code = RequestRefused.exit_code

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} line{'s were' if count > 1 else ' was'} refused, see above; the others are stored")


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut items into batches that one call may hold; an item too large for any is a batch of its own."""
    batch: list[Item] = []
    size = 0
    for number, item in items:
        weight = len(json.dumps(item))
        if batch and (len(batch) == BATCH_ITEMS or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((number, item))
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


def remember_document(client: ServiceClient, name: str, fields: dict[str, Any], *, as_json: bool) -> None:
    """Send a file as a document and wait until it is cut into memories.

    Raises:
        CommandFailure: the document could not be read by the service, or is not ready after a minute.
    """
    unfit = sorted(NOT_OF_DOCUMENTS & fields.keys())
    if unfit:
        raise CommandFailure(f"a document takes no {', '.join(unfit)}")
    body: dict[str, Any] = {**fields, "file": base64.b64encode(read_bytes(name)).decode()}
    if name != STDIN:
        body["title"] = Path(name).name
    kind = mimetypes.guess_type(name)[0]
    body["mime_type"] = kind or "text/plain"
    accepted = client.post("/v1/documents", body)
    job = finished_job(client, accepted["job_id"], doing="reading the document")
    if as_json:
        print_json({**accepted, "job": job})
        return
    print_text(accepted["document_id"])
    note("it is there already, nothing was stored" if accepted["unchanged"] else f"stored: {_said(job)}")


def _said(job: dict[str, Any]) -> str:
    outcome = job["items"][0] if job["items"] else {}
    told = [f"{outcome[word]} {word}" for word in ("added", "superseded", "archived", "refused") if outcome.get(word)]
    return ", ".join(told) or "no memories"
