"""What `forget` says when its calls, which run side by side, fail in several ways."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from memory_client import AsyncMemoryClient, ConnectionFailed

from memory_mcp.failures import ToolFailure
from memory_mcp.pinned.forget import ForgetArguments, Forgotten, forget
from memory_mcp.scope import Scope
from memory_mcp.tool import Caller

pytestmark = pytest.mark.anyio

IDS = [f"01a21900-0000-7000-8000-{n:012d}" for n in range(6)]
FIRST, SECOND, THIRD, *REST = IDS
MAYBE = "It may have carried the call out"
NOTHING = "Nothing was stored or changed"


@dataclass
class Client:
    """A client whose deletions end one after the other, as they are listed: with an error, or with nothing."""

    ends: dict[str, ConnectionFailed | None]
    asked: list[str] = field(default_factory=list)
    ended: dict[str, asyncio.Event] = field(default_factory=dict)

    async def get(self, memory_id: str) -> Any:
        await asyncio.sleep(0)  # Those that run side by side have all begun before the first of them fails.
        return SimpleNamespace(id=memory_id, namespace="default", user_id=None, state="activated")

    async def delete(self, memory_id: str) -> None:
        self.asked.append(memory_id)
        order = list(self.ends)
        before = order[order.index(memory_id) - 1] if order.index(memory_id) else None
        mine = self.ended.setdefault(memory_id, asyncio.Event())
        if before is not None:
            await self.ended.setdefault(before, asyncio.Event()).wait()
        mine.set()
        if (error := self.ends[memory_id]) is not None:
            raise error


def lost(*, sent: bool) -> ConnectionFailed:
    return ConnectionFailed("gone", sent=sent)


async def told(client: Client) -> str:
    """Return what is said where nothing was forgotten."""
    caller = Caller(cast(AsyncMemoryClient, client), Scope())
    with pytest.raises(ToolFailure) as failed:
        await forget(caller, ForgetArguments(memory_ids=IDS))
    return failed.value.message


@pytest.mark.parametrize("other", [FIRST, SECOND, THIRD])
async def test_what_may_have_been_carried_out_is_said_whenever_it_failed(other: str) -> None:
    client = Client({id_: lost(sent=id_ == other) for id_ in (FIRST, SECOND, THIRD, *REST)})
    said = await told(client)
    assert MAYBE in said
    assert NOTHING not in said


async def test_what_was_never_sent_changed_nothing() -> None:
    client = Client({id_: lost(sent=False) for id_ in IDS})
    said = await told(client)
    assert NOTHING in said
    assert MAYBE not in said
    assert set(client.asked) < set(IDS), "a service that is gone is asked for no more"


async def test_what_was_forgotten_beside_a_failure_is_said() -> None:
    client = Client({FIRST: None, SECOND: lost(sent=True), **{id_: lost(sent=False) for id_ in (THIRD, *REST)}})
    answer = await forget(Caller(cast(AsyncMemoryClient, client), Scope()), ForgetArguments(memory_ids=IDS))
    assert isinstance(answer.structured, Forgotten)
    statuses = {one.id: one.status for one in answer.structured.outcomes}
    assert statuses == {FIRST: "archived", **dict.fromkeys((SECOND, THIRD, *REST), "failed")}
    assert MAYBE in answer.text
