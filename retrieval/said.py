"""A short statement, read as far as somebody asks: what it states, what it says is over, of whom. Pure. English."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from memory_service.analysis.facts import Fact, facts
from memory_service.analysis.facts.mood import clauses, readable
from memory_service.analysis.facts.values import Value, read_values
from memory_service.analysis.facts.wording import content_words
from memory_service.analysis.sentences import sentences
from memory_service.analysis.tokens import ROLES, UNKNOWN_LANGUAGE, cut_language
from retrieval.change_words import (
    ANY_MORE,
    BEFORE,
    BEGINNING,
    BEING,
    BESIDE,
    CALENDAR,
    CAPITAL,
    CHANGES,
    DENIES,
    ENDS,
    HOLDER,
    LEAVING,
    MAY_HOLD_VALUES,
    NAME,
    NO_NOUN,
    NOT_QUITE,
    OPENERS,
    PASSIVE,
    REST,
    SINCE_WHEN,
    TRANSITIVE,
    USER,
    VERBS,
    WHERE,
)


class Sort(StrEnum):
    """What a sentence says of the thing it is about."""

    WHERE = "where"  # "is in the workshop"
    STATE = "state"  # "is broken"
    HAVING = "having"  # "has a logo"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class End:
    """One thing that is over: its last word, all of them, and who ends it, as the clause says before."""

    head: str
    words: frozenset[str]
    who: str


def _end_of(what: str, who: str) -> End:
    words = [one for one in content_words(what) if one not in USER]
    # Of "the tyres of my bike" the tyres are over.
    heads = [one for one in content_words(what.partition(" of ")[0]) if one not in USER] or words
    return End(heads[-1] if heads else "", frozenset(words), who)


@dataclass(frozen=True)
class Said:
    """A short text, read as far as somebody asks."""

    text: str
    speaker: str | None  # a name or a role
    language: str | None

    @cached_property
    def stated(self) -> str:
        """What it states: no quotation, no code, no question, nothing that is wished or supposed."""
        return ". ".join(one.text for one in clauses(readable(self.text)) if not (one.asks or one.supposes))

    @cached_property
    def plain(self) -> str:
        """What it states, where it may tell an end or a change."""
        tells = CHANGES.search(self.text) or ENDS.search(self.text) or PASSIVE.search(self.text)
        return self.stated if tells and NOT_QUITE.search(self.text) is None else ""

    @cached_property
    def changes(self) -> bool:
        """Whether it says that something changed."""
        return CHANGES.search(self.plain) is not None

    @cached_property
    def beside(self) -> bool:
        """Whether it says that what it tells comes beside something else, or is so for once."""
        return BESIDE.search(self.text) is not None

    @cached_property
    def words(self) -> frozenset[str]:
        """Its content words, stemmed."""
        return frozenset(content_words(readable(self.text), self.language or "en")) - USER

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """Its numbers, dates, amounts."""
        return read_values(self.stated) if MAY_HOLD_VALUES.search(self.text) else ()

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """What it states as subject, attribute and value."""
        role = self.speaker if self.speaker is not None and self.speaker.casefold() in ROLES else None
        return facts(self.text, speaker=None if role else self.speaker, role=role, language=self.language)

    @property
    def spoken(self) -> str:
        """The language whose rules read it."""
        return cut_language(self.language) if self.language else UNKNOWN_LANGUAGE

    @cached_property
    def names(self) -> frozenset[str]:
        """Words with a capital within its sentences that are no dates, in small letters."""
        found = {one.lower() for one in NAME.findall(self.stated)}
        return frozenset(found - OPENERS - every_word(" ".join(one.text for one in self.values)) - CALENDAR)

    @cached_property
    def about(self) -> frozenset[str]:
        """Whom else the sentence of its change begins with: relations and names, in small letters."""
        parts = [one.text.strip() for one in sentences(self.plain or self.text)]
        change = next((one for one in parts if CHANGES.search(one)), parts[0] if parts else "")
        begins = BEGINNING.match(change)
        return people_in(begins.group()) if begins else frozenset()

    @cached_property
    def _of_change(self) -> str:
        """The sentence that tells a change, else the first."""
        parts = [one.text.strip() for one in sentences(self.plain or self.stated)]
        return next((one for one in parts if CHANGES.search(one)), parts[0] if parts else "")

    @cached_property
    def only_since_when(self) -> bool:
        """Whether it says no more of a change than that something is so now, or is new."""
        return CHANGES.search(SINCE_WHEN.sub(" ", self.plain)) is None

    @cached_property
    def changed_thing(self) -> frozenset[str] | None:
        """What its only change was made to, where it says so: of "My landlord raised the rent" the rent."""
        found = TRANSITIVE.search(self.plain)
        if found is None or CHANGES.search(self.plain[: found.start()] + self.plain[found.end("verb") :]):
            return None
        return frozenset(content_words(found["what"]))

    @cached_property
    def sort(self) -> tuple[Sort, frozenset[str]]:
        """What its sentence says of what it is about; of what it has, the last words of what that is."""
        found = BEING.search(self._of_change)
        if found is None:
            return Sort.OTHER, frozenset()
        if found["having"]:
            having = found["having"]
            heads = frozenset(content_words(having)) - modifiers(having)
            return Sort.HAVING, heads
        being = found["being"]
        if _NEW.search(self._of_change, 0, found.start()):
            return Sort.OTHER, frozenset()  # "my new car is in the garage": there is a new one, wherever it is
        if WHERE.match(being):
            return Sort.WHERE, frozenset()
        return (Sort.OTHER if _NAMES_SOMETHING.search(being) else Sort.STATE), frozenset()

    @cached_property
    def ended(self) -> tuple[End, ...]:
        """What it says is over."""
        found = []
        for one in ENDS.finditer(self.plain):
            before = self.plain[: one.start("what")].rstrip()
            if DENIES.search(before) and not ANY_MORE.search(one["what"]):
                continue
            if before.lower().endswith("left") and not LEAVING.match(one["what"]):
                continue  # "left early", "left my keys"
            found.append(
                _end_of(REST.split(one["what"], maxsplit=1)[0], re.split(r"[,;.]\s", self.plain[: one.start()])[-1])
            )
        for one in PASSIVE.finditer(self.plain):
            what = re.split(r"[.;!?,\n]", self.plain[max(0, one.start() - BEFORE) : one.start()])[-1]
            found.append(_end_of(REST.split(what, maxsplit=1)[0], ""))
        return tuple(one for one in found if one.head)


_NEW: Final = re.compile(r"\bnew(?:ly)?\b", re.IGNORECASE)
_NAMES_SOMETHING: Final = re.compile(
    r"\A(?:an?|the|my|our|his|her|their|called|named)\s|[^\W\d_a-z]|\d|\b(?!being\b)\w+ing\b|\bby\b"
)
_PLAIN_WORD: Final = re.compile(r"([^\W\d_][\w'’]*)(?=(?:\s+|-)([^\W\d_][\w'’]*))")


def modifiers(text: str, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the content words that stand before another noun wherever they stand: of a laptop bag, "laptop".

    Args:
        text: what is read.
        known: words behind which a word is what it is said of all the same.

    >>> sorted(modifiers("a new laptop bag")), sorted(modifiers("my laptop runs Linux"))
    (['laptop', 'new'], [])
    """
    before: dict[str, bool] = {}
    following = {found.start(1): found[2] for found in _PLAIN_WORD.finditer(text)}
    for found in re.finditer(r"[^\W\d_][\w'’]*", text):
        for term in content_words(found.group()):
            after = following.get(found.start(), "")
            terms = frozenset(content_words(after))
            noun = bool(terms) and after.islower() and NO_NOUN.match(after) is None and terms.isdisjoint(known | VERBS)
            before[term] = before.get(term, True) and noun
    return frozenset(term for term, always in before.items() if always)


def people_in(text: str) -> frozenset[str]:
    """Return names, owners and relations of people in the beginning of a clause, in small letters."""
    names = {one.lower() for one in CAPITAL.findall(text)}
    return frozenset({one["relation"].lower() for one in HOLDER.finditer(text)} | names) - frozenset(OPENERS)


def every_word(text: str) -> frozenset[str]:
    """Return all words of a text in small letters.

    >>> sorted(every_word("I'm in Porto."))
    ['i', 'in', 'm', 'porto']
    """
    return frozenset(word.lower() for word in re.findall(r"[\w-]+", text))
