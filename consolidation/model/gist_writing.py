"""Gists and profiles that a model writes: sentences that point at the texts they are made of. Pure.

Each sentence names its sources and is checked against them; it is kept with the sentence of each source that it comes from,
as a span. A sentence that its sources do not carry is refused, and the gist is shorter by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from consolidation.model.grounding import best_sentence, is_grounded, share_of
from consolidation.model.passages import Passage, fenced, labelled, longest_text
from consolidation.model.prompts import Question, Reading, ReplyPart, Task, label, reply_schema

MOST_SENTENCES: Final = 8
MOST_LINES: Final = 15
MOST_SOURCES: Final = 6

ASKED_FOR_A_GIST: Final = f"""\
Sum up the texts in one to {MOST_SENTENCES} sentences: what happened or was decided, who took part, what is left to do. The most
important first. Keep names, numbers and dates as they stand. For each: "text", the sentence; "sources", the ids of the texts
that say it."""

ASKED_FOR_A_PROFILE: Final = f"""\
Describe one person by what the texts say of {{person}}, in at most {MOST_LINES} short sentences. For each: "text", the
sentence; "kind", "static" for what rarely changes (name, family, work, home, tastes) or "recent" for what goes on at present
(plans, troubles, projects); "sources", the ids of the texts that say it. Say nothing of other people."""

_Sources = Annotated[list[Annotated[str, label()]], Field(min_length=1, max_length=MOST_SOURCES)]
_Sentence = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class SentencePart(ReplyPart):
    """A sentence of a gist, as a model says it."""

    text: _Sentence
    sources: _Sources


class GistReply(ReplyPart):
    """The reply to the question for a gist."""

    sentences: Annotated[list[SentencePart], Field(max_length=MOST_SENTENCES)]


class LinePart(ReplyPart):
    """A line of a profile, as a model says it."""

    text: _Sentence
    kind: Literal["static", "recent"]
    sources: _Sources


class ProfileReply(ReplyPart):
    """The reply to the question for a profile."""

    lines: Annotated[list[LinePart], Field(max_length=MOST_LINES)]


@dataclass(frozen=True, slots=True)
class Citation:
    """The sentence of a memory that a sentence comes from: its span in characters."""

    memory_id: UUID
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """A sentence with its sources, one at least; `trust` is the least of theirs.

    `kind` is "static" or "recent" in a profile and None in a gist.
    """

    text: str
    citations: tuple[Citation, ...]
    trust: float
    kind: Literal["static", "recent"] | None = None


def gist_question(passages: Sequence[Passage], *, prompt_tokens: int, max_tokens: int) -> Question[CitedSentence]:
    """Ask for the gist of an episode or a topic."""
    return _question(
        passages, Task.GIST, ASKED_FOR_A_GIST, GistReply, prompt_tokens=prompt_tokens, max_tokens=max_tokens
    )


def profile_question(
    person: str, passages: Sequence[Passage], *, prompt_tokens: int, max_tokens: int
) -> Question[CitedSentence]:
    """Ask for what texts say of a person, by the name that the texts use."""
    # The name is a user's text as well: it stands with the data, not among the instructions.
    asked = ASKED_FOR_A_PROFILE.format(person='the "person" named in the first line')
    question = _question(
        passages, Task.PROFILE, asked, ProfileReply, prompt_tokens=prompt_tokens, max_tokens=max_tokens, person=person
    )
    return question


def _question(
    passages: Sequence[Passage],
    task: Task,
    asked: str,
    reply: type[GistReply] | type[ProfileReply],
    *,
    prompt_tokens: int,
    max_tokens: int,
    person: str | None = None,
) -> Question[CitedSentence]:
    offered = labelled(passages)

    def read(said: Any) -> Reading[CitedSentence]:
        return read_sentences(said, offered, person=person)

    ids = tuple(passage.id for passage in passages)
    return Question(
        task=task,
        asked=asked,
        data=fenced(offered, longest=longest_text(prompt_tokens), person=person),
        schema=reply_schema(reply, offered),
        reply=reply,
        read=read,
        keys=frozenset(ids),
        memory_ids=ids,
        max_tokens=max_tokens,
    )


def read_sentences(
    reply: GistReply | ProfileReply, offered: Mapping[str, Passage], *, person: str | None = None
) -> Reading[CitedSentence]:
    """Take the sentences that their sources carry; all texts are answered when one is taken, none when none is.

    >>> texts = {"m1": Passage(UUID(int=1), "We met. Ana sold the boat for 900.", speaker="Bo")}
    >>> said = [{"text": "Ana sold the boat.", "sources": ["m1"]},
    ...         {"text": "Ana sold the boat for 950.", "sources": ["m1"]},
    ...         {"text": "Ana sold the boat.", "sources": ["m4"]}]
    >>> reading = read_sentences(GistReply.model_validate({"sentences": said}), texts)
    >>> [texts["m1"].text[slice(*cited.span)] for taken in reading.found for cited in taken.citations]
    ['Ana sold the boat for 900.']
    >>> reading.refused
    ('sentence 2: it says what its sources do not', 'sentence 3: m4 was not offered')
    """
    found: list[CitedSentence] = []
    refused: list[str] = []
    parts: Sequence[SentencePart | LinePart] = reply.sentences if isinstance(reply, GistReply) else reply.lines
    for number, part in enumerate(parts, start=1):
        sentence = _sentence(part, offered, person)
        if isinstance(sentence, str):
            refused.append(f"sentence {number}: {sentence}")
        elif all(sentence.text != other.text for other in found):
            found.append(sentence)
    every = frozenset(passage.id for passage in offered.values())
    return Reading(tuple(found), tuple(refused), every if found else frozenset())


def _sentence(part: SentencePart | LinePart, offered: Mapping[str, Passage], person: str | None) -> CitedSentence | str:
    """Return a sentence, or why it is none."""
    names = list(dict.fromkeys(part.sources))
    foreign = [name for name in names if name not in offered]
    if foreign:
        return f"{foreign[0][:20]} was not offered"
    # A source that shares no word with the sentence is named for show.
    passages = [offered[name] for name in names if share_of(part.text, [offered[name].said])]
    carried = [passage.said for passage in passages] + ([person] if person else [])
    if not passages or not is_grounded(part.text, carried):
        return "it says what its sources do not"
    return CitedSentence(
        text=part.text,
        citations=tuple(Citation(passage.id, best_sentence(passage.text, part.text)) for passage in passages),
        trust=min(passage.trust for passage in passages),
        kind=part.kind if isinstance(part, LinePart) else None,
    )
