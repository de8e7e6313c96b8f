"""How messages are delivered: signed, again when it failed, dead in the end, to public addresses alone."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, text

from consolidation import delivery_turn
from memory_service.storage.database import Database
from memory_service.webhooks.addresses import Reach
from memory_service.webhooks.schedule import Schedule
from tests.integration.webhooks.conftest import verified

CUPS = count()


@pytest.fixture
def told(me: Any, listen: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes a webhook and a memory, and then shows the delivery."""

    def make(**body: Any) -> Any:
        hook = listen(events=["memory.created"], **body)
        assert me.post("/v1/memories", json={"content": f"Ana drinks tea {next(CUPS)}."}).status_code == 201
        return hook, lambda: me.get(f"/v1/webhooks/{hook['id']}/deliveries").json()["data"][0]

    return make


def test_a_message_is_signed_and_says_ids_alone(me: Any, receiver: Any, worker: Any, told: Any) -> None:
    hook, shown = told()
    assert worker.deliver() == 1
    (got,) = receiver.received
    assert verified(hook["secret"], got)
    assert not verified("whsec_" + "A" * 32, got)
    assert got.path == "/hook?a=b"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("memory-service/")
    delivery = shown()
    assert got.said == {
        "id": delivery["event_id"],
        "type": "memory.created",
        "timestamp": got.said["timestamp"],
        "data": {"memory_id": delivery["subject_id"], "namespace": "default", "version": 1},
    }
    assert delivery["status"] == "delivered"
    assert delivery["next_attempt_at"] is None
    assert [(t["status"], t["error"]) for t in delivery["tries"]] == [(200, None)]
    moments = [delivery["tries"][0]["at"], delivery["finished_at"], delivery["occurred_at"]]
    assert all(moment.endswith("Z") for moment in moments), "one form everywhere"
    assert worker.deliver() == 0, "once is enough"


def test_a_failure_is_tried_again_with_longer_waits_and_is_dead_in_the_end(
    me: Any, receiver: Any, worker: Any, told: Any
) -> None:
    hook, shown = told()
    receiver.always = 500
    assert worker.deliver() == 1
    assert shown()["status"] == "pending"
    assert worker.deliver() == 0, "not before its time"
    assert worker.later(seconds=6) == 1
    assert worker.later(seconds=6) == 0, "the second wait is longer"
    assert worker.later(seconds=20) == 1
    delivery = shown()
    assert (delivery["status"], delivery["attempts"], delivery["next_attempt_at"]) == ("dead", 3, None)
    assert [(t["status"], t["error"]) for t in delivery["tries"]] == [(500, "status")] * 3
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert worker.later(hours=1) == 0
    receiver.always = None
    again = me.post(f"/v1/webhooks/{hook['id']}/deliveries/{delivery['id']}/retry")
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert worker.deliver() == 1
    assert shown()["status"] == "delivered"
    assert len(shown()["tries"]) == 4
    assert receiver.received[-1].headers["webhook-id"] == receiver.received[0].headers["webhook-id"]


def test_a_receiver_that_fails_is_left_alone_and_nothing_of_what_waits_is_lost(
    me: Any, receiver: Any, worker: Any, listen: Any
) -> None:
    hook = listen(events=["memory.created"])
    for n in range(5):
        me.post("/v1/memories", json={"content": f"Number {n}."})
    receiver.answers = [(503, {})]
    assert worker.deliver() == 1, "one failure says enough"
    assert me.get(f"/v1/webhooks/{hook['id']}").json()["failures"] == 1
    assert worker.later(seconds=6) == 5
    assert len({one.said["data"]["memory_id"] for one in receiver.received}) == 5
    shown = me.get(f"/v1/webhooks/{hook['id']}").json()
    assert (shown["failures"], shown["failing_since"], shown["retry_at"]) == (0, None, None)
    kept = me.get(f"/v1/webhooks/{hook['id']}/deliveries?status=delivered").json()["data"]
    assert sorted(one["attempts"] for one in kept) == [1, 1, 1, 1, 2], "what was not sent has not failed"


def test_retry_after_is_heard(receiver: Any, worker: Any, told: Any) -> None:
    told()
    receiver.answers = [(429, {"retry-after": "600"})]
    worker.deliver()
    assert worker.later(seconds=300) == 0
    assert worker.later(seconds=400) == 1


def test_a_redirect_is_not_followed(receiver: Any, worker: Any, told: Any) -> None:
    _, shown = told()
    receiver.answers = [(307, {"location": receiver.url.replace("/hook", "/elsewhere")})]
    worker.deliver()
    assert [one.path for one in receiver.received] == ["/hook?a=b"]
    assert shown()["tries"][0]["error"] == "redirect"


