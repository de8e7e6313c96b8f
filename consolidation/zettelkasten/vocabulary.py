"""The words and names of records as consolidation compares them: stems of keywords, folded names.

What evolution adds to keywords must not make memories look more alike than their texts are, or one run would give reason
to the next. It adds at the end; the first few are those that were chosen from the text alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from consolidation.records import Record
from memory_service.analysis.names import fold_name
from memory_service.analysis.tokens import ROLES, cut_language, terms

CHOSEN: Final = 5  # keywords that enrichment chooses at most, see `analysis.keywords.keywords`


@dataclass(frozen=True, slots=True)
class Words:
    """What one record is about, as far as comparing goes."""

    keywords: tuple[str, ...]  # as stated, or as chosen from the text alone
    phrases: tuple[frozenset[str], ...]  # the stems of each keyword
    stems: frozenset[str]  # of all keywords that are no names
    names: frozenset[str]  # of entities, folded
    speaker: str | None  # folded; a role is nobody


class Vocabulary:
    """Words of records, worked out once for each."""

    def __init__(self) -> None:
        self._words: dict[tuple[object, int], Words] = {}
        self._text: dict[tuple[object, int], frozenset[str]] = {}

    def words(self, record: Record) -> Words:
        """Return what a record is about."""
        key = (record.id, record.version)
        found = self._words.get(key)
        if found is None:
            found = self._words[key] = words_of(record)
        return found

    def stems(self, phrase: str, language: str | None) -> frozenset[str]:
        """Return the stems of a phrase."""
        return _stems_of_phrase(phrase, language)

    def text(self, record: Record) -> frozenset[str]:
        """Return the stems of all words of a record's content."""
        key = (record.id, record.version)
        found = self._text.get(key)
        if found is None:
            found = self._text[key] = stems_of([record.content], record.language)
        return found


def words_of(record: Record) -> Words:
    """Return what a record is about.

    >>> from datetime import UTC, datetime
    >>> from uuid import UUID
    >>> noon = datetime(2024, 5, 8, 12, tzinfo=UTC)
    >>> found = words_of(Record(UUID(int=1), 1, "We painted.", noon, noon, speaker="Ana", keywords=("oil paintings", "josé"),
    ...                         entities=("José",)))
    >>> sorted(found.stems), sorted(found.names), found.speaker
    (['oil', 'paint'], ['jose'], 'ana')
    """
    base = base_keywords(record)
    phrases = tuple(_stems_of_phrase(phrase, record.language) for phrase in base)
    speaker = record.speaker if record.speaker and record.speaker.casefold() not in ROLES else None
    names = frozenset(map(_folded, record.entities)) - {""}
    return Words(
        keywords=base,
        phrases=phrases,
        stems=frozenset[str]().union(
            *(stems for phrase, stems in zip(base, phrases, strict=True) if _folded(phrase) not in names)
        ),
        names=names,
        speaker=_folded(speaker) if speaker else None,
    )


def base_keywords(record: Record) -> tuple[str, ...]:
    """Return the keywords that the caller stated, or those that were chosen from the text alone."""
    return record.keywords[:CHOSEN] if "keywords" in record.computed else record.keywords


def stems_of(texts: Iterable[str], language: str | None) -> frozenset[str]:
    """Return the stems of some texts.

    >>> sorted(stems_of(["Painting lakes", "a lake"], "en"))
    ['lake', 'paint']
    """
    cut = cut_language(language)
    return frozenset(term for one in texts for term in terms(one, cut))


# Keywords and names come again and again in a namespace, and each record is looked at with all that it is near. They are those
# of any tenant whose runs this process has done, until `forget_phrases`.
_folded: Final = lru_cache(maxsize=16_384)(fold_name)


@lru_cache(maxsize=16_384)
def _stems_of_phrase(phrase: str, language: str | None) -> frozenset[str]:
    return stems_of([phrase], language)


def forget_phrases() -> None:
    """Let go of every name and keyword that was looked at."""
    _folded.cache_clear()
    _stems_of_phrase.cache_clear()
