import asyncio
from typing import Any

import pytest
from either_way import every, got
from misbehaving_proxy import Fault, MisbehavingProxy

from memory_client import Conflict, NotFound, TimedOut
from memory_client.events import Event, EventReader

pytestmark = pytest.mark.anyio

NOWHERE = "00000000-0000-7000-8000-000000000000"


async def test_a_job_is_followed_to_its_end(client: Any, namespace: str) -> None:
    added = await got(client.add_messages([f"Rosa counted {n} urchins." for n in range(5)], namespace=namespace))
    seen = await every(client.jobs.watch(added.job_id))
    assert seen[-1].status == "succeeded"
    assert (seen[-1].progress.done, seen[-1].progress.total) == (5, 5)
    assert len({job.model_dump_json() for job in seen}) == len(seen)
    ended = await got(client.jobs.get(added.job_id))
    assert ended.ended
    assert len(ended.items) == 5
    assert added.job_id in {job.id for job in await every(client.jobs.list(namespace=namespace))}
    assert (await got(client.jobs.wait(added.job_id))).id == added.job_id
    with pytest.raises(Conflict) as caught:
        await got(client.jobs.cancel(added.job_id))
    assert caught.value.code == "job_ended"
    assert await every(client.jobs.dead_letters(added.job_id)) == []


async def test_a_stream_that_breaks_is_taken_up_again(
    client: Any, shaky: Any, proxy: MisbehavingProxy, namespace: str
) -> None:
    added = await got(client.add_messages(["Rosa counted urchins."], namespace=namespace))
    proxy.order(Fault.DROP_BEFORE, Fault.CUT_STREAM, Fault.UNAVAILABLE, Fault.CUT_STREAM, Fault.CUT_STREAM)
    seen = await every(shaky.jobs.watch(added.job_id))
    assert seen[-1].ended
    assert len({job.model_dump_json() for job in seen}) == len(seen)
    assert [one.fault for one in proxy.seen][:2] == [Fault.DROP_BEFORE, Fault.CUT_STREAM]


async def test_watching_may_end_early(client: Any, namespace: str) -> None:
    added = await got(client.add_messages(["Rosa counted urchins."], namespace=namespace))
    watching = client.jobs.watch(added.job_id)
    if hasattr(watching, "__aiter__"):
        async for job in watching:
            assert job.id == added.job_id
            break
        await watching.aclose()
    else:
        assert next(watching).id == added.job_id
        watching.close()


async def test_a_job_that_is_not_there_is_said_so(client: Any) -> None:
    with pytest.raises(NotFound):
        await every(client.jobs.watch(NOWHERE))
    with pytest.raises(NotFound):
        await got(client.jobs.wait(NOWHERE))


async def test_waiting_has_an_end(client: Any, namespace: str) -> None:
    added = await got(client.add_messages(["Rosa counted urchins."] * 200, namespace=namespace))
    with pytest.raises(TimedOut, match="goes on"):
        await got(client.jobs.wait(added.job_id, timeout=0.001))
    with pytest.raises(TimedOut):
        await every(client.jobs.watch(added.job_id, timeout=0.001))
    assert (await got(client.jobs.get(added.job_id))).status in {"queued", "running", "succeeded"}


async def test_tasks_follow_side_by_side(client: Any, namespace: str) -> None:
    if not hasattr(client, "__aenter__"):
        return
    one, two = [await client.add_messages([text], namespace=namespace) for text in ("Rosa.", "Tom.")]
    ended = await asyncio.gather(client.jobs.wait(one.job_id), client.jobs.wait(two.job_id))
    assert [job.status for job in ended] == ["succeeded", "succeeded"]


def test_events_are_cut_wherever_bytes_are_torn() -> None:
    stream = (
        "retry: 250\r\n\r\nevent: progress\r\ndata: ü\r\ndata: 2\r\n\r\n: nothing\n\ndata:x\n\nevent: lost\n".encode()
    )
    for size in (1, 2, 3, 7, len(stream)):
        reader = EventReader()
        events = [e for at in range(0, len(stream), size) for e in reader.feed(stream[at : at + size])]
        assert events == [Event("progress", "ü\n2"), Event("message", "x")]
        assert reader.retry_s == 0.25
