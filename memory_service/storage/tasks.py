"""Task trees: nodes with their place, every state each ever had, and what waits for what."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.idempotency import forget_answers
from memory_service.storage.scopes import belonging
from memory_service.storage.sql import to_jsonb
from memory_service.storage.tables import task_node

PLACE: Final = ("id", "namespace_id", "root_id", "parent_id", "depth", "user_id", "agent_id", "session_id", "replaces")
STATE: Final = (
    "status", "title", "input", "output", "outcome", "metadata", "depends_on", "superseded_by", "closed_at", "operation",
)  # fmt: skip


def lock_namespace(session: Session, tenant_id: UUID, namespace_id: UUID) -> None:
    """Let one transaction at a time change the tasks of a namespace.

    Who waits for whom is decided over many rows: locks on each of them would be taken in no order that all keep.
    """
    name = hashlib.sha256(f"tasks/{tenant_id}/{namespace_id}".encode()).digest()
    number = int.from_bytes(name[:8], "big", signed=True)
    session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


# What an erasure took is waited for no more: the present dependencies are those of the table, not those of the version.
_TASK = """
    SELECT t.id, t.namespace_id, n.path AS namespace, t.root_id, t.parent_id, t.depth, t.user_id, t.agent_id, t.session_id,
        t.replaces, t.created_at, t.updated_at, v.version, v.status, v.title, v.input, v.output, v.outcome, v.metadata,
        v.superseded_by, v.closed_at,
        ARRAY(SELECT d.depends_on_id FROM task_dependency d WHERE d.tenant_id = :tenant AND d.task_id = t.id
            ORDER BY d.depends_on_id) AS depends_on,
        v.status = 'open' AND NOT EXISTS (
            SELECT FROM task_dependency d JOIN task_node o ON o.tenant_id = :tenant AND o.id = d.depends_on_id
            WHERE d.tenant_id = :tenant AND d.task_id = t.id AND o.status <> 'succeeded') AS ready,
        (SELECT count(*) FROM task_node c WHERE c.tenant_id = :tenant AND c.parent_id = t.id
            AND c.status IN ('open', 'running')) AS open_children,
        (SELECT count(*) FROM task_node c WHERE c.tenant_id = :tenant AND c.parent_id = t.id
            AND c.status IN ('succeeded', 'failed', 'cancelled')) AS closed_children
    FROM task_node t JOIN namespace n ON n.tenant_id = :tenant AND n.id = t.namespace_id
        JOIN task_version v ON v.tenant_id = :tenant AND v.task_id = t.id AND v.version = t.version
    WHERE t.tenant_id = :tenant AND """


def get_task(session: Session, tenant_id: UUID, task_id: UUID) -> RowMapping | None:
    """Return one node as it is."""
    return session.execute(text(f"{_TASK} t.id = :id"), {"tenant": tenant_id, "id": task_id}).mappings().one_or_none()


def get_tasks(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, RowMapping]:
    """Return those of the nodes that exist, by id."""
    if not ids:
        return {}
    query = text(f"{_TASK} t.id = ANY(CAST(:ids AS uuid[]))")
    rows = session.execute(query, {"tenant": tenant_id, "ids": list(ids)}).mappings()
    return {row["id"]: row for row in rows}


def list_tasks(
    session: Session,
    tenant_id: UUID,
    *,
    equal: Mapping[str, Any],
    roots: bool,
    before: UUID | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return nodes, the newest first.

    Args:
        session: the caller's transaction.
        tenant_id: whose tasks.
        equal: columns of `task_node` and the values they must have.
        roots: only those without a parent.
        before: only those made before this one.
        limit: how many at most.
    """
    assert equal.keys() <= {"namespace_id", "parent_id", "root_id", "status", "user_id", "agent_id", "session_id"}
    conditions = ["true", *(f"t.{name} = :{name}" for name in equal)]
    if roots:
        conditions.append("t.parent_id IS NULL")
    if before is not None:
        conditions.append("t.id < :before")
    query = text(f"{_TASK} {' AND '.join(conditions)} ORDER BY t.id DESC LIMIT :limit")
    return session.execute(query, {"tenant": tenant_id, "before": before, "limit": limit, **equal}).mappings().all()


def children_of(
    session: Session, tenant_id: UUID, parent_id: UUID, *, statuses: Collection[str], limit: int
) -> Sequence[RowMapping]:
    """Return the children of a node that have one of the statuses, the newest first."""
    query = text(
        f"{_TASK} t.parent_id = :parent AND t.status = ANY(CAST(:statuses AS text[])) ORDER BY t.id DESC LIMIT :limit"
    )
    params = {"tenant": tenant_id, "parent": parent_id, "statuses": list(statuses), "limit": limit}
    return session.execute(query, params).mappings().all()


