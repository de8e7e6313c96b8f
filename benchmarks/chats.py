"""Chats with the proxy of a running service, about memories of a household."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import httpx

from benchmarks.week import Fact
from memory_service.cli.failures import CommandFailure

CHAT: Final = "/openai/v1/chat/completions"
NAMESPACE: Final = "bench/proxy"
AT_A_TIME: Final = 100


def remember(http: httpx.Client, facts: Iterable[Fact]) -> None:
    """Store what is known at the beginning of the week."""
    items = [{"content": fact.text, "user_id": fact.user, "namespace": NAMESPACE} for fact in facts]
    for start in range(0, len(items), AT_A_TIME):
        http.post("/v1/memories/batch", json={"items": items[start : start + AT_A_TIME]}).raise_for_status()


def chat(http: httpx.Client, messages: Sequence[Mapping[str, str]], **memory: Any) -> dict[str, Any]:
    """Send a conversation through the proxy and return the answer.

    Raises:
        CommandFailure: it was refused.
    """
    body = {"model": "none", "messages": messages, "memory": {"namespace": NAMESPACE, **memory}}
    answer = http.post(CHAT, json=body)
    if answer.status_code != 200:
        raise CommandFailure(f"the proxy answered {answer.status_code}: {answer.text[:300]}")
    found: dict[str, Any] = answer.json()
    return found
