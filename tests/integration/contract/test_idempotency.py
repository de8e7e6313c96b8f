"""Idempotency-Key on everything that changes memories."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from memory_service.types import KeyScope


def test_a_memory_is_made_once(me: Any, api: Any) -> None:
    body = {"content": "Once.", "wait": "consolidated", "timeout_s": 0.1}
    first, second = (me.post("/v1/memories", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert (second.headers["etag"], second.headers["location"]) == (first.headers["etag"], first.headers["location"])
    assert second.json()["id"] == first.json()["id"]


def test_it_replays_what_was_answered_then(me: Any, api: Any) -> None:
    first = me.post("/v1/memories", json={"content": "Then."}, headers={"Idempotency-Key": "k"})
    me.patch(f"/v1/memories/{first.json()['id']}", json={"content": "Now."})
    again = me.post("/v1/memories", json={"content": "Then."}, headers={"Idempotency-Key": "k"})
    assert again.content == first.content


@pytest.mark.parametrize("verb", ["pin", "unpin", "archive", "restore", "supersede"])
def test_every_change_by_id(me: Any, api: Any, verb: str) -> None:
    made = api.remember("Steady.")
    options = {"json": {"content": "Steadier."}} if verb == "supersede" else {}
    path = f"/v1/memories/{made['id']}/{verb}"
    first, second = (me.post(path, headers={"Idempotency-Key": "k"}, **options) for _ in range(2))
    assert first.status_code in {200, 201}
    assert second.headers["idempotent-replayed"] == "true"
    assert (second.status_code, second.content) == (first.status_code, first.content)


def test_set_based_changes(me: Any, api: Any) -> None:
    api.remember("Leaf.", tags=["leaf"])
    body = {"filter": {"tags": "leaf"}}
    first, second = (me.post("/v1/memories/archive", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json() == second.json() == {"matched": 1, "changed": 1, "dry_run": False}


def test_another_body_is_refused(me: Any, api: Any, problem: Any) -> None:
    me.post("/v1/memories", json={"content": "One."}, headers={"Idempotency-Key": "k"})
    problem(
        me.post("/v1/memories", json={"content": "Two."}, headers={"Idempotency-Key": "k"}),
        422,
        "idempotency_key_reused",
    )
    assert len(api.query({})) == 1


def test_a_refusal_leaves_the_key_free(me: Any, api: Any, problem: Any) -> None:
    api.remember("Held.", external_id="x")
    headers = {"Idempotency-Key": "k"}
    body = {"content": "New.", "external_id": "x", "on_conflict": "error"}
    problem(me.post("/v1/memories", json=body, headers=headers), 409, "external_id_conflict")
    assert me.post("/v1/memories", json={"content": "Other."}, headers=headers).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é".encode(), b"\x7f"])
def test_keys_that_are_none(me: Any, api: Any, problem: Any, key: Any) -> None:
    problem(
        me.post("/v1/memories", json={"content": "x"}, headers={"Idempotency-Key": key}), 422, "invalid_idempotency_key"
    )
    assert api.query({}) == []


def test_sixteen_at_once_make_one(me: Any, api: Any) -> None:
    def send(_: int) -> tuple[int, str]:
        answer = me.post("/v1/memories", json={"content": "All at once."}, headers={"Idempotency-Key": "k"})
        return answer.status_code, answer.json().get("id", answer.json().get("code"))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(16)))
    made = {memory_id for status, memory_id in answers if status == 201}
    assert len(made) == 1
    assert {answer for answer in answers if answer[0] != 201} <= {(409, "idempotency_in_progress")}
    assert len(api.query({})) == 1


def test_a_replay_needs_the_right_to_write(client: Any, me: Any, make_tenant: Any, problem: Any) -> None:
    made = me.post("/v1/api-keys", json={"name": "r", "scopes": [KeyScope.READ.value]}).json()
    me.post("/v1/memories", json={"content": "x"}, headers={"Idempotency-Key": "k"})
    answer = client.post(
        "/v1/memories", json={"content": "x"}, headers={"Idempotency-Key": "k", "X-API-Key": made["key"]}
    )
    problem(answer, 403, "forbidden")
