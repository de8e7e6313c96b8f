"""CrewAI's own memory over the storage."""

import copy
from collections.abc import Callable
from queue import Queue
from typing import Any

import pytest
from crewai.events.event_bus import crewai_event_bus
from crewai.events.types.memory_events import MemorySaveFailedEvent
from crewai.memory.storage.factory import set_memory_storage_factory
from crewai.memory.unified_memory import Memory

from memory_crewai import MemoryServiceStorage

TOLD: dict[str, Any] = {"scope": "/team/ana", "categories": ["family"], "importance": 0.6}
OpenMemory = Callable[..., Memory]


def contents(matches: Any) -> list[str]:
    return [match.record.content for match in matches]


@pytest.mark.parametrize("depth", ["shallow", "deep"])
def test_what_is_remembered_is_recalled_by_another_memory(open_memory: OpenMemory, depth: Any) -> None:
    first = open_memory()
    kept = first.remember("My sister Rosa lives in Porto.", source="ana", metadata={"n": 1}, **TOLD)
    first.remember("The deploy key is rotated each Monday.", **TOLD)
    assert kept is not None
    best = open_memory(exploration_budget=0).recall("Where does my sister live?", depth=depth)[0]
    assert (best.record.id, best.record.content) == (kept.id, kept.content)
    assert (best.record.source, best.record.metadata, best.record.categories) == ("ana", {"n": 1}, ["family"])
    assert 0.5 < best.score <= 1


def test_the_model_sorts_what_is_remembered(open_memory: OpenMemory, scripted: Any) -> None:
    llm = scripted(MemoryAnalysis={"suggested_scope": "/people", "categories": ["kin"], "importance": 0.8})
    memory = open_memory(llm=llm, root_scope="/crew/family")
    kept = memory.remember("My sister Rosa lives in Porto.")
    assert kept is not None
    assert (kept.scope, kept.categories, kept.importance) == ("/crew/family/people", ["kin"], 0.8)
    assert memory.list_scopes() == ["/crew/family/people"]
    assert memory.list_categories() == {"kin": 1}
    assert "/crew/family/people (1 records)" in memory.tree()
    memory.remember("Rosa has a dog.")
    assert "/people" in llm.asked[-1][1]  # The model is shown which scopes there are.


def test_what_is_said_anew_replaces_what_was(open_memory: OpenMemory, scripted: Any) -> None:
    old = open_memory().remember("My sister Rosa lives in Porto.", **TOLD)
    gone = open_memory().remember("Rosa moved to Porto in May.", scope="/team", categories=[], importance=0.5)
    assert old is not None
    assert gone is not None
    plan = {
        "actions": [
            {"action": "update", "record_id": old.id, "new_content": "My sister Rosa lives in Braga."},
            {"action": "delete", "record_id": gone.id},
        ],
        "insert_new": False,
    }
    llm = scripted(ConsolidationPlan=plan)
    memory = open_memory(llm=llm, consolidation_threshold=0.7)
    memory.remember("My sister Rosa lives in Braga now.", scope="/", categories=["family"], importance=0.6)
    assert [wanted for wanted, _ in llm.asked] == ["ConsolidationPlan"]
    assert old.id in llm.asked[0][1]
    (left,) = memory.list_records()
    assert (left.id, left.content) == (old.id, "My sister Rosa lives in Braga.")


def test_many_are_remembered_once_each(open_memory: OpenMemory) -> None:
    memory = open_memory()
    said = ["The mill opens at nine.", "The mill closes at five.", "The mill opens at nine."]
    memory.remember_many(said, **TOLD)
    assert sorted(contents(memory.recall("When does the mill open?", depth="shallow"))) == sorted(set(said))


def test_a_memory_is_changed_and_forgotten(open_memory: OpenMemory) -> None:
    memory = open_memory()
    kept = memory.remember("My sister Rosa lives in Porto.", **TOLD)
    assert kept is not None
    memory.update(kept.id, content="My sister Rosa lives in Braga.", scope="/team/ben")
    assert [one.scope for one in memory.list_records()] == ["/team/ben"]
    assert contents(memory.recall("Braga", scope="/team/ben", depth="shallow")) == ["My sister Rosa lives in Braga."]
    assert memory.forget(scope="/team/ana") == 0
    assert memory.forget(record_ids=[kept.id]) == 1
    assert memory.recall("Braga", depth="shallow") == []
    with pytest.raises(ValueError, match="not found"):
        memory.update(kept.id, content="x")


def test_scopes_and_slices_look_at_their_part(open_memory: OpenMemory) -> None:
    memory = open_memory()
    ana, ben = memory.scope("/team/ana"), memory.scope("/team/ben")
    ana.remember("Ana's dog is called Pingo.", scope="/", categories=[], importance=0.5)
    ben.remember("Ben's cat is called Mia.", scope="/", categories=[], importance=0.5)
    assert contents(ana.recall("pets", depth="shallow")) == ["Ana's dog is called Pingo."]
    both = memory.slice(["/team/ana", "/team/ben"])
    assert len(both.recall("pets", depth="shallow")) == 2
    ana.reset()
    assert [one.content for one in memory.list_records()] == ["Ben's cat is called Mia."]


def test_what_is_private_is_shown_to_its_source_only(open_memory: OpenMemory) -> None:
    memory = open_memory()
    memory.remember("Ana's PIN hint is the mill.", source="ana", private=True, **TOLD)
    assert memory.recall("PIN hint", depth="shallow") == []
    assert memory.recall("PIN hint", depth="shallow", source="ben") == []
    assert len(memory.recall("PIN hint", depth="shallow", source="ana")) == 1


def test_what_cannot_be_stored_in_the_background_is_reported(open_memory: OpenMemory) -> None:
    memory = open_memory()
    failed: Queue[str] = Queue()
    with crewai_event_bus.scoped_handlers():
        crewai_event_bus.on(MemorySaveFailedEvent)(lambda _source, event: failed.put(event.error))
        memory.remember_many(["x" * 70_000, "A fish."], **TOLD)
        assert "was refused" in failed.get(timeout=60)
    assert [one.content for one in memory.list_records()] == ["A fish."]


def test_a_copy_shares_the_connections(storage: MemoryServiceStorage) -> None:
    assert copy.deepcopy({"storage": storage, "embedder": storage.embedder}) == {
        "storage": storage,
        "embedder": storage.embedder,
    }


def test_the_factory_of_crewai_takes_it(storage: MemoryServiceStorage, scripted: Any) -> None:
    set_memory_storage_factory(lambda spec: storage if spec == "memory-service" else None)
    try:
        memory = Memory(llm=scripted(), storage="memory-service", embedder=storage.embedder)
        memory.remember("My sister Rosa lives in Porto.", **TOLD)
        memory.close()
    finally:
        set_memory_storage_factory(None)
    assert storage.count() == 1
