"""Who speaks in a namespace, as far as texts tell it: what was said before, who is known from now on, what is read again."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from memory_service.types import SourceKind

_READ: Final = 4_000  # characters of a text that tell who speaks in it
_NAMED: Final = 80  # characters within which a name stands, behind a date
# What people and assistants say; documents and tools tell.
_SAID: Final = (
    "EXISTS (SELECT FROM source s WHERE s.tenant_id = :tenant AND s.memory_id = m.id AND s.ordinal = 0 "
    f"AND s.kind IN ('{SourceKind.USER}', '{SourceKind.ASSISTANT}'))"
)
_OPEN: Final = "m.speaker IS NULL AND m.extract <> 'none' AND m.superseded_by IS NULL AND m.archived_at IS NULL"


def said_before(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, before: UUID, limit: int
) -> Sequence[Row[Any]]:
    """Return (text, role) of the memories stored last before one, of which nobody states who said them."""
    return session.execute(
        text(
            f"SELECT left(content, {_READ}) AS text, role FROM (SELECT * FROM memory m WHERE m.tenant_id = :tenant "
            "AND m.namespace_id = :namespace AND m.id < :before ORDER BY m.id DESC LIMIT :limit) m "
            f"WHERE (m.speaker IS NULL OR 'speaker' = ANY (m.computed)) AND {_SAID} ORDER BY m.id"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "before": before, "limit": limit},
    ).all()


def note_speakers(session: Session, tenant_id: UUID, namespace_id: UUID, names: Sequence[str]) -> list[str]:
    """Keep who speaks in a namespace, so that queries and short forms mean them; return who was not known before."""
    noted = session.scalars(
        text(
            "INSERT INTO speaker (tenant_id, namespace_id, name) SELECT :tenant, :namespace, n.name "
            "FROM unnest(CAST(:names AS text[])) AS n (name) ORDER BY 3 ON CONFLICT DO NOTHING "
            "RETURNING name"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "names": list(names)},
    )
    return sorted(noted)


def read_again(
    session: Session, tenant_id: UUID, namespace_id: UUID, names: Sequence[str], *, before: UUID, limit: int
) -> None:
    """Let memories wait for enrichment again that were stored before one and may begin with one of these names.

    Those that another worker has locked are left out: they are being read.
    """
    session.execute(
        text(
            f"""
            WITH again AS MATERIALIZED (
                SELECT m.id FROM memory m WHERE m.tenant_id = :tenant AND m.id IN (
                    SELECT i.id FROM memory i WHERE i.tenant_id = :tenant AND i.namespace_id = :namespace AND i.id < :before
                    ORDER BY i.id DESC LIMIT :limit)
                AND {_OPEN} AND {_SAID} AND EXISTS (SELECT FROM unnest(CAST(:names AS text[])) AS n (name)
                    WHERE strpos(lower(left(m.content, {_NAMED})), lower(n.name)) > 0)
                ORDER BY m.id FOR NO KEY UPDATE OF m SKIP LOCKED
            )
            UPDATE memory SET enriched_version = 0 WHERE tenant_id = :tenant AND id IN (SELECT id FROM again)
            """
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "names": list(names), "before": before, "limit": limit},
    )
