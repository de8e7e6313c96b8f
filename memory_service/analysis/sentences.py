"""Cut text into sentences by punctuation and line breaks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# A stop ends a sentence before white space or the end; a dot does not after an initial or a common short form.
# Possessive quantifiers and the look-behind keep a megabyte of dots linear.
_END: Final = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+(?=\s|\Z)|[。！？]+|\n+")
_SHORT_FORM: Final = re.compile(r"(?:\b(?:[A-Za-z]|mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|e\.g|i\.e))\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and where it stands in the text, in characters."""

    text: str
    start: int
    end: int


def sentences(text: str) -> Iterator[Sentence]:
    """Give the sentences of a text in order, without the white space around them.

    >>> [s.text for s in sentences("I met Dr. Lee. She was kind!  Then home")]
    ['I met Dr. Lee.', 'She was kind!', 'Then home']
    """
    start = 0
    for end in _END.finditer(text):
        if end.group() == "." and _SHORT_FORM.search(text, max(start, end.start() - 5), end.start()):
            continue
        yield from _trimmed(text, start, end.end())
        start = end.end()
    yield from _trimmed(text, start, len(text))


def _trimmed(text: str, start: int, end: int) -> Iterator[Sentence]:
    body = text[start:end]
    stripped = body.strip()
    if stripped:
        first = start + body.index(stripped)
        yield Sentence(text=stripped, start=first, end=first + len(stripped))
