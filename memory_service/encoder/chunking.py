"""Cut text beyond the model's window into overlapping spans, so that it is found by any part."""

from typing import Protocol

from memory_service.encoder.protocol import TextSpan

OVERLAP_TOKENS = 32
"""A sentence on a border stands whole in one of the two spans: the median English sentence has about 20 tokens."""

SEARCHED_SHARE = 4
"""The last quarter of a window is searched for a good border; more would make spans needlessly short."""

SENTENCE_ENDS = frozenset(".!?…:;\"'”’)»")
WIDE_SENTENCE_ENDS = frozenset("。！？；")
"""These end a sentence without a blank after them."""


class CountsTokens(Protocol):
    """What chunking needs of a tokenizer (tokens.Tokenization is one)."""

    content_window: int

    def counts(self, texts: list[str], /) -> list[int]:
        """Return the number of tokens of each text, without special tokens."""
        ...

    def offsets(self, text: str, /) -> list[tuple[int, int]]:
        """Return the character range of each token."""
        ...


def chunk(text: str, tokenization: CountsTokens, *, overlap: int = OVERLAP_TOKENS) -> list[TextSpan]:
    """Return spans that cover `text` in order, each within the window when tokenised on its own.

    A text that fits is one span. Otherwise borders are put, best first, at line ends, sentence ends, blanks, token
    borders; neighbours overlap by about `overlap` tokens. Takes one tokenisation of the text and one of the spans,
    none for a short text.
    A single character that has more tokens than the window is a span of its own, which `encode` then cuts.

    Raises:
        UnencodableText: The text holds a lone surrogate.
    """
    if text.isascii() and len(text) < tokenization.content_window:
        # Nothing needs counting: normalising expands no ASCII character, a token covers at least one, and one more may be
        # put before the first.
        return [TextSpan(0, len(text))]
    offsets = tokenization.offsets(text)
    window = tokenization.content_window
    if len(offsets) <= window:
        return [TextSpan(0, len(text))]
    spans = _spans(text, offsets, window=window, overlap=min(overlap, window // SEARCHED_SHARE))
    return _within_window(text, spans, tokenization)


def _spans(text: str, offsets: list[tuple[int, int]], *, window: int, overlap: int) -> list[TextSpan]:
    spans: list[TextSpan] = []
    first, start = 0, 0
    while len(offsets) - first > window:
        border = _best_border(text, offsets, first=first, window=window)
        end = offsets[border][0]
        if end <= start:  # More tokens than the window on one character: step over it.
            border, end = _next_character(text, offsets, border, start)
        spans.append(TextSpan(start, end))
        if end == len(text):
            return spans
        first, start = _overlapping_start(offsets, border=border, earliest=first + 1, overlap=overlap, after=start)
    return [*spans, TextSpan(start, len(text))]


def _best_border(text: str, offsets: list[tuple[int, int]], *, first: int, window: int) -> int:
    """Return the token before which to cut: the last of the best kind in the searched part of the window."""
    last = first + window
    best, best_kind = last, -1
    for token in range(last, last - max(1, window // SEARCHED_SHARE), -1):
        kind = _kind_of_border(text, offsets[token - 1][1], offsets[token][0])
        if kind > best_kind:
            best, best_kind = token, kind
    return best


def _kind_of_border(text: str, end: int, start: int) -> int:
    """Rank a border between two tokens: 4 line end, 3 sentence end, 2 blank, 1 token border, 0 inside a character."""
    if start < end:
        return 0
    gap = text[end:start]
    before = text[end - 1 : end]
    if "\n" in gap:
        return 4
    if before in WIDE_SENTENCE_ENDS or (before in SENTENCE_ENDS and gap):
        return 3
    return 2 if gap else 1


def _next_character(text: str, offsets: list[tuple[int, int]], token: int, start: int) -> tuple[int, int]:
    while token < len(offsets) and offsets[token][0] <= start:
        token += 1
    return token, offsets[token][0] if token < len(offsets) else len(text)


def _overlapping_start(
    offsets: list[tuple[int, int]], *, border: int, earliest: int, overlap: int, after: int
) -> tuple[int, int]:
    """Return the token and character where the next span starts: a blank about `overlap` tokens before the border."""
    wanted = max(border - overlap, earliest)
    for token in range(wanted, border):
        if offsets[token][0] > max(offsets[token - 1][1], after):
            return token, offsets[token][0]
    for token in range(wanted, border):
        if offsets[token][0] >= offsets[token - 1][1] and offsets[token][0] > after:
            return token, offsets[token][0]
    return border, offsets[border][0]


def _within_window(text: str, spans: list[TextSpan], tokenization: CountsTokens) -> list[TextSpan]:
    """Halve what exceeds the window on its own: a piece cut inside a word may have more tokens than inside the text."""
    checked: list[TextSpan] = []
    counts = tokenization.counts([text[span.start : span.end] for span in spans])
    for span, count in zip(spans, counts, strict=True):
        if count <= tokenization.content_window or span.end - span.start < 2:
            checked.append(span)
        else:
            middle = (span.start + span.end) // 2
            halves = [TextSpan(span.start, middle), TextSpan(middle, span.end)]
            checked.extend(_within_window(text, halves, tokenization))
    return checked
