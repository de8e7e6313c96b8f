"""Bring text to one form before it is cut into words.

The order is Unicode's NFKC_Casefold: compatibility forms first, then case, then composition again, because folding
case can leave a sequence that composes.
"""

import re
import sys
import unicodedata
from functools import cache
from typing import Final

_APOSTROPHES: Final = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\uff07": "'", "\u00ad": None, "\u200b": " "}
)
# What a pattern that ignores case takes for an ASCII letter, and is none, or more, once it is in lower case.
_TAKEN_FOR_ASCII: Final = str.maketrans({"\u017f": "s", "\u0131": "i", "\u0130": "i"})
_ANY_TAKEN: Final = re.compile("[\u017f\u0130\u0131]")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_ASCII_LETTERS: Final = re.compile("[a-z]+")  # twice as fast
_ACCENTED_LATIN: Final = re.compile("([a-z])[\u0300-\u036f]+")


def fold(text: str) -> str:
    """Fold compatibility forms, case and typographic apostrophes; soft hyphens vanish.

    >>> fold("Ｃａｒｏｌｉｎｅ’s STRASSE ﬁne")
    "caroline's strasse fine"
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_APOSTROPHES)


def lower_ignoring_case(text: str) -> str:
    """Return a text in lower case, each ASCII letter that a pattern which ignores case sees in it written as that letter.

    >>> lower_ignoring_case("ſEPTEMBER, FRİDAY, frıday")
    'september, friday, friday'
    """
    return (text.translate(_TAKEN_FOR_ASCII) if _ANY_TAKEN.search(text) else text).lower()


def words_ignoring_case(text: str) -> frozenset[str]:
    """Return the runs of letters of a text: every ASCII word that a pattern finds in it, if it ignores case or reads lower case.

    That may be more than is written: for a pattern that ignores case "ſ" is an s and "ı" an i. So a pattern that holds some
    word in each of its matches need not be tried where none of them is here; to look that up costs a tenth of trying.

    >>> sorted(words_ignoring_case("It's a Key2, ſo he")), "is" in words_ignoring_case("ıs")
    (['a', 'he', 'it', 'key', 's', 'so', 'ſo'], True)
    """
    if text.isascii():
        return frozenset(_ASCII_LETTERS.findall(text.lower()))
    words = frozenset(_LETTERS.findall(text.lower()))
    if _ANY_TAKEN.search(text):
        words |= frozenset(_LETTERS.findall(lower_ignoring_case(text)))
    return words


def strip_accents(word: str) -> str:
    """Take accents off Latin letters only: "josé" and "jose" are one name, "й" and "и" are two letters.

    >>> strip_accents("josé"), strip_accents("й")
    ('jose', 'й')
    """
    if word.isascii():
        return word
    return unicodedata.normalize("NFC", _ACCENTED_LATIN.sub(r"\1", unicodedata.normalize("NFD", word)))


@cache
def mark_class() -> str:
    r"""Build the inside of a regular expression class with every combining mark.

    Python's ``\w`` leaves vowel signs of Indic and South East Asian scripts out, which would cut words to pieces.
    Built once, on the first text that is not ASCII (about 20 ms).
    """
    ranges: list[tuple[int, int]] = []
    for point in range(0x300, min(0x1F000, sys.maxunicode)):
        if unicodedata.category(chr(point)) in {"Mn", "Mc"}:
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1] = (ranges[-1][0], point)
            else:
                ranges.append((point, point))
    return "".join(f"{chr(low)}-{chr(high)}" if high > low else chr(low) for low, high in ranges)
