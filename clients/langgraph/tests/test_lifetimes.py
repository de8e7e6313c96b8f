"""Items that end."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from memory_langgraph import MemoryServiceStore
from memory_langgraph.lifetimes import expiry, is_stale

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
TTL = 2 / 60  # minutes; with the slack an item lives 2.1 seconds
LATER = 2.4  # seconds


def test_an_item_never_ends_before_its_time() -> None:
    end = expiry(100, now=NOW)
    assert NOW + timedelta(minutes=100) <= end <= NOW + timedelta(minutes=105)
    # Read within the slack: still 100 minutes left, nothing to write.
    assert not is_stale(end, 100, now=NOW + timedelta(minutes=5))
    assert is_stale(end, 100, now=NOW + timedelta(minutes=5, seconds=1))


@pytest.mark.parametrize("ttl", [-1, float("nan"), float("inf"), 1e12])
def test_a_lifetime_that_there_is_not_is_refused(store: MemoryServiceStore, ttl: float) -> None:
    with pytest.raises(ValueError, match="TTL"):
        store.put(("a",), "k", {"n": 1}, ttl=ttl)
    assert store.get(("a",), "k") is None


def test_an_item_ends(store: MemoryServiceStore) -> None:
    store.put(("a",), "ends", {"text": "tea"}, ttl=TTL)
    store.put(("a",), "stays", {"text": "tea"})
    assert len(store.search(("a",), query="tea", refresh_ttl=False)) == 2
    time.sleep(LATER)
    assert store.get(("a",), "ends") is None
    assert [item.key for item in store.search(("a",))] == ["stays"]
    assert [item.key for item in store.search(("a",), query="tea")] == ["stays"]
    store.put(("a",), "ends", {"text": "tea again"}, ttl=10)
    again = store.get(("a",), "ends")
    assert again is not None
    assert again.value == {"text": "tea again"}


def test_namespaces_of_ended_items_are_not_listed(store: MemoryServiceStore) -> None:
    store.put(("a",), "k", {}, ttl=0)
    assert store.list_namespaces() == []


@pytest.mark.parametrize("read", ["get", "search", "meaning"])
def test_reading_prolongs(store: MemoryServiceStore, read: str) -> None:
    def look(*, refresh: bool) -> int:
        if read == "get":
            return int(store.get(("a",), "k", refresh_ttl=refresh) is not None)
        query = "tea" if read == "meaning" else None
        return len(store.search(("a",), query=query, refresh_ttl=refresh))

    ttl = 4 / 60
    store.put(("a",), "k", {"text": "tea"}, ttl=ttl)
    before = store.get(("a",), "k", refresh_ttl=False)
    time.sleep(2.5)
    assert look(refresh=True) == 1
    time.sleep(2.5)  # Five seconds: over, had it not been read.
    assert look(refresh=False) == 1
    after = store.get(("a",), "k", refresh_ttl=False)
    assert before is not None
    assert after is not None
    assert (after.value, after.updated_at) == (before.value, before.updated_at)  # To read is no update.
    time.sleep(2.2)
    assert look(refresh=False) == 0


def test_the_store_says_how_long(make_store: Callable[..., MemoryServiceStore], service: Any) -> None:
    store = make_store(ttl={"default_ttl": 60, "refresh_on_read": False})
    store.put(("a",), "default", {})
    store.put(("a",), "own", {}, ttl=120)
    store.put(("a",), "for ever", {}, ttl=None)
    with service.http() as http:
        asked = {"namespace": f"{store._layout.root}/a"}
        found = {one["external_id"]: one for one in http.post("/v1/memories/query", json=asked).json()["data"]}
    ends = {key: one["expires_at"] and datetime.fromisoformat(one["expires_at"]) for key, one in found.items()}
    now = datetime.now(timezone.utc)
    assert now + timedelta(minutes=55) < ends["default"] < now + timedelta(minutes=65)
    assert now + timedelta(minutes=115) < ends["own"] < now + timedelta(minutes=130)
    assert ends["for ever"] is None


def test_a_put_without_a_lifetime_takes_it_back(store: MemoryServiceStore) -> None:
    store.put(("a",), "k", {"text": "tea"}, ttl=TTL)
    store.put(("a",), "k", {"text": "tea"})
    time.sleep(LATER)
    assert store.get(("a",), "k") is not None
    assert len(store.search(("a",), query="tea")) == 1


@pytest.mark.parametrize("between", ["put", "delete"])
def test_reading_does_not_give_an_end_to_what_was_put_meanwhile(
    make_store: Callable[..., MemoryServiceStore], monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    reader, writer = make_store(root="tests/meanwhile"), make_store(root="tests/meanwhile")
    writer.put(("a",), "k", {"n": 1}, ttl=TTL)
    time.sleep(1)  # The reader gives it a later end now.
    update = reader._client.update
    came: list[str] = []

    def late(memory_id: str, **fields: Any) -> Any:
        came.append(memory_id)
        if between == "put":
            writer.put(("a",), "k", {"n": 2})
        else:
            writer.delete(("a",), "k")
        return update(memory_id, **fields)

    monkeypatch.setattr(reader._client, "update", late)
    read = reader.get(("a",), "k")
    assert read is not None
    assert read.value == {"n": 1}
    assert len(came) == 1
    time.sleep(LATER)
    after = writer.get(("a",), "k")
    assert (None if after is None else after.value) == ({"n": 2} if between == "put" else None)


def test_a_key_that_may_only_read_reads_what_ends(make_store: Callable[..., MemoryServiceStore], service: Any) -> None:
    store = make_store()
    store.put(("a",), "k", {"text": "tea"}, ttl=4 / 60)
    with service.http() as http:
        key = http.post("/v1/api-keys", json={"name": "reader", "scopes": ["memories:read"]}).json()["key"]
    with MemoryServiceStore(service.url, key, root=store._layout.root) as reader:
        time.sleep(1)  # Past the slack: who may write would prolong it.
        assert reader.get(("a",), "k") is not None
        assert len(reader.search(("a",), query="tea")) == len(reader.search(("a",))) == 1
