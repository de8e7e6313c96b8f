"""Plain text: exactly as it came, its paragraphs parted by blank lines."""

import re
from collections.abc import Iterator
from typing import Final

from memory_service.analysis.documents.extracted import Block, Extracted

_GAP: Final = re.compile(r"(?:\r\n|\r|\n)[ \t]*(?:\r\n|\r|\n)\s*|\f")


def read_plain(text: str) -> Extracted:
    r"""Return a text with its paragraphs.

    >>> read_plain("One.\n\nTwo.").blocks
    (Block(start=0, end=4, heading=0), Block(start=6, end=10, heading=0))
    """
    return Extracted(text, tuple(paragraphs(text, 0, len(text))))


def paragraphs(text: str, start: int, end: int) -> Iterator[Block]:
    """Yield the paragraphs of a part of a text."""
    at = start
    for gap in _GAP.finditer(text, start, end):
        if text[at : gap.start()].strip():
            yield Block(at, gap.start())
        at = gap.end()
    if text[at:end].strip():
        yield Block(at, end)
