"""Markdown: its source is its text, since models read it well; the parser says where its blocks begin and end."""

import re
from functools import lru_cache
from typing import Final

from markdown_it import MarkdownIt

from memory_service.analysis.documents.extracted import Block, Extracted

_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_FRONT_MATTER: Final = re.compile(r"\A---[ \t]*\r?\n.{0,20000}?\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    # Blocks are all that is asked of it; what stands inside them takes quadratic time in texts made for that.
    return MarkdownIt("commonmark").enable("table").disable("inline")


def read_markdown(text: str) -> Extracted:
    r"""Return a text with its blocks: headings, paragraphs, whole lists and tables, code.

    >>> found = read_markdown("# Tea\n\nGreen *tea*.\n")
    >>> [(found.text[b.start : b.end], b.heading) for b in found.blocks], found.title
    ([('# Tea', 1), ('Green *tea*.', 0)], 'Tea')
    """
    front = _FRONT_MATTER.match(text)
    skipped = front.end() if front else 0
    starts = [skipped + match.start() for match in _LINE.finditer(text[skipped:])]
    blocks, title = [], None
    if front and text[:skipped].strip():
        blocks.append(Block(0, len(text[:skipped].rstrip())))
    tokens = _parser().parse(text[skipped:])
    for at, token in enumerate(tokens):
        if token.level or token.map is None or token.nesting < 0:
            continue
        start = starts[min(token.map[0], len(starts) - 1)]
        end = starts[token.map[1]] if token.map[1] < len(starts) else len(text)
        end = start + len(text[start:end].rstrip())
        if end <= start:
            continue
        level = int(token.tag[1]) if token.type == "heading_open" else 0
        if level and title is None:
            title = tokens[at + 1].content.strip() or None
        blocks.append(Block(start, end, level))
    return Extracted(text, tuple(blocks), title)
