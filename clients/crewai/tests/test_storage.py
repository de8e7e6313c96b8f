"""The storage by itself, and beside the one that CrewAI brings."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from crewai.memory.storage.backend import StorageBackend
from crewai.memory.storage.lancedb_storage import LanceDBStorage
from crewai.memory.types import MemoryRecord
from memory_client import MemoryClient, ServiceError

from memory_crewai import MemoryServiceStorage, RecordRejected, ScopeTooLong, carry

NOON = datetime(2026, 5, 4, 12)


def record(name: str, content: str, scope: str = "/", *categories: str, day: int = 0, **fields: Any) -> MemoryRecord:
    return MemoryRecord(
        id=name, content=content, scope=scope, categories=list(categories), created_at=NOON + timedelta(days=day),
        embedding=carry([content])[0], **fields,
    )  # fmt: skip


RECORDS = [
    record("porto", "My sister Rosa lives in Porto.", "/team/ana", "family", day=0, metadata={"city": "Porto", "n": 1}),
    record("nuts", "Ana is allergic to peanuts.", "/team/ana/health", "health", "food", day=1, importance=0.9),
    record("key", "The deploy key is rotated each Monday.", "/team/ops", "work", day=2, metadata={"city": "Lisbon"}),
    record("dog", "Rosa's dog is called Pingo.", "/team/ana", "family", day=3, source="ana", private=True),
    record("team", "The team has lunch at noon.", "/team", day=4),
]


def ask(storage: StorageBackend, question: str, **options: Any) -> list[str]:
    return [found.id for found, _ in storage.search(carry([question])[0], **options)]


@pytest.fixture
def filled(storage: MemoryServiceStorage) -> MemoryServiceStorage:
    storage.save(RECORDS)
    return storage


def test_it_is_a_storage(storage: MemoryServiceStorage) -> None:
    assert isinstance(storage, StorageBackend)


def test_a_record_comes_back_as_it_was(filled: MemoryServiceStorage) -> None:
    for one in RECORDS:
        back = filled.get_record(one.id)
        assert back is not None
        assert back.model_dump(exclude={"last_accessed"}) == one.model_dump(exclude={"last_accessed"})
    assert filled.get_record("none") is None
    assert filled.get_record("") is None


def test_it_is_found_by_meaning_and_by_words(filled: MemoryServiceStorage) -> None:
    found = filled.search(carry(["Where does my sister live?"])[0])
    assert found[0][0].id == "porto"
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert filled.search(carry([RECORDS[0].content])[0])[0][1] == pytest.approx(1, abs=0.01)
    assert ask(filled, "Pingo", limit=1) == ["dog"]


def test_a_search_keeps_to_what_is_asked(filled: MemoryServiceStorage) -> None:
    assert set(ask(filled, "Rosa", scope_prefix="/team/ana")) == {"porto", "nuts", "dog"}
    assert set(ask(filled, "Rosa", scope_prefix="/team/ana/")) == {"porto", "nuts", "dog"}
    assert ask(filled, "Rosa", scope_prefix="/team/an") == []  # whole segments
    assert ask(filled, "Rosa", scope_prefix="/nowhere") == []
    assert set(ask(filled, "Rosa", categories=["food", "work"])) == {"nuts", "key"}
    assert ask(filled, "Rosa", metadata_filter={"city": "Porto", "n": 1}) == ["porto"]
    assert ask(filled, "Rosa", metadata_filter={"city": "Porto", "n": 2}) == []
    assert ask(filled, "Rosa", metadata_filter={"absent": None}) == []
    assert len(ask(filled, "Rosa", limit=2)) == 2
    assert ask(filled, "Rosa", limit=0) == []
    assert ask(filled, "\u200b") == []
    assert ask(filled, RECORDS[1].content, min_score=0.9) == ["nuts"]


def test_nothing_is_there_before_the_first_record(storage: MemoryServiceStorage) -> None:
    assert ask(storage, "Rosa") == []
    assert (storage.count(), storage.list_records(), storage.list_scopes(), storage.list_categories()) == (
        0,
        [],
        [],
        {},
    )
    info = storage.get_scope_info("/")
    assert (info.path, info.record_count, info.child_scopes, info.oldest_record) == ("/", 0, [], None)
    assert storage.delete() == 0
    storage.reset()
    storage.save([])


def test_what_is_listed_is_what_crewais_own_storage_lists(filled: MemoryServiceStorage, tmp_path: Path) -> None:
    own = LanceDBStorage(path=str(tmp_path))
    own.save([one.model_copy(update={"embedding": [1.0] * 8}) for one in RECORDS])  # It wants one length.
    looks: list[Callable[[StorageBackend], Any]] = [
        lambda s: [one.id for one in s.list_records()],
        lambda s: [one.id for one in s.list_records("/team/ana", limit=2, offset=1)],
        lambda s: s.list_records(limit=0),
        lambda s: s.list_scopes(),
        lambda s: s.list_scopes("/team"),
        lambda s: s.list_scopes("/team/ana/"),
        lambda s: s.list_scopes("/nowhere"),
        lambda s: s.list_categories(),
        lambda s: s.list_categories("/team/ana"),
        lambda s: s.count(),
        lambda s: s.count("/team/ana"),
        lambda s: s.get_scope_info("/"),
        lambda s: s.get_scope_info("/team/ana"),
        lambda s: s.get_scope_info("/team/ana/health/"),
        lambda s: s.delete(record_ids=["key", "none"]),
        lambda s: s.delete(older_than=NOON + timedelta(days=1), metadata_filter={"city": "Porto"}),
        lambda s: s.delete("/team/ana", categories=["food"]),
        lambda s: {one.id for one in s.list_records()},
    ]
    for at, look in enumerate(looks):
        assert look(filled) == look(own), at


def test_an_update_keeps_the_place_and_makes_a_version(filled: MemoryServiceStorage, client: MemoryClient) -> None:
    changed = RECORDS[0].model_copy(update={"content": "My sister Rosa lives in Braga.", "categories": ["kin"]})
    filled.update(changed)
    back = filled.get_record("porto")
    assert back is not None
    assert (back.content, back.categories, back.created_at) == (changed.content, ["kin"], NOON)
    assert filled.count() == len(RECORDS)
    (memory,) = [one for one in client.query({"external_id": "porto"})]
    assert memory.version == 2
    assert ask(filled, "Braga", limit=1) == ["porto"]


def test_an_update_may_move_a_record(filled: MemoryServiceStorage) -> None:
    filled.update(RECORDS[0].model_copy(update={"scope": "/private"}))
    assert [one.id for one in filled.list_records("/private")] == ["porto"]
    assert filled.count() == len(RECORDS)
    assert filled.list_scopes() == ["/private", "/team"]


def test_an_update_of_what_is_not_there_stores_it(storage: MemoryServiceStorage) -> None:
    storage.update(RECORDS[0])
    assert storage.count() == 1


def test_an_empty_list_deletes_nothing(filled: MemoryServiceStorage) -> None:
    assert filled.delete(record_ids=[]) == 0
    assert filled.delete(categories=[]) == 0
    assert filled.count() == len(RECORDS)
    assert filled.delete(scope_prefix="/team/ana", record_ids=["key"]) == 0  # all that is said has to fit


def test_what_is_deleted_can_be_restored(filled: MemoryServiceStorage, client: MemoryClient) -> None:
    filled.reset("/team/ana")
    assert {one.id for one in filled.list_records()} == {"key", "team"}
    client.restore_many(filter={"external_id": "nuts"})
    assert filled.get_record("nuts") is not None
    assert filled.delete() == 3
    assert filled.count() == 0


def test_users_and_namespaces_are_kept_apart(client: MemoryClient) -> None:
    ana, ben = (MemoryServiceStorage(client, namespace="crews/one", user_id=user) for user in ("ana", "ben"))
    other = MemoryServiceStorage(client, namespace="crews/two")
    ana.save(RECORDS)
    assert (ana.count(), ben.count(), other.count()) == (5, 0, 0)
    assert (ask(ben, "Rosa"), ask(other, "Rosa")) == ([], [])
    assert ben.get_record("porto") is None
    assert ben.delete() == 0
    assert ana.count() == 5


def test_what_others_wrote_there_is_not_the_crews(filled: MemoryServiceStorage, client: MemoryClient) -> None:
    client.add("Rosa plays the flute.", namespace="crewai/team/ana")
    assert filled.count() == len(RECORDS)
    assert "Rosa plays the flute." not in [one.content for one, _ in filled.search(carry(["Rosa plays the flute."])[0])]
    # The other way round they share: what the crew stored is in the same memory.
    found = client.search("Pingo", namespace_prefix="crewai").results
    assert found[0].memory.content == RECORDS[3].content


@pytest.mark.parametrize("scope", ["/größe/Ana Maria", "/a.b/c%d", "//a//b/", "no/slash", "/.2E", "/🐟"])
def test_any_scope_has_a_place(storage: MemoryServiceStorage, scope: str) -> None:
    storage.save([record("one", "A fish.", scope)])
    (back,) = storage.list_records(scope)
    assert back.scope == "/" + "/".join(part for part in scope.split("/") if part)
    assert storage.get_scope_info(scope).record_count == 1


def test_bad_input_is_refused_with_a_sentence(storage: MemoryServiceStorage, client: MemoryClient) -> None:
    with pytest.raises(ScopeTooLong, match="256 are allowed"):
        storage.save([record("one", "A fish.", "/" + "a" * 300)])
    with pytest.raises(ValueError, match="surrogate"):
        storage.save([record("one", "A fish.", "/\ud800")])
    with pytest.raises(ValueError, match="the storage's own"):
        storage.save([record("one", "A fish.", metadata={"crewai": 1})])
    with pytest.raises(ValueError, match="JSON"):
        storage.save([record("one", "A fish.", metadata={"n": float("nan")})])
    with pytest.raises(TypeError, match="JSON"):
        storage.save([record("one", "A fish.", metadata={"when": NOON})])
    for namespace in ("", "a//b", "a b", "x" * 200):
        with pytest.raises(ValueError, match="no namespace for a storage"):
            MemoryServiceStorage(client, namespace=namespace)
    assert storage.count() == 0


@pytest.mark.parametrize("content", ["", " \u200b", "a\x00b", "x" * (64 * 1024 + 1)])
def test_what_the_service_refuses_loses_no_other_record(storage: MemoryServiceStorage, content: str) -> None:
    bad = record("bad", "placeholder").model_copy(update={"content": content})
    with pytest.raises(RecordRejected, match="'bad' was refused") as caught:
        storage.save([record("before", "A fish."), bad, record("after", "A bird.")])
    assert [name for name, _ in caught.value.problems] == ["bad"]
    assert {one.id for one in storage.list_records()} == {"before", "after"}


def test_half_of_a_character_is_refused(storage: MemoryServiceStorage) -> None:
    with pytest.raises(ServiceError):
        storage.save([record("bad", "placeholder").model_copy(update={"content": "a\ud800"})])


def test_many_are_stored_and_deleted(storage: MemoryServiceStorage) -> None:
    storage.save([record(f"r{n}", f"Parcel {n} lies at the mill.") for n in range(1_100)])
    assert storage.count() == 1_100
    assert len(storage.list_records(limit=5, offset=1_090)) == 5
    assert storage.delete(record_ids=[f"r{n}" for n in range(1_050)]) == 1_050
    assert storage.count() == 50


def test_the_awaiting_kind_does_the_same(storage: MemoryServiceStorage) -> None:
    async def go() -> None:
        await storage.asave(RECORDS)
        found = await storage.asearch(carry(["Pingo"])[0], "/team", ["family"], None, 1, 0.1)
        assert [one.id for one, _ in found] == ["dog"]
        assert await storage.adelete(None, ["family"]) == 2

    asyncio.run(go())
