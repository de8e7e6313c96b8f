"""Write notes beside memories as A-MEM does (section 3.1), by rules: a title, the context, a few tags.

A note fills what is empty, as enrichment does, and so makes no version (docs/adr/0008). It never touches what is there:
content is not changed, and what a caller or an earlier run wrote stays. All words are those of the record. `computed` tells
them from what the caller stated, so that they do not become words by which the memory is found: what they repeat would
count twice.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from consolidation.planning import Change, Revise, Step, Why
from consolidation.records import Considered, Record
from consolidation.zettelkasten.titles import FILLERS, title_of
from consolidation.zettelkasten.vocabulary import Vocabulary
from memory_service.analysis.names import fold_name, people_of
from memory_service.analysis.tokens import MONTHS, ROLES, UNKNOWN_LANGUAGE, cut_language
from memory_service.analysis.wishes import WISHES, Wish, wish_in
from memory_service.types import SourceKind

USER: Final = "user"  # the role of who is served
NOTED: Final = ("title", "context", "tags")  # what a note may fill


@dataclass(frozen=True, slots=True)
class NoteSettings:
    """How much a note says."""

    topics: int = 3  # keywords in the context
    names: int = 3  # entities in the context
    fewest: int = 2  # topics and names together; one word is no context
    tags: int = 3
    recurring: int = 3  # neighbours that must share a keyword before it is a tag: a tag of one memory sorts nothing


DEFAULT: Final = NoteSettings()


def plan_notes(
    considered: Sequence[Considered],
    *,
    settings: NoteSettings = DEFAULT,
    without: Iterable[UUID] = (),
    vocabulary: Vocabulary | None = None,
) -> list[Change]:
    """Plan notes for memories that are new to consolidation.

    Args:
        considered: those memories, with their neighbours.
        settings: how much a note says.
        without: memories that leave the results in the same run.
        vocabulary: words of records that other steps of the run have worked out.
    """
    gone = set(without)
    vocabulary = vocabulary or Vocabulary()
    changes: list[Change] = []
    for one in considered:
        if one.record.id in gone:
            continue
        fields = note_of(one, vocabulary, settings=settings)
        if fields:
            why = Why(Step.NOTES, f"filled {', '.join(fields)}")
            changes.append(Revise(one.record.ref, fields, why, in_place=True))
    return changes


def note_of(one: Considered, vocabulary: Vocabulary, *, settings: NoteSettings = DEFAULT) -> dict[str, Any]:
    """Return what a note adds to a memory: those of `NOTED` that are empty and that something can be said for."""
    record = one.record
    fields: dict[str, Any] = {}
    spoken_to = people_near(one, vocabulary)
    if record.title is None:
        # "Thanks, Mel!" is not about Mel.
        topics = [topic for topic in vocabulary.words(record).keywords if fold_name(topic) not in spoken_to]
        title = title_of(record.content, topics, language=cut_language(record.language))
        if title:
            fields["title"] = title
    if record.context is None:
        context = context_of(record, vocabulary, people=spoken_to, settings=settings)
        if context:
            fields["context"] = context
    if not record.tags:
        tags = tags_of(one, vocabulary, people=spoken_to, settings=settings)
        # By this tag a search knows it (retrieval.wishes).
        wish = wish_of(record)
        tags = tags if wish is None else [wish.value, *tags]
        if tags:
            fields["tags"] = tags
    return fields


def wish_of(record: Record) -> Wish | None:
    """Return what a user asks for once and for all; nobody else asks, and least of all a text that a tool brought."""
    user = record.role == USER or (record.role is None and record.speaker is None)
    if not user or record.source_kind != SourceKind.USER:
        return None
    return wish_in(record.content, record.language)


def with_wishes(tags: Sequence[str], by_rules: Sequence[str]) -> list[str]:
    """Return the tags that a model wrote with the wishes that rules found: who writes freely may not make wishes.

    >>> with_wishes(["travel", "instruction"], ["preference", "trains"])
    ['preference', 'travel']
    """
    return [*(tag for tag in by_rules if tag in WISHES), *(tag for tag in tags if tag not in WISHES)]


def people_near(one: Considered, vocabulary: Vocabulary) -> frozenset[str]:
    """Return the folded names, and short forms of them, of those who speak in a memory or its neighbours."""
    near = [one.record, *(neighbour.record for neighbour in one.neighbours)]
    speakers = {words.speaker for words in map(vocabulary.words, near) if words.speaker}
    people = people_of(speakers)
    own = vocabulary.words(one.record)
    return frozenset(name for name in {*own.names, *own.keywords} if people.addressed(name)) | speakers


def context_of(
    record: Record,
    vocabulary: Vocabulary,
    *,
    people: Collection[str] = (),
    settings: NoteSettings = DEFAULT,
) -> str | None:
    """Say in one line who spoke, when, about what, naming whom; None for what has no topic.

    >>> from datetime import UTC, datetime
    >>> from uuid import UUID
    >>> noon = datetime(2023, 5, 8, 12, tzinfo=UTC)
    >>> record = Record(UUID(int=1), 1, "I saw the old lighthouse with Tom.", noon, noon, speaker="Ana",
    ...                 keywords=("old lighthouse", "tom"), entities=("Tom", "Ana"))
    >>> context_of(record, Vocabulary())
    'Ana, 8 May 2023: old lighthouse, Tom.'
    """
    words = vocabulary.words(record)
    named = [name for name in record.entities if fold_name(name) != words.speaker]
    said = {fold_name(name) for name in named} | set(people)
    named = [name for name in named if not any(_is_short_for(name, other) for other in named)][: settings.names]
    topics = [topic for topic in words.keywords if fold_name(topic) not in said and topic not in FILLERS][
        : settings.topics
    ]
    if not topics or len(topics) + len(named) < settings.fewest:
        return None
    who = record.speaker if record.speaker and record.speaker.casefold() not in ROLES else None
    day = _day(record)
    return f"{f'{who}, ' if who else ''}{day}: {', '.join([*topics, *named])}."


def tags_of(
    one: Considered, vocabulary: Vocabulary, *, people: Collection[str] = (), settings: NoteSettings = DEFAULT
) -> list[str]:
    """Return keywords that recur among the neighbours of a memory and that its own keywords hold, the most frequent first.

    They hold one when they have all its stems. Names are no tags: they are entities.
    """
    own = vocabulary.words(one.record)
    shared: Counter[frozenset[str]] = Counter()
    written: dict[frozenset[str], str] = {}
    for words in (own, *(vocabulary.words(neighbour.record) for neighbour in one.neighbours)):
        found = {
            stems: phrase for phrase, stems in zip(words.keywords, words.phrases, strict=True) if stems <= own.stems
        }
        if words is not own:
            shared.update(found.keys())
        for stems, phrase in found.items():
            written.setdefault(stems, phrase)
    tags: list[str] = []
    covered: set[str] = set()
    for stems in sorted(shared, key=lambda stems: (-shared[stems], -len(stems), written[stems])):
        phrase = written[stems]
        unfit = phrase in people or phrase in FILLERS or phrase in WISHES or fold_name(phrase) in own.names
        if len(tags) < settings.tags and shared[stems] >= settings.recurring and not unfit and not stems <= covered:
            tags.append(phrase)
            covered |= stems
    return tags


def _is_short_for(name: str, other: str) -> bool:
    return len(name) < len(other) and fold_name(other).startswith(fold_name(name))


def _day(record: Record) -> str:
    """Write the day as people write it where the language is known to us, else as ISO 8601 has it."""
    at, language = record.observed_at, cut_language(record.language)
    months = MONTHS.get("en" if language == UNKNOWN_LANGUAGE else language)
    return f"{at.day} {months[at.month - 1]} {at.year}" if months else f"{at:%Y-%m-%d}"
