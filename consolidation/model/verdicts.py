"""What a model decides on pairs of memories: how they are linked, and whether a new one conflicts with a stored one. Pure.

Only offered pairs are decided, each once. Which of two memories is the newer is never the model's to say. Where a verdict
goes against what can be counted (numbers, shared words, trust) it becomes `uncertain` and waits for a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar
from uuid import UUID

from pydantic import StringConstraints

from consolidation.model.grounding import numbers_of, words_of
from consolidation.model.passages import Passage, fenced_pairs, longest_text
from consolidation.model.prompts import Question, Reading, ReplyPart, Task, label, reply_schema
from memory_service.types import LinkType

Pair: TypeAlias = tuple[Passage, Passage]

ASKED_FOR_LINKS: Final = """\
Say for every pair how its two texts are related. "pair", its label; "type", one of: "similar", they are about the same matter;
"same_entity", they name the same person, place or thing and say different things of it; "supports", the second confirms or
explains the first; "contradicts", both cannot be true; "none", they have nothing to do with each other."""

ASKED_FOR_CONFLICTS: Final = """\
The first text of every pair is stored, the second is new. Say for every pair what the new one does to the stored one. "pair",
its label; "decision", one of: "duplicate", the new one says nothing that the stored one does not say; "supersede", it says
that something the stored one states has changed or was wrong, about the same person and the same matter; "add", both hold side
by side; "uncertain", you cannot tell. "reason", why, in at most twenty words."""


class Decision(StrEnum):
    """What a new memory does to a stored one."""

    DUPLICATE = "duplicate"
    SUPERSEDE = "supersede"
    ADD = "add"
    UNCERTAIN = "uncertain"


class LinkPart(ReplyPart):
    """A verdict on a pair, as a model says it."""

    pair: str = label()
    type: Literal["similar", "same_entity", "supports", "contradicts", "none"]


class LinksReply(ReplyPart):
    """The reply to the question for links."""

    verdicts: list[LinkPart]


class ConflictPart(ReplyPart):
    """A decision on a pair, as a model says it."""

    pair: str = label()
    decision: Literal["duplicate", "supersede", "add", "uncertain"]
    reason: Annotated[str, StringConstraints(max_length=200)]


class ConflictsReply(ReplyPart):
    """The reply to the question for conflicts."""

    verdicts: list[ConflictPart]


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """How the second memory of a pair is related to the first; None is not at all."""

    pair: tuple[UUID, UUID]
    type: LinkType | None


@dataclass(frozen=True, slots=True)
class ConflictVerdict:
    """What the second, newer memory of a pair does to the first.

    `said` is the model's own decision where it was not taken as it is, and `because` says why not.
    """

    pair: tuple[UUID, UUID]
    decision: Decision
    reason: str
    said: Decision | None = None
    because: str | None = None


def links_question(pairs: Sequence[Pair], *, prompt_tokens: int, max_tokens: int) -> Question[LinkVerdict]:
    """Ask how the two of each pair are related."""
    offered = labelled_pairs(pairs)

    def read(reply: LinksReply) -> Reading[LinkVerdict]:
        return read_links(reply, offered)

    return _pairs_question(
        offered,
        task=Task.LINKS,
        asked=ASKED_FOR_LINKS,
        reply=LinksReply,
        read=read,
        prompt_tokens=prompt_tokens,
        max_tokens=max_tokens,
    )


def conflicts_question(pairs: Sequence[Pair], *, prompt_tokens: int, max_tokens: int) -> Question[ConflictVerdict]:
    """Ask what the new one of each pair (stored, new) does to the stored one."""
    offered = labelled_pairs(pairs)

    def read(reply: ConflictsReply) -> Reading[ConflictVerdict]:
        return read_conflicts(reply, offered)

    return _pairs_question(
        offered,
        task=Task.CONFLICTS,
        asked=ASKED_FOR_CONFLICTS,
        reply=ConflictsReply,
        read=read,
        prompt_tokens=prompt_tokens,
        max_tokens=max_tokens,
    )


def labelled_pairs(pairs: Sequence[Pair]) -> dict[str, Pair]:
    """Give each pair the label by which a model names it."""
    return {f"p{number}": pair for number, pair in enumerate(pairs, start=1)}


def _pairs_question(
    offered: Mapping[str, Pair],
    *,
    task: Task,
    asked: str,
    reply: type[ReplyPart],
    read: Any,
    prompt_tokens: int,
    max_tokens: int,
) -> Question[Any]:
    schema = reply_schema(reply, offered)
    schema["properties"]["verdicts"] |= {"minItems": len(offered), "maxItems": len(offered)}
    return Question(
        task=task,
        asked=asked,
        data=fenced_pairs(offered, longest=max(1, longest_text(prompt_tokens) // 2)),
        schema=schema,
        reply=reply,
        read=read,
        keys=frozenset(_key(pair) for pair in offered.values()),
        memory_ids=tuple(dict.fromkeys(one.id for pair in offered.values() for one in pair)),
        max_tokens=max_tokens,
    )


def _key(pair: Pair) -> tuple[UUID, UUID]:
    return pair[0].id, pair[1].id


def read_links(reply: LinksReply, offered: Mapping[str, Pair]) -> Reading[LinkVerdict]:
    """Take a verdict on each offered pair; that two texts bear on each other needs a word they share.

    >>> a, b, c = (Passage(UUID(int=n), text) for n, text in enumerate(["Ana has a cat.", "Ana has no cat.", "It rained."]))
    >>> said = [{"pair": "p1", "type": "contradicts"}, {"pair": "p2", "type": "supports"}, {"pair": "p9", "type": "similar"}]
    >>> reading = read_links(LinksReply.model_validate({"verdicts": said}), {"p1": (a, b), "p2": (a, c)})
    >>> [verdict.type.value for verdict in reading.found], len(reading.answered)
    (['contradicts'], 1)
    >>> reading.refused
    ('p9 was not offered', 'p2: supports without a word in common')
    """
    verdicts, refused = _once(reply.verdicts, offered)
    found = []
    for name, part in verdicts.items():
        first, second = offered[name]
        if part.type in _NEED_A_WORD and not words_of(first.text) & words_of(second.text):
            refused.append(f"{name}: {part.type} without a word in common")
        else:
            found.append(LinkVerdict(_key((first, second)), None if part.type == "none" else LinkType(part.type)))
    return Reading(tuple(found), tuple(refused), frozenset(verdict.pair for verdict in found))


_NEED_A_WORD: Final = frozenset({"same_entity", "supports", "contradicts"})


def read_conflicts(reply: ConflictsReply, offered: Mapping[str, Pair]) -> Reading[ConflictVerdict]:
    """Take a decision on each offered pair (stored, new).

    >>> old, new = Passage(UUID(int=1), "My rent is 900."), Passage(UUID(int=2), "My rent is 950.")
    >>> said = {"pair": "p1", "decision": "duplicate", "reason": "same rent"}
    >>> (verdict,) = read_conflicts(ConflictsReply.model_validate({"verdicts": [said]}), {"p1": (old, new)}).found
    >>> verdict.decision.value, verdict.said.value, verdict.because
    ('uncertain', 'duplicate', 'the new one brings a number')
    """
    verdicts, refused = _once(reply.verdicts, offered)
    found = []
    for name, part in verdicts.items():
        verdict = ConflictVerdict(_key(offered[name]), Decision(part.decision), part.reason)
        found.append(_tempered(verdict, *offered[name]))
    return Reading(tuple(found), tuple(refused), frozenset(verdict.pair for verdict in found))


def _tempered(verdict: ConflictVerdict, stored: Passage, new: Passage) -> ConflictVerdict:
    """Return a verdict as it is, or as uncertain where what can be counted speaks against it."""
    because = None
    if verdict.decision is Decision.DUPLICATE:
        if not numbers_of(new.text) <= numbers_of(stored.text):
            because = "the new one brings a number"
    elif verdict.decision is Decision.SUPERSEDE:
        if new.trust < stored.trust:
            because = "the new one is trusted less"
        elif not words_of(stored.text) & words_of(new.text):
            because = "they have no word in common"
    if because is None:
        return verdict
    return replace(verdict, decision=Decision.UNCERTAIN, said=verdict.decision, because=because)


PartT = TypeVar("PartT", LinkPart, ConflictPart)


def _once(parts: Sequence[PartT], offered: Mapping[str, Pair]) -> tuple[dict[str, PartT], list[str]]:
    """Return the verdict on each offered pair; of a pair that has several there is none, and it is left to the rules."""
    verdicts: dict[str, PartT] = {}
    refused: list[str] = []
    several: set[str] = set()
    for part in parts:
        if part.pair not in offered:
            refused.append(f"{part.pair[:20]} was not offered")
        elif part.pair in verdicts and verdicts[part.pair] != part:
            several.add(part.pair)
        else:
            verdicts[part.pair] = part
    for name in sorted(several):
        refused.append(f"{name}: has several verdicts")
        del verdicts[name]
    return verdicts, refused
