"""What rules can say of one memory without its neighbours: language, keywords, entities, times, who is named. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from typing import Any

from memory_service.analysis import entities, keywords, language
from memory_service.analysis.entities import Spell, spelling
from memory_service.analysis.language import Guess
from memory_service.analysis.names import People
from memory_service.analysis.naming import Named, named_in
from memory_service.analysis.sentences import Cut, sentences
from memory_service.analysis.times import find_times

UNKNOWN = "und"


@dataclass(frozen=True, slots=True)
class Enrichment:
    """What was found in a text; a field is None where the caller had already said it."""

    language: str | None
    keywords: tuple[str, ...] | None
    entities: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Once:
    """What several rules ask of the same texts, worked out once for each. Made for one batch: it keeps texts."""

    guess: Guess = field(default_factory=lambda: cache(language.guess))
    cut: Cut = field(default_factory=lambda: cache(lambda text: tuple(sentences(text))))
    spell: Spell = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "spell", cache(partial(spelling, cut=self.cut)))


def enrich(
    content: str,
    *,
    stated_language: str | None,
    has_keywords: bool,
    has_entities: bool,
    speakers: Collection[str] = (),
    once: Once | None = None,
) -> Enrichment:
    """Fill in what the caller left open; what the caller said stays.

    >>> found = enrich("I met Tomás in Lisbon and we visited the old lighthouse.", stated_language=None,
    ...                has_keywords=True, has_entities=False)
    >>> found.language, found.keywords, found.entities
    ('en', None, ('Tomás', 'Lisbon'))
    """
    once = once or Once()
    guessed = once.guess(content) if stated_language is None else stated_language
    spoken = "en" if guessed == UNKNOWN else guessed
    return Enrichment(
        language=guessed if stated_language is None else None,
        keywords=None if has_keywords else tuple(keywords.keywords(content, language=spoken, cut=once.cut)),
        entities=None
        if has_entities
        else tuple(entities.names(content, known=speakers, language=spoken, spell=once.spell)),
    )


def time_mentions(content: str, *, observed_at: datetime, stated_language: str | None) -> list[dict[str, Any]]:
    """Return the moments a text speaks of, as the columns of their table; "yesterday" is the day before it was observed.

    >>> from datetime import UTC
    >>> (found,) = time_mentions("We met last week.", observed_at=datetime(2023, 5, 8, 9, tzinfo=UTC), stated_language=None)
    >>> found["phrase"], found["starts"].day, found["ends"].day, found["granularity"], found["span_from"], found["span_to"]
    ('last week', 1, 8, 'week', 7, 16)
    """
    return [
        {
            "starts": found.starts,
            "ends": found.ends,
            "phrase": found.phrase,
            "span_from": found.span[0],
            "span_to": found.span[1],
            "granularity": found.granularity.value,
        }
        for found in find_times(content, observed_at, language=stated_language)
    ]


def name_entities(
    content: str,
    *,
    speaker: str | None,
    stated: Collection[str],
    stated_language: str | None,
    people: People,
    once: Once | None = None,
) -> tuple[Named, ...]:
    """Return the entities that a memory names: those that stand in its text, those the caller stated, and who speaks of himself.

    >>> from memory_service.analysis.names import people_of
    >>> found = name_entities("I saw Lisbon.", speaker="Ana", stated=["Portugal"], stated_language="en", people=people_of(["Ana"]))
    >>> [one.folded for one in found]
    ['lisbon', 'portugal', 'ana']
    """
    once = once or Once()
    guessed = once.guess(content) if stated_language is None else stated_language
    spoken = "en" if guessed == UNKNOWN else guessed
    return named_in(content, speaker=speaker, people=people, stated=stated, language=spoken, spell=once.spell)
