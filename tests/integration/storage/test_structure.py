"""States of structures: put, ended, read back, and what an erasure leaves of them."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from memory_service.storage import structure
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEPT = {"episode": "id", "gist": "id", "structure_member": "structure_id, memory_id"}


@pytest.fixture
def said(me: Any) -> list[UUID]:
    made = [me.post("/v1/memories", json={"content": f"Turn {n}.", "session_id": "s"}) for n in range(4)]
    return [UUID(one.json()["id"]) for one in made]


@pytest.fixture
def space(me: Any, database: Database, said: list[UUID]) -> Any:
    with database.transaction(me.tenant_id) as session:
        found = session.scalar(text("SELECT id FROM namespace WHERE tenant_id = :t"), {"t": me.tenant_id})
    return found


def an_episode(members: list[UUID]) -> dict[str, Any]:
    return {
        "user_id": None, "agent_id": None, "session_id": "s", "first_memory_id": members[0], "last_memory_id": members[-1],
        "starts": NOW, "ends": NOW, "size": len(members), "method": "rules", "members": members,
    }  # fmt: skip


def a_gist(target: UUID, members: list[UUID]) -> dict[str, Any]:
    return {
        "target_structure": "episode", "target_id": target, "text": "Turn 0.", "keywords": ["turn"],
        "spans": [[str(members[0]), 1, 0, 7]], "method": "rules", "members": members,
    }  # fmt: skip


def states(database: Database, me: Any, table: str) -> list[Any]:
    columns = f"{KEPT[table]}, known_from, known_to = 'infinity' AS live"
    with database.transaction(me.tenant_id) as session:
        found = session.execute(
            text(f"SELECT {columns} FROM {table} WHERE tenant_id = :t ORDER BY known_from"), {"t": me.tenant_id}
        )
        return list(found)


def test_what_was_put_is_read_back_and_a_second_state_ends_the_first(
    me: Any, database: Database, said: list[UUID], space: UUID
) -> None:
    id, first, second = new_id(), an_episode(said[:3]), an_episode(said[1:])
    with database.transaction(me.tenant_id) as session:
        assert structure.put(session, me.tenant_id, space, "episode", id, first, changeset_id=None, now=NOW)
        assert structure.live(session, me.tenant_id, "episode", [id]) == {id: first}
    later = NOW + timedelta(hours=1)
    with database.transaction(me.tenant_id) as session:
        assert structure.put(session, me.tenant_id, space, "episode", id, second, changeset_id=None, now=later)
        assert structure.live_in(session, me.tenant_id, "episode", space) == {id: second}
    assert [row.live for row in states(database, me, "episode")] == [False, True]
    # Who stays a member is not written again.
    members = {row.memory_id: (row.known_from, row.live) for row in states(database, me, "structure_member")}
    assert members == {
        said[0]: (NOW, False), said[1]: (NOW, True), said[2]: (NOW, True), said[3]: (later, True),
    }  # fmt: skip


def test_values_survive_being_written_as_json(me: Any, database: Database, said: list[UUID], space: UUID) -> None:
    id = new_id()
    values = {"parent_id": None, "level": 0, "size": 1, "centroid": b64encode(b"\x00\x3c").decode(), "method": "rules"}
    written = {**values, "members": [str(said[0])]}
    with database.transaction(me.tenant_id) as session:
        structure.put(session, me.tenant_id, space, "topic", id, written, changeset_id=None, now=NOW)
        assert structure.live(session, me.tenant_id, "topic", [id])[id] == {**values, "members": [said[0]]}
        assert (
            session.scalar(text("SELECT centroid FROM topic WHERE tenant_id = :t"), {"t": me.tenant_id}) == b"\x00\x3c"
        )
        episode = {**an_episode(said[:1]), "starts": NOW.isoformat(), "first_memory_id": str(said[0])}
        structure.put(session, me.tenant_id, space, "episode", id, episode, changeset_id=None, now=NOW)
        assert structure.live(session, me.tenant_id, "episode", [id])[id] == an_episode(said[:1])


def test_a_state_that_ends_as_it_begins_may_begin_again(
    me: Any, database: Database, said: list[UUID], space: UUID
) -> None:
    id, values = new_id(), an_episode(said)
    with database.transaction(me.tenant_id) as session:
        for _ in range(2):
            structure.put(session, me.tenant_id, space, "episode", id, values, changeset_id=None, now=NOW)
            structure.end(session, me.tenant_id, "episode", [id], now=NOW)
        assert structure.live(session, me.tenant_id, "episode", [id]) == {}
        structure.put(session, me.tenant_id, space, "episode", id, values, changeset_id=None, now=NOW)
        assert structure.live(session, me.tenant_id, "episode", [id]) == {id: values}


def test_an_erasure_takes_all_that_counts_or_quotes_a_memory(
    me: Any, database: Database, said: list[UUID], space: UUID
) -> None:
    episode, gist, other, community = (new_id() for _ in range(4))
    with database.transaction(me.tenant_id) as session:
        put = lambda kind, id, values: structure.put(  # noqa: E731
            session, me.tenant_id, space, kind, id, values, changeset_id=None, now=NOW
        )
        put("episode", episode, an_episode(said[:2]))
        put("gist", gist, a_gist(episode, said[1:2]))
        put("episode", other, an_episode(said[2:]))
        put("community", community, {"size": 1, "entity_ids": [], "method": "rules", "members": said[2:]})
    with database.transaction(me.tenant_id) as session:
        assert set(structure.forget_memories(session, me.tenant_id, said[:1])) == {episode, gist}
    assert [row.id for row in states(database, me, "episode")] == [other]
    assert states(database, me, "gist") == []
    members = states(database, me, "structure_member")
    assert {row.structure_id for row in members if row.live} == {other, community}
    with database.transaction(me.tenant_id) as session:
        again = structure.put(
            session, me.tenant_id, space, "gist", gist, a_gist(episode, [new_id()]), changeset_id=None, now=NOW
        )
    assert not again, "a state made of an erased memory would bring its words back"
