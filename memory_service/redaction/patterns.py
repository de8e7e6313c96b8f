"""Patterns of a policy's own: found in time linear in the text, whatever they are, by RE2. Pure."""

import re
from collections.abc import Iterator
from typing import Any, Final

import re2

from memory_service.redaction.found import Found

MAX_PATTERN: Final = 512  # characters
MAX_MEMORY: Final = 1 << 20  # bytes that RE2 may take for one pattern; beyond that it says no

_HALVES: Final = re.compile("[\ud800-\udfff]")

# RE2 never goes back over a text: there is no pattern that takes longer than its length times the text's. What that costs is
# look-around and references to groups, which it refuses.


def _options() -> Any:
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
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
        for match in self._compiled.finditer(text):
            if match.end() > match.start():
                yield Found(match.start(), match.end(), match.group())
