"""What was erased here, of the core blocks and documents that a bundle brings."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.bundle.records import BlockRecord, DocumentRecord
from memory_service.lifecycle.import_decision import Line
from memory_service.lifecycle.selection import digests_reaching
from memory_service.storage import erased_records, erasures
from memory_service.storage.scope_rows import SCOPE_COLUMNS


def erased_here(session: Session, tenant_id: UUID, lines: Sequence[Line]) -> dict[int, str]:
    """Return which lines with blocks or documents bring back what was erased here, and how that is known.

    By their ids, as far as they were here themselves. And by whose they are: what was made before somebody asked for all that
    belongs to an owner to be erased would have gone while it waited to be taken in, so it does not come in later either.
    """
    records: Mapping[int, BlockRecord | DocumentRecord] = {line.ordinal: line.record for line in lines}
    gone = erased_records.erased_among(session, tenant_id, sorted({record.id for record in records.values()}))
    reaching = {ordinal: _reaching(tenant_id, record) for ordinal, record in records.items()}
    asked = erasures.last_asked(session, tenant_id, sorted({digest for some in reaching.values() for digest in some}))
    found = {}
    for ordinal, record in records.items():
        if record.id in gone:
            found[ordinal] = f"A {record.type} with this id was erased here; it stays away."
        elif any(record.created_at <= asked[digest] for digest in reaching[ordinal] & asked.keys()):
            found[ordinal] = (
                "All of its owner, or all of its namespace, was erased here after it was made; it stays away."
            )
    return found


def _reaching(tenant_id: UUID, record: BlockRecord | DocumentRecord) -> frozenset[bytes]:
    """Return the digests of the erasures that would take a record with all else of its owner or its namespace."""
    owners = {name: getattr(record, name, None) for name in SCOPE_COLUMNS}  # no block belongs to a session
    return digests_reaching(tenant_id, owners, record.namespace)
