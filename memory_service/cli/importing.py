"""How ``import`` brings in a bundle as a whole, and memories from elsewhere one by one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from memory_service.cli.client import ServiceClient
from memory_service.cli.console import Column, note, print_json, print_table
from memory_service.cli.failures import CommandFailure, InputUnusable
from memory_service.cli.following import finished_job
from memory_service.cli.inputs import STDIN, opened
from memory_service.cli.sending import Item, SomeRefused, report_counts, send_items

CHUNK = 1 << 20
BEGINNING = b'{"type":"bundle"'
SHOWN = 50
"""Refusals named on standard error; a job keeps more of them."""


def bring_in(
    client: ServiceClient,
    source: str,
    *,
    kind: str | None,
    on_conflict: str | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Bring in a source of a kind, or of the one that it looks like.

    Raises:
        InputUnusable: it cannot be read, or looks like none.
        CommandFailure: an option does not go with the kind, or some of it was refused.
    """
    if kind is None and (_is_stream(source) or _is_bundle(source)):
        kind = "bundle"
    if kind == "bundle":
        if namespace is not None:
            raise CommandFailure(
                "memories of a bundle go to the namespaces they were in; --namespace is for other kinds"
            )
        _bring_bundle(client, source, on_conflict=on_conflict, as_json=as_json)
        return
    if on_conflict is not None:
        raise CommandFailure("--on-conflict is for bundles; what comes from elsewhere supersedes what it was before")
    if source == STDIN:
        raise CommandFailure("only a bundle can come from standard input; name a file")
    _bring_foreign(client, source, kind=kind, namespace=namespace, as_json=as_json)


def _is_stream(source: str) -> bool:
    """Say whether a source can be read only once, so that nothing can be seen of it beforehand: standard input, or a pipe."""
    path = Path(source)
    return source == STDIN or path.is_fifo() or path.is_char_device()


def _is_bundle(source: str) -> bool:
    """Say whether a file begins as a bundle does; an address of a database is no file."""
    if "://" in source and not Path(source).exists():
        return False
    with opened(source) as file:
        try:
            return file.read(256).replace(b" ", b"").startswith(BEGINNING)
        except OSError as error:  # A folder opens, and fails here.
            raise InputUnusable(f"{source} cannot be read ({error.strerror})") from error


def _bring_bundle(client: ServiceClient, source: str, *, on_conflict: str | None, as_json: bool) -> None:
    with _repeatable(source) as file:
        file.seek(0)
        if not file.read(1):
            raise InputUnusable(f"{'standard input' if source == STDIN else source} is empty")

        def chunks() -> Iterator[bytes]:
            file.seek(0)
            while chunk := file.read(CHUNK):
                yield chunk

        params: dict[str, str | int] = {"on_conflict": on_conflict} if on_conflict is not None else {}
        accepted = client.upload("/v1/imports", chunks, media_type="application/x-ndjson", params=params).value
    job = finished_job(client, accepted["job_id"], doing="importing")
    counts = job["result"]["counts"]
    if as_json:
        print_json(job)
    else:
        columns = [Column("kind"), Column("became"), Column("lines", right=True)]
        print_table(columns, [(k, status, str(n)) for k, said in counts.items() for status, n in said.items() if n])
    rejected = sum(said.get("rejected", 0) for said in counts.values())
    refusals = (item for item in job["items"] if item["status"] == "rejected")
    for item, _ in zip(refusals, range(SHOWN), strict=False):
        note(f"line {item['line']}: {item['detail'] or item['code']}")
    if rejected:
        raise SomeRefused(rejected)


@contextmanager
def _repeatable(source: str) -> Iterator[IO[bytes]]:
    """Open a bundle so that it can be read from its beginning twice; a stream is kept in a file without a name."""
    with opened(source) as given:
        if not _is_stream(source):
            yield given
            return
        with TemporaryFile() as file:
            shutil.copyfileobj(given, file)
            yield file


def _bring_foreign(
    client: ServiceClient, source: str, *, kind: str | None, namespace: str | None, as_json: bool
) -> None:
    from memory_service.importers.registry import convert
    from memory_service.importers.report import Report, Unreadable

    report = Report()

    def items() -> Iterator[Item]:
        for number, item in enumerate(convert(source, report, kind=kind, namespace=namespace), start=1):
            yield f"memory {number}", item

    try:
        counts = send_items(client, items())
    except Unreadable as error:
        raise InputUnusable(str(error), hint="`import --help` lists what can be brought in.") from error
    if as_json:
        print_json({"counts": counts, **report.to_json()})
    for reason, count in report.left_out.items():
        places = ", ".join(report.places.get(reason, ()))
        note(f"{count} left out, {reason}" + (f": {places}" if places else ""))
    for name, count in report.kept_as_metadata.items():
        note(f"{count} kept as metadata: {name}")
    report_counts(counts)
    if report.left_out and not sum(counts.values()):
        raise InputUnusable(f"nothing in {source} could be brought in", hint="`--from` says what wrote it.")
