"""Names as keys: one folded form per name, and which short form means whom.

A short form is believed only with evidence. A part of a speaker's full name ("Caroline" of "Caroline Smith") names that
speaker when no other speaker shares it. A beginning ("Mel" of "Melanie") or a customary short form ("Bill" of "William")
must besides have been used to address somebody: "Eva" in "I met Eva" need not be the Evan who speaks here.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from memory_service.analysis.entities import words_of_names
from memory_service.analysis.folding import fold, strip_accents
from memory_service.analysis.tokens import ROLES

LONGEST_NAME: Final = 200  # characters of a folded name; it is part of an index row
SHORTEST_PART: Final = 3  # letters of a part of a name: "Al" or "de" belong to too many
SHORTEST_BEGINNING: Final = 2  # letters: "Jo", said to somebody, is Joanna or Jolene
MOST_PEOPLE: Final = 500  # speakers; among more of them a short form names nobody

_WORD: Final = re.compile(r"[^\W_]+(?:['.-][^\W_]+)*")

# Customary short forms that are no beginnings of the full name.
_CUSTOMARY_PAIRS = """
abby abigail|alex alexandra|andy andrew|annie anna|becca rebecca|beth elizabeth|betsy elizabeth|betty elizabeth
bill william|billy william|bob robert|bobby robert|carrie caroline|cathy catherine|charlie charles|chuck charles
dick richard|drew andrew|ellie eleanor|hank henry|jack john|jake jacob|jamie james|jim james|jimmy james
johnny john|josie josephine|kate catherine|kate katherine|kathy katherine|katie katherine|kitty katherine|lexi alexandra
libby elizabeth|liz elizabeth|lizzy elizabeth|maggie margaret|meg margaret|mick michael|mike michael|molly mary
nell eleanor|peggy margaret|polly mary|rick richard|sandy alexandra|sasha alexander|sasha alexandra|steve stephen
ted edward|teddy edward|tina christina|tony anthony|trish patricia|will william|xander alexander
"""
_CUSTOMARY: Final = frozenset(
    (short, full) for pair in re.split(r"[|\n]", _CUSTOMARY_PAIRS.strip()) for short, full in [pair.split()]
)


def fold_name(name: str) -> str:
    """Return the form under which a name is one and the same: case, accents, possessive and spacing do not count.

    >>> fold_name("  José\u00a0García’s "), fold_name("O'Brien"), fold_name("JAMES'")
    ('jose garcia', "o'brien", 'james')
    """
    folded = " ".join(strip_accents(fold(name)).split())
    for ending in ("'s", "'"):
        if folded.endswith(ending) and len(folded) > len(ending):
            folded = folded[: -len(ending)].rstrip()
            break
    return folded[:LONGEST_NAME].rstrip()


@dataclass(frozen=True, slots=True)
class People:
    """Who speaks in a namespace, as short forms are resolved against them."""

    names: dict[str, str]  # folded name → the name as it is written
    owners: dict[str, tuple[str, ...]]  # part of a name → the folded names that have it
    apart: frozenset[str] = frozenset()  # folded names that are short for nobody: a person said so
    words: frozenset[str] = frozenset()  # of all these names, as capitals are looked up

    def named(self, folded: str) -> str | None:
        """Return the folded name of the one person whose whole name, or a part of it, this is.

        >>> people = people_of(["Caroline Smith", "Anna Smith", "user"])
        >>> people.named("caroline"), people.named("smith"), people.named("user")
        ('caroline smith', None, None)
        """
        if folded in self.names:
            return folded
        if folded in self.apart:
            return None
        owners = self.owners.get(folded, ())
        return owners[0] if len(owners) == 1 else None

    def addressed(self, folded: str) -> str | None:
        """Return the one person whom a name that was used to address somebody can be short for.

        >>> people = people_of(["Melanie", "Caroline", "William Stone"])
        >>> people.addressed("mel"), people.addressed("bill"), people.addressed("stone"), people.addressed("m")
        ('melanie', 'william stone', 'william stone', None)
        >>> people_of(["Joanna", "Jolene"]).addressed("jo") is None
        True
        >>> people_of(["Melanie"], apart=frozenset({"mel"})).addressed("mel") is None
        True
        """
        exact = self.named(folded)
        if exact is not None or len(folded) < SHORTEST_BEGINNING or " " in folded or folded in self.apart:
            return exact
        meant = {
            owner
            for part, owners in self.owners.items()
            if part.startswith(folded) or (folded, part) in _CUSTOMARY
            for owner in owners
        }
        return meant.pop() if len(meant) == 1 else None


def people_of(speakers: Collection[str], *, apart: frozenset[str] = frozenset()) -> People:
    """Gather speakers; roles such as "user" are no people, and too many people have no short forms.

    Args:
        speakers: who speaks.
        apart: folded names that a person told apart from theirs.
    """
    return _people(tuple(sorted(speakers)), apart)


@lru_cache(maxsize=64)
def _people(speakers: tuple[str, ...], apart: frozenset[str]) -> People:
    named = {fold_name(speaker): speaker.strip() for speaker in speakers if speaker.casefold() not in ROLES}
    named.pop("", None)
    owners: dict[str, list[str]] = {}
    if len(named) <= MOST_PEOPLE:
        for folded in sorted(named):
            for part in dict.fromkeys(_parts(folded)):
                owners.setdefault(part, []).append(folded)
    return People(
        named, {part: tuple(found) for part, found in owners.items()}, apart, words_of_names([*named, *owners])
    )


def _parts(folded: str) -> Iterator[str]:
    """Give the words of a folded name that may stand for it."""
    words = _WORD.findall(folded)
    return (word for word in words if len(word) >= SHORTEST_PART)
