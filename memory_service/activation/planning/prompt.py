"""What a plan says of one prompt: its tokens, which memories stand where, and which leading blocks may be saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from memory_service.activation.chain import block_hashes
from memory_service.activation.planning.admission import HOT_FROM, Admission, Standing, admit
from memory_service.activation.planning.places import Span, first_block, found_in_order, tokens_of

SYSTEM: Final = "system"
VOLATILE: Final = "volatile"
CONVERSATION: Final = "conversation"
FIRST_ROLES: Final = frozenset({"system", "developer"})
"""Who speaks before the conversation: the operator."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A memory as a prompt shows it: its line, and what is known of its use."""

    memory_id: UUID
    version: int
    kind: str  # system, shared, user or volatile
    line: str
    recalls: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What a prompt is made of, in the order in which it stands there; nothing is an empty text."""

    system: str = ""
    memories: Sequence[Shown] = ()
    volatile: str = ""
    turn: str | None = None  # the first turn of the conversation, whatever it says; None where none has begun
    later: Sequence[Shown] = ()  # memories among the turns


@dataclass(frozen=True, slots=True)
class Section:
    """A run of tokens, end exclusive; `memory` is None where no memory stands for it."""

    kind: str
    token_start: int
    token_end: int
    memory: Shown | None = None


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """One prompt, planned."""

    token_ids: tuple[int, ...]
    text: str
    sections: tuple[Section, ...]
    block_hashes: tuple[str, ...]
    admission: Admission

    @property
    def sources(self) -> tuple[Section, ...]:
        """Return the memories in it."""
        return tuple(section for section in self.sections if section.memory is not None)


def plan_prompt(
    text: str,
    token_ids: Sequence[int],
    offsets: Sequence[Span],
    parts: Parts,
    *,
    block_size: int,
    engine: str,
    salt: str,
    turns_at: int,
    hot_from: int = HOT_FROM,
) -> PromptPlan:
    """Find the parts of a prompt in its tokens and decide which leading blocks may be saved.

    Only blocks that hold nothing but the operator's words and memories are: nothing that an erasure would miss. Looking for
    the first turn's words does not tell where the conversation begins: a template may have changed them, and a later turn may
    quote them as they were. So whoever rendered the prompt says from which character on it may hold a turn, and nothing behind
    it is taken for what stands before. A place found earlier counts; where the first turn has no words, the end of the
    last piece before it.

    Args:
        text: the whole prompt, as the model reads it.
        token_ids: of the whole text.
        offsets: for each token the characters it stands for.
        parts: what stands in the text.
        block_size: tokens per block of the engine.
        engine: digest of its fingerprint.
        salt: of the tenant, as the engine gets it.
        turns_at: the first character that may be a turn's, the length of the text where there is no conversation.
        hot_from: recalls from which a memory is worth saving.

    Raises:
        ActivationError: a size or a digest is none.
    """
    before = [parts.system.strip(), *(one.line for one in parts.memories), parts.volatile.strip()]
    first = (parts.turn or "").strip()
    found = found_in_order(text, before, end=turns_at)
    whole = (0, len(text))
    behind = max((place[1] for place in found if place != whole), default=0)
    talk = found_in_order(text, [first, *(one.line for one in parts.later)], begin=behind)
    places, talked = ([tokens_of(offsets, place) for place in some] for some in (found, talk))
    system, front, volatile, later = places[0], places[1:-1], places[-1], talked[1:]
    everything = len(token_ids)
    if parts.turn is None:
        turns_from = everything
    elif first:
        # Not found, it has been changed, and begins where it may begin.
        said = turns_at if talk[0] == whole else min(talk[0][0], turns_at)
        turns_from = _ended_by(offsets, said)
    else:
        known = [place for place, piece in zip(found, before, strict=True) if piece]
        # One that was not found has the whole text for its place: then nobody knows where it ends.
        turns_from = _ended_by(offsets, min(known[-1][1], turns_at)) if known and whole not in known else 0
    sections = [Section(SYSTEM, *system)] if before[0] else []
    sections += [Section(one.kind, *place, one) for one, place in zip(parts.memories, front, strict=True)]
    sections += [Section(VOLATILE, *volatile)] if before[-1] else []
    sections += [Section(CONVERSATION, turns_from, everything)] if turns_from < everything else []
    sections += [Section(one.kind, *place, one) for one, place in zip(parts.later, later, strict=True)]
    standing = [
        Standing(
            section.token_start,
            recalls=section.memory.recalls if section.memory else 0,
            lasting=section.kind == SYSTEM,
            volatile=section.kind == VOLATILE,
        )
        for section in sorted(sections, key=lambda section: section.token_start)
        if section.kind != CONVERSATION and (section.memory is not None or section.kind == VOLATILE)
    ]
    return PromptPlan(
        token_ids=tuple(token_ids),
        text=text,
        sections=tuple(sections),
        block_hashes=block_hashes(token_ids, block_size=block_size, engine=engine, salt=salt),
        admission=admit(
            standing, token_count=everything, turns_from=turns_from, block_size=block_size, hot_from=hot_from
        ),
    )


def _ended_by(offsets: Sequence[Span], character: int) -> int:
    """Return how many leading tokens hold nothing of a character or what follows it."""
    return tokens_of(offsets, (character, character))[0]


def source_blocks(plan: PromptPlan, block_size: int) -> list[tuple[Section, int]]:
    """Return the memories of a plan, each with the first block whose numbers depend on it."""
    return [(section, first_block(section.token_start, block_size)) for section in plan.sources]
