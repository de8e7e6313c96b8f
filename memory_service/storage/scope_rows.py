"""What belongs to a user, agent, session or namespace beside memories: found, counted and removed, table by table."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage import blocks, erased_records, imports, kv_memories, tasks

SCOPE_COLUMNS: Final = ("user_id", "agent_id", "session_id")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows are meant: those with all of these values, of a namespace or of all, made before a moment."""

    columns: Mapping[str, str]
    namespace_id: UUID | None
    namespace: str | None  # its path, by which traces name it
    before: datetime

    def __post_init__(self) -> None:
        """Refuse a scope that would mean everything.

        Raises:
            ValueError: neither a user, an agent, a session nor a namespace is named, or something else is.
        """
        if not self.columns.keys() <= set(SCOPE_COLUMNS) or not (self.columns or self.namespace_id):
            raise ValueError("a scope names a user, an agent, a session or a namespace")

    def params(self, tenant_id: UUID) -> dict[str, Any]:
        """Return the parameters of every condition below."""
        return {
            "tenant": tenant_id, "before": self.before, "namespace_id": self.namespace_id, "path": self.namespace,
            **self.columns,
        }  # fmt: skip

    def by_columns(self, alias: str) -> str:
        """Return the condition on a table that has the scope columns and a namespace."""
        parts = [f"{alias}.tenant_id = :tenant", f"{alias}.created_at <= :before"]
        parts += [f"{alias}.{name} = :{name}" for name in self.columns]
        parts += [f"{alias}.namespace_id = :namespace_id"] if self.namespace_id is not None else []
        return " AND ".join(parts)

    def by_request(self, alias: str, *, namespace: str) -> str:
        """Return the condition on a table that keeps what was asked as JSON; `namespace` is its condition on that."""
        parts = [f"{alias}.tenant_id = :tenant", f"{alias}.created_at <= :before"]
        parts += [f"{alias}.request ->> '{name}' = :{name}" for name in self.columns]
        parts += [namespace] if self.namespace_id is not None else []
        return " AND ".join(parts)

    def by_line(self, alias: str) -> str:
        """Return the condition on lines of imports that still wait."""
        said = [f"{alias}.{name} = :{name}" for name in self.columns]
        said += [f"{alias}.namespace = :path"] if self.namespace_id is not None else []
        # The line of a text names its document only, which may have been taken in before.
        of_document = f"SELECT CAST(d.id AS text) FROM document d WHERE {self.by_columns('d')}"
        return (
            f"{alias}.tenant_id = :tenant AND {alias}.status IS NULL AND EXISTS (SELECT FROM job j "
            f"WHERE j.tenant_id = :tenant AND j.id = {alias}.job_id AND j.created_at <= :before) AND ("
            f"{' AND '.join(said)} OR {alias}.kind = 'document_text' AND {alias}.item_id IN ({of_document}))"
        )


def _conditions(scope: Scope) -> dict[str, str]:
    """Return which rows `t` of each table belong to a scope, in the order in which they may be removed.

    A table with rows of its own of a user, an agent or a session gets its line here, or erasures do not reach it.
    """
    traces = scope.by_request("r", namespace=":path = ANY(r.namespaces)")
    asked = f"SELECT r.id FROM trace r WHERE {traces}"
    return {
        "document_upload": scope.by_request("t", namespace="t.namespace_id = :namespace_id"),
        "import_record": scope.by_line("t"),
        "document": scope.by_columns("t"),
        # A cube is of its namespace, and of nobody in it.
        **({} if scope.columns else {"parametric_memory": scope.by_columns("t")}),
        # What was asked for somebody is theirs, as is what grew from their judgements.
        "saved_query": f"t.tenant_id = :tenant AND t.source = 'feedback' AND EXISTS (SELECT FROM feedback f "
        f"WHERE f.tenant_id = :tenant AND f.namespace_id = t.namespace_id AND f.query = t.query AND f.trace_id IN ({asked}))",
        "feedback": f"t.tenant_id = :tenant AND t.trace_id IN ({asked})",
        "trace": scope.by_request("t", namespace=":path = ANY(t.namespaces)"),
        # A cue that was learned from somebody's questions is theirs; every version that learned it loses its weights with it.
        # After the judgements: a training that reads them holds them until its pairs are there to be found.
        "parametric_pair": scope.by_columns("t"),
    }


