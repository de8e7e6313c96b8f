"""HTML: what its reader sees. Scripts, styles and hidden elements are left out, and watched for instructions."""

import re
from dataclasses import dataclass, field
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from memory_service.analysis.documents.extracted import Block, Extracted, Unreadable, storable
from memory_service.analysis.instructions import find_signs

_LEFT_OUT: Final = frozenset({
    "head", "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas", "audio",
    "video", "select", "datalist", "textarea",
})  # fmt: skip
_BLOCKS: Final = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "dialog", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
    "hr", "html", "legend", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody",
    "tfoot", "thead", "tr", "ul",
})  # fmt: skip
_UNSHOWN: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![\d.]*[1-9])|opacity\s*:\s*0(?![\d.]*[1-9])",
    re.IGNORECASE,
)
_BLANKS: Final = re.compile(r"[ \t\r\n\f\u00a0]+")
_BREAK: Final = "\v"  # a <br>, until blanks are collapsed
_TAG: Final = re.compile(r"<(/?)([a-z][a-z0-9]*)", re.IGNORECASE)
# Closed by what follows them, or never: writers leave their ends out.
_UNCLOSED: Final = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup", "colgroup",
    "rp", "rt", "html", "head", "body",
})  # fmt: skip
DEEPEST: Final = 4_000  # elements within one another; the parser's time grows with the square of it
MOST_HIDDEN: Final = 64 << 10  # characters of hidden text that are looked at


def read_html(html: str) -> Extracted:
    r"""Return the text that a page shows, its blocks and title.

    >>> found = read_html("<title>Tea</title><h2>Green</h2><p>From <b>Uji</b>.<script>x()</script><p hidden>psst")
    >>> found.text, [b.heading for b in found.blocks], found.title
    ('Green\n\nFrom Uji.', [2, 0], 'Tea')

    Raises:
        Unreadable: `broken_document`, elements are nested thousands deep.
    """
    if _depth(html) > DEEPEST:
        raise Unreadable(f"The page has elements nested more than {DEEPEST:,} deep.", code="broken_document")
    tree = LexborHTMLParser(html)
    head = tree.css_first("title")
    title = storable(_BLANKS.sub(" ", head.text()).strip()) if head is not None else ""
    page = _Page()
    if tree.root is not None:
        for node in tree.root.traverse(include_text=True):
            page.take(node)
    page.close()
    hides = any(find_signs(words).flags for words in page.hidden)
    return Extracted("".join(page.parts), tuple(page.blocks), title or None, hides_instructions=hides)


def _depth(html: str) -> int:
    """Return how deep elements are nested at most, without parsing.

    >>> _depth("<div><p>a<p>b<div></div></div><div>")
    2
    """
    deepest = depth = 0
    for close, name in _TAG.findall(html):
        if name.lower() not in _UNCLOSED:
            depth = max(0, depth - 1) if close else depth + 1
            deepest = max(deepest, depth)
    return deepest


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: in which block, and whether a reader sees it."""

    block: int = 0
    tag: str = "body"
    shown: bool = True
    hidden: bool = False  # on purpose, unlike a script


@dataclass(slots=True)
class _Page:
    """The text of a page as its nodes come by in document order; a browser's rules for blanks, except in <pre>."""

    parts: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    _length: int = 0
    _hidden_length: int = 0
    _places: dict[int, _Place] = field(default_factory=dict)
    _pending: list[str] = field(default_factory=list)
    _at: _Place = field(default_factory=_Place)
    _last_tag: str = ""

    def take(self, node: LexborNode) -> None:
        """Read one node."""
        parent = node.parent
        above = self._places.get(parent.mem_id, _Place()) if parent is not None else _Place()
        tag = str(node.tag)
        if tag == "-text":
            self._words(node.text_content or "", above)
        elif tag == "-comment":
            self._hide(node.comment_content or "")
        else:
            self._places[node.mem_id] = self._inside(node, tag, above)
            if above.shown and tag == "br":
                self._pending.append(_BREAK)
            elif above.shown and tag in {"td", "th"} and self._pending and above.block == self._at.block:
                self._pending.append(" | ")

    def _inside(self, node: LexborNode, tag: str, above: _Place) -> _Place:
        attributes = node.attributes
        hides = tag not in {"html", "body"} and (
            "hidden" in attributes or _UNSHOWN.search(attributes.get("style") or "") is not None
        )
        block, name = (node.mem_id, tag) if tag in _BLOCKS else (above.block, above.tag)
        return _Place(block, name, above.shown and not hides and tag not in _LEFT_OUT, above.hidden or hides)

    def _words(self, words: str, place: _Place) -> None:
        if not place.shown:
            if place.hidden:
                self._hide(words)
            return
        if place.block != self._at.block:
            self.close()
            self._at = place
        self._pending.append(words)

    def _hide(self, words: str) -> None:
        if self._hidden_length < MOST_HIDDEN:
            self.hidden.append(words[: MOST_HIDDEN - self._hidden_length])
            self._hidden_length += len(words)

    def close(self) -> None:
        """End the block that was being read."""
        raw = storable("".join(self._pending))
        self._pending.clear()
        tag = self._at.tag
        if tag == "pre":
            body = raw.replace(_BREAK, "\n").strip("\r\n").rstrip()
        else:
            body = "\n".join(_BLANKS.sub(" ", line).strip() for line in raw.split(_BREAK)).strip()
        if not body:
            return
        if tag == "li":
            body = "- " + body
        if self.parts:
            gap = "\n" if tag in {"li", "tr", "td", "th"} and self._last_tag == tag else "\n\n"
            self.parts.append(gap)
            self._length += len(gap)
        level = int(tag[1]) if tag in {"h1", "h2", "h3", "h4", "h5", "h6"} else 0
        self.blocks.append(Block(self._length, self._length + len(body), level))
        self.parts.append(body)
        self._length += len(body)
        self._last_tag = tag
