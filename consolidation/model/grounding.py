"""Whether a statement is made of what texts say. Pure: words and numbers, no model.

A model may choose what to say and how to put it. It may not bring numbers of its own, nor mostly words of its own: that is
how an invented or injected statement shows, whatever made the model say it.
"""

import re
from collections.abc import Iterable
from typing import Final

from memory_service.analysis.folding import fold
from memory_service.analysis.sentences import sentences
from memory_service.analysis.tokens import split, terms

SHARE: Final = 0.5  # of the words of a statement that its sources must hold; a rewording keeps the words that matter
_LONGEST_QUOTE: Final = 100  # words of a quotation that are looked for; what follows would only make it longer

_APOSTROPHES: Final = "['\u2018\u2019\u02bc\uff07]"
_QUOTES: Final = '["\u201c\u201d\u201e\u00ab\u00bb]'
_TRIMMED: Final = " \t\r\n\"'“”„«»‘’…"


def find_quote(text: str, quote: str) -> tuple[int, int] | None:
    r"""Find a quotation in a text and return its span in characters; None where the text does not hold it.

    As it stands, else with other white space, quotation marks or case. It begins and ends between words.

    >>> find_quote("I adopted a\n cat.", "Adopted a cat")
    (2, 16)
    >>> find_quote("A category.", "cat") is None, find_quote("A cat.", "...") is None
    (True, True)
    """
    wanted = quote.strip(_TRIMMED)
    words = wanted.split()
    if not words or len(words) > _LONGEST_QUOTE or not any(character.isalnum() for character in wanted):
        return None
    pattern = r"\s+".join(_loosely(word) for word in words)
    before = r"(?<!\w)" if _bounded(wanted[0]) else ""
    after = r"(?!\w)" if _bounded(wanted[-1]) else ""
    for flags in (re.NOFLAG, re.IGNORECASE):
        found = re.search(f"{before}{pattern}{after}", text, flags)
        if found:
            return found.span()
    return None


def _bounded(character: str) -> bool:
    """Say whether words end at this character's side: not in scripts that write without spaces."""
    return character.isalnum() and character < "\u0e00"


def _loosely(word: str) -> str:
    escaped = re.escape(word)
    return re.sub(_QUOTES, lambda _: _QUOTES, re.sub(_APOSTROPHES, lambda _: _APOSTROPHES, escaped))


def surroundings(text: str, span: tuple[int, int]) -> str:
    """Return the sentences that a span touches.

    >>> surroundings("I moved. I adopted a cat. Her name is Mia.", (19, 24))
    'I adopted a cat.'
    """
    touched = [one for one in sentences(text) if one.start < span[1] and span[0] < one.end]
    return text[touched[0].start : touched[-1].end] if touched else text[span[0] : span[1]]


def words_of(text: str) -> frozenset[str]:
    """Return the stems of a text; of one that has only small words, those.

    >>> sorted(words_of("Adopted two cats")), sorted(words_of("no"))
    (['adopt', 'cat', 'two'], ['no'])
    """
    return frozenset(terms(text)) or frozenset(split(text, "en"))


def numbers_of(text: str) -> frozenset[str]:
    """Return the numbers that stand in a text in digits.

    >>> sorted(numbers_of("On 8 May 2023 I ran 5.5 km and paid 1,200 for gate B12"))
    ['12', '1200', '2023', '5.5', '8']
    """
    joined = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", fold(text))
    return frozenset(number.lstrip("0") or "0" for number in re.findall(r"\d+(?:\.\d+)?", joined))


def share_of(statement: str, sources: Iterable[str]) -> float:
    """Return which part of a statement's words its sources hold, from 0 to 1.

    >>> share_of("Ana adopted a cat", ["Ana: I have adopted a cat"])
    1.0
    >>> share_of("no", ["No, I do not."])
    1.0
    >>> share_of("Ana bought a dog", ["Ana: I have adopted a cat"])     # of Ana, bought, dog
    0.3333333333333333
    """
    said = words_of(statement)
    if not said:
        return 0.0
    held: set[str] = set()
    for source in sources:
        held |= words_of(source)
        held |= set(split(source, "en"))  # a statement of small words is compared by those
    return len(said & held) / len(said)


def is_grounded(statement: str, sources: Iterable[str], *, share: float = SHARE) -> bool:
    """Say whether a statement is made of what its sources say: all of its numbers, and enough of its words.

    >>> is_grounded("Ana pays 900 a month.", ["Ana: My rent is 900 a month."])
    True
    >>> is_grounded("Ana pays 950 a month.", ["Ana: My rent is 900 a month."])
    False
    """
    kept = list(sources)
    numbers: frozenset[str] = frozenset().union(*(numbers_of(source) for source in kept))
    return numbers_of(statement) <= numbers and share_of(statement, kept) >= share


def best_sentence(text: str, statement: str) -> tuple[int, int]:
    """Return the span of the sentence of a text that shares most words with a statement; the earlier where two are alike.

    >>> text = "We went out. I adopted a cat. It rained."
    >>> start, end = best_sentence(text, "Ana adopted a cat")
    >>> text[start:end]
    'I adopted a cat.'
    """
    said = words_of(statement)
    best, most = (0, len(text)), -1
    for one in sentences(text):
        shared = len(said & words_of(one.text))
        if shared > most:
            best, most = (one.start, one.end), shared
    return best
