"""Which leading blocks of a prompt are worth saving, decided by how hot the memories in them are.

A saved block is of use while every memory before its end stays what and where it is, and is asked for again. Blocks are only
ever reused from the first on, so what is admitted is a number of leading blocks. Memories stand by audience and heat: the first
one that is too cold, or is going to change, ends what is worth saving.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HOT_FROM: Final = 2
"""Recalls from which a memory counts as used again and again: one may be chance."""


class Reason(StrEnum):
    """Why no more blocks are admitted."""

    ALL = "all"  # everything that holds no turn of a conversation is worth saving
    CONVERSATION = "conversation"  # what follows are turns: no memory stands for them, so no erasure would reach them
    VOLATILE = "volatile"  # a memory follows that is going to change or expire
    COLD = "cold"  # a memory follows that was hardly ever recalled
    NO_WHOLE_BLOCK = "no_whole_block"  # what is worth saving fills none


@dataclass(frozen=True, slots=True)
class Standing:
    """One memory of a prompt: where it begins, and how likely it is asked for again."""

    token_start: int
    recalls: int
    lasting: bool  # core, or the operator's: it is in every prompt, however seldom it was recalled
    volatile: bool


@dataclass(frozen=True, slots=True)
class Admission:
    """How many leading blocks may be saved, and what ends them."""

    blocks: int
    reason: Reason


def admit(
    memories: Sequence[Standing], *, token_count: int, turns_from: int, block_size: int, hot_from: int = HOT_FROM
) -> Admission:
    """Return how many leading blocks are worth saving.

    Args:
        memories: of the prompt, in their order.
        token_count: tokens of the whole prompt.
        turns_from: the first token of the conversation, `token_count` where there is none.
        block_size: tokens per block.
        hot_from: recalls that a memory needs; 0 admits every one that lasts.

    Tokens 0–9 are the operator's. A memory from 10 on was recalled three times, one from 30 on never: blocks of eight are
    worth saving up to token 30, so three of them.

    >>> hot, cold = Standing(10, 3, False, False), Standing(30, 0, False, False)
    >>> admit([hot, cold], token_count=60, turns_from=50, block_size=8)
    Admission(blocks=3, reason=<Reason.COLD: 'cold'>)
    >>> admit([hot, cold], token_count=60, turns_from=50, block_size=8, hot_from=0)
    Admission(blocks=6, reason=<Reason.CONVERSATION: 'conversation'>)
    >>> admit([], token_count=7, turns_from=7, block_size=8)
    Admission(blocks=0, reason=<Reason.NO_WHOLE_BLOCK: 'no_whole_block'>)
    """
    end, reason = turns_from, Reason.CONVERSATION if turns_from < token_count else Reason.ALL
    for memory in memories:
        if memory.token_start >= turns_from:
            break
        if memory.volatile or not (memory.lasting or memory.recalls >= hot_from):
            end, reason = memory.token_start, Reason.VOLATILE if memory.volatile else Reason.COLD
            break
    blocks = end // block_size
    return Admission(blocks, reason if blocks else Reason.NO_WHOLE_BLOCK)
