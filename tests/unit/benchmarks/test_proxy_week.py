"""A week of prompts is compared at equal recall or not at all, and caches find what was sent before."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from benchmarks.proxy_week import ANEW, RELEVANCE, STABLE, Sent, found_in_caches, walk
from benchmarks.week import SYSTEM, Asked
from memory_service.cli.failures import CommandFailure

ASKED = [Asked(0, "Runa", 1, turn, f"And then {turn}?") for turn in range(3)]


class Proxy:
    """A proxy that puts in what a test says, and what reaches the model behind it."""

    def __init__(self, found: dict[str, list[set[str]]]) -> None:
        self.last: Any = None
        self.asked: list[dict[str, Any]] = []
        self._found = {order: iter(sets) for order, sets in found.items()}
        self.http = httpx.Client(base_url="http://service", transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            counted = sum(one["reinforce"] for one in self.asked)
            return httpx.Response(200, json={"retention": {"recall_count": counted}})
        body = json.loads(request.content)
        self.asked.append(body["memory"])
        self.last = SimpleNamespace(body=body)
        ids = sorted(next(self._found[body["memory"]["order"]]))
        return httpx.Response(200, json={"memory": {"memories": [{"id": one} for one in ids]}})


@pytest.fixture
def proxies() -> Iterator[list[Proxy]]:
    made: list[Proxy] = []
    yield made
    for one in made:
        one.http.close()


def test_the_same_prompts_are_asked_in_every_way(proxies: list[Proxy]) -> None:
    proxy = Proxy({"relevance": [{"a"}, {"b"}, {"b"}], "stable": [{"a"}, {"a", "b"}, {"a", "b", "c"}]})
    proxies.append(proxy)
    turns = list(walk(proxy.http, proxy, ASKED, (RELEVANCE, STABLE), top_k=3))  # type: ignore[arg-type]
    assert [turn["stable"].memories for turn in turns] == [{"a"}, {"a", "b"}, {"a", "b", "c"}]
    assert [one["reinforce"] for one in proxy.asked] == [False, True] * 3, "one of them counts, and is asked last"
    assert [len(turn["relevance"].messages) for turn in turns] == [2, 4, 6], "each way has a conversation of its own"
    assert turns[0]["stable"].text == f"system: {SYSTEM}\nuser: And then 0?"


@pytest.mark.parametrize("lacking", [{"a"}, {"a", "c"}, set()])
def test_an_order_that_lacks_a_memory_is_not_compared(proxies: list[Proxy], lacking: set[str]) -> None:
    proxy = Proxy({"relevance": [{"a"}, {"a", "b"}], "stable": [{"a"}, lacking]})
    proxies.append(proxy)
    with pytest.raises(CommandFailure, match="'stable' lacks"):
        list(walk(proxy.http, proxy, ASKED, (RELEVANCE, STABLE), top_k=3))  # type: ignore[arg-type]


def test_what_is_laid_out_anew_has_just_the_same(proxies: list[Proxy]) -> None:
    proxy = Proxy({"relevance": [{"a"}], "stable": [{"a", "b"}, {"a", "b"}]})
    proxies.append(proxy)
    with pytest.raises(CommandFailure, match="anew"):
        list(walk(proxy.http, proxy, ASKED, (RELEVANCE, ANEW, STABLE), top_k=3))  # type: ignore[arg-type]
    sessions = [one["session_id"] for one in proxy.asked]
    assert sessions == ["1", "1.0", "1"], "nothing is known of the turn before"


def test_caches_find_what_was_sent_before() -> None:
    def sent(*words: str, memories: int = 1) -> Sent:
        return Sent(({"role": "user", "content": " ".join(words)},), frozenset(str(n) for n in range(memories)))

    # Of one letter each, so that a word is a token; "user" and the colon are two.
    turns = [
        {"relevance": sent(*"abcdef"), "stable": sent(*"abcdef")},
        {"relevance": sent(*"bcdefa"), "stable": sent(*"abcdefgh", memories=3)},
    ]
    found = found_in_caches(turns, block_tokens=2, cache_tokens=1000)
    assert found["tokens"] == {"relevance": 16, "stable": 18}
    assert found["tokens_worked_through"] == {"relevance": 14, "stable": 10}
    assert found["rate"] == {"relevance": 2 / 16, "stable": 8 / 18}
    assert found["gain"] == {"stable": pytest.approx(8 / 18 * 8)}
    assert found["memories_more_per_prompt"] == {"stable": 1.0}
