"""Facts that a model reads in messages: subject, attribute, value, each with the words it was read from. Pure.

Only what can be pointed at is taken: a quotation that stands in the text, a value that the sentences around it hold, a
subject that somebody named. What a text tells the model to say is a fact only if the text says it, and then with its source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field, StringConstraints

from consolidation.model.grounding import find_quote, is_grounded, surroundings, words_of
from consolidation.model.passages import Passage, fenced, labelled, longest_text
from consolidation.model.prompts import Question, Reading, ReplyPart, Task, label, reply_schema
from memory_service.analysis.folding import fold
from memory_service.analysis.tokens import ROLES

USER: Final = "user"  # the subject of what somebody without a name says of himself
MOST_FACTS: Final = 20  # of one window
MOST_EVIDENCE: Final = 3
MOST_WORDS: Final = 6  # of an attribute; four are asked for
LEAST_OF_A_VALUE: Final = 0.5  # of the words of a value that the quoted sentences hold

ASKED: Final = f"""\
List the lasting facts that the texts state about people, things and plans: who has, likes, does, is or wants what, when and
where. Leave out greetings, questions, guesses and small talk. At most {MOST_FACTS}; an empty list is a good answer.
For each: "subject", the name of whom it is about (the speaker where a text says "I", "user" where he has no name);
"attribute", what about the subject, in one to four words, the same for the same kind of fact; "value", in the words of the
text, times as they stand there; "sentence", the fact as one sentence that is clear by itself; "evidence", where it stands:
the id of a text, and a quotation from it, word for word."""


class EvidencePart(ReplyPart):
    """Where a fact stands, as a model says it."""

    id: str = label()
    quote: Annotated[str, StringConstraints(min_length=1, max_length=400)]


class FactPart(ReplyPart):
    """A fact, as a model says it."""

    subject: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    attribute: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    value: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    sentence: Annotated[str, StringConstraints(min_length=1, max_length=400)]
    evidence: Annotated[list[EvidencePart], Field(min_length=1, max_length=MOST_EVIDENCE)]


class FactsReply(ReplyPart):
    """The reply to the question for facts."""

    facts: Annotated[list[FactPart], Field(max_length=MOST_FACTS)]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A verbatim piece of a memory: the span in characters of its text."""

    memory_id: UUID
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ExtractedFact:
    """A fact with the words it was read from, one piece of evidence at least.

    `trust` is the least of its sources.
    """

    subject: str
    attribute: str
    value: str
    sentence: str
    evidence: tuple[Evidence, ...]
    trust: float


def facts_question(passages: Sequence[Passage], *, prompt_tokens: int, max_tokens: int) -> Question[ExtractedFact]:
    """Ask for the facts in some messages, in the order in which they were said.

    Args:
        passages: what one window holds.
        prompt_tokens: how many tokens the texts may take; a longer text is shown up to there.
        max_tokens: how long the reply may be.
    """
    offered = labelled(passages)

    def read(reply: FactsReply) -> Reading[ExtractedFact]:
        return read_facts(reply, offered)

    ids = tuple(passage.id for passage in passages)
    return Question(
        task=Task.FACTS,
        asked=ASKED,
        data=fenced(offered, longest=longest_text(prompt_tokens)),
        schema=reply_schema(FactsReply, offered),
        reply=FactsReply,
        read=read,
        keys=frozenset(ids),
        memory_ids=ids,
        max_tokens=max_tokens,
    )


def read_facts(reply: FactsReply, offered: Mapping[str, Passage]) -> Reading[ExtractedFact]:
    """Take the facts that the offered texts hold; every text is answered, most of them with nothing.

    >>> said = Passage(UUID(int=7), "I adopted a cat, Mia, in May.", speaker="Ana")
    >>> fact = {"subject": "Ana", "attribute": "pet", "value": "a cat, Mia", "sentence": "Ana adopted a cat called Mia."}
    >>> good = fact | {"evidence": [{"id": "m1", "quote": "adopted a cat, Mia"}]}
    >>> foreign = fact | {"evidence": [{"id": "m2", "quote": "adopted a cat, Mia"}]}
    >>> invented = good | {"value": "two dogs"}
    >>> reading = read_facts(FactsReply.model_validate({"facts": [good, foreign, invented]}), {"m1": said})
    >>> [(found.value, said.text[slice(*found.evidence[0].span)]) for found in reading.found]
    [('a cat, Mia', 'adopted a cat, Mia')]
    >>> reading.refused
    ('fact 2: m2 was not offered', 'fact 3: the quoted sentences do not hold the value')
    """
    found: list[ExtractedFact] = []
    refused: list[str] = []
    for number, part in enumerate(reply.facts, start=1):
        fact = _fact(part, offered)
        if isinstance(fact, str):
            refused.append(f"fact {number}: {fact}")
        elif not any(_same(fact, other) for other in found):
            found.append(fact)
    return Reading(tuple(found), tuple(refused), frozenset(passage.id for passage in offered.values()))


def _fact(part: FactPart, offered: Mapping[str, Passage]) -> ExtractedFact | str:
    """Return a fact, or why it is none."""
    evidence: list[Evidence] = []
    quoted: list[Passage] = []
    sentences: list[str] = []
    for one in part.evidence:
        passage = offered.get(one.id)
        if passage is None:
            return f"{one.id[:20]} was not offered"
        span = find_quote(passage.text, one.quote)
        if span is not None:
            evidence.append(Evidence(passage.id, span))
            quoted.append(passage)
            sentences.append(surroundings(passage.text, span))
    if not evidence:
        return "no quotation stands in its text"
    if not is_grounded(part.value, sentences, share=LEAST_OF_A_VALUE):
        return "the quoted sentences do not hold the value"
    subject = _subject(part.subject, quoted, offered)
    if subject is None:
        return "nobody named the subject"
    about = [passage.said for passage in quoted]
    # An attribute is the model's own word for a kind of fact, so it is held to the form of one, and brings no number.
    if len(part.attribute.split()) > MOST_WORDS or not is_grounded(part.attribute, about, share=0.0):
        return "the attribute is more than a name"
    if not is_grounded(part.sentence, [*about, subject, part.attribute, part.value]):
        return "the sentence says what the texts do not"
    trust = min(passage.trust for passage in quoted)
    return ExtractedFact(subject, part.attribute, part.value, part.sentence, tuple(dict.fromkeys(evidence)), trust)


def _subject(stated: str, quoted: Sequence[Passage], offered: Mapping[str, Passage]) -> str | None:
    """Return whom a fact is about: each word of his name was said or is the name of who speaks; None where it was not.

    Who says "I" without a name is the user.
    """
    if fold(stated) in {*ROLES, "i"}:
        nameless = any(not one.speaker or fold(one.speaker) in ROLES for one in quoted)
        return USER if nameless else None
    wanted = words_of(stated)
    named = bool(wanted) and any(wanted <= words_of(passage.said) for passage in offered.values())
    return stated if named else None


def _same(one: ExtractedFact, other: ExtractedFact) -> bool:
    """Say whether a model said a fact twice."""
    return (one.subject, one.attribute, one.value) == (other.subject, other.attribute, other.value)
