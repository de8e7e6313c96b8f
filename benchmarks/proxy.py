"""The proxy: what it adds to a chat beside the search, and what the order of memories is worth to a prefix cache.

    python -m benchmarks.proxy

Starts an embedded service of its own in a temporary folder and a server that stands in for the model and keeps what it is
sent. First, in alternating blocks: a chat through the proxy, the same chat sent to the model directly, and the same search by
itself. Then a week of chats, every prompt once in order of relevance and once in stable order, where the latter has every
memory that the former has (checked, prompt by prompt: recall is never lower); the prompts as they reached the model go through
two prefix caches of the same size.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.metrics import median, percentile
from benchmarks.model_server import ModelServer, model_server
from benchmarks.prefixes import PrefixCache, tokens_of
from benchmarks.readable import readable_failures
from benchmarks.targets import Target, publish
from benchmarks.victim import Victim
from benchmarks.week import SYSTEM, Asked, facts, week
from memory_service.cli.console import progress_bar
from memory_service.cli.failures import CommandFailure
from retrieval.memory_block import EXPLANATION, OPENING

CHAT = "/openai/v1/chat/completions"
OVERHEAD_MS = 10.0
GAIN = 3.0
NAMESPACE = "bench/proxy"
RELEVANCE, ANEW, STABLE = "relevance", "stable, every turn laid out anew", "stable"
REPLY = (
    "Here is what I found in my notes, as far as it goes: the dates stand beside each of them, and where two of them disagree the "
    "later one is the one to go by. If something has changed since, tell me and I will keep it in mind for the next time."
)
COUNTED_WITHIN_S = 10.0
SETTINGS = ("facts", "sessions", "top_k", "blocks", "chats", "block_tokens", "cache_tokens", "seed")


def main() -> None:
    """Measure and publish."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder, model_server() as model:
        model.behaviour.text = REPLY
        victim = Victim(Path(folder), settings={"MEMORY_SERVICE_UPSTREAM_URL": model.url, "OMP_NUM_THREADS": "1"})
        victim.start()
        try:
            key = {"Authorization": f"Bearer {victim.connection.key}"}
            with httpx.Client(base_url=victim.connection.url, headers=key, timeout=120) as http:
                _load(http, options)
                cost = _overhead(http, model, options)
                order = _week(http, model, options)
        finally:
            victim.stop()
    targets = [
        Target("chat p50 over the model itself and a search", cost["beside_search_request_ms"], OVERHEAD_MS, unit="ms"),
        Target("prefix hits, stable order / order of relevance", order["gain"], GAIN, at_most=False, unit="×"),
    ]
    settings = {name: value for name, value in vars(options).items() if name in SETTINGS}
    publish("proxy", targets=targets, settings=settings, measured={"overhead": cost, "week": order}, out=options.out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--facts", type=int, default=40, help="memories per person, beside 16 of the house")
    parser.add_argument("--sessions", type=int, default=1, help="chats per person and day, of three to eight turns")
    parser.add_argument("--top-k", type=int, default=12, help="memories per prompt")
    parser.add_argument("--blocks", type=int, default=10, help="blocks of each kind to measure")
    parser.add_argument("--chats", type=int, default=15, help="chats per block")
    parser.add_argument("--block-tokens", type=int, default=16, help="tokens per block of the prefix cache")
    parser.add_argument("--cache-tokens", type=int, default=100_000, help="what the prefix cache holds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="result file (default: in benchmarks/results)")
    return parser.parse_args()


def _load(http: httpx.Client, options: argparse.Namespace) -> None:
    items = [
        {"content": fact.text, "user_id": fact.user, "namespace": NAMESPACE}
        for fact in facts(random.Random(options.seed), per_user=options.facts)
    ]
    for start in range(0, len(items), 100):
        http.post("/v1/memories/batch", json={"items": items[start : start + 100]}).raise_for_status()


def _chat(http: httpx.Client, messages: Sequence[Mapping[str, str]], **memory: Any) -> dict[str, Any]:
    body = {"model": "none", "messages": messages, "memory": {"namespace": NAMESPACE, **memory}}
    answer = http.post(CHAT, json=body)
    if answer.status_code != 200:
        raise CommandFailure(f"the proxy answered {answer.status_code}: {answer.text[:300]}")
    found: dict[str, Any] = answer.json()
    return found


def _overhead(http: httpx.Client, model: ModelServer, options: argparse.Namespace) -> dict[str, Any]:
    """Time chats, the model by itself and the search by itself, in turns."""
    rng = random.Random(options.seed)
    asked = list(week(rng, sessions_per_day=options.sessions))
    proxied: list[float] = []
    direct: list[float] = []
    searched: list[float] = []
    stated: list[float] = []
    with httpx.Client(timeout=60) as plain:
        for block in range(options.blocks + 1):
            chosen = rng.sample(asked, options.chats)
            for one in chosen:
                messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": one.text}]
                search = {"query": one.text, "namespace": NAMESPACE, "top_k": options.top_k}
                took = _timed(lambda m=messages: _chat(http, m, top_k=options.top_k))
                alone = _timed(lambda m=messages: plain.post(f"{model.url}/chat/completions", json={"messages": m}))
                began = time.perf_counter()
                found = http.post("/v1/search", json=search).json()
                by_itself = (time.perf_counter() - began) * 1000
                if block:  # the first one warms up
                    proxied.append(took)
                    direct.append(alone)
                    searched.append(by_itself)
                    stated.append(found["timings_ms"]["total"])
    return {
        "chats": len(proxied),
        "proxied_p50_ms": median(proxied),
        "proxied_p95_ms": percentile(proxied, 0.95),
        "direct_p50_ms": median(direct),
        "search_p50_ms": median(searched),
        "search_stated_p50_ms": median(stated),
        # Its own statement, without HTTP: what is left includes the way to us and back.
        "beside_search_ms": median([p - d - s for p, d, s in zip(proxied, direct, stated, strict=True)]),
        "beside_search_request_ms": median([p - d - s for p, d, s in zip(proxied, direct, searched, strict=True)]),
    }


def _timed(call: Any) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


@dataclass(slots=True)
class Arm:
    """One way to order memories, and what a prefix cache makes of its prompts."""

    cache: PrefixCache
    histories: dict[int, list[dict[str, str]]] = field(default_factory=dict)
    own_hits: int = 0  # beyond the words that every prompt begins with
    own_asked: int = 0


def _week(http: httpx.Client, model: ModelServer, options: argparse.Namespace) -> dict[str, Any]:
    """Send every prompt of the week in both orders and let caches take what reached the model."""
    common = len(tokens_of(f"system: {SYSTEM}\n\n{EXPLANATION}{OPENING}"))
    common -= common % options.block_tokens
    arms = {name: Arm(PrefixCache(options.block_tokens, options.cache_tokens)) for name in (RELEVANCE, ANEW, STABLE)}
    more = 0
    prompts = list(week(random.Random(options.seed + 1), sessions_per_day=options.sessions))
    with progress_bar() as bar:
        task = bar.add_task("a week of chats", total=len(prompts))
        for asked in prompts:
            sets = [
                _ask(http, model, asked, arm, order=name, options=options, common=common) for name, arm in arms.items()
            ]
            if sets[0]:
                _await_count(http, min(sets[0]))
            if sets[0] != sets[1] or not sets[0] <= sets[2]:
                raise CommandFailure("the stable order lacks a memory that the other has; they cannot be compared")
            more += len(sets[2]) - len(sets[0])
            bar.advance(task)
    relevance, stable = arms[RELEVANCE], arms[STABLE]
    return {
        "prompts": len(prompts),
        "tokens": {name: arm.cache.asked for name, arm in arms.items()},
        "tokens_worked_through": {name: arm.cache.asked - arm.cache.hits for name, arm in arms.items()},
        "memories_missing_in_stable": 0,
        "memories_more_in_stable_per_prompt": more / len(prompts),
        "rate": {name: arm.cache.rate for name, arm in arms.items()},
        "rate_beyond_system": {name: arm.own_hits / arm.own_asked for name, arm in arms.items()},
        "gain_of_the_order_alone": arms[ANEW].cache.rate / relevance.cache.rate,
        "gain": stable.cache.rate / relevance.cache.rate,
        "gain_beyond_system": (stable.own_hits / stable.own_asked)
        / max(relevance.own_hits / relevance.own_asked, 1e-9),
    }


def _ask(
    http: httpx.Client,
    model: ModelServer,
    asked: Asked,
    arm: Arm,
    *,
    order: str,
    options: argparse.Namespace,
    common: int,
) -> frozenset[str]:
    history = arm.histories.setdefault(asked.session, [{"role": "system", "content": SYSTEM}])
    history.append({"role": "user", "content": asked.text})
    # Only one arm counts what it used: the other is asked last, about the same state.
    memory: dict[str, Any] = {"user_id": asked.user, "top_k": options.top_k, "reinforce": order == STABLE}
    memory["order"] = "stable" if order == ANEW else order
    # A session of its own for every turn: nothing is known of the turn before.
    memory["session_id"] = f"{asked.session}.{asked.turn}" if order == ANEW else str(asked.session)
    answer = _chat(http, history, **memory)
    text = "\n".join(f"{message['role']}: {message['content']}" for message in model.last.body["messages"])
    tokens = tokens_of(text)
    hits = arm.cache.ask(tokens)
    arm.own_hits += max(0, hits - common)
    arm.own_asked += len(tokens) - common
    history.append({"role": "assistant", "content": REPLY})
    return frozenset(one["id"] for one in answer["memory"]["memories"])


def _await_count(http: httpx.Client, memory_id: str) -> None:
    """Wait until a prompt is counted, which happens behind its answer: the next one is to see it, in every run."""
    deadline = time.monotonic() + COUNTED_WITHIN_S
    while time.monotonic() < deadline:
        held = http.get(f"/v1/memories/{memory_id}").json()["retention"]
        known = _COUNTED.get(memory_id, 0)
        if held["recall_count"] > known:
            _COUNTED[memory_id] = held["recall_count"]
            return
    raise CommandFailure(f"the use of memory {memory_id} was not counted in {COUNTED_WITHIN_S:g} s")


_COUNTED: dict[str, int] = {}


if __name__ == "__main__":
    sys.exit(readable_failures(main))
