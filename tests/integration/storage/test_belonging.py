"""Blocks and tasks of somebody: found and erased with all that hangs on them, and nothing of anybody else."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from memory_service.storage import blocks, tasks
from memory_service.storage.database import Database
from memory_service.storage.namespaces import find_namespaces

SOON = datetime.now(UTC) + timedelta(days=1)


def put(me: Any, label: str, **scope: str) -> UUID:
    answer = me.put(f"/v1/blocks/{label}", json={"value": label, **scope})
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


def make(me: Any, title: str, **fields: Any) -> UUID:
    answer = me.post("/v1/tasks", json={"title": title, **fields}, headers={"Idempotency-Key": f"make-{title}"})
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


def test_blocks_of_a_person(me: Any, database: Database) -> None:
    mine, both = put(me, "mine", user_id="u"), put(me, "both", user_id="u", agent_id="a")
    gone = put(me, "gone", user_id="u", namespace="other")
    assert me.delete("/v1/blocks/gone?user_id=u&namespace=other").status_code == 204
    shared, agents = put(me, "shared"), put(me, "agents", agent_id="a")
    tenant_id = me.tenant_id
    with database.transaction(tenant_id) as session:
        other = find_namespaces(session, tenant_id, ["other"])["other"].id

        def found(namespace_id: UUID | None = None, before: datetime = SOON, **columns: str) -> set[UUID]:
            return set(blocks.ids_of(session, tenant_id, columns=columns, namespace_id=namespace_id, before=before))

        assert found(user_id="u") == {mine, both, gone}
        assert found(agent_id="a") == {both, agents}
        assert found(user_id="u", agent_id="a") == {both}
        assert found(session_id="s") == set()
        assert found(other) == {gone}
        assert found(user_id="u", before=datetime(2020, 1, 1, tzinfo=UTC)) == set()
        with pytest.raises(ValueError, match="name a user"):
            found()
        assert blocks.erase(session, tenant_id, sorted(found(user_id="u"))) == 3
        assert blocks.erase(session, tenant_id, []) == 0
    assert {b["id"] for b in me.get("/v1/blocks").json()["data"]} == {str(shared), str(agents)}
    with database.transaction(tenant_id) as session:
        kept = session.scalars(text("SELECT value FROM block_version WHERE tenant_id = :t"), {"t": tenant_id}).all()
    assert sorted(kept) == ["agents", "shared"]


def test_tasks_of_a_person_go_with_all_below_them(me: Any, database: Database) -> None:
    root = make(me, "root", user_id="u", session_id="s")
    child = make(me, "child", parent_id=str(root), agent_id="a")
    deep = make(me, "deep", parent_id=str(child), agent_id="b")
    other = make(me, "other", agent_id="b", depends_on=[str(deep)])
    with database.transaction(me.tenant_id) as session:

        def found(**columns: str) -> set[UUID]:
            return set(tasks.ids_of(session, me.tenant_id, columns=columns, namespace_id=None, before=SOON))

        assert found(user_id="u") == found(session_id="s") == {root, child, deep}
        assert found(agent_id="a") == {child, deep}
        assert found(agent_id="b") == {deep, other}
        assert found(user_id="nobody") == set()
        assert tasks.erase(session, me.tenant_id, sorted(found(user_id="u"))) == 3
    assert [t["id"] for t in me.get("/v1/tasks").json()["data"]] == [str(other)]
    with database.transaction(me.tenant_id) as session:
        params = {"t": me.tenant_id}
        assert session.scalars(text("SELECT title FROM task_version WHERE tenant_id = :t"), params).all() == ["other"]
        assert session.scalar(text("SELECT count(*) FROM task_dependency WHERE tenant_id = :t"), params) == 0
        # The answer about `other` names a task that is gone, so it goes, too.
        assert session.scalar(text("SELECT count(*) FROM idempotency_key WHERE tenant_id = :t"), params) == 0
