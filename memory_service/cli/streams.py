"""Standard streams that the caller closed, or that take nothing."""

import io
import os
import sys
from typing import Any

from memory_service.cli.failures import CommandFailure


class OutputRefused(CommandFailure, OSError):
    """Standard output takes nothing more: its disk is full, for one."""


class _Output(io.FileIO):
    """Standard output, whose refusal is told from that of any other file."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputRefused(f"standard output cannot be written ({error.strerror})") from error


class _Remarks(io.FileIO):
    """Standard error: where it takes nothing, the work goes on."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def watch_streams() -> None:
    """Have what refuses standard output raise OutputRefused, and what refuses standard error raise nothing.

    A stand-in for a stream, and a console of Windows, stay as they are.
    """
    for name, kind in (("stdout", _Output), ("stderr", _Remarks)):
        given = getattr(sys, name)
        if not isinstance(given, io.TextIOWrapper):
            continue
        raw = getattr(given.buffer, "raw", given.buffer)  # With PYTHONUNBUFFERED there is nothing between.
        if type(raw) is not io.FileIO:
            continue
        watched = kind(raw.fileno(), "w", closefd=False)
        stream = io.TextIOWrapper(
            watched if raw is given.buffer else io.BufferedWriter(watched),
            encoding=given.encoding,
            errors=given.errors,
            line_buffering=given.line_buffering,
            write_through=given.write_through,
        )
        setattr(sys, name, stream)


def drop_output() -> None:
    """Drop what standard output has not taken: Python would try once more when it ends, and say so in its own words."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def open_closed() -> None:
    """Have standard streams that the caller closed lead nowhere, instead of to the first file or socket that is opened."""
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
