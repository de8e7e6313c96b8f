"""Who is delivered to when: nobody waits for a slow receiver, and what somebody changes meanwhile holds at once."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from consolidation import consolidate
from consolidation.delivering import OF_A_TENANT, Deliverer
from consolidation.tenancy import Tenancy
from memory_service.api.services import utc_now
from memory_service.storage import webhook_deliveries
from memory_service.storage.database import Database
from memory_service.webhooks.names import OF_ONE
from tests import waiting

PATIENCE_S = 60
eventually = partial(waiting.eventually, timeout_s=PATIENCE_S)


def add(me: Any, *contents: str, **more: Any) -> list[str]:
    """Store memories, each of which is told in a message of its own, in this order."""
    return [me.post("/v1/memories", json={"content": content, **more}).json()["id"] for content in contents]


def kept(me: Any, hook: Any) -> dict[str, Any]:
    rows = me.get(f"/v1/webhooks/{hook['id']}/deliveries").json()["data"]
    return {row["subject_id"]: row for row in rows}


def test_nobody_waits_for_a_slow_receiver(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    """What is written while a slow receiver has its turn is told to the others at once."""
    listen(events=["memory.created"], namespace="slow", url=receiver.url.replace("/hook", "/slow"))
    listen(events=["memory.created"], namespace="fast")
    backlog = add(me, *(f"Number {n}." for n in range(8)), namespace="slow")
    receiver.delay_s = 1.5
    deliverer = Deliverer(worker.work)
    deliverer.start()
    try:
        assert eventually(lambda: receiver.received)
        add(me, "Ana drinks tea.", namespace="fast")
        assert eventually(lambda: [one for one in receiver.received if one.path.startswith("/hook")])
        assert 0 < len([one for one in receiver.received if one.path.startswith("/slow")]) < len(backlog)
    finally:
        deliverer.stop(timeout_s=PATIENCE_S)
    assert not deliverer.is_alive()


def test_a_deliverer_that_stops_gives_back_what_it_has_not_sent(
    me: Any, receiver: Any, worker: Any, listen: Any
) -> None:
    hook = listen(events=["memory.created"])
    add(me, "Ana drinks tea.", "Ana drinks milk.", "Ana drinks cocoa.")
    receiver.delay_s = 1.0
    deliverer = Deliverer(worker.work)
    deliverer.start()
    assert eventually(lambda: receiver.received)
    deliverer.stop(timeout_s=PATIENCE_S)
    assert not deliverer.is_alive()
    sent = len(receiver.received)
    assert sent < 3
    assert sorted(row["attempts"] for row in kept(me, hook).values()) == [0] * (3 - sent) + [1] * sent
    assert worker.deliver() == 3 - sent, "at once, not when the lease ends"


def test_a_tenant_has_a_few_turns_at_once(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    for _ in range(OF_A_TENANT + 3):
        listen(events=["memory.created"])
    add(me, "Ana drinks tea.")
    receiver.delay_s = 0.5
    assert worker.deliver() == OF_A_TENANT + 3
    assert 1 < receiver.most <= OF_A_TENANT


def test_whose_message_has_waited_longest_comes_first(me: Any, worker: Any, listen: Any, database: Database) -> None:
    hooks = [UUID(listen(events=["memory.created"])["id"]) for _ in range(3)]
    add(me, "Ana drinks tea.")
    with database.transaction(me.tenant_id) as session:
        for hours, hook in enumerate(hooks):
            wait = "UPDATE webhook_delivery SET due_at = now() - make_interval(hours => :h) "
            wait += "WHERE tenant_id = :t AND webhook_id = :w"
            session.execute(text(wait), {"h": hours, "t": me.tenant_id, "w": hook})
    assert [hook for _, hook in worker.work.due(worker.now())] == hooks[::-1]


def test_what_is_switched_off_is_told_no_further_message(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    hook = listen(events=["memory.created"])
    first, *others = add(me, "Ana drinks tea.", "Ana drinks milk.", "Ana drinks cocoa.")
    receiver.meanwhile = lambda: me.patch(f"/v1/webhooks/{hook['id']}", json={"active": False})
    assert worker.deliver() == 1
    rows = kept(me, hook)
    assert rows[first]["status"] == "delivered"
    assert [(rows[one]["status"], rows[one]["attempts"]) for one in others] == [("pending", 0)] * 2
    me.patch(f"/v1/webhooks/{hook['id']}", json={"active": True})
    assert worker.deliver() == 2, "given back, not left until the lease ends"


def test_another_url_holds_from_the_next_message_on(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    hook = listen(events=["memory.created"])
    add(me, "Ana drinks tea.", "Ana drinks milk.", "Ana drinks cocoa.")
    moved = {"url": receiver.url.replace("/hook", "/moved")}
    receiver.meanwhile = lambda: me.patch(f"/v1/webhooks/{hook['id']}", json=moved)
    assert worker.deliver() + worker.deliver() == 3
    assert [one.path.partition("?")[0] for one in receiver.received] == ["/hook", "/moved", "/moved"]


def test_contents_are_told_no_more_from_the_next_message_on(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    hook = listen(events=["memory.created"], content=True)
    add(me, "Ana drinks tea.", "Ana drinks milk.")
    receiver.meanwhile = lambda: me.patch(f"/v1/webhooks/{hook['id']}", json={"content": False})
    assert worker.deliver() + worker.deliver() == 2
    assert [one.said["data"].get("content") for one in receiver.received] == ["Ana drinks tea.", None]


@pytest.mark.parametrize("status", [410, 500])
def test_what_the_former_url_answers_says_nothing_of_the_new_one(
    me: Any, receiver: Any, worker: Any, listen: Any, status: int
) -> None:
    hook = listen(events=["memory.created"])
    add(me, "Ana drinks tea.")
    receiver.answers = [(status, {})]
    moved = {"url": receiver.url.replace("/hook", "/moved")}
    receiver.meanwhile = lambda: me.patch(f"/v1/webhooks/{hook['id']}", json=moved)
    worker.deliver()
    shown = me.get(f"/v1/webhooks/{hook['id']}").json()
    assert (shown["active"], shown["disabled_reason"], shown["failures"], shown["retry_at"]) == (True, None, 0, None)
    assert worker.later(seconds=6) == 1
    assert receiver.received[-1].path.startswith("/moved")


def test_contents_are_looked_up_when_the_message_is_sent(
    me: Any, receiver: Any, worker: Any, listen: Any, database: Database
) -> None:
    """Taken together with the first, erased while that one was being sent."""
    listen(events=["memory.created"], content=True)
    _, erased = add(me, "Ana drinks tea.", "Ana has a secret.")
    tenancy = Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), utc_now)
    done: list[bool] = []

    def erase() -> None:
        job = me.delete(f"/v1/memories/{erased}?erase=true").json()["job_id"]
        done.append(consolidate.run_job(tenancy, UUID(job)))

    receiver.meanwhile = erase
    assert worker.deliver() == 1
    assert done == [True]
    assert [one.said["data"]["content"] for one in receiver.received] == ["Ana drinks tea."]


def test_what_is_to_be_sent_again_while_it_is_sent_is_sent_again(
    me: Any, receiver: Any, worker: Any, listen: Any
) -> None:
    """What became of the first attempt says nothing of the one that was asked for."""
    hook = listen(events=["memory.created"])
    (memory,) = add(me, "Ana drinks tea.")
    path = f"/v1/webhooks/{hook['id']}/deliveries/{kept(me, hook)[memory]['id']}/retry"
    receiver.meanwhile = lambda: me.post(path)
    worker.deliver()
    assert len(receiver.received) == 2
    assert (kept(me, hook)[memory]["status"], kept(me, hook)[memory]["attempts"]) == ("delivered", 1)


def test_a_message_whose_name_had_no_turn_is_given_back(
    me: Any, worker: Any, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of the tenant that hang fail by themselves; what waits behind them has not failed."""
    awake = threading.Event()

    def answers(_host: Any, port: Any, *_: Any, **__: Any) -> Any:
        awake.wait(PATIENCE_S)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    hooks = [listen(events=["memory.created"], url=f"http://silent{n}.example/") for n in range(OF_ONE + 1)]
    (memory,) = add(me, "Ana drinks tea.")
    try:
        assert worker.deliver(timeout_s=2.0) == OF_ONE
    finally:
        awake.set()
    rows = [kept(me, hook)[memory] for hook in hooks]
    assert sorted((row["attempts"], len(row["tries"])) for row in rows) == [(0, 0)] + [(1, 1)] * OF_ONE
    assert [row["tries"][0]["error"] for row in rows if row["tries"]] == ["name_timeout"] * OF_ONE
    failures = [me.get(f"/v1/webhooks/{hook['id']}").json()["failures"] for hook in hooks]
    assert sorted(failures) == [0] + [1] * OF_ONE


