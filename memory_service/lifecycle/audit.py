"""The audit chain: every seal is a hash of its event and of the seal before it, so that nothing in between can change unseen."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.storage import audit
from memory_service.storage.audit import Seal
from memory_service.storage.sql import Row

SEALED_AT_ONCE: Final = 1_000
CHECKED_AT_ONCE: Final = 5_000


def beginning(tenant_id: UUID) -> bytes:
    """Return what stands before the first seal: of each tenant another, so that no chain passes for another's.

    >>> beginning(UUID(int=0)).hex()[:16]
    'd7d8062a31fec3b9'
    """
    return hashlib.sha256(b"audit chain of " + tenant_id.bytes).digest()


def seal_of(previous: bytes, seq: int, event: Row | Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of the seal before and of an event, as JSON without spaces in which every value has one form.

    Everybody can work it out from `GET /v1/audit`: a list of seq, id, time in microseconds of UTC, key, action, subject, its id,
    the namespace's id and the details with sorted keys.
    """
    said = [
        seq,
        str(event["id"]),
        event["at"].astimezone(UTC).isoformat(timespec="microseconds"),
        *(None if event[name] is None else str(event[name]) for name in _WORDS),
        event["details"],
    ]
    written = json.dumps(said, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(previous + written.encode()).digest()


_WORDS: Final = ("api_key_id", "action", "subject", "subject_id", "namespace_id")


def seal_pending(session: Session, tenant_id: UUID) -> int:
    """Seal the events of a tenant that wait for it, in order of their ids; return how many."""
    audit.lock_chain(session, tenant_id)
    events = audit.take_pending(session, tenant_id, limit=SEALED_AT_ONCE)
    last = audit.last_seal(session, tenant_id)
    seq, previous = (last.seq, last.hash) if last is not None else (0, beginning(tenant_id))
    seals = []
    for event in events:
        seq += 1
        previous = seal_of(previous, seq, event)
        seals.append(Seal(seq, event["id"], previous))
    if seals:
        audit.add_seals(session, tenant_id, seals)
    return len(seals)


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain is not what it was."""

    seq: int
    event_id: UUID | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the whole chain found."""

    checked: int
    head: Seal | None
    broken: Break | None
    unsealed: int
    stray: int


def verify(session: Session, tenant_id: UUID) -> Verdict:
    """Work out every seal anew, and stop at the first that is not as it should be."""
    seq, previous, head = 0, beginning(tenant_id), None
    broken = None
    while broken is None and (rows := audit.sealed(session, tenant_id, after=seq, limit=CHECKED_AT_ONCE)):
        for row in rows:
            broken = _fault(row, seq, previous)
            if broken is not None:
                break
            seq, previous = row["seq"], row["hash"]
            head = Seal(seq, row["event_id"], previous)
    unsealed, stray = audit.count_unsealed(session, tenant_id)
    return Verdict(seq, head, broken, unsealed, stray)


def _fault(row: Row, seq: int, previous: bytes) -> Break | None:
    if row["seq"] != seq + 1:
        return Break(seq + 1, None, "seal_missing")
    if row["id"] is None:
        return Break(row["seq"], row["event_id"], "event_missing")
    if seal_of(previous, row["seq"], row) != row["hash"]:
        return Break(row["seq"], row["event_id"], "hash_differs")
    return None
