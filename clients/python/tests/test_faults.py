"""Nothing is stored twice and nothing acknowledged is lost, whatever the network does."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from either_way import every, got
from misbehaving_proxy import Fault, MisbehavingProxy

from memory_client import (
    NO_RETRIES,
    ConnectionFailed,
    MemoryClientError,
    RateLimited,
    Retries,
    ServiceUnavailable,
    StillRunning,
    TimedOut,
    Timeout,
    UnexpectedAnswer,
    VersionConflict,
)

pytestmark = pytest.mark.anyio

PASSING = [
    Fault.DROP_BEFORE,
    Fault.DROP_AFTER,
    Fault.CUT_ANSWER,
    Fault.LIMITED,
    Fault.UNAVAILABLE,
    Fault.OUTCOME_UNKNOWN,
    Fault.BAD_GATEWAY,
    Fault.GATEWAY_TIMEOUT,
    Fault.STILL_RUNNING,
]


async def contents(client: Any, namespace: str) -> list[str]:
    return [memory.content for memory in await every(client.list(namespace=namespace))]


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: fault.name)
async def test_a_memory_is_stored_once(
    client: Any, shaky: Any, proxy: MisbehavingProxy, namespace: str, fault: Fault
) -> None:
    proxy.order(fault, fault)
    # Not recognisable as a duplicate by its content: a repeated turn is a new one.
    added = await got(shaky.add_messages(["Again and again."], namespace=namespace, session_id="s"))
    assert [one.fault for one in proxy.seen] == [fault, fault, Fault.NONE]
    assert len(proxy.keys()) == 1
    said = await every(client.sessions.messages("s", namespace=namespace))
    assert [memory.id for memory in said] == added.memories


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.OUTCOME_UNKNOWN], ids=lambda fault: fault.name)
async def test_a_change_is_made_once(
    client: Any, shaky: Any, proxy: MisbehavingProxy, namespace: str, fault: Fault
) -> None:
    memory = await got(client.add("Rosa lives in Turin.", namespace=namespace))
    proxy.order(fault)
    changed = await got(shaky.update(memory.id, content="Rosa lives in Genoa.", if_match=memory.version))
    assert changed.version == 2
    assert len(await every(client.history(memory.id))) == 2


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.BAD_GATEWAY], ids=lambda fault: fault.name)
async def test_reading_and_removing_get_through(
    client: Any, shaky: Any, proxy: MisbehavingProxy, namespace: str, fault: Fault
) -> None:
    memory = await got(client.add("Rosa has a dog.", namespace=namespace))
    proxy.order(fault, Fault.NONE, fault)
    assert (await got(shaky.get(memory.id))).content == memory.content
    assert (await got(shaky.search("dog", namespace=namespace))).results
    assert await got(shaky.delete(memory.id)) is None
    assert await contents(client, namespace) == []


async def test_what_was_removed_by_a_lost_attempt_is_removed(
    shaky: Any, proxy: MisbehavingProxy, namespace: str
) -> None:
    saved = await got(
        shaky.saved_queries.create(
            "dogs", [(await got(shaky.add("A dog.", namespace=namespace))).id], namespace=namespace
        )
    )
    proxy.order(Fault.DROP_AFTER)
    assert await got(shaky.saved_queries.delete(saved.id)) is None
    assert [one.fault for one in proxy.seen[-2:]] == [Fault.DROP_AFTER, Fault.NONE]
    with pytest.raises(MemoryClientError):
        await got(shaky.saved_queries.delete(saved.id))


async def test_a_removal_bound_to_a_version_is_not_repeated_blindly(
    client: Any, shaky: Any, proxy: MisbehavingProxy, namespace: str
) -> None:
    memory = await got(client.add("Rosa has a dog.", namespace=namespace))
    proxy.order(Fault.DROP_BEFORE)
    with pytest.raises(ConnectionFailed) as caught:
        await got(shaky.delete(memory.id, if_match=1))
    assert caught.value.sent
    assert len(proxy.seen) == 1
    # It is certain that this one was not carried out.
    proxy.order(Fault.UNAVAILABLE)
    assert await got(shaky.delete(memory.id, if_match=1)) is None
    with pytest.raises(VersionConflict):
        await got(shaky.delete(memory.id, if_match=7))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.DROP_BEFORE, ConnectionFailed),
        (Fault.DROP_AFTER, ConnectionFailed),
        (Fault.CUT_ANSWER, ConnectionFailed),
        (Fault.SILENCE, TimedOut),
        (Fault.LIMITED, RateLimited),
        (Fault.UNAVAILABLE, ServiceUnavailable),
        (Fault.BAD_GATEWAY, ServiceUnavailable),
        (Fault.HTML, UnexpectedAnswer),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_what_does_not_pass_has_a_type(
    connect: Callable[..., Any], service: Any, proxy: MisbehavingProxy, fault: Fault, error: type[MemoryClientError]
) -> None:
    client = connect(
        proxy.url, service.api_key, retries=NO_RETRIES, timeout=Timeout(5, 1 if fault is Fault.SILENCE else 30, 60)
    )
    proxy.order(fault)
    with pytest.raises(error) as caught:
        await got(client.add("x"))
    assert type(caught.value) is error
    assert caught.value.retryable is (error is not UnexpectedAnswer)
    assert service.api_key not in repr(caught.value) + str(caught.value)
    await got(client.close())


async def test_retry_after_is_waited_for(shaky: Any, proxy: MisbehavingProxy) -> None:
    proxy.order(Fault.LIMITED)
    began = time.monotonic()
    await got(shaky.list(limit=1).page())
    assert time.monotonic() - began >= 1
    proxy.order(Fault.LIMITED)
    began = time.monotonic()
    with pytest.raises(RateLimited) as caught:  # No use in waiting for what comes too late.
        await got(shaky.list(limit=1, timeout=0.8).page())
    assert time.monotonic() - began < 0.8
    assert (caught.value.retry_after_s, caught.value.attempts) == (1, 1)


async def test_the_time_of_all_attempts_is_bounded(shaky: Any, proxy: MisbehavingProxy, namespace: str) -> None:
    proxy.order(*[Fault.SILENCE] * 9)
    began = time.monotonic()
    with pytest.raises(TimedOut) as caught:
        await got(shaky.add("x", namespace=namespace, timeout=Timeout(1, 1, 1.5)))
    assert 1.4 <= time.monotonic() - began < 5
    assert caught.value.attempts == 2


async def test_a_missing_service_is_said_so(connect: Callable[..., Any], service: Any) -> None:
    client = connect("http://127.0.0.1:9", service.api_key, retries=Retries(attempts=3, base_s=0.01))
    with pytest.raises(ConnectionFailed, match="is it running") as caught:
        await got(client.add("x"))
    assert (caught.value.sent, caught.value.attempts) == (False, 3)
    await got(client.close())


async def test_silence_is_ended(
    client: Any, connect: Callable[..., Any], service: Any, proxy: MisbehavingProxy, namespace: str
) -> None:
    impatient = connect(proxy.url, service.api_key, timeout=Timeout(connect=5, read=3, total=60))
    proxy.order(Fault.SILENCE)
    added = await got(impatient.add_messages(["Was that heard?"], namespace=namespace, session_id="s"))
    assert len(proxy.seen) >= 2
    said = await every(client.sessions.messages("s", namespace=namespace))
    assert [memory.id for memory in said] == added.memories
    await got(impatient.close())


async def test_who_waits_for_the_first_request_is_bounded_by_time_alone(
    connect: Callable[..., Any], service: Any, proxy: MisbehavingProxy, namespace: str
) -> None:
    once = connect(proxy.url, service.api_key, retries=NO_RETRIES)
    proxy.order(Fault.STILL_RUNNING, Fault.STILL_RUNNING)
    added = await got(once.add("Slowly.", namespace=namespace))
    assert added.content == "Slowly."
    assert len(proxy.keys()) == 1
    proxy.order(*[Fault.STILL_RUNNING] * 5)
    with pytest.raises(StillRunning):
        await got(once.add("Too slowly.", namespace=namespace, timeout=1.5))
    await got(once.close())


async def test_many_writers_through_bad_weather(
    client: Any, connect: Callable[..., Any], service: Any, proxy: MisbehavingProxy, namespace: str
) -> None:
    persistent = connect(proxy.url, service.api_key, retries=Retries(attempts=10, base_s=0.01, cap_s=0.05))
    weather = random.Random(5)
    quick = [fault for fault in PASSING if fault not in {Fault.LIMITED, Fault.STILL_RUNNING}]
    proxy.order(*(weather.choice([*[Fault.NONE] * len(quick), *quick]) for _ in range(30)))
    at_once = asyncio.Semaphore(6)
    acknowledged: list[str] = []

    async def write(number: int) -> None:
        async with at_once:
            added = await got(persistent.add_messages([f"Turn {number}"], namespace=namespace, session_id="s"))
        acknowledged.extend(added.memories)

    await asyncio.gather(*(write(number) for number in range(12)))
    stored = await every(client.sessions.messages("s", namespace=namespace))
    assert sorted(memory.content for memory in stored) == sorted(f"Turn {number}" for number in range(12))
    assert sorted(acknowledged) == sorted(memory.id for memory in stored)
    await got(persistent.close())
