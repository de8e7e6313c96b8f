"""How ``add`` sends what it read, and what it prints."""

import base64
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from memory_service.cli.client import ServiceClient
from memory_service.cli.console import note, print_json, print_text
from memory_service.cli.failures import CommandFailure, InputUnusable
from memory_service.cli.following import finished_job
from memory_service.cli.inputs import STDIN, count_lines, read_bytes, read_lines, read_objects, read_text
from memory_service.cli.sending import Item, report_counts, send_items

NOT_OF_DOCUMENTS = frozenset({"speaker", "role", "memory_type", "pinned", "expires_at", "on_conflict"})


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
    """Send every line as a memory, and report what became of each.

    Raises:
        CommandFailure: at least one line was refused.
    """
    items: Iterable[Item] = (
        ((f"line {number}", {**fields, **value}) for number, value in read_objects(name))
        if ndjson
        else ((f"line {number}", {**fields, "content": text}) for number, text in read_lines(name))
    )
    counts = send_items(client, items, total=lambda: count_lines(name), as_json=as_json)
    if not sum(counts.values()):
        raise InputUnusable(f"{'standard input' if name == STDIN else name} holds no line")
    report_counts(counts)


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
