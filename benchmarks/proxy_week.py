"""A week of chats through the proxy, every prompt in several orders of memories, and what prefix caches make of them.

No order may lack a memory that another one put in: prompts are compared at equal recall or not at all.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from benchmarks.chats import chat
from benchmarks.model_server import ModelServer
from benchmarks.prefixes import PrefixCache, tokens_of
from benchmarks.week import SYSTEM, Asked
from memory_service.cli.failures import CommandFailure
from retrieval.memory_block import EXPLANATION, OPENING

REPLY: Final = (
    "Here is what I found in my notes, as far as it goes: the dates stand beside each of them, and where two of them disagree the "
    "later one is the one to go by. If something has changed since, tell me and I will keep it in mind for the next time."
)
COUNTED_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to order memories.

    Attributes:
        name: of the way
        order: that the proxy is asked for
        goes_on: each turn is of the session of the turn before; else nothing is known of that
    """

    name: str
    order: str
    goes_on: bool = True


RELEVANCE: Final = Way("relevance", "relevance")
ANEW: Final = Way("stable, every turn laid out anew", "stable", goes_on=False)
STABLE: Final = Way("stable", "stable")


@dataclass(frozen=True, slots=True)
class Sent:
    """One prompt as it reached the model, with the memories in it."""

    messages: tuple[Mapping[str, str], ...]
    memories: frozenset[str]

    @property
    def text(self) -> str:
        """Return all of it."""
        return "\n".join(f"{message['role']}: {message['content']}" for message in self.messages)


Turn = Mapping[str, Sent]
"""What one turn of the week became in each way, by the name of the way."""


def walk(
    http: httpx.Client, model: ModelServer, asked: Iterable[Asked], ways: Sequence[Way], *, top_k: int
) -> Iterator[Turn]:
    """Send every prompt of the week in every way; the first of them is what the others are compared with, the last counts recalls.

    Raises:
        CommandFailure: a prompt lacks a memory that it has in the first way, or has others where it was to have the same.
    """
    first, last = ways[0], ways[-1]
    histories: dict[tuple[str, int], list[dict[str, str]]] = {}
    counted: dict[str, int] = {}
    for one in asked:
        turn = {}
        for way in ways:
            history = histories.setdefault((way.name, one.session), [{"role": "system", "content": SYSTEM}])
            history.append({"role": "user", "content": one.text})
            # Only one way counts what it used, and is asked last: all of them are about the same state.
            turn[way.name] = _send(http, model, history, one, way, counts=way is last, top_k=top_k)
            history.append({"role": "assistant", "content": REPLY})
        wanted = turn[first.name].memories
        if wanted:
            _await_count(http, min(wanted), counted)
        for way in ways:
            there = turn[way.name].memories
            if there != wanted and (not way.goes_on or not there > wanted):
                raise CommandFailure(f"{way.name!r} lacks a memory that {first.name!r} has; they cannot be compared")
        yield turn


def _send(
    http: httpx.Client,
    model: ModelServer,
    history: Sequence[Mapping[str, str]],
    asked: Asked,
    way: Way,
    *,
    counts: bool,
    top_k: int,
) -> Sent:
    session = str(asked.session) if way.goes_on else f"{asked.session}.{asked.turn}"
    answer = chat(
        http, history, user_id=asked.user, session_id=session, order=way.order, top_k=top_k, reinforce=counts
    )  # fmt: skip
    return Sent(tuple(model.last.body["messages"]), frozenset(one["id"] for one in answer["memory"]["memories"]))


def _await_count(http: httpx.Client, memory_id: str, counted: dict[str, int]) -> None:
    """Wait until a prompt is counted, which happens behind its answer: the next one is to see it, in every run."""
    deadline = time.monotonic() + COUNTED_WITHIN_S
    while time.monotonic() < deadline:
        recalls = http.get(f"/v1/memories/{memory_id}").json()["retention"]["recall_count"]
        if recalls > counted.get(memory_id, 0):
            counted[memory_id] = recalls
            return
    raise CommandFailure(f"the use of memory {memory_id} was not counted in {COUNTED_WITHIN_S:g} s")


@dataclass(slots=True)
class Arm:
    """What a prefix cache makes of the prompts of one way."""

    cache: PrefixCache
    own_hits: int = 0  # beyond the words that every prompt begins with
    own_asked: int = 0

    def ask(self, text: str, *, common: int) -> None:
        """Take a prompt whose first tokens are everybody's."""
        tokens = tokens_of(text)
        self.own_hits += max(0, self.cache.ask(tokens) - common)
        self.own_asked += len(tokens) - common


def found_in_caches(turns: Sequence[Turn], *, block_tokens: int, cache_tokens: int) -> dict[str, Any]:
    """Return what prefix caches of one size find of the prompts of each way, and what the ways make of the first one's rate."""
    common = len(tokens_of(f"system: {SYSTEM}\n\n{EXPLANATION}{OPENING}"))
    common -= common % block_tokens
    names = list(turns[0])
    arms = {name: Arm(PrefixCache(block_tokens, cache_tokens)) for name in names}
    for turn in turns:
        for name, sent in turn.items():
            arms[name].ask(sent.text, common=common)
    beyond = {name: arm.own_hits / arm.own_asked for name, arm in arms.items()}
    first, others = names[0], names[1:]
    return {
        "prompts": len(turns),
        "tokens": {name: arm.cache.asked for name, arm in arms.items()},
        "tokens_worked_through": {name: arm.cache.asked - arm.cache.hits for name, arm in arms.items()},
        "memories_missing": 0,  # or `walk` had given up
        "memories_more_per_prompt": {name: _more(turns, name, first) for name in others},
        "rate": {name: arm.cache.rate for name, arm in arms.items()},
        "rate_beyond_system": beyond,
        "gain": {name: arms[name].cache.rate / arms[first].cache.rate for name in others},
        "gain_beyond_system": {name: beyond[name] / max(beyond[first], 1e-9) for name in others},
    }


def _more(turns: Sequence[Turn], name: str, first: str) -> float:
    return sum(len(turn[name].memories) - len(turn[first].memories) for turn in turns) / len(turns)
