"""A search that reinforces changes memories: it honours Idempotency-Key, others ignore it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

KEY = {"Idempotency-Key": "k"}


@pytest.fixture
def path(me: Any) -> str:
    made = me.post("/v1/memories", json={"content": "The lighthouse keeper counts herring gulls."}).json()
    return f"/v1/memories/{made['id']}"


def recalls(me: Any, path: str) -> int:
    count: int = me.get(path).json()["retention"]["recall_count"]
    return count


@pytest.mark.parametrize("route", ["/v1/search", "/v1/context"])
def test_it_reinforces_once(me: Any, path: str, route: str) -> None:
    body = {"query": "herring gulls", "reinforce": True}
    first, second = (me.post(route, json=body, headers=KEY) for _ in range(2))
    assert first.status_code == 200, first.text
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.content == first.content
    assert recalls(me, path) == 1
    assert me.get(f"/v1/traces/{first.json()['search_id']}").status_code == 200
    assert me.post(route, json=body, headers={"Idempotency-Key": "other"}).status_code == 200
    assert recalls(me, path) == 2


def test_the_key_belongs_to_one_search(me: Any, path: str) -> None:
    me.post("/v1/search", json={"query": "herring gulls", "reinforce": True}, headers=KEY)
    for route, query in (("/v1/search", "gulls"), ("/v1/context", "herring gulls")):
        other = me.post(route, json={"query": query, "reinforce": True}, headers=KEY)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert recalls(me, path) == 1


def test_many_at_once_reinforce_once(me: Any, path: str) -> None:
    body = {"query": "herring gulls", "reinforce": True}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: me.post("/v1/search", json=body, headers=KEY), range(6)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({a.json()["search_id"] for a in answers if a.status_code == 200}) == 1
    assert recalls(me, path) == 1


def test_a_search_that_changes_nothing_ignores_the_key(me: Any, path: str) -> None:
    for query in ("herring gulls", "lighthouse"):
        answer = me.post("/v1/search", json={"query": query}, headers=KEY)
        assert answer.status_code == 200
        assert "idempotent-replayed" not in answer.headers
    assert me.post("/v1/search", json={"query": "gulls"}, headers={"Idempotency-Key": "a b"}).status_code == 200
    assert recalls(me, path) == 0
