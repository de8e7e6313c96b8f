"""What plans for engines are worth over a week of chats: how many tokens of its prompts are in blocks that were saved before.

    python -m benchmarks.kv_week

No service and no model: prompts of the week are put together from the memories that share most words with the question, planned by
the very functions that plans are made with, and every admitted block is kept. A prompt's hit is its longest run of leading blocks
that are kept. Three ways: memories by relevance with every block kept, in the canonical order with every block of memories
admitted, and in that order with only what was recalled twice admitted, as plans do it unless told otherwise.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from benchmarks.metrics import median
from benchmarks.prefixes import tokens_of
from benchmarks.week import SYSTEM, Fact, facts, week
from memory_service.activation.planning.admission import HOT_FROM
from memory_service.activation.planning.order import canonical, kind_of
from memory_service.activation.planning.prompt import Parts, Shown, plan_prompt
from retrieval.memory_block import CLOSING, EXPLANATION, OPENING

ENGINE = "ab" * 32
RELEVANCE, EVERY, HOT = "relevance, every block", "canonical, every block", f"canonical, from {HOT_FROM} recalls"


@dataclass(slots=True)
class Arm:
    """One way to plan, and what came of it."""

    stable: bool
    hot_from: int
    kept: set[str] = field(default_factory=set)
    tokens: int = 0
    hits: int = 0
    saved_blocks: int = 0
    took_ms: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    options = _options()
    known = [
        {
            "id": UUID(int=at + 1), "version": 1, "memory_type": "semantic", "user_id": fact.user, "recall_count": 0,
            "words": Counter(token.lower() for token in tokens_of(fact.text)), "fact": fact,
        }
        for at, fact in enumerate(facts(random.Random(options.seed), per_user=options.facts))
    ]  # fmt: skip
    arms = {RELEVANCE: Arm(False, 0), EVERY: Arm(True, 0), HOT: Arm(True, HOT_FROM)}
    turns: dict[int, list[str]] = {}
    prompts = 0
    for asked in week(random.Random(options.seed + 1), sessions_per_day=options.sessions):
        prompts += 1
        before = turns.setdefault(asked.session, [])
        found = _found(known, asked.user, asked.text, options.top_k)
        for arm in arms.values():
            _ask(arm, found, [*before, asked.text], block=options.block_tokens)
        before += [asked.text, "Here is what I found in my notes."]
        for row in found:
            row["recall_count"] += 1
    print(json.dumps({"prompts": prompts, **{name: _said(arm) for name, arm in arms.items()}}, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--facts", type=int, default=40, help="memories per person, beside 16 of the house")
    parser.add_argument("--sessions", type=int, default=1, help="chats per person and day, of three to eight turns")
    parser.add_argument("--top-k", type=int, default=12, help="memories per prompt")
    parser.add_argument("--block-tokens", type=int, default=16, help="tokens per block")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args(sys.argv[1:])


def _found(known: Sequence[dict[str, Any]], user: str, query: str, top_k: int) -> list[dict[str, Any]]:
    """Return the memories of a person and of nobody that share most words with a question."""
    words = {token.lower() for token in tokens_of(query)}
    theirs = [row for row in known if row["user_id"] in (user, None)]
    return sorted(theirs, key=lambda row: (-sum(row["words"][word] for word in words), row["id"]))[:top_k]


def _ask(arm: Arm, found: Sequence[dict[str, Any]], turns: Sequence[str], *, block: int) -> None:
    """Plan one prompt, count its hit and keep what is admitted."""
    rows = canonical(found) if arm.stable else list(found)
    memories = [
        Shown(row["id"], row["version"], kind_of(row), f"[{number}] {_text(row['fact'])}", row["recall_count"])
        for number, row in enumerate(rows, start=1)
    ]
    front = f"system: {SYSTEM}\n\n{EXPLANATION}{OPENING}" + "\n".join(one.line for one in memories) + CLOSING
    text = "\n".join([front, *turns])
    started = time.perf_counter()
    ids, offsets = _cut(text)
    plan = plan_prompt(
        text, ids, offsets, Parts(system=SYSTEM, memories=memories, turn=turns[0]), block_size=block, engine=ENGINE,
        salt="a week", turns_at=len(front) + 1, hot_from=arm.hot_from,
    )  # fmt: skip
    arm.took_ms.append((time.perf_counter() - started) * 1000)
    hit = next((at for at, one in enumerate(plan.block_hashes) if one not in arm.kept), len(plan.block_hashes))
    arm.tokens += len(ids)
    arm.hits += hit * block
    # By relevance nothing is held back, so that the order alone is what is lacking.
    new = set(plan.block_hashes[: plan.admission.blocks]) - arm.kept
    arm.saved_blocks += len(new)
    arm.kept |= new


def _text(fact: Fact) -> str:
    return fact.text


def _cut(text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Cut a text as `prefixes.tokens_of` does; an id is the token's own bytes, so that equal tokens have equal ids."""
    ids, offsets, at = [], [], 0
    for token in tokens_of(text):
        begin = text.index(token, at)
        at = begin + len(token)
        ids.append(int.from_bytes(token.encode()[:7], "big"))
        offsets.append((begin, at))
    return ids, offsets


def _said(arm: Arm) -> dict[str, Any]:
    return {
        "tokens": arm.tokens,
        "hit_rate": round(arm.hits / arm.tokens, 4),
        "saved_blocks": arm.saved_blocks,
        "hit_tokens_per_saved_block": round(arm.hits / max(arm.saved_blocks, 1), 1),
        "plan_p50_ms": round(median(arm.took_ms), 2),
    }


if __name__ == "__main__":
    main()
