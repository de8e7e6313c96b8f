"""Read server-sent events out of the bytes of a stream."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event: its name, its data, and the pause that the stream asks for before a new connection."""

    name: str
    data: str


class EventReader:
    r"""Cuts bytes, wherever they are torn, into events.

    >>> reader = EventReader()
    >>> list(reader.feed(b"event: progress\ndata: 1\n"))
    []
    >>> list(reader.feed(b"\n: a comment\n\n"))
    [Event(name='progress', data='1')]
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._line = ""
        self._name = ""
        self._data: list[str] = []
        self.retry_s: float | None = None

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that these bytes complete."""
        *lines, self._line = (self._line + self._decode(chunk)).split("\n")
        for line in lines:
            event = self._take(line.removesuffix("\r"))
            if event is not None:
                yield event

    def _take(self, line: str) -> Event | None:
        if not line:
            event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
            self._name, self._data = "", []
            return event
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry_s = int(value) / 1000
        return None
