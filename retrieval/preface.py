"""Blocks before memories: what an agent always sees, packed together with what a search found, in one budget."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from retrieval.context import Context, build_context
from retrieval.packing import Order
from retrieval.request import CountTokens
from retrieval.results import Result


@dataclass(frozen=True, slots=True)
class BlockLine:
    """A core memory block as a context shows it: whole, under a marker of its own."""

    block_id: UUID
    label: str
    version: int
    value: str

    @property
    def marker(self) -> str:
        """Return how the context names it; memories are numbered, so the two cannot be confused."""
        return f"[block:{self.label}]"

    @property
    def line(self) -> str:
        """Return the block as a prompt shows it."""
        return f"{self.marker} {self.value}"


@dataclass(frozen=True, slots=True)
class Prefaced:
    """Blocks and memories packed for a prompt; `tokens` counts the whole text."""

    blocks: tuple[BlockLine, ...]
    left_out: tuple[BlockLine, ...]  # for which there was no room
    context: Context
    text: str
    tokens: int
    prefix_hash: str


def build_with_blocks(
    blocks: Sequence[BlockLine], results: Sequence[Result], *, budget: int, order: Order, count: CountTokens
) -> Prefaced:
    """Pack blocks, then memories into at most `budget` tokens.

    A block is shown whole or not at all: half an instruction may say the opposite. Blocks come first, since they are
    what the agent is to see whatever was asked, and since they change seldom: a stable beginning keeps prompt caches warm.

    Args:
        blocks: in the order in which they are to stand; the first get the room there is.
        results: what a search found, best first.
        budget: tokens that the text may have.
        order: how the chosen memories stand.
        count: counts the tokens of each of some texts.
    """
    chosen: list[BlockLine] = []
    spent = 0
    for block, cost in zip(blocks, count([f"{block.line}\n\n" for block in blocks]) if blocks else (), strict=True):
        if spent + cost <= budget:
            chosen.append(block)
            spent += cost
    while chosen and (spent := count([_join(chosen)])[0]) > budget:
        chosen.pop()
    room = budget - (spent if chosen else 0)
    while True:
        context = build_context(results, budget=room, order=order, count=count) if room > 0 else _EMPTY
        text = "\n\n".join(part for part in (_join(chosen), context.text) if part)
        tokens = count([text])[0] if text else 0
        if tokens <= budget:
            break
        # What joins the two is more than was reckoned.
        room -= tokens - budget
    left_out = tuple(block for block in blocks if block not in chosen)
    return Prefaced(tuple(chosen), left_out, context, text, tokens, hashlib.sha256(text.encode()).hexdigest())


_EMPTY = Context(lines=(), text="", tokens=0, prefix_hash=hashlib.sha256(b"").hexdigest())


def _join(blocks: Sequence[BlockLine]) -> str:
    return "\n\n".join(block.line for block in blocks)