@contextmanager
def holding(database: Database, tenant_id: UUID, table: str, row: Any) -> Iterator[None]:
    """Hold a row as a change of it does."""
    with database.transaction(tenant_id) as session:
        statement = text(f"SELECT id FROM {table} WHERE tenant_id = :t AND id = :id FOR UPDATE")
        assert session.execute(statement, {"t": tenant_id, "id": row}).all()
        yield


@contextmanager
def waiting(held: Any, work: Callable[[], Any], maintenance: Engine) -> Iterator[None]:
    """Have something done that comes to wait for what is held; at the end that is let go, and the work ends."""
    thread = threading.Thread(target=work)
    with held, maintenance.connect() as connection:
        thread.start()
        assert eventually(lambda: connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
        yield
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def free(database: Database, tenant_id: UUID) -> list[UUID]:
    """Return the deliveries that nobody holds."""
    with database.transaction(tenant_id) as session:
        statement = text("SELECT id FROM webhook_delivery WHERE tenant_id = :t ORDER BY id FOR UPDATE SKIP LOCKED")
        return list(session.scalars(statement, {"t": tenant_id}))


def test_who_waits_for_a_webhook_holds_none_of_its_deliveries(
    me: Any, receiver: Any, worker: Any, listen: Any, database: Database, maintenance: Engine
) -> None:
    hook = listen(events=["memory.created"])
    (memory,) = add(me, "Ana drinks tea.")
    delivery = kept(me, hook)[memory]["id"]
    retry = f"/v1/webhooks/{hook['id']}/deliveries/{delivery}/retry"
    for work in (worker.deliver, lambda: me.post(retry)):
        with waiting(holding(database, me.tenant_id, "webhook", hook["id"]), work, maintenance):
            assert free(database, me.tenant_id) == [UUID(delivery)]
    assert kept(me, hook)[memory]["status"] == "pending", "both have come to their ends"


def test_an_erasure_takes_deliveries_in_the_order_in_which_others_do(
    me: Any, listen: Any, database: Database, maintenance: Engine
) -> None:
    listen(events=["memory.created"])
    memories = [UUID(one) for one in add(me, "Ana drinks tea.", "Ana drinks milk.")]
    lower, higher = free(database, me.tenant_id)
    with database.transaction(me.tenant_id) as session:
        # Neither by where they lie nor by their subjects they come in the order of their ids.
        move = text("UPDATE webhook_delivery SET subject_id = :s WHERE tenant_id = :t AND id = :id")
        for delivery, subject in zip((higher, lower), sorted(memories), strict=True):
            session.execute(move, {"s": subject, "t": me.tenant_id, "id": delivery})

    def forget() -> None:
        with database.transaction(me.tenant_id) as session:
            webhook_deliveries.forget_memories(session, me.tenant_id, memories)

    with waiting(holding(database, me.tenant_id, "webhook_delivery", lower), forget, maintenance):
        assert free(database, me.tenant_id) == [higher]
    assert free(database, me.tenant_id) == []