def path_to(session: Session, tenant_id: UUID, task_id: UUID) -> list[RowMapping]:
    """Return the nodes above one, the root first."""
    ids = session.scalars(
        text(
            """
            WITH RECURSIVE above AS (
                SELECT t.parent_id AS id FROM task_node t WHERE t.tenant_id = :tenant AND t.id = :id
                UNION ALL
                SELECT p.parent_id FROM above JOIN task_node p ON p.tenant_id = :tenant AND p.id = above.id)
            SELECT above.id FROM above WHERE above.id IS NOT NULL
            """
        ),
        {"tenant": tenant_id, "id": task_id},
    ).all()
    return sorted(get_tasks(session, tenant_id, ids).values(), key=lambda row: int(row["depth"]))


def below(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> list[UUID]:
    """Return the ids of nodes and of all below them."""
    found = session.scalars(
        text(
            """
            WITH RECURSIVE below AS (
                SELECT t.id FROM task_node t WHERE t.tenant_id = :tenant AND t.id = ANY(CAST(:ids AS uuid[]))
                UNION
                SELECT c.id FROM below JOIN task_node c ON c.tenant_id = :tenant AND c.parent_id = below.id)
            SELECT below.id FROM below ORDER BY below.id
            """
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return list(found)


def needs_from(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> list[tuple[UUID, UUID]]:
    """Return who can end only after whom, as far as nodes lead: through dependencies, and through children that count."""
    rows = session.execute(
        text(
            """
            WITH RECURSIVE needs AS (
                SELECT CAST(NULL AS uuid) AS task, k.id AS needed FROM unnest(CAST(:ids AS uuid[])) AS k (id)
                UNION
                SELECT needs.needed, x.id FROM needs CROSS JOIN LATERAL (
                    SELECT d.depends_on_id AS id FROM task_dependency d
                        WHERE d.tenant_id = :tenant AND d.task_id = needs.needed
                    UNION ALL
                    SELECT c.id FROM task_node c WHERE c.tenant_id = :tenant AND c.parent_id = needs.needed
                        AND c.status NOT IN ('superseded', 'discarded')) x)
            SELECT needs.task, needs.needed FROM needs WHERE needs.task IS NOT NULL
            """
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return [(row.task, row.needed) for row in rows]


def dependents_of(session: Session, tenant_id: UUID, ids: Collection[UUID]) -> list[UUID]:
    """Return the nodes that depend on any of these and count: not those that were replaced or rolled back."""
    found = session.scalars(
        text(
            "SELECT DISTINCT t.id FROM task_dependency d JOIN task_node t ON t.tenant_id = :tenant AND t.id = d.task_id "
            "WHERE d.tenant_id = :tenant AND d.depends_on_id = ANY(CAST(:ids AS uuid[])) "
            "AND t.status NOT IN ('superseded', 'discarded') ORDER BY t.id"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return list(found)


def last_change(session: Session, tenant_id: UUID, roots: Collection[UUID]) -> datetime | None:
    """Return when any of these trees was changed last."""
    changed: datetime | None = session.scalar(
        text(
            "SELECT max(l.at) FROM unnest(CAST(:roots AS uuid[])) AS k (id) CROSS JOIN LATERAL (SELECT t.updated_at AS at "
            "FROM task_node t WHERE t.tenant_id = :tenant AND t.root_id = k.id ORDER BY t.updated_at DESC LIMIT 1) l"
        ),
        {"tenant": tenant_id, "roots": list(roots)},
    )
    return changed


def insert_task(
    session: Session, tenant_id: UUID, place: Mapping[str, Any], state: Mapping[str, Any], *, now: datetime
) -> None:
    """Make a node with its first version."""
    columns = ", ".join(PLACE)
    values = ", ".join(f":{name}" for name in PLACE)
    session.execute(
        text(
            f"INSERT INTO task_node (tenant_id, {columns}, status, version, created_at, updated_at) "
            f"VALUES (:tenant, {values}, :status, 1, :now, :now)"
        ),
        {"tenant": tenant_id, **{name: place[name] for name in PLACE}, "status": state["status"], "now": now},
    )
    _insert_versions(session, tenant_id, [_version(place["id"], 1, state, now=now)])


def add_versions(
    session: Session, tenant_id: UUID, states: Sequence[tuple[UUID, int, Mapping[str, Any]]], *, now: datetime
) -> None:
    """Give nodes their next versions, each as (id, number, state)."""
    if not states:
        return
    rows = [_version(task_id, number, state, now=now) for task_id, number, state in states]
    session.execute(
        text(
            "UPDATE task_node t SET status = r.status, version = r.version, updated_at = :now "
            "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (task_id uuid, version integer, status text) "
            "WHERE t.tenant_id = :tenant AND t.id = r.task_id"
        ),
        {"tenant": tenant_id, "rows": to_jsonb(rows), "now": now},
    )
    session.execute(
        text("DELETE FROM task_dependency WHERE tenant_id = :tenant AND task_id = ANY(CAST(:ids AS uuid[]))"),
        {"tenant": tenant_id, "ids": [row["task_id"] for row in rows]},
    )
    _insert_versions(session, tenant_id, rows)


def _version(task_id: UUID, number: int, state: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    return {"task_id": task_id, "version": number, "known_from": now, **{name: state[name] for name in STATE}}


def _insert_versions(session: Session, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = ", ".join(("task_id", "version", *STATE, "known_from"))
    params = {"tenant": tenant_id, "rows": to_jsonb(rows)}
    session.execute(
        text(
            f"INSERT INTO task_version (tenant_id, {columns}) SELECT :tenant, {columns} "
            "FROM jsonb_populate_recordset(CAST(NULL AS task_version), CAST(:rows AS jsonb))"
        ),
        params,
    )
    session.execute(
        text(
            "INSERT INTO task_dependency (tenant_id, task_id, depends_on_id) SELECT :tenant, r.task_id, d.id "
            "FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (task_id uuid, depends_on uuid[]) "
            "CROSS JOIN LATERAL unnest(r.depends_on) AS d (id) "
            # An earlier state may name what was erased since.
            "WHERE EXISTS (SELECT FROM task_node t WHERE t.tenant_id = :tenant AND t.id = d.id) ON CONFLICT DO NOTHING"
        ),
        params,
    )


def states_before(session: Session, tenant_id: UUID, ids: Collection[UUID], moment: datetime) -> dict[UUID, RowMapping]:
    """Return the state that each node was in right before a moment; a node that was not there yet has none."""
    rows = session.execute(
        text(
            "SELECT DISTINCT ON (v.task_id) v.* FROM task_version v WHERE v.tenant_id = :tenant "
            "AND v.task_id = ANY(CAST(:ids AS uuid[])) AND v.known_from < :moment ORDER BY v.task_id, v.version DESC"
        ),
        {"tenant": tenant_id, "ids": list(ids), "moment": moment},
    ).mappings()
    return {row["task_id"]: row for row in rows}


def get_version(session: Session, tenant_id: UUID, task_id: UUID, number: int) -> RowMapping | None:
    """Return one state of a node."""
    query = text(
        "SELECT v.* FROM task_version v WHERE v.tenant_id = :tenant AND v.task_id = :id AND v.version = :number"
    )
    return session.execute(query, {"tenant": tenant_id, "id": task_id, "number": number}).mappings().one_or_none()


def list_versions(
    session: Session, tenant_id: UUID, task_id: UUID, *, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """Return the states of a node, the newest first, each with the time until which it was the known one."""
    # Each was known until the next, whatever page that is on.
    condition = "" if before is None else "AND s.version < :before"
    query = f"""
        SELECT s.*, (SELECT n.known_from FROM task_version n WHERE n.tenant_id = :tenant AND n.task_id = :id
            AND n.version > s.version ORDER BY n.version LIMIT 1) AS known_to
        FROM task_version s WHERE s.tenant_id = :tenant AND s.task_id = :id {condition}
        ORDER BY s.version DESC LIMIT :limit"""
    params = {"tenant": tenant_id, "id": task_id, "before": before, "limit": limit}
    return session.execute(text(query), params).mappings().all()


def ids_of(
    session: Session, tenant_id: UUID, *, columns: Mapping[str, str], namespace_id: UUID | None, before: datetime
) -> list[UUID]:
    """Return the nodes that belong to somebody, and all that lies below them.

    All of the scope columns have these values; with no columns, those of a namespace are meant.
    """
    found = belonging(session, tenant_id, task_node, columns, namespace_id=namespace_id, before=before)
    return below(session, tenant_id, found) if found else []


def erase(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> int:
    """Delete nodes with all below them, every state they had and the answers that quote them; return how many there were."""
    gone = below(session, tenant_id, ids)
    if not gone:
        return 0
    forget_answers(session, tenant_id, gone)
    session.execute(
        text("DELETE FROM task_node WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"),
        {"tenant": tenant_id, "ids": gone},
    )
    return len(gone)