def test_a_receiver_that_fails_for_days_is_switched_off_and_on_again(
    me: Any, receiver: Any, worker: Any, told: Any
) -> None:
    hook, _ = told()
    receiver.always = 500
    worker.deliver()
    me.post("/v1/memories", json={"content": "Another."})
    assert worker.later(days=2) > 0
    shown = me.get(f"/v1/webhooks/{hook['id']}").json()
    assert (shown["active"], shown["disabled_reason"]) == (False, "failing")
    assert worker.later(hours=1) == 0
    assert me.post(f"/v1/webhooks/{hook['id']}/ping").json()["code"] == "webhook_inactive"
    receiver.always = None
    shown = me.patch(f"/v1/webhooks/{hook['id']}", json={"active": True}).json()
    assert (shown["active"], shown["disabled_reason"], shown["failures"]) == (True, None, 0)
    assert worker.later(hours=1) == 2, "what waited is sent"


def test_a_receiver_that_takes_some_messages_is_not_switched_off(
    me: Any, receiver: Any, worker: Any, listen: Any
) -> None:
    """Every turn ends with a message that it refuses, behind one that it took."""
    hook = listen(events=["memory.created"])
    for day in range(3):
        for n in range(2):
            me.post("/v1/memories", json={"content": f"Day {day}, number {n}."})
        receiver.answers = [(200, {}), (400, {})]
        assert worker.later(days=1) == 2
        shown = me.get(f"/v1/webhooks/{hook['id']}").json()
        assert (shown["active"], shown["disabled_reason"], shown["failures"]) == (True, None, 1), day


def test_gone_means_never_again(me: Any, receiver: Any, worker: Any, told: Any) -> None:
    hook, _ = told()
    receiver.answers = [(410, {})]
    worker.deliver()
    shown = me.get(f"/v1/webhooks/{hook['id']}").json()
    assert (shown["active"], shown["disabled_reason"]) == (False, "gone")


