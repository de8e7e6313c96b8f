"""What a command reads: a file, or standard input where the name is ``-``."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from memory_service.cli.failures import InputUnusable

STDIN = "-"


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """Open a file for reading, or hand out standard input.

    Raises:
        InputUnusable: there is no such file, or it cannot be read.
    """
    if name == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).expanduser().open("rb")
    except (OSError, ValueError) as error:  # A name with NUL is a ValueError.
        raise InputUnusable(f"{name} cannot be read ({getattr(error, 'strerror', None) or error})") from error
    with file:
        yield file


def read_text(name: str) -> str:
    """Return the whole text without its last line break.

    Raises:
        InputUnusable: it cannot be read, is empty, or is not UTF-8.
    """
    with opened(name) as file:
        text = _decoded(_read(file, name), name=name).removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise InputUnusable(f"{_called(name)} holds no text")
    return text


def read_bytes(name: str) -> bytes:
    """Return the whole file.

    Raises:
        InputUnusable: it cannot be read, or is empty.
    """
    with opened(name) as file:
        content = _read(file, name)
    if not content:
        raise InputUnusable(f"{_called(name)} is empty")
    return content


def read_lines(name: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that hold something, each with its number, as they are read.

    Raises:
        InputUnusable: it cannot be read, or a line is not UTF-8.
    """
    with opened(name) as file:
        number = 0
        while True:
            try:
                raw = file.readline()
            except OSError as error:
                raise InputUnusable(f"{_called(name)} cannot be read ({error.strerror})") from error
            if not raw:
                return
            number += 1
            text = _decoded(raw, name=f"line {number} of {_called(name)}").strip()
            if text:
                yield number, text


def read_objects(name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield one JSON object per line, each with its line's number.

    Raises:
        InputUnusable: a line is something else.
    """
    for number, text in read_lines(name):
        try:
            value = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise InputUnusable(f"line {number} of {_called(name)} is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise InputUnusable(f"line {number} of {_called(name)} is no JSON object")
        yield number, value


def count_lines(name: str) -> int | None:
    """Return how many lines that hold something a file has, None for standard input or a pipe, which can be read only once."""
    return sum(1 for _ in read_lines(name)) if name != STDIN and Path(name).expanduser().is_file() else None


def _read(file: IO[bytes], name: str) -> bytes:
    try:
        return file.read()
    except OSError as error:  # A folder opens, and fails here.
        raise InputUnusable(f"{_called(name)} cannot be read ({error.strerror})") from error


def _decoded(content: bytes, *, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputUnusable(
            f"{_called(name)} is not text in UTF-8 (byte {error.start})",
            hint="`add --document` reads PDF and other files.",
        ) from error


def _called(name: str) -> str:
    return "standard input" if name == STDIN else name


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
