"""What rules can say of one memory without its neighbours: language, keywords, entities. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from memory_service.analysis import entities, keywords, language

UNKNOWN = "und"


@dataclass(frozen=True, slots=True)
class Enrichment:
    """What was found in a text; a field is None where the caller had already said it."""

    language: str | None
    keywords: tuple[str, ...] | None
    entities: tuple[str, ...] | None


def enrich(
    content: str,
    *,
    stated_language: str | None,
    has_keywords: bool,
    has_entities: bool,
    speakers: Collection[str] = (),
) -> Enrichment:
    """Fill in what the caller left open; what the caller said stays.

    >>> found = enrich("I met Tomás in Lisbon and we visited the old lighthouse.", stated_language=None,
    ...                has_keywords=True, has_entities=False)
    >>> found.language, found.keywords, found.entities
    ('en', None, ('Tomás', 'Lisbon'))
    """
    guessed = language.guess(content) if stated_language is None else stated_language
    spoken = "en" if guessed == UNKNOWN else guessed
    return Enrichment(
        language=guessed if stated_language is None else None,
        keywords=None if has_keywords else tuple(keywords.keywords(content, language=spoken)),
        entities=None if has_entities else tuple(entities.names(content, known=speakers, language=spoken)),
    )
