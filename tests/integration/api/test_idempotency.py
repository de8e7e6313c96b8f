import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from memory_service.storage.database import Database
from memory_service.storage.idempotency import try_lock
from memory_service.storage.keys import find_key
from memory_service.types import Caller

BODY = {"path": "users/42"}


def post(me: Any, key: str | None, body: Any = BODY, path: str = "/v1/namespaces") -> Any:
    return me.post(path, json=body, headers={"Idempotency-Key": key} if key is not None else {})


def test_an_answer_is_replayed_as_it_was(me: Any) -> None:
    first, second = post(me, "k"), post(me, "k")
    assert (first.status_code, second.status_code) == (201, 201)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.content == first.content
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["content-type"] == first.headers["content-type"]
    assert post(me, None).status_code == 200


def test_a_key_belongs_to_one_request(me: Any) -> None:
    post(me, "k")
    for other in (
        post(me, "k", {"path": "users/43"}),
        post(me, "k", path="/v1/api-keys", body={"name": "a", "scopes": ["admin"]}),
    ):
        assert other.status_code == 422
        assert other.json()["code"] == "idempotency_key_reused"


def test_a_key_belongs_to_one_caller(me: Any, make_tenant: Any, as_tenant: Callable[..., Any]) -> None:
    post(me, "k")
    assert "idempotent-replayed" not in post(as_tenant(make_tenant()), "k").headers


def test_a_failure_is_not_kept(me: Any) -> None:
    assert post(me, "k", {"path": "a//b"}).status_code == 422
    assert post(me, "k", {"path": "a/b"}).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é"])
def test_a_key_is_visible_ascii(me: Any, key: str) -> None:
    answer = me.request("POST", "/v1/namespaces", json=BODY, headers={"Idempotency-Key": key.encode()})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_idempotency_key"


def test_a_key_is_free_again_when_it_has_expired(me: Any, maintenance: Engine) -> None:
    post(me, "k")
    with maintenance.begin() as connection:
        connection.execute(
            text("UPDATE idempotency_key SET expires_at = now() - interval '1 s' WHERE tenant_id = :t"),
            {"t": me.tenant_id},
        )
    again = post(me, "k", {"path": "users/44"})
    assert again.status_code == 201
    assert "idempotent-replayed" not in again.headers
    assert post(me, "k", {"path": "users/44"}).headers["idempotent-replayed"] == "true"


def test_while_it_runs_the_second_is_told_so_at_once(me: Any, database: Database) -> None:
    with database.untenanted() as connection:
        row = find_key(connection, me.key)
    assert row is not None
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with database.transaction(row.tenant_id) as session:
            assert try_lock(session, Caller(row.tenant_id, row.key_id, row.scopes), "k")
            holding.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert holding.wait(10)
        answer = post(me, "k")
    finally:
        done.set()
        holder.join()
    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_in_progress"
    assert answer.json()["retryable"] is True
    assert answer.headers["retry-after"] == "1"
    assert post(me, "k").status_code == 201
