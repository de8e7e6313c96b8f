"""Erasures by filter, by ids, or of all that belongs to somebody: what is selected, what would go, and the job that does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.lifecycle.records import rfc3339
from memory_service.lifecycle.selection import Selection
from memory_service.storage import erased_rows, erasures, jobs, lineage, memories, scope_rows
from memory_service.storage.ids import new_id
from memory_service.storage.sql import Row

ERASE: Final = "erase"  # the kind of job
MOST_PREVIEWED: Final = 100_000  # memories of which a preview counts what hangs on them


def preview(session: Session, tenant_id: UUID, selection: Selection) -> dict[str, Any]:
    """Count what an erasure would remove, table by table, and what was made of it; changes nothing."""
    where = selection.condition()
    matched = memories.count_matching(session, tenant_id, where=where)
    seeds = erasures.selected(session, tenant_id, where=where, limit=MOST_PREVIEWED)
    derived = lineage.made_of(session, tenant_id, seeds) if seeds else []
    counts: dict[str, int] = {}
    rebuilt: dict[str, int] = {}
    if seeds:
        every = [*seeds, *derived]
        counts = erased_rows.count(session, tenant_id, every)
        if postings := erased_rows.count_postings(session, tenant_id, every):
            counts["posting"] = postings
        built = erased_rows.structures(session, tenant_id, every)
        rebuilt = {name: others for name, (_, others) in built.items() if others}
    if (scope := selection.whole) is not None:
        # A document goes with its last memory or as what it is, and counts once; so do the others.
        for table, number in scope_rows.count(session, tenant_id, scope).items():
            counts[table] = max(counts.get(table, 0), number)
    return {
        "dry_run": True,
        "matched": matched,
        "changed": 0,
        "memories": matched + len(derived),
        "derived": {"memories": len(derived), "rebuilt": rebuilt},
        "counts": dict(sorted(counts.items())),
        "truncated": matched > len(seeds),
    }


@dataclass(frozen=True, slots=True)
class Begun:
    """An erasure that a job is going to do."""

    erasure_id: UUID
    job_id: UUID

    def to_json(self) -> dict[str, str]:
        """Return what the call answers."""
        return {"job_id": str(self.job_id), "erasure_id": str(self.erasure_id)}


def begin(
    session: Session,
    tenant_id: UUID,
    selection: Selection,
    *,
    api_key_id: UUID | None,
    ttl: timedelta,
    namespace_id: UUID | None = None,
) -> Begun:
    """Queue the job of an erasure and open its receipt.

    Files that wait to be read and lines of imports that wait for their turn go at once: taken in meanwhile, they would become
    memories that the job might come too early for.

    Args:
        session: of the tenant.
        tenant_id: whose memories they are.
        selection: which of them.
        api_key_id: who asked; None for a policy.
        ttl: how long the job is kept; the receipt stays.
        namespace_id: where the memories are, where the selection does not say and the caller knows.
    """
    total = memories.count_matching(session, tenant_id, where=selection.condition())
    erasure_id, of = new_id(), namespace_id or selection.namespace_id
    job_id = jobs.create_job(
        session,
        tenant_id,
        kind=ERASE,
        namespace_id=of,
        payload={"erasure_id": str(erasure_id), "selection": selection.to_json()},
        total=total if selection.ids is None else len(selection.ids),
        now=selection.before,
        ttl=ttl,
    )
    erasures.open_erasure(
        session,
        tenant_id,
        erasure_id=erasure_id,
        job_id=job_id,
        api_key_id=api_key_id,
        namespace_id=of,
        selected_by=selection.by,
        selection_hash=selection.digest(tenant_id),
        now=selection.before,
    )
    if (scope := selection.whole) is not None:
        waiting = scope_rows.drop_waiting(session, tenant_id, scope, now=selection.before)
        erasures.add_counts(session, tenant_id, erasure_id, waiting)
    return Begun(erasure_id, job_id)


def receipt(session: Session, tenant_id: UUID, row: Row, *, shown: int = 0) -> dict[str, Any]:
    """Return a receipt as JSON: counts, times, hashes, and up to `shown` ids; no text."""
    tally = erasures.item_counts(session, tenant_id, row["id"])
    status = row["status"]
    if status == "open":
        # The job is gone only where it was cancelled or failed long ago: an open one is never purged.
        status = row["job_status"] or "incomplete"
    answer = {
        "id": str(row["id"]),
        "status": status,
        "job_id": str(row["job_id"]),
        "namespace": row["namespace"],
        "selected_by": row["selected_by"],
        "selection_hash": row["selection_hash"].hex(),
        "requested_by": str(row["api_key_id"]) if row["api_key_id"] else None,
        "requested_at": rfc3339(row["created_at"]),
        "finished_at": rfc3339(row["finished_at"]),
        "memories": dict(tally),
        "counts": dict(sorted(row["counts"].items())),
        "verified": row["verified"],
        "remains": row["remains"],
    }
    if shown:
        rows = erasures.list_items(session, tenant_id, row["id"], after=None, limit=shown + 1, status="erased")
        answer["memory_ids"] = [str(item["memory_id"]) for item in rows[:shown]]
        answer["truncated"] = len(rows) > shown
    return answer


def absent(wanted: Sequence[UUID], erased: set[UUID]) -> list[UUID]:
    """Return those of the ids that were not there to be erased, each once.

    >>> absent([UUID(int=1), UUID(int=2), UUID(int=2)], {UUID(int=1)})
    [UUID('00000000-0000-0000-0000-000000000002')]
    """
    return [one for one in dict.fromkeys(wanted) if one not in erased]
