"""Tell at little cost which two texts can neither repeat nor replace one another. Pure.

Reading a text for a comparison takes most of a millisecond, and of the twenty memories near a new one hardly any says the same.
What repeats another text, or takes its place, has nearly all of its words (`decisions`, `replacement`), and that much is told by
the words alone. Those are kept for many texts, so that a memory is read once, when it is new itself, and not with each that
comes near it later; as hashes, because they take little room and nobody reads a text from them. Words that share a hash only
have a text read that need not be.
"""

import re
from array import array
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from consolidation.conflicts.replacement import LIGHT
from consolidation.conflicts.statements import LONGEST, Statement, every_word, read_statements, read_words
from consolidation.records import Record
from memory_service.analysis.facts.mood import readable
from retrieval.recent import Recent

MOST_KEPT: Final = 131_072  # texts; some 60 MB when their words are about fifteen each
MISSING: Final = 2  # words of the old text: one of a stated change; two that the new one writes as one ("white board")

# Whatever `replaced` of a statement is read from stands in one of these.
_PERHAPS_REPLACED: Final = re.compile(r"\bfrom\s.*\sto\s|\binstead\s|\b(?:no\s+longer|not)\s.*\sbut\s", re.DOTALL)

_kept: "Recent[bytes, array[int]]" = Recent(most=MOST_KEPT)
_LIGHT: Final = frozenset(map(hash, LIGHT))


def worth_reading(new: Record, old: Record, *, cosine: float, near: float) -> bool:
    """Say whether two memories that share no attribute must be read to decide about them; False: both stand.

    Args:
        new: the later one.
        old: the earlier one.
        cosine: of their vectors.
        near: the cosine from which a person may be asked about texts that are all but the same.

    >>> from datetime import UTC, datetime
    >>> from uuid import UUID
    >>> at = datetime(2024, 1, 1, tzinfo=UTC)
    >>> def said(text):
    ...     return Record(UUID(int=len(text)), 1, text, at, at, language="en")
    >>> rent = said("My rent is 950 euros.")
    >>> [worth_reading(said(one), rent, cosine=0.7, near=0.95) for one in (
    ...     "My rent is now 1,020 euros.", "My sister's boat is for sale.")]
    [True, False]
    """
    if cosine >= near:
        return True
    if max(len(new.content), len(old.content)) > LONGEST and new.content.split() == old.content.split():
        return True
    said, before = _read(new.content, new.language), _words_of(old)
    missing = sum(word not in said.every for word in before)
    if not missing or said.whole.issubset(before):
        return True
    if missing <= MISSING and (said.tells or _run_together(said, old)):
        return True
    return said.replaces and all(word in said.every or word in _LIGHT for word in before)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the words of a new text allow: those of the whole, all that one of its parts may have, and what it may tell."""

    whole: frozenset[int]
    every: frozenset[int]
    letters: str  # of all words, run together
    tells: bool  # that something changed, ended or was wrong, in one of its parts at least
    replaces: bool


@lru_cache(maxsize=256)
def _read(content: str, language: str | None) -> _Said:
    whole = read_statements(content, language).whole
    hashes = _hashes(whole.words)
    _kept.keep(_key(content, language), hashes)
    # What is a value in the whole may be a word in a part that begins later, or ends before.
    words = every_word(content, language)
    every = {*hashes, *map(hash, words)}
    text = readable(content[:LONGEST])
    replaces = _PERHAPS_REPLACED.search(text) is not None
    return _Said(frozenset(hashes), frozenset(every), "".join(words), _tells(whole, text), replaces)


def _run_together(said: _Said, old: Record) -> bool:
    """Say whether a new text may write as two words what the old one writes as one, or the other way round."""
    missing = [word for word in read_words(old.content, old.language) if hash(word) not in said.every]
    return "".join(missing) in said.letters


def _tells(whole: Statement, text: str) -> bool:
    # "… mehr" counts at the end of a part, too.
    return whole.changed or whole.corrects or whole.ends or "mehr" in text.lower()


def _words_of(record: Record) -> "array[int]":
    key = _key(record.content, record.language)
    found = _kept.get(key)
    if found is None:
        found = _hashes(read_words(record.content, record.language))
        _kept.keep(key, found)
    return found


def _hashes(words: tuple[str, ...]) -> "array[int]":
    return array("q", map(hash, dict.fromkeys(words)))


def _key(content: str, language: str | None) -> bytes:
    return blake2b(f"{language}\0{content}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
