"""Cut text into sentences by punctuation and line breaks."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

# A stop ends a sentence before white space or the end; a dot does not after an initial or a common short form.
# Possessive quantifiers and the look-behind keep a megabyte of dots linear.
_ENDS: Final = r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+(?=\s|\Z)|[。！？]+|\n+"
# What stands before the end is taken in one run: to try the end at every letter takes four times as long.
_END: Final = re.compile(rf"(?:[^.!?…。！？\n]++|(?!{_ENDS})[.!?…。！？\n])*+({_ENDS}|\Z)")
_SHORT_FORM: Final = re.compile(r"(?:\b(?:[A-Za-z]|mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|e\.g|i\.e))\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and where it stands in the text, in characters."""

    text: str
    start: int
    end: int


Cut = Callable[[str], Iterable[Sentence]]
"""Cuts a text as `sentences` does; what reads a text by several rules cuts it once."""


def sentences(text: str) -> Iterator[Sentence]:
    """Give the sentences of a text in order, without the white space around them.

    >>> [s.text for s in sentences("I met Dr. Lee. She was kind!  Then home")]
    ['I met Dr. Lee.', 'She was kind!', 'Then home']
    """
    start = 0
    for found in _END.finditer(text):
        stop, end = found.span(1)
        if stop == end:  # the end of the text
            break
        if text[stop:end] == "." and _SHORT_FORM.search(text, max(start, stop - 5), stop):
            continue
        if sentence := _trimmed(text, start, end):
            yield sentence
        start = end
    if sentence := _trimmed(text, start, len(text)):
        yield sentence


def _trimmed(text: str, start: int, end: int) -> Sentence | None:
    body = text[start:end].lstrip()
    first = end - len(body)
    body = body.rstrip()
    return Sentence(body, first, first + len(body)) if body else None
