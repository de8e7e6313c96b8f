"""Tell numbers that say which thing is meant from numbers that say how much: "order 1001", "12 chairs". Pure.

A number of the first sort is a name. Who stores "Order 1001 has shipped" and "Order 1002 has shipped" speaks of two orders, and
neither of the two takes the place of the other, whereas "My budget is 500" and "My budget is 650" are one budget.
"""

import re
from enum import Enum
from typing import Final

from memory_service.analysis.stopwords import stop_words
from memory_service.analysis.times.reading import words_in


class Naming(Enum):
    """Whether a number names a thing."""

    YES = "yes"
    PERHAPS = "perhaps"
    NO = "no"


# After one of these a number names a thing wherever it stands.
_NUMBERED: Final = re.compile(
    r"\b(?:version|chapter|level|season|episode|part|step|phase|unit|module|sprint|week|day|year|grade|class|round|stage|problem|"
    r"question|exercise|section|page|line|issue|ticket|task|room|gate|platform|flight|bus|route|exit|option|example|case|group|team|"
    r"quarter|milestone|lesson|floor|track|lane|aisle|row|shelf|terminal|zone|number|no|nr|v|python|ubuntu|windows|ios|android)\.?\s?#?\Z",
    re.IGNORECASE,
)
_WRITTEN: Final = re.compile(r"\d+")  # names are whole numbers in digits; "1,000" and "2.5" are amounts
_LOOK_BACK: Final = 80  # characters before the number
_BREAK: Final = re.compile(r"[.,;:!?()\[\]\n–—\"“”]\s*|\s-\s")
_TOKEN: Final = re.compile(r"[^\W_]+(?:['’_-][^\W_]+)*")
_LONGEST_PHRASE: Final = 6  # words of "the second floor meeting room 4"
_DETERMINERS: Final = words_in(
    "the a an my our your his her its their this that der die das den dem ein eine mein meine unser unsere le la les l un une mon "
    "ma mes notre nos el los las una mi mis nuestro nuestra il lo gli i mio mia nostro nostra"
)
# What counts or measures; and what a note in a few words sets before a value.
_MEASURES: Final = words_in(
    "weigh weighs earn earns cost costs pay pays total totals seat seats hold holds fit fits turn turned turning reach reached hit "
    "score scored raise raised increase increased reduce reduced need needs want wants buy sell sold own owns have has had get got "
    "take takes make makes use uses serve serves eat drink sleep run swim walk drive read write see know meet met speak "
    "first last next past top other remaining following every each all both another more less exactly nearly almost around roughly "
    "approximately over under plus minus times per these those least most max min maximum minimum maybe now currently still"
)
_RATES: Final = words_in("per a an each every or pro par por al")
_FUNCTION_WORDS: Final = frozenset().union(*(stop_words(language) for language in ("en", "de", "fr", "es", "it")))


def naming_of(text: str, start: int, end: int) -> Naming:
    r"""Say whether the number at `text[start:end]` names a thing.

    It does behind "#", behind a word that is known to be numbered, and where it ends the noun phrase with which a clause begins
    and the clause goes on. Behind a noun or what may be one elsewhere it perhaps does.

    >>> def of(text):
    ...     found = re.search(r"\d+", text)
    ...     return naming_of(text, found.start(), found.end()).value
    >>> [of(one) for one in ("Order 1001 has shipped", "My note 3: water the fern", "see #12", "the gate 4")]
    ['yes', 'yes', 'yes', 'yes']
    >>> [of(one) for one in ("My budget is 500", "We need 12 chairs", "All 12 came", "Rent 950 per month", "3 kids")]
    ['no', 'no', 'no', 'no', 'no']
    >>> of("I like item 2"), of("This is message 7.")
    ('perhaps', 'perhaps')
    """
    before = text[max(0, start - _LOOK_BACK) : start]
    if before.endswith("#") or _NUMBERED.search(before, max(0, len(before) - 14)):
        return Naming.YES
    if not _WRITTEN.fullmatch(text, start, end) or not before.endswith(" "):
        return Naming.NO
    breaks = list(_BREAK.finditer(before.rstrip()))
    clause = before[breaks[-1].end() if breaks else 0 :]
    phrase = [one.lower() for one in _TOKEN.findall(clause)]
    if not phrase or not _is_noun(phrase[-1]):
        return Naming.NO
    follows = re.match(r"\s+([^\W\d_]+)|\s?[:–—]|\s-\s", text[end:])
    if follows is not None and follows[1] is not None and follows[1].lower() in _RATES:
        return Naming.NO
    begins = start - len(clause) == 0 or bool(breaks)
    while phrase and phrase[0] in _DETERMINERS:
        del phrase[0]
    if begins and follows is not None and len(phrase) <= _LONGEST_PHRASE and all(map(_is_noun, phrase)):
        return Naming.YES
    counts = follows is not None and follows[1] is not None and follows[1].lower() not in _FUNCTION_WORDS
    return Naming.NO if counts else Naming.PERHAPS


def _is_noun(word: str) -> bool:
    """Say whether a word may be a noun, as far as lists tell."""
    return word not in _FUNCTION_WORDS and word not in _MEASURES and not word.endswith(("ly", "'s", "’s"))
