"""Tell at little cost which two texts can neither repeat nor replace one another. Pure.

Reading a text for a comparison takes most of a millisecond, and of the twenty memories near a new one hardly any says the same.
What repeats another text, or takes its place, has nearly all of its words (`decisions`, `replacement`), and that much is told by
the words alone. Those are kept for many texts, so that a memory is read once, when it is new itself, and not with each that
comes near it later; as hashes under a key that is drawn anew for each process, because they take little room and nobody reads a
text from them. Words that share a hash only have a text read that need not be. New texts themselves are kept until
`forget_texts`: while a run is at it, each is compared with all that is near it.
"""

import re
import secrets
from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from consolidation.conflicts import statements
from consolidation.conflicts.replacement import LIGHT
from consolidation.conflicts.statements import LONGEST, Statement, every_word, read_statements, read_words
from consolidation.records import Record
from memory_service.analysis.facts.mood import readable
from retrieval.recent import Recent

MOST_KEPT: Final = 64 << 20  # bytes; the words of some 160,000 texts of about fifteen each
MISSING: Final = 1  # word of the old text that a stated change may do without
_BYTES_PER_TEXT: Final = 280  # of a key, an array and their places, beside the words
_START: Final = 1_023  # of a hash: the part that comes from the first two letters of a word

# Whatever `replaced` of a statement is read from stands in one of these.
_PERHAPS_REPLACED: Final = re.compile(r"\bfrom\s.*\sto\s|\binstead\s|\b(?:no\s+longer|not)\s.*\sbut\s", re.DOTALL)

_secret: Final = secrets.token_bytes(16)


def _hash(word: str) -> int:
    """Return a number that stands for a word, of which the lowest ten bits stand for how it begins."""
    return hash(word) & ~_START | hash(word[:2]) & _START


def _bytes(words: "array[int]") -> int:
    return _BYTES_PER_TEXT + words.itemsize * len(words)


_kept: "Recent[bytes, array[int]]" = Recent(most=MOST_KEPT, size=_bytes)
_LIGHT: Final = frozenset(map(_hash, LIGHT))


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
    missing = [word for word in before if word not in said.every]
    if not missing or said.whole.issubset(before):
        return True
    if len(missing) <= MISSING and said.tells:
        return True
    if all(word & _START in said.starts for word in missing) and _run_together(said, old):
        return True
    return said.replaces and all(word in said.every or word in _LIGHT for word in before)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the words of a new text allow: those of the whole, all that one of its parts may have, and what it may tell."""

    whole: frozenset[int]
    every: frozenset[int]
    words: tuple[str, ...]  # the same, as words
    starts: frozenset[int]  # how a word may begin that is a stretch of these run together
    tells: bool  # that something changed, ended or was wrong, in one of its parts at least
    replaces: bool


@lru_cache(maxsize=256)
def _read(content: str, language: str | None) -> _Said:
    whole = read_statements(content, language).whole
    hashes = _hashes(whole.words)
    _kept.keep(_key(content, language), hashes)
    # What is a value in the whole may be a word in a part that begins later, or ends before.
    words = tuple(dict.fromkeys((*whole.words, *every_word(content, language))))
    text = readable(content[:LONGEST])
    replaces = _PERHAPS_REPLACED.search(text) is not None
    every = frozenset(map(_hash, words))
    return _Said(frozenset(hashes), every, words, _starts(words), _tells(whole, text), replaces)


def forget_texts() -> None:
    """Let go of every text that was read; of the words nothing but hashes stays."""
    _read.cache_clear()
    statements.forget_texts()


def _starts(words: Iterable[str]) -> frozenset[int]:
    """Return how words may begin that are stretches of some words run together."""
    firsts, lasts = ({word[at] for word in words if word} for at in (0, -1))
    pairs = {word[at : at + length] for word in words for at in range(len(word)) for length in (1, 2)}
    return frozenset(hash(pair) & _START for pair in pairs | {last + first for last in lasts for first in firsts})


def _run_together(said: _Said, old: Record) -> bool:
    """Say whether `statements.compare` may find that two texts write the same words, one of them as more words than the other.

    For that all words that only one of them has must make the same letters in a row. Which of the new ones do in one of its
    parts, with which of the old ones, is not looked for: each word that the whole new text lacks must be a stretch of some that
    the old one lacks.
    """
    before = read_words(old.content, old.language)
    here = set(before)
    extra = [word for word in said.words if word not in here]
    own = set(said.words)
    return all(_is_stretch(word, extra) for word in here if word not in own)


def _is_stretch(word: str, others: Collection[str]) -> bool:
    """Say whether a word can be had from some others run together, in whatever order.

    >>> [_is_stretch(word, others) for word, others in (
    ...     ("check", ["checklist"]), ("whiteboard", ["big", "board", "white"]), ("list", ["check", "board"]))]
    [True, True, False]
    """
    if any(word in other for other in others):
        return True
    # Places up to which it is the end of one of them, or that and whole ones.
    reached = [at == 0 or any(other.endswith(word[:at]) for other in others) for at in range(len(word))]
    for at, there in enumerate(reached):
        for other in others if there else ():
            if other.startswith(word[at:]):
                return True
            if other and word.startswith(other, at):
                reached[at + len(other)] = True
    return False


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
    return array("q", map(_hash, dict.fromkeys(words)))


def _key(content: str, language: str | None) -> bytes:
    text = f"{language}\0{content}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16, key=_secret).digest()
