"""Patterns of a policy's own: found in time linear in the text, whatever they are, by RE2 and a bound on how far it looks. Pure."""

import re
from collections.abc import Iterator
from typing import Any, Final

import re2

from memory_service.redaction.found import Found

MAX_PATTERN: Final = 512  # characters
MAX_MEMORY: Final = 1 << 20  # bytes that RE2 may take for one pattern; beyond that it says no

_HALVES: Final = re.compile("[\ud800-\udfff]")

# RE2 never goes back over a text: one search takes no longer than the pattern's length times the text's. What that costs is
# look-around and references to groups, which it refuses. But each match begins another search, which may read to the end of the
# text for what would be longer (`a.*b|a`): once so many bytes may have been read, a search reads a window only.
FREE: Final = 1 << 26  # bytes
WINDOW: Final = 4_096
OVERLAP: Final = 2_048  # bytes: what is no longer than that is found wherever windows end


def _options() -> Any:
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    options.never_capture = True
    return options


def fault_of(pattern: str) -> str | None:
    """Say what is wrong with a pattern; None: nothing.

    >>> fault_of("EMP-[0-9]{6}"), fault_of("x*")
    (None, 'finds nothing where it should find something: it matches an empty text')
    >>> fault_of("(?<=a)b"), fault_of("(a") is None
    ('is no pattern of RE2, which knows neither look-around nor references to groups', False)
    """
    if not 0 < len(pattern) <= MAX_PATTERN:
        return f"is no text of 1 to {MAX_PATTERN} characters"
    try:
        compiled = re2.compile(pattern, options=_options())
        empty = compiled.fullmatch("") is not None
    except (re2.error, UnicodeEncodeError):
        return "is no pattern of RE2, which knows neither look-around nor references to groups"
    if empty:
        return "finds nothing where it should find something: it matches an empty text"
    return None


class PatternFinder:
    """Finds what one pattern matches."""

    def __init__(self, pattern: str) -> None:
        """Compile it; `fault_of` has said that it can be."""
        self._compiled = re2.compile(pattern, options=_options())

    def __call__(self, text: str) -> Iterator[Found]:
        """Yield what matches.

        >>> list(PatternFinder("EMP-[0-9]{6}")("über EMP-123456!"))
        [Found(start=5, end=15, value='EMP-123456')]
        """
        if not text.isascii():
            text = _HALVES.sub("\ufffd", text)  # RE2 reads UTF-8, which has no halves of surrogate pairs
        data = text.encode()
        place, read = 0, 0  # characters before that byte
        for start, end in self._spans(data):
            place += len(data[read:start].decode())
            said = data[start:end].decode()
            yield Found(place, place + len(said), said)
            place, read = place + len(said), end

    def _spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        at, left = 0, FREE
        while at < len(data):
            end = len(data)
            if left < 0 and end - at > WINDOW:
                end = _edge(data, at + WINDOW)
            left -= end - at
            match = self._compiled.search(data, at, end)
            if match is None:
                if end == len(data):
                    return
                at = _edge(data, end - OVERLAP)
            elif end < len(data) and match.end() > end - OVERLAP and match.start() > at:
                at = match.start()  # as much of the text is seen after it as a window has
            elif match.end() == match.start():
                at = _edge(data, match.end() + 1)
            else:
                yield match.start(), match.end()
                at = match.end()


def _edge(data: bytes, at: int) -> int:
    """Return the next place that lies between characters."""
    while at < len(data) and data[at] & 0xC0 == 0x80:
        at += 1
    return at
