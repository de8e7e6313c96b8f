"""How ``export`` writes a bundle: under another name until it is whole."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from memory_service.cli.client import ServiceClient
from memory_service.cli.console import note, print_json, progress_bar
from memory_service.cli.failures import CommandFailure, InputUnusable


def write_bundle(client: ServiceClient, body: dict[str, Any], name: str, *, force: bool, as_json: bool) -> None:
    """Write what the service exports to a file or to standard output, and say what it is.

    Raises:
        InputUnusable: the file is there already, or cannot be written.
        CommandFailure: the bundle was cut off on its way.
    """
    if name == "-":
        end = _copy(client, body, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        with _written(Path(name).expanduser(), force=force) as file:
            end = _copy(client, body, file)
    if as_json:
        print_json(end)
    else:
        note(f"{end['records']} records: {', '.join(f'{n} {kind}' for kind, n in end['counts'].items()) or 'nothing'}")


def _copy(client: ServiceClient, body: dict[str, Any], file: IO[bytes]) -> dict[str, Any]:
    """Copy a bundle line by line and return its last line, which says what the others were.

    Raises:
        CommandFailure: the last line is missing or says something else.
    """
    digest, lines, last = hashlib.sha256(), 0, b""
    with client.download("/v1/exports", body) as bundle, progress_bar() as bar:
        task = bar.add_task("exporting", total=None)
        for line in bundle:
            digest.update(last)  # The last line sums up those before it.
            file.write(line)
            last, lines = line, lines + 1
            bar.update(task, completed=lines)
    end = _end(last)
    if end is None or end["records"] != lines - 2 or end["sha256"] != digest.hexdigest():
        raise CommandFailure("the bundle was cut off on its way; no service would import it", hint="Export again.")
    return end


def _end(line: bytes) -> dict[str, Any] | None:
    try:
        end = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(end, dict) and end.get("type") == "end" and {"records", "counts", "sha256"} <= end.keys()
    return end if whole else None


@contextmanager
def _written(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its name when the block ends well, readable by its owner alone."""
    if path.exists() and not force:
        raise InputUnusable(f"{path} is there already", hint="Name another file, or write over it with --force.")
    if path.exists() and not path.is_file():  # What takes its name would stand where a device or a folder was.
        raise InputUnusable(f"{path} is no file that can be written over", hint="`-` writes to standard output.")
    part = path.with_name(f"{path.name}.part")
    try:
        file = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    except OSError as error:
        raise InputUnusable(f"{path} cannot be written ({error.strerror})") from error
    try:
        with file:
            yield file
        part.replace(path)
    except OSError as error:
        raise InputUnusable(f"{path} cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)
