"""Whether two texts say the same or the opposite, where rules can tell: for English, and from two different sources.

What one and the same source says again or takes back is a duplicate or a change, and the business of conflicts.
"""

import re
from enum import StrEnum
from typing import Final

from consolidation.records import Record
from memory_service.analysis.folding import fold
from memory_service.analysis.tokens import terms
from memory_service.analysis.traits import traits

NEAR: Final = 0.85  # cosine from which texts may say the same
SHARED: Final = 0.6  # of the stems of both, words that negate left out
FEWEST_STEMS: Final = 3  # "No way!" and "Way to go!" have too few words to agree or differ in

_ENGLISH: Final = frozenset({None, "en", "und"})
_NEGATION: Final = re.compile(r"\b(?:not|never|no|none|nobody|nothing|without|cannot|neither|nor)\b|n't\b")
_NUMBER: Final = re.compile(r"\d+(?:[.,:]\d+)*")


class Saying(StrEnum):
    """How two texts stand to one another."""

    SAME = "same"
    OPPOSITE = "opposite"


def agreement(a: Record, b: Record, *, cosine: float) -> Saying | None:
    """Say how what two sources say agrees; None where rules cannot tell, or one source says both.

    >>> from datetime import UTC, datetime
    >>> from uuid import UUID
    >>> noon = datetime(2024, 5, 8, 12, tzinfo=UTC)
    >>> def said(speaker, content):
    ...     return Record(UUID(int=1), 1, content, noon, noon, speaker=speaker)
    >>> one, other = said("Ana", "The new bakery opens on Sundays."), said("Ben", "The new bakery does not open on Sundays.")
    >>> agreement(one, other, cosine=0.93), agreement(one, said("Ben", "The new bakery opens Sundays!"), cosine=0.95)
    (<Saying.OPPOSITE: 'opposite'>, <Saying.SAME: 'same'>)
    >>> agreement(one, said("Ana", other.content), cosine=0.93) is None
    True
    """
    if cosine < NEAR or not _ENGLISH.issuperset({_primary(a.language), _primary(b.language)}):
        return None
    if not a.speaker or not b.speaker or fold(a.speaker) == fold(b.speaker):
        return None
    if traits(a.content, "en").asks or traits(b.content, "en").asks:
        return None
    left, right = _stems(a.content), _stems(b.content)
    if min(len(left), len(right)) < FEWEST_STEMS or len(left & right) < SHARED * len(left | right):
        return None
    if sorted(_NUMBER.findall(a.content)) != sorted(_NUMBER.findall(b.content)):
        return None
    first, second = (len(_NEGATION.findall(fold(one.content))) for one in (a, b))
    if first == second:
        return Saying.SAME
    # Two negations may take each other back: only one more is told.
    return Saying.OPPOSITE if {first, second} == {0, 1} else None


def _stems(content: str) -> frozenset[str]:
    return frozenset(terms(_NEGATION.sub(" ", fold(content)), "en"))


def _primary(language: str | None) -> str | None:
    return None if language is None else language.partition("-")[0].lower()