# Records that know by themselves whose they are, and what goes with them.
_OWNED: Final = {"block": blocks, "task_node": tasks, "kv_memory": kv_memories}

_STOP_READING: Final = """
    UPDATE job SET status = 'cancelled', lease_until = NULL, finished_at = :now
    WHERE tenant_id = :tenant AND status IN ('queued', 'running') AND id IN (
        SELECT t.job_id FROM document_upload t WHERE {uploads})
"""


def drop_waiting(session: Session, tenant_id: UUID, scope: Scope, *, now: datetime) -> dict[str, int]:
    """Delete what waits to be taken in for a scope, files and lines of imports, and return how many there were, by table.

    Once this is committed, no job makes memories of it any more: one that reads a file finds itself cancelled when it stores,
    an import goes on without these lines.
    """
    params, conditions = scope.params(tenant_id), _conditions(scope)
    uploads = conditions["document_upload"]
    session.execute(text(_STOP_READING.format(uploads=uploads)), {**params, "now": now})
    files = session.execute(text(f"DELETE FROM document_upload t WHERE {uploads} RETURNING 1"), params).all()
    dropped = {
        "document_upload": len(files),
        "import_record": imports.drop_lines(session, tenant_id, conditions["import_record"], params),
    }
    return {table: number for table, number in dropped.items() if number}


def _owned(session: Session, tenant_id: UUID, scope: Scope) -> dict[str, list[UUID]]:
    """Return the ids of blocks, tasks and KV memories of a scope, by table."""
    return {
        table: records.ids_of(
            session, tenant_id, columns=scope.columns, namespace_id=scope.namespace_id, before=scope.before
        )
        for table, records in _OWNED.items()
    }


def count(session: Session, tenant_id: UUID, scope: Scope) -> dict[str, int]:
    """Return how many rows of each table belong to a scope; tables without any are left out."""
    params = scope.params(tenant_id)
    found = {
        table: int(session.scalar(text(f"SELECT count(*) FROM {table} t WHERE {condition}"), params) or 0)
        for table, condition in _conditions(scope).items()
    }
    found |= {table: len(ids) for table, ids in _owned(session, tenant_id, scope).items()}
    return {table: number for table, number in found.items() if number}


def remove(session: Session, tenant_id: UUID, scope: Scope, *, now: datetime) -> dict[str, int]:
    """Delete the rows of a scope, and return how many there were; its memories are erased by themselves, before."""
    params = scope.params(tenant_id)
    removed = drop_waiting(session, tenant_id, scope, now=now)
    for table, condition in _conditions(scope).items():
        if table not in {"document_upload", "import_record"}:
            told = "t.id" if table == "document" else "1"
            statement, removed[table] = text(f"DELETE FROM {table} t WHERE {condition} RETURNING {told}"), 0
            # Where rows were being copied, the deletion waited for their copies without seeing them: until none is left.
            while gone := session.execute(statement, params).all():
                removed[table] += len(gone)
                if table == "document":
                    erased_records.bury(session, tenant_id, "document", [row.id for row in gone], now=now)
    owned = _owned(session, tenant_id, scope)
    erased_records.bury(session, tenant_id, "block", owned["block"], now=now)
    removed |= {table: _OWNED[table].erase(session, tenant_id, ids) for table, ids in owned.items()}
    return {table: number for table, number in removed.items() if number}


def live_documents(session: Session, tenant_id: UUID, scope: Scope, *, limit: int) -> list[UUID]:
    """Return documents of a scope that nobody has archived."""
    statement = text(
        f"SELECT t.id FROM document t WHERE {scope.by_columns('t')} AND t.archived_at IS NULL ORDER BY t.id LIMIT :limit"
    )
    return [row.id for row in session.execute(statement, {**scope.params(tenant_id), "limit": limit})]


def has_rows(session: Session, tenant_id: UUID, scope: Scope) -> bool:
    """Say whether anything beside memories belongs to a scope; to have been asked about makes nobody known."""
    params = scope.params(tenant_id)
    return any(_owned(session, tenant_id, scope).values()) or any(
        session.scalar(text(f"SELECT EXISTS (SELECT FROM {table} t WHERE {condition})"), params)
        for table, condition in _conditions(scope).items()
        if table not in {"saved_query", "feedback", "trace"}
    )