def test_a_ping_is_sent_whatever_is_listened_to(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    hook = listen(events=["job.failed"])
    answer = me.post(f"/v1/webhooks/{hook['id']}/ping")
    assert answer.status_code == 202
    assert worker.deliver() == 1
    assert verified(hook["secret"], receiver.received[0])
    assert receiver.received[0].said["data"] == {"webhook_id": hook["id"]}
    assert me.get(answer.headers["Location"]).json()["status"] == "delivered"


def test_after_a_rotation_both_secrets_sign_for_a_day(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    hook = listen()
    other = me.post(f"/v1/webhooks/{hook['id']}/rotate", json={}).json()["secret"]
    assert other != hook["secret"]
    me.post(f"/v1/webhooks/{hook['id']}/ping")
    worker.deliver()
    assert verified(hook["secret"], receiver.received[0])
    assert verified(other, receiver.received[0])
    me.post(f"/v1/webhooks/{hook['id']}/ping")
    worker.later(hours=25)
    assert not verified(hook["secret"], receiver.received[1], most_s=1e9)
    assert verified(other, receiver.received[1], most_s=1e9)


def test_a_worker_that_dies_in_between_loses_nothing(
    me: Any, receiver: Any, worker: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the receiver has taken the message and before that is written down: it is sent again."""
    _, shown = told()

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(delivery_turn, "_write_down", die)
        with pytest.raises(Killed):
            worker.deliver()
    assert len(receiver.received) == 1
    assert worker.deliver() == 0, "it is taken until the lease ends"
    assert worker.later(seconds=90) == 1
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert (shown()["status"], shown()["attempts"]) == ("delivered", 2)


def test_two_workers_do_not_send_the_same_message(me: Any, receiver: Any, worker: Any, listen: Any) -> None:
    listen(events=["memory.created"])
    items = [{"content": f"Number {n}."} for n in range(60)]
    me.post("/v1/memories/batch", json={"items": items})
    made: list[int] = []
    threads = [threading.Thread(target=lambda: made.append(worker.deliver())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(made) == len(receiver.received) == 60
    assert len({one.said["data"]["memory_id"] for one in receiver.received}) == 60


def test_silence_ends(receiver: Any, worker: Any, told: Any) -> None:
    _, shown = told()
    receiver.delay_s = 20
    began = time.monotonic()
    worker.deliver(timeout_s=1.0)
    assert time.monotonic() - began < 15
    assert shown()["tries"][0]["error"] == "timeout"


@pytest.fixture
def dripping() -> Iterator[str]:
    """A receiver that answers one byte at a time, for ever."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with closing(connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    stop.set()
    listener.close()
    thread.join()


def test_an_answer_that_drips_ends_too(worker: Any, told: Any, dripping: str) -> None:
    _, shown = told(url=dripping)
    began = time.monotonic()
    worker.deliver(timeout_s=1.0)
    assert time.monotonic() - began < 15
    assert shown()["tries"][0]["error"] == "timeout"


def test_nothing_is_sent_inside(receiver: Any, worker: Any, told: Any, me: Any) -> None:
    """A name is looked up when the message is sent, whatever it led to before."""
    port = receiver.url.split(":")[2].split("/")[0]
    for url in (
        f"http://localhost:{port}/",
        f"http://127.1:{port}/",
        f"http://0x7f000001:{port}/",
        f"http://2130706433:{port}/",
    ):
        _, shown = told(url=url)
        worker.deliver(reach=Reach(), schedule=Schedule(attempts=1))
        assert shown()["tries"][-1]["error"] == "address_refused", url
        assert shown()["status"] == "dead"
    assert receiver.received == []


def test_a_name_with_one_address_inside_is_refused_as_a_whole(
    receiver: Any, worker: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(receiver.url.split(":")[2].split("/")[0])
    _, shown = told(url=f"http://rebinding.example:{port}/")

    def answers(_host: Any, port: Any, *_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    worker.deliver()
    assert shown()["tries"][0]["error"] == "address_refused"


def test_the_connection_goes_to_the_address_that_was_checked(
    receiver: Any, worker: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name leads to the receiver once and elsewhere when it is asked again: nobody asks again."""
    port = int(receiver.url.split(":")[2].split("/")[0])
    _, shown = told(url=f"http://once.example:{port}/hook")
    real, asked = socket.getaddrinfo, []

    def answers(host: Any, *arguments: Any, **options: Any) -> Any:
        if host != "once.example":
            return real(host, *arguments, **options)
        asked.append(host)
        ip = "127.0.0.1" if len(asked) == 1 else "127.0.0.99"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    worker.deliver()
    assert len(asked) == 1
    assert receiver.received[0].headers["host"] == f"once.example:{port}"
    assert shown()["status"] == "delivered"


def test_nobody_there(worker: Any, told: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _, shown = told(url=f"http://127.0.0.1:{port}/")
    worker.deliver()
    assert shown()["tries"][0]["error"] == "connection"
    _, shown = told(url=f"https://127.0.0.1:{port}/")
    worker.deliver()
    assert shown()["tries"][0]["error"] == "connection"


def test_https_is_not_spoken_to_a_stranger(receiver: Any, worker: Any, told: Any) -> None:
    _, shown = told(url=receiver.url.replace("http:", "https:"))
    worker.deliver()
    assert shown()["tries"][0]["error"] == "tls"
    assert receiver.received == []


def test_what_is_old_is_purged_and_nothing_younger_than_a_day(
    me: Any, worker: Any, told: Any, database: Database
) -> None:
    told()
    worker.deliver()
    with database.untenanted() as connection:
        purge = text("SELECT purge_webhook_deliveries(:before, 1000)")
        connection.execute(purge, {"before": worker.now() + timedelta(days=365)})
    hook = me.get("/v1/webhooks").json()["data"][0]["id"]
    assert len(me.get(f"/v1/webhooks/{hook}/deliveries").json()["data"]) == 1
    with database.transaction(me.tenant_id) as session:
        session.execute(
            text("UPDATE webhook_delivery SET occurred_at = now() - interval '9 days' WHERE tenant_id = :t"),
            {"t": me.tenant_id},
        )
    with database.untenanted() as connection:
        assert connection.execute(purge, {"before": worker.now() - timedelta(days=7)}).scalar() == 1


def test_what_is_old_is_purged_piece_by_piece_and_past_what_somebody_holds(
    me: Any, worker: Any, listen: Any, database: Database
) -> None:
    listen(events=["memory.created"])
    me.post("/v1/memories/batch", json={"items": [{"content": f"Number {n}."} for n in range(5)]})
    with database.transaction(me.tenant_id) as session:
        old = "UPDATE webhook_delivery SET occurred_at = now() - interval '90 days' WHERE tenant_id = :t RETURNING id"
        held = session.scalars(text(old), {"t": me.tenant_id}).all()[0]
    counts = []
    with database.transaction(me.tenant_id) as session:
        one = "SELECT id FROM webhook_delivery WHERE tenant_id = :t AND id = :id FOR UPDATE"
        session.execute(text(one), {"t": me.tenant_id, "id": held})
        for _ in range(3):
            with database.untenanted() as connection:
                connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
                purge = text("SELECT purge_webhook_deliveries(:before, 2)")
                counts.append(connection.scalar(purge, {"before": worker.now() - timedelta(days=60)}))
    assert counts == [2, 2, 0]


def test_what_waits_for_a_deleted_webhook_is_sent_to_nobody_and_left_to_the_purge(
    me: Any, receiver: Any, worker: Any, told: Any, maintenance: Engine
) -> None:
    hook, _ = told()
    assert me.delete(f"/v1/webhooks/{hook['id']}").status_code == 204
    assert worker.deliver() == 0
    assert receiver.received == []
    assert me.get(f"/v1/webhooks/{hook['id']}/deliveries").status_code == 404
    with maintenance.connect() as connection:
        count = text("SELECT count(*) FROM webhook_delivery WHERE tenant_id = :t")
        assert connection.scalar(count, {"t": me.tenant_id}) == 1, "millions would take longer than a request may"
