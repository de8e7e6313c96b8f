"""An idempotency key is looked at before anything is encoded, and is reserved while that lasts."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI

from memory_service.encoder import BatchingEncoder
from memory_service.errors import Unavailable
from memory_service.lifecycle.redacted_documents import taken
from memory_service.storage.bootstrap import RoleUrls
from memory_service.types import Caller
from tests import waiting

KEY = {"Idempotency-Key": "k"}
PATIENCE_S = 20.0
AT_ONCE_S = 5.0  # on a busy machine; whoever is held waits for longer than that
eventually = partial(waiting.eventually, timeout_s=AT_ONCE_S)


@dataclass
class Gate:
    """Before the encoder: counts who comes, and holds the first of them or turns it away."""

    open: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    passed: int = 0

    def enter(self) -> None:
        self.passed += 1
        if self.passed == 1:
            self.reached.set()
            if self.error is not None:
                raise self.error
            assert self.open.wait(PATIENCE_S)


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, beside: ThreadPoolExecutor) -> Iterator[Callable[[], Gate]]:
    """Return a function that puts a gate before the encoder from now on; it is opened before those beside are waited for."""
    gates: list[Gate] = []

    def put() -> Gate:
        made = Gate()
        gates.append(made)
        for name in ("encode_passages", "encode_query"):
            encode = getattr(BatchingEncoder, name)

            def gated(*args: Any, _encode: Any = encode, **rest: Any) -> Any:
                made.enter()
                return _encode(*args, **rest)

            monkeypatch.setattr(BatchingEncoder, name, gated)
        return made

    yield put
    for one in gates:
        one.open.set()


def send(me: Any, method: str, path: str, body: Any) -> Any:
    return me.request(method, path, json=body, headers=KEY)


def calls(said: str) -> dict[str, tuple[str, str, Any]]:
    """Return one call of each route that encodes before it writes; MEMORY stands for the id of one that is there."""
    content = {"content": said}
    turn = {"role": "user", **content}
    search = {"query": said, "reinforce": True}
    return {
        "create": ("POST", "/v1/memories", content),
        "batch": ("POST", "/v1/memories/batch", {"items": [content]}),
        "messages": ("POST", "/v1/messages", {"messages": [turn], "session_id": "s"}),
        "correct": ("PATCH", "/v1/memories/MEMORY", content),
        "supersede": ("POST", "/v1/memories/MEMORY/supersede", content),
        "search": ("POST", "/v1/search", search),
        "context": ("POST", "/v1/context", search),
        "mem0 add": ("POST", "/compat/mem0/v3/memories/add/", {"messages": [turn], "user_id": "ann"}),
        "mem0 add, self-hosted": ("POST", "/compat/mem0/memories", {"messages": [turn], "user_id": "ann"}),
        "mem0 update": ("PUT", "/compat/mem0/v1/memories/MEMORY/", {"text": said}),
        "mem0 updates": ("PUT", "/compat/mem0/v1/batch/", {"memories": [{"memory_id": "MEMORY", "text": said}]}),
        "mem0 update, self-hosted": ("PUT", "/compat/mem0/memories/MEMORY", {"text": said}),
    }


def call(route: str, said: str, memory_id: str) -> tuple[str, str, Any]:
    method, path, body = calls(said)[route]
    if route == "mem0 updates":
        body = {"memories": [{"memory_id": memory_id, "text": said}]}
    return method, path.replace("MEMORY", memory_id), body


@pytest.fixture
def memory_id(me: Any) -> str:
    """Return a memory that was there before."""
    made = me.post("/v1/memories", json={"content": "The lighthouse keeper counts herring gulls."})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def test_every_call_is_one_that_encodes(me: Any, memory_id: str, gate: Callable[[], Gate]) -> None:
    encoder = gate()
    encoder.open.set()
    for number, route in enumerate(calls("")):
        before = encoder.passed
        method, path, body = call(route, f"The ferryman has {number} oars.", memory_id)
        answer = me.request(method, path, json=body)
        assert answer.is_success, (route, answer.text)
        assert encoder.passed > before, route


@pytest.mark.parametrize("route", calls(""))
def test_a_key_is_looked_at_before_encoding(
    route: str, me: Any, memory_id: str, gate: Callable[[], Gate], beside: ThreadPoolExecutor, app: FastAPI
) -> None:
    encoder = gate()
    request = call(route, "The ferryman waits for the last guests.", memory_id)
    other = call(route, "The ferryman goes home.", memory_id)
    pool = app.state.services.database.engine.pool
    running: Future[Any] = beside.submit(send, me, *request)
    assert encoder.reached.wait(PATIENCE_S)
    # Others use the pool for moments: who last used a key is written beside.
    assert eventually(lambda: pool.checkedout() == 0)
    for again in (request, request, other):
        began = time.monotonic()
        refused = send(me, *again)
        assert (refused.status_code, refused.json().get("code")) == (409, "idempotency_in_progress")
        assert refused.headers["retry-after"] == "1"
        assert time.monotonic() - began < AT_ONCE_S
    assert not running.done()
    assert encoder.passed == 1
    encoder.open.set()
    first = running.result(PATIENCE_S)
    assert first.is_success, first.text
    assert "idempotent-replayed" not in first.headers
    encoded = encoder.passed
    replayed = send(me, *request)
    assert replayed.headers["idempotent-replayed"] == "true"
    assert (replayed.status_code, replayed.content) == (first.status_code, first.content)
    reused = send(me, *other)
    assert (reused.status_code, reused.json().get("code")) == (422, "idempotency_key_reused")
    assert encoder.passed == encoded


def test_a_posted_document_is_read_once(me: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []

    def counting(*args: Any) -> Any:
        read.append(args)
        return taken(*args)

    monkeypatch.setattr("memory_service.api.routes.documents.taken", counting)
    body = {"content": "The ferryman waits for the last guests.", "mime_type": "text/plain"}
    first, second = (send(me, "POST", "/v1/documents", body) for _ in range(2))
    assert first.status_code == 202, first.text
    assert second.headers["idempotent-replayed"] == "true"
    body["content"] = "The ferryman goes home."
    assert send(me, "POST", "/v1/documents", body).status_code == 422
    assert len(read) == 1


def test_a_call_that_encodes_nothing_sees_it_too(me: Any, gate: Callable[[], Gate], beside: ThreadPoolExecutor) -> None:
    encoder = gate()
    running = beside.submit(send, me, "POST", "/v1/memories", {"content": "The ferryman waits."})
    assert encoder.reached.wait(PATIENCE_S)
    assert send(me, "POST", "/v1/namespaces", {"path": "users/42"}).status_code == 409
    encoder.open.set()
    assert running.result(PATIENCE_S).status_code == 201
    assert send(me, "POST", "/v1/namespaces", {"path": "users/42"}).status_code == 422


def test_a_key_of_another_caller_and_no_key_are_not_held_up(
    me: Any, make_tenant: Any, as_tenant: Any, gate: Callable[[], Gate], beside: ThreadPoolExecutor
) -> None:
    encoder = gate()
    body = {"content": "The ferryman waits."}
    running = beside.submit(send, me, "POST", "/v1/memories", body)
    assert encoder.reached.wait(PATIENCE_S)
    assert send(as_tenant(make_tenant()), "POST", "/v1/memories", body).status_code == 201
    assert me.post("/v1/memories", json=body).status_code == 201
    assert me.post("/v1/memories", json=body, headers={"Idempotency-Key": "other"}).is_success
    assert not running.done()
    encoder.open.set()
    assert running.result(PATIENCE_S).is_success


@pytest.mark.parametrize(
    ("error", "status"), [(Unavailable("The encoder is busy."), 503), (RuntimeError("The encoder broke."), 500)]
)
def test_whoever_fails_gives_the_key_back(me: Any, gate: Callable[[], Gate], error: Exception, status: int) -> None:
    encoder = gate()
    encoder.error = error
    body = {"content": "The ferryman waits."}
    assert send(me, "POST", "/v1/memories", body).status_code == status
    made = send(me, "POST", "/v1/memories", body)
    assert made.status_code == 201, made.text
    assert "idempotent-replayed" not in made.headers


def test_what_is_refused_after_encoding_gives_the_key_back(me: Any) -> None:
    held = {"content": "Held.", "external_id": "x"}
    assert me.post("/v1/memories", json=held).status_code == 201
    refused = {"content": "New.", "external_id": "x", "on_conflict": "error"}
    assert send(me, "POST", "/v1/memories", refused).json()["code"] == "external_id_conflict"
    assert send(me, "POST", "/v1/memories", {"content": "Other."}).status_code == 201


HOLDER = """
import sys, time
from uuid import UUID
from memory_service.storage.reservations import Reservations
from memory_service.types import Caller
url, tenant_id, key_id, key = sys.argv[1:]
with Reservations(url, application_name="tests").of(Caller(UUID(tenant_id), UUID(key_id), frozenset()), key) as free:
    print("free" if free else "held", flush=True)
    time.sleep(600)
"""


def test_a_killed_process_gives_its_keys_back(
    me: Any, caller: Caller, role_urls: RoleUrls, gate: Callable[[], Gate]
) -> None:
    encoder = gate()
    encoder.open.set()
    body = {"content": "The ferryman waits."}
    asked = [sys.executable, "-c", HOLDER, role_urls.service, str(caller.tenant_id), str(caller.key_id), "k"]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "free\n"
            assert send(me, "POST", "/v1/memories", body).json().get("code") == "idempotency_in_progress"
            assert encoder.passed == 0
        finally:
            holder.kill()
    assert eventually(lambda: send(me, "POST", "/v1/memories", body).status_code == 201)
