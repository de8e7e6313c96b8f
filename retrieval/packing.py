"""Pack ranked passages into a context that never exceeds its token budget, and put them in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from retrieval.standing import Standing


class Order(StrEnum):
    """How the chosen passages stand in the context."""

    RELEVANCE = "relevance"
    TIME = "time"
    STABLE = "stable"  # by standing, then id: whatever was asked, what many prompts share stands first


@dataclass(frozen=True, slots=True)
class Passage:
    """A ranked text and what it costs."""

    id: UUID
    text: str
    tokens: int  # of the text alone, counted by the tokenizer the budget is meant for
    observed_at: datetime | None = None  # with a zone
    standing: Standing = (0, 0)


@dataclass(frozen=True, slots=True)
class Packing:
    """What goes into the context, in its order, and what it costs in all."""

    passages: tuple[Passage, ...]
    tokens: int
    left_out: tuple[Passage, ...]  # in the order of relevance


def pack(
    ranked: Sequence[Passage],
    *,
    budget: int,
    order: Order = Order.RELEVANCE,
    per_passage: int = 0,
    frame: int = 0,
) -> Packing:
    """Choose passages from the best down until the budget is spent, then order them.

    A passage that does not fit is left out and a shorter one further down may still go in: one long text at the top
    would otherwise leave the context empty.

    Args:
        ranked: Passages, most relevant first.
        budget: Tokens that the context may hold, frame included.
        order: How the chosen ones stand.
        per_passage: Tokens around each passage, such as its marker and line break.
        frame: Tokens of the context without passages, such as a heading; paid once, if anything is chosen.

    Raises:
        ValueError: A count is negative.

    >>> ranked = [Passage(UUID(int=3), "long", 9), Passage(UUID(int=2), "short", 3), Passage(UUID(int=1), "tiny", 1)]
    >>> packing = pack(ranked, budget=8, order=Order.STABLE, per_passage=1, frame=2)
    >>> [passage.text for passage in packing.passages], packing.tokens, len(packing.left_out)
    (['tiny', 'short'], 8, 1)
    """
    if min(budget, per_passage, frame, *(passage.tokens for passage in ranked)) < 0:
        raise ValueError("token counts cannot be negative")
    chosen: list[Passage] = []
    left_out: list[Passage] = []
    spent = frame
    for passage in ranked:
        cost = passage.tokens + per_passage
        if spent + cost <= budget:
            chosen.append(passage)
            spent += cost
        else:
            left_out.append(passage)
    return Packing(passages=tuple(_ordered(chosen, order)), tokens=spent if chosen else 0, left_out=tuple(left_out))


_UNDATED = datetime.max.replace(tzinfo=UTC)  # what has no time stands last


def _ordered(passages: list[Passage], order: Order) -> list[Passage]:
    if order is Order.TIME:
        return sorted(passages, key=lambda passage: (passage.observed_at or _UNDATED, passage.id))
    if order is Order.STABLE:
        return sorted(passages, key=lambda passage: (passage.standing, passage.id))
    return passages
