"""Cut the text of a document into chunks: one memory each, a span of the text, whole blocks and sentences if possible.

Borders depend on the text around them and little on what comes before: a chunk ends before a heading, when it is full, and
else after a block whose own words say so. So a paragraph that is added moves a border or two, and every other chunk
of the new version is the chunk it was.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from memory_service.analysis.documents.extracted import Block, Extracted
from memory_service.analysis.sentences import sentences

MAX_CHUNK: Final = 1_000  # characters: about what the window of the packaged encoder takes, 256 tokens
MIN_CHUNK: Final = 350  # from here on a block may end it
ENDS_ONE_IN: Final = 3  # of the blocks beyond that, by a checksum of their words
MAX_TITLE: Final = 256  # characters
_BLANK: Final = re.compile(r"\s+")
_HEADING: Final = re.compile(r"\A#{1,6}[ \t]+|[ \t]+#+[ \t]*\Z|\n[=-]+[ \t]*\Z|\n.*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document: `text[start:end]`, and the headings above it, outermost first."""

    start: int
    end: int
    section: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    heading: int


def cut(document: Extracted) -> list[Chunk]:
    r"""Return the chunks of a document in order: every visible character is in exactly one of them.

    >>> text = "# Tea\n\nGreen.\n\n# Coffee\n\nBlack."
    >>> found = cut(Extracted(text, (Block(0, 5, 1), Block(7, 13), Block(15, 23, 1), Block(25, 31))))
    >>> [(text[c.start : c.end], c.section) for c in found]
    [('# Tea\n\nGreen.', ('Tea',)), ('# Coffee\n\nBlack.', ('Coffee',))]
    """
    text = document.text
    chunks: list[Chunk] = []
    headings: list[tuple[int, str]] = []
    held: list[_Piece] = []

    def close() -> None:
        if held:
            chunks.append(Chunk(held[0].start, held[-1].end, tuple(name for _, name in headings)))
            held.clear()

    for piece in _pieces(text, _covering(text, document.blocks)):
        if piece.heading and any(not p.heading for p in held):
            close()
        if held and piece.end - held[0].start > MAX_CHUNK:
            close()
        if piece.heading:
            while headings and headings[-1][0] >= piece.heading:
                headings.pop()
            name = _BLANK.sub(" ", _HEADING.sub("", text[piece.start : piece.end])).strip()
            headings.append((piece.heading, name[:MAX_TITLE]))
        held.append(piece)
        size = piece.end - held[0].start
        if not piece.heading and size >= MIN_CHUNK and _says_so(text[piece.start : piece.end]):
            close()
    close()
    return chunks


def title_of(chunk: Chunk, title: str | None) -> str | None:
    """Return by what title a chunk is known: that of its document, then the headings above it.

    >>> title_of(Chunk(0, 1, ("Drinks", "Tea")), "Menu"), title_of(Chunk(0, 1, ("Menu",)), "Menu"), title_of(Chunk(0, 1), None)
    ('Menu › Drinks › Tea', 'Menu', None)
    """
    names = [name for name in (title, *chunk.section) if name]
    joined = " › ".join(dict.fromkeys(names))
    return joined[:MAX_TITLE] or None


def _covering(text: str, blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield the blocks in order, and what lies between them where that shows something."""
    at = 0
    for block in blocks:
        if text[at : block.start].strip():
            yield Block(at, block.start)
        if block.end > max(at, block.start):
            yield Block(max(at, block.start), block.end, block.heading)
        at = max(at, block.end)
    if text[at:].strip():
        yield Block(at, len(text))


def _pieces(text: str, blocks: Iterator[Block]) -> Iterator[_Piece]:
    """Yield what is not cut: blocks, sentences of longer blocks, and parts of longer sentences."""
    for block in blocks:
        start, end = _trimmed(text, block.start, block.end)
        if start >= end:
            continue
        if end - start <= MAX_CHUNK:
            yield _Piece(start, end, block.heading)
            continue
        for sentence in sentences(text[start:end]):
            low, high = start + sentence.start, start + sentence.end
            for from_, to in _parts(text, low, high):
                yield _Piece(from_, to, 0)


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield a sentence, cut at blanks where it is too long, anywhere where it has none."""
    while end - start > MAX_CHUNK:
        border = -1
        for blank in _BLANK.finditer(text, start + MAX_CHUNK // 2, start + MAX_CHUNK):
            border = blank.start()
        at = border if border > start else start + MAX_CHUNK
        yield start, at
        start = at
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _says_so(words: str) -> bool:
    return zlib.crc32(_BLANK.sub(" ", words).encode()) % ENDS_ONE_IN == 0
