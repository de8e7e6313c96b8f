"""Blocks of memories in a prompt: which of what was found, within a budget."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from memory_service.analysis.trust import is_low
from retrieval.memory_block import CLOSING, EXPLANATION, OPENING, line_of
from retrieval.packing import Order, Passage, pack
from retrieval.request import CountTokens
from retrieval.results import Result
from retrieval.standing import standing_of


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One memory that was found and is not in the prompt; `reason` is low_trust, in_conversation or budget."""

    id: UUID
    reason: str


def eligible(results: Sequence[Result], *, said: Collection[str], top_k: int) -> tuple[list[Result], list[LeftOut]]:
    """Return the best results that may be put in, at most `top_k`, and what was passed over for them.

    What is in the conversation already is not said twice; what has low trust, as a tool or a page may have planted it, is
    not said at all.
    """
    kept: list[Result] = []
    left_out: list[LeftOut] = []
    for result in results:
        if is_low(result.row["trust"]):
            left_out.append(LeftOut(result.found.id, "low_trust"))
        elif result.row["content"].strip() in said:
            left_out.append(LeftOut(result.found.id, "in_conversation"))
        elif len(kept) < top_k:
            kept.append(result)
    return kept, left_out


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes into one block, in its order, and what the block costs at most; nothing costs nothing."""

    results: tuple[Result, ...] = ()
    tokens: int = 0


def choose(results: Sequence[Result], *, budget: int, first: bool, order: Order, count: CountTokens) -> Chosen:
    """Choose the results of a block that fit into a budget of tokens, from the best down.

    Args:
        results: best first.
        budget: tokens that the block may have, with the words around the memories.
        first: it is the first block of a prompt, which explains itself.
        order: how the memories are to stand.
        count: counts the tokens of each of some texts.
    """
    if not results or budget <= 0:
        return Chosen()
    around = [EXPLANATION, OPENING, CLOSING] if first else [OPENING, CLOSING]
    # The number is not known yet; three digits are the longest there is. One call: each costs a start.
    counts = count([*around, *(f"[999] {line_of(result.row)}\n" for result in results)])
    frame, costs = sum(counts[: len(around)]), counts[len(around) :]
    by_id = {result.found.id: result for result in results}
    ranked = [
        Passage(
            id=result.found.id,
            text="",
            tokens=cost,
            observed_at=result.row["observed_at"],
            standing=standing_of(result.row),
        )
        for result, cost in zip(results, costs, strict=True)
    ]
    packed = pack(ranked, budget=budget, order=order, frame=frame)
    return Chosen(tuple(by_id[passage.id] for passage in packed.passages), packed.tokens)
