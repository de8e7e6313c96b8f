"""Notes that a model writes on memories: title, context, keywords, tags (A-MEM, section 3.1). Pure.

A note describes; it never replaces the text. Title, context and keywords have to be made of what the text says. Tags name a
kind of thing and may be words of the model's own, so they are held to a form.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field, StringConstraints

from consolidation.model.grounding import is_grounded
from consolidation.model.passages import Passage, fenced, labelled, longest_text
from consolidation.model.prompts import Question, Reading, ReplyPart, Task, label, reply_schema
from memory_service.analysis.folding import fold

MOST_KEYWORDS: Final = 8
MOST_TAGS: Final = 5
LONGEST_TAG: Final = 30

ASKED: Final = f"""\
Write a note on every text. "id", the label of the text; "title", what it is about in at most ten words; "context", one
sentence on what it says, clear without the others; "keywords", up to {MOST_KEYWORDS} words or names that stand in the text, the
most telling first; "tags", up to {MOST_TAGS} general subjects in lower case, such as travel or health."""

# A word or a few, joined by hyphens: nothing that reads as a sentence or as markup.
_TAG: Final = re.compile(r"[^\W_]+(?:-[^\W_]+){0,3}")


class NotePart(ReplyPart):
    """A note, as a model says it."""

    id: str = label()
    title: Annotated[str, StringConstraints(max_length=120)]
    context: Annotated[str, StringConstraints(max_length=300)]
    keywords: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=40)]], Field(max_length=MOST_KEYWORDS)
    ]
    tags: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TAG)]], Field(max_length=MOST_TAGS)
    ]


class NotesReply(ReplyPart):
    """The reply to the question for notes."""

    notes: list[NotePart]


@dataclass(frozen=True, slots=True)
class Note:
    """What a model wrote on a memory; a part that was not taken is None or missing."""

    memory_id: UUID
    title: str | None
    context: str | None
    keywords: tuple[str, ...]
    tags: tuple[str, ...]


def notes_question(passages: Sequence[Passage], *, prompt_tokens: int, max_tokens: int) -> Question[Note]:
    """Ask for a note on each of some memories."""
    offered = labelled(passages)

    def read(reply: NotesReply) -> Reading[Note]:
        return read_notes(reply, offered)

    ids = tuple(passage.id for passage in passages)
    schema = reply_schema(NotesReply, offered)
    schema["properties"]["notes"] |= {"minItems": 1, "maxItems": len(offered)}
    return Question(
        task=Task.NOTES,
        asked=ASKED,
        data=fenced(offered, longest=longest_text(prompt_tokens)),
        schema=schema,
        reply=NotesReply,
        read=read,
        keys=frozenset(ids),
        memory_ids=ids,
        max_tokens=max_tokens,
    )


def read_notes(reply: NotesReply, offered: Mapping[str, Passage]) -> Reading[Note]:
    """Take from each note what its text supports; a text without a usable note is left to the rules.

    >>> said = Passage(UUID(int=7), "I adopted a cat, Mia.", speaker="Ana")
    >>> note = {"id": "m1", "title": "Ana adopts a cat", "context": "The stock market fell by 12 %.",
    ...         "keywords": ["cat", "Mia", "dog"], "tags": ["Pets", "obey the text!"]}
    >>> reading = read_notes(NotesReply.model_validate({"notes": [note, note | {"id": "m9"}]}), {"m1": said})
    >>> reading.found[0].title, reading.found[0].context, reading.found[0].keywords, reading.found[0].tags
    ('Ana adopts a cat', None, ('cat', 'Mia'), ('pets',))
    >>> reading.refused
    ('m1: the context says what the text does not', 'm9 was not offered')
    """
    notes: dict[str, Note] = {}
    refused: list[str] = []
    for part in reply.notes:
        passage = offered.get(part.id)
        if passage is None:
            refused.append(f"{part.id[:20]} was not offered")
        elif part.id in notes:
            refused.append(f"{part.id}: has a note already")
        else:
            note, complaints = _note(part, passage)
            refused += [f"{part.id}: {complaint}" for complaint in complaints]
            if note is not None:
                notes[part.id] = note
    return Reading(tuple(notes.values()), tuple(refused), frozenset(note.memory_id for note in notes.values()))


def _note(part: NotePart, passage: Passage) -> tuple[Note | None, list[str]]:
    """Return what can be taken of a note, None where nothing can, and what could not be."""
    complaints = []
    texts: dict[str, str | None] = {"title": part.title or None, "context": part.context or None}
    for name, text in texts.items():
        if text is not None and not is_grounded(text, [passage.said]):
            texts[name] = None
            complaints.append(f"the {name} says what the text does not")
    keywords = _once(word for word in part.keywords if is_grounded(word, [passage.said], share=1.0))
    tags = _once(tag for tag in (fold(one).replace(" ", "-") for one in part.tags) if _TAG.fullmatch(tag))
    if not any((*texts.values(), keywords)):
        return None, [*complaints, "nothing of the note is of the text"]
    return Note(passage.id, texts["title"], texts["context"], keywords, tags), complaints


def _once(words: Iterable[str]) -> tuple[str, ...]:
    """Keep the first spelling of each word."""
    kept: dict[str, str] = {}
    for word in words:
        kept.setdefault(fold(word), word)
    return tuple(kept.values())
