"""Say which entities a text names, one by one: names by their spelling, people by short forms, the speaker by "I".

Three sources, each with its own evidence. `entities.mentions` finds names by how they are written. A name in the place of
an address ("Hey Mel!", "…, Mel.") is the person for whom it can be short, if there is just one. And whoever says "I" or
"my" speaks of himself: without it, half of what a person tells about his life would not hang together.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from memory_service.analysis import entities
from memory_service.analysis.entities import Spell, spelling
from memory_service.analysis.folding import words_ignoring_case
from memory_service.analysis.names import People, fold_name
from memory_service.analysis.tokens import ROLES
from memory_service.analysis.traits import speaks_of_himself

MOST_ENTITIES: Final = 64  # of one text; a list of hundreds of names says nothing of any of them
MOST_SPANS: Final = 16  # of one entity in one text


class EntityKind(StrEnum):
    """What we know an entity to be."""

    PERSON = "person"  # speaks in the namespace
    HANDLE = "handle"  # written with an @
    NAME = "name"  # written like a name


@dataclass(frozen=True, slots=True)
class Named:
    """One entity as one text names it.

    Attributes:
        folded: Its canonical name as a key, see `fold_name`.
        name: The canonical name as it is written.
        kind: What it is.
        forms: The names it has here, folded and as written; without the canonical one where only short forms stand.
        spans: Where it is named, in characters [from, to); empty where only "I" names it.
    """

    folded: str
    name: str
    kind: EntityKind
    forms: tuple[tuple[str, str], ...] = ()
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def aliases(self) -> tuple[tuple[str, str], ...]:
        """The names it has here beside the canonical one, folded and as written."""
        return tuple(form for form in self.forms if form[0] != self.folded)


_NAME: Final = r"[^\W\d_][^\W_]*(?:['’-][^\W\d_]+)*"
_GREETINGS: Final = (
    "hey|hi|hiya|hello|thanks|thank you|thx|bye|goodbye|dear|wow|yo|oh|congrats|congratulations|sorry|good morning|"
    "good night|morning|welcome|ok|okay|yes|yeah|yep|no|aw|aww|so much|cheers|hallo|danke|lieber|liebe|salut|merci|hola|"
    "gracias|ciao|grazie"
)
# One of these stands as a word in every text that greets somebody.
_GREETING_WORDS: Final = frozenset(greeting.split()[-1] for greeting in _GREETINGS.split("|"))
_GOES_ON: Final = re.compile(r"[^\s.!?…]\s*\Z")  # the end of what stands before a word within a sentence
_ADDRESSES: Final = (
    re.compile(
        rf"\b(?:{_GREETINGS})[,!.…]{{0,4}}[ \t]+({_NAME})(?=[ \t]*+(?:[,.!?;:…\n]|\Z|(?<=[ \t])[a-z]))", re.IGNORECASE
    ),
    re.compile(rf"(?:\A|[.!?…\n])[ \t]*+({_NAME})(?=[,!?])"),
    re.compile(rf"[^\W_][,!][ \t]+({_NAME})(?=[ \t]*+(?:[.!?…\n]|\Z))"),
)


def named_in(
    text: str,
    *,
    speaker: str | None,
    people: People,
    stated: Collection[str] = (),
    language: str = "en",
    spell: Spell = spelling,
) -> tuple[Named, ...]:
    """Return the entities that a text names, in the order of their first mention.

    Args:
        text: What was said.
        speaker: Who said it; a role such as "user" is nobody.
        people: Who speaks in the namespace; short forms are resolved against them.
        stated: Names that the caller says the text is about, whether they stand in it or not.
        language: BCP-47; decides how much a capital proves.
        spell: Reads how the text is written.

    >>> from memory_service.analysis.names import people_of
    >>> people = people_of(["Caroline", "Melanie"])
    >>> for one in named_in("Hey Mel! My trip to Lisbon with Tom's dog was fun.", speaker="Caroline", people=people):
    ...     print(one.folded, one.kind.value, one.aliases, one.spans)
    melanie person (('mel', 'Mel'),) ((4, 7),)
    lisbon name () ((20, 26),)
    tom name () ((32, 35),)
    caroline person () ()
    """
    own = fold_name(speaker) if speaker and speaker.casefold() not in ROLES else None
    found: dict[str, _Gathered] = {}
    addressed = dict(_addressed(text, people, own))
    for start, end in sorted({*addressed, *_spans(text, people, language, spell)}):
        written = text[start:end]
        folded = fold_name(written)
        person = addressed.get((start, end)) or people.named(folded)
        if not folded or folded in ROLES:
            continue
        if person is not None:
            entry = found.setdefault(person, _Gathered(people.names[person], EntityKind.PERSON))
        else:
            kind = EntityKind.HANDLE if text[max(0, start - 1) : start] == "@" else EntityKind.NAME
            entry = found.setdefault(folded, _Gathered(written, kind))
        entry.add(folded, written, (start, end))
    for name in stated:
        form = fold_name(name)
        folded = people.named(form) or form
        if folded and folded not in ROLES:
            kind = EntityKind.PERSON if folded in people.names else EntityKind.NAME
            found.setdefault(folded, _Gathered(people.names.get(folded, name.strip()), kind)).add(form, name.strip())
    if own in people.names and speaks_of_himself(text, language):
        written = people.names[own]
        found.setdefault(own, _Gathered(written, EntityKind.PERSON)).add(fold_name(written), written)
    return tuple(one.finished(folded) for folded, one in list(found.items())[:MOST_ENTITIES])


def _addressing(text: str) -> Iterator[re.Pattern[str]]:
    """Give those of the patterns of an address that may be found in a text: most of it says no greeting."""
    greeted, begun, ended = _ADDRESSES
    if not _GREETING_WORDS.isdisjoint(words_ignoring_case(text)):
        yield greeted
    if "," in text or "!" in text or "?" in text:
        yield begun
    if "," in text or "!" in text:
        yield ended


def addresses(text: str) -> frozenset[str]:
    """Return the names, folded, by which a text speaks to somebody, whoever that is.

    >>> sorted(addresses("Hey Kate! I saw Tom. How was Rome, Jo?"))
    ['jo', 'kate']
    """
    written = (found.group(1) for pattern in _addressing(text) for found in pattern.finditer(text))
    return frozenset(fold_name(one) for one in written if one[0].isupper())


class _Gathered:
    """An entity while its text is read."""

    __slots__ = ("_forms", "_kind", "_name", "_spans")

    def __init__(self, name: str, kind: EntityKind) -> None:
        self._name = name
        self._kind = kind
        self._forms: dict[str, str] = {}
        self._spans: list[tuple[int, int]] = []

    def add(self, folded: str, written: str, span: tuple[int, int] | None = None) -> None:
        self._forms.setdefault(folded, written)
        if span is not None:
            self._spans.append(span)

    def finished(self, folded: str) -> Named:
        return Named(folded, self._name, self._kind, tuple(self._forms.items()), tuple(self._spans[:MOST_SPANS]))


def _spans(text: str, people: People, language: str, spell: Spell) -> Iterator[tuple[int, int]]:
    for one in entities.mentions_in(spell(text), known=people.words, language=language):
        head, _, last = one.name.rpartition(" ")
        # "Go Jon": what opens a sentence has its capital from that, and a person does not.
        opens = head and " " not in head and not _GOES_ON.search(text, max(0, one.start - 4), one.start)
        yield (one.end - len(last) if opens and fold_name(last) in people.names else one.start), one.end


def _addressed(text: str, people: People, own: str | None) -> Iterator[tuple[tuple[int, int], str]]:
    """Find where somebody who speaks in the namespace is spoken to, and who it is; nobody greets himself."""
    if not people.names:
        return
    for pattern in _addressing(text):
        for found in pattern.finditer(text):
            written = found.group(1)
            person = people.addressed(fold_name(written)) if written[0].isupper() else None
            if person is not None and person != own:
                yield found.span(1), person
