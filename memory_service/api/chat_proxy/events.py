"""Server-sent events of a streamed chat: told apart as they come, read where that is needed, passed on as they are."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from memory_service.api.chat_proxy.conversation import text_of

LONGEST_EVENT: Final = 8 << 20  # bytes; what is longer is passed on unread
LONGEST_REPLY: Final = 1 << 20  # characters of a reply that is remembered
# Reasons to end that leave a reply unfinished, or something of it unsaid.
CUT_OFF: Final = frozenset({"length", "content_filter", "abort", "error"})
_END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
# Nothing else ends a line of an event: a model may say U+2028 and U+0085, and JSON need not escape them.
_LINE_END: Final = re.compile(r"\r\n|\n|\r")


class Splitter:
    r"""Cuts a stream of bytes into events, each with the blank line that ends it.

    >>> splitter = Splitter()
    >>> list(splitter.feed(b'data: 1\n\nda')), list(splitter.feed(b'ta: 2\n\n')), splitter.rest()
    ([b'data: 1\n\n'], [b'data: 2\n\n'], b'')
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._held = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes and yield the events that are whole by now."""
        self._held += data
        begin = 0
        # The end may have begun in what came before.
        for end in _END.finditer(self._held, max(0, self._searched - 3)):
            yield bytes(self._held[begin : end.end()])
            begin = end.end()
        del self._held[:begin]
        self._searched = len(self._held)
        if self._searched > LONGEST_EVENT:
            yield self.rest()

    def rest(self) -> bytes:
        """Return what is left of an event that never ended."""
        left = bytes(self._held)
        self._held.clear()
        self._searched = 0
        return left


def data_of(event: bytes) -> str:
    r"""Return the data of an event, nothing of a comment.

    >>> data_of(b'event: x\ndata: {"a":\ndata: 1}\n\n'), data_of(b': ping\n\n')
    ('{"a":\n1}', '')
    """
    lines = _LINE_END.split(event.decode("utf-8", "replace"))
    data = (line.removeprefix("data:") for line in lines if line.startswith("data:"))
    return "\n".join(line.removeprefix(" ") for line in data)


def object_in(data: str) -> dict[str, Any] | None:
    """Return the JSON object that an event carries, None where it carries none."""
    if not data.startswith("{"):
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def event_of(value: Mapping[str, Any]) -> bytes:
    """Return an event with a JSON object; ASCII, so that no half of a surrogate pair can break it."""
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


class Reply:
    """The text of the first choice, gathered from chunks or taken from a whole answer."""

    def __init__(self) -> None:
        """Start with nothing said."""
        self._pieces: list[str] = []
        self._length = 0
        self._missed = False
        self.ended = False  # the model says that it has

    @property
    def whole(self) -> bool:
        """Say whether this is all that the model had to say: half a sentence may say the opposite."""
        return self.ended and not self._missed

    @property
    def text(self) -> str:
        """Return what was said, without what no memory can hold: NUL and halves of surrogate pairs."""
        return "".join(self._pieces).replace("\0", "").encode("utf-8", "replace").decode()

    def miss(self) -> None:
        """Note that something of it is not here."""
        self._missed = True

    def add(self, document: Mapping[str, Any]) -> None:
        """Take a chunk, or a whole answer."""
        choices = document.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, Mapping) or choice.get("index", 0) != 0:
                continue
            said = choice.get("delta", choice.get("message"))
            self._take(text_of(said))
            if reason := choice.get("finish_reason"):
                self.ended = True
                self._missed = self._missed or (isinstance(reason, str) and reason in CUT_OFF)

    def _take(self, content: str) -> None:
        if self._length + len(content) > LONGEST_REPLY:
            self.miss()
        if not self._missed:
            self._pieces.append(content)
            self._length += len(content)
