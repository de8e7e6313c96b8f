"""A fact while its clause is read, before times and numbers are resolved; what the patterns of all kinds share."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from memory_service.analysis.folding import words_ignoring_case
from memory_service.analysis.times.reading import words_in

CAPITAL: Final = r"[^\W\d_a-z][\w'’&-]*(?:\.(?=\w)[\w'’&-]+)*"
"""A word with a capital; not to be used where case is ignored."""

NOT_NAMES: Final = words_in(
    "i we you he she it they that this there who what but and so also then when if the a an yes no well oh hey my our your his her "
    "their please thanks just now people everyone someone anyone one some all many most"
)
_PAST_TIME: Final = re.compile(
    r"\b(?:used to|back (?:in|then|when)|years ago|months ago|as a (?:child|kid|teenager|teen|student)|when i was|"
    r"in my (?:youth|childhood|twenties)|before that|formerly|previously|in the past|"
    r"(?:from|between) \d{4} (?:to|until|and) \d{4})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Own:
    """Whom "I" and "we" mean in a text, folded."""

    one: str

    @property
    def many(self) -> str:
        """Whom "we" means: the speaker with others."""
        return f"{self.one} and others"


@dataclass(frozen=True, slots=True)
class Draft:
    """A fact as its clause says it; `start` and `end` are characters of the clause."""

    subject: str
    attribute: str
    value: str
    start: int
    end: int
    positive: bool = True
    functional: bool = False
    changed: bool = False
    ended: bool = False
    called: str | None = None


class Said:
    """A clause while its patterns are tried.

    Attributes:
        text: The clause, quotations blanked out.
        words: Its words, by which a pattern that needs one of some is not tried in vain.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = words_ignoring_case(text)

    @cached_property
    def past(self) -> bool:
        """Whether it speaks of what is over: looked up where something is stated, and once."""
        return _PAST_TIME.search(self.text) is not None
