"""Import memories as they were elsewhere: look up what is there, then store those that are new, whole."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.bundle.records import MemoryRecord
from memory_service.errors import MemoryServiceError, Unavailable
from memory_service.lifecycle.correct import correct
from memory_service.lifecycle.draft import Encoding, content_hash, identity_of, said_hash
from memory_service.lifecycle.import_decision import Decision, Importing, Known, Line, decide_all
from memory_service.lifecycle.imported_rows import ImportedRows
from memory_service.lifecycle.imported_vectors import Encoded
from memory_service.storage import imported, memories
from memory_service.storage.identities import free_identities
from memory_service.storage.imports import LineOutcome
from memory_service.storage.namespaces import Namespace, ensure_namespaces


def outcome_json(row: Any) -> dict[str, Any]:
    """Return what became of one line, as jobs and lists tell it; lines count from 1, and the header is the first."""
    return {
        "line": row["ordinal"],
        "kind": row["kind"],
        "status": row["status"],
        "id": row["item_id"],
        "code": row["code"],
        "detail": row["detail"],
    }


def told(refusal: MemoryServiceError) -> str:
    """Return in one sentence what a rule refuses, with the place; never what stands there."""
    where = refusal.errors[0].pointer if refusal.errors else ""
    return f"{where}: {refusal.detail}" if where else refusal.detail


def look_up(session: Session, wanted: Importing, lines: Sequence[Line], *, now: datetime) -> Known:
    """Return what is there under the keys of records, having made the namespaces that are not."""
    records: list[MemoryRecord] = [line.record for line in lines]
    tenant_id = wanted.tenant_id
    paths = {state.namespace for record in records for state in record.states()}
    namespaces = ensure_namespaces(session, tenant_id, paths, now=now)
    ids = [record.id for record in records]
    said = {
        (namespaces[state.namespace].id, said_hash(state.user_id, content_hash(state.content)))
        for record in records
        for state in record.states()
    }
    keys = [(namespaces[r.namespace].id, r.external_id) for r in records if r.external_id is not None and not r.closed]
    holders = memories.find_by_external_ids(session, tenant_id, keys)
    parents = sorted({parent for record in records for parent in record.derivation.parents})
    successors = sorted({record.superseded_by for record in records if record.superseded_by is not None})
    return Known(
        namespaces=namespaces,
        rows=imported.present_memories(session, tenant_id, ids),
        erased=imported.erased_memories(session, tenant_id, ids),
        erased_texts=imported.erased_texts(session, tenant_id, sorted(said)),
        holders={(row["namespace_id"], row["external_id"]): row["id"] for row in holders},
        parents=imported.lineage_above(session, tenant_id, parents),
        successors=imported.successors_above(session, tenant_id, successors),
    )


def apply(
    session: Session,
    wanted: Importing,
    lines: Sequence[Line],
    encoded: Mapping[int, Encoded],
    open_encoding: Callable[[], Encoding],
    *,
    now: datetime,
) -> tuple[list[LineOutcome], list[MemoryRecord]]:
    """Decide again over what is there by now, and store; return the outcomes and what was created.

    A line has no outcome yet when a concurrent transaction came first; its turn comes again.
    """
    known = look_up(session, wanted, lines, now=now)
    outcomes: list[LineOutcome] = []
    creating: list[tuple[Line, Decision]] = []
    for line, decision in decide_all(lines, known, wanted, now=now):
        made = encoded.get(line.ordinal)
        # A namespace that began to change its encoder meanwhile needs other vectors: the turn of such a line comes again.
        whole = made is not None and set(known.namespaces[line.record.namespace].encoders) <= set(made.encoders)
        if decision.action == "create":
            if whole:
                creating.append((line, decision))
        elif decision.action == "revise":
            if whole:
                outcomes.append(_revise(session, wanted, line, encoded[line.ordinal], open_encoding, now=now))
        else:
            status = "skipped" if decision.action == "skip" else "rejected"
            outcomes.append(LineOutcome(line.ordinal, status, str(line.record.id), decision.code, decision.detail))
    inserted = _create(session, wanted, creating, encoded, known.namespaces) if creating else set()
    created = [(line, decision) for line, decision in creating if line.record.id in inserted]
    outcomes += [
        LineOutcome(line.ordinal, "created", str(line.record.id), decision.code, decision.detail)
        for line, decision in created
    ]
    return outcomes, [line.record for line, _ in created]


def _create(
    session: Session,
    wanted: Importing,
    creating: Sequence[tuple[Line, Decision]],
    encoded: Mapping[int, Encoded],
    namespaces: Mapping[str, Namespace],
) -> set[UUID]:
    identities = [
        (r.id, namespaces[r.namespace].id, identity_of(r.model_dump()), r.external_id)
        for r in (line.record for line, _ in creating)
        if r.deduplicated
    ]
    free = free_identities(session, wanted.tenant_id, identities)
    rows = ImportedRows(wanted, namespaces, free)
    for line, decision in creating:
        rows.add(line.record, decision.left_out, encoded[line.ordinal])
    return imported.insert_whole(session, wanted.tenant_id, rows.whole())


# What a new version takes over, as PATCH would; what rules worked out they will work out again.
_REVISED: Final = (
    "content", "memory_type", "user_id", "agent_id", "session_id", "external_id", "title", "context", "keywords", "tags",
    "entities", "metadata", "value", "importance", "confidence", "pinned", "language", "observed_at", "valid_from", "valid_to",
    "expires_at",
)  # fmt: skip


def _revise(
    session: Session,
    wanted: Importing,
    line: Line,
    encoded: Encoded,
    open_encoding: Callable[[], Encoding],
    *,
    now: datetime,
) -> LineOutcome:
    """Give a memory that is there the state of the bundle as its next version; its own history stays."""
    record: MemoryRecord = line.record
    changes = {name: getattr(record, name) for name in _REVISED if name not in record.computed}
    before = imported.present_memories(session, wanted.tenant_id, [record.id])[record.id]

    def revise(encoding: Encoding | None) -> None:
        with session.begin_nested():
            correct(
                session,
                wanted.tenant_id,
                record.id,
                changes,
                chunks=encoded.chunks.get(record.content_version, ()),
                encoding=encoding,
                if_match=None,
                now=now,
            )

    try:
        try:
            revise(None)
        except Unavailable:
            # A policy came since it was encoded: rare enough that the encoder is loaded for it only then.
            revise(open_encoding())
    except MemoryServiceError as error:
        return LineOutcome(line.ordinal, "rejected", str(record.id), error.specific_code, error.detail)
    after = imported.present_memories(session, wanted.tenant_id, [record.id])[record.id]
    if after.version == before.version:
        return LineOutcome(line.ordinal, "skipped", str(record.id), "present", "It says the same.")
    return LineOutcome(line.ordinal, "updated", str(record.id), "new_version", f"It is at version {after.version} now.")
