"""What waits for the workers: memories to enrich, counts to fold. Pending work is a column, never only a message."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.sql import to_jsonb

# Terms in fewer documents are counted when they are asked for; more of them and counting would cost more than a look-up.
COMMON_FROM = 500
# Frequencies may be stale by half without cost to recall, so a tenth of growth is soon enough.
RENEW_AFTER_GROWTH = 0.10


def lock_pending(session: Session, tenant_id: UUID, *, ids: Sequence[UUID] | None, limit: int) -> Sequence[RowMapping]:
    """Lock and return memories that wait for enrichment, those of other workers left out."""
    chosen = "" if ids is None else "AND id = ANY(CAST(:ids AS uuid[]))"
    return (
        session.execute(
            text(
                "SELECT id, content, content_version, language, keywords, entities, speaker FROM memory "
                f"WHERE tenant_id = :tenant AND enriched_version < content_version {chosen} ORDER BY id LIMIT :limit "
                "FOR NO KEY UPDATE SKIP LOCKED"
            ),
            {"tenant": tenant_id, "ids": list(ids or ()), "limit": limit},
        )
        .mappings()
        .all()
    )


def keep_enrichment(session: Session, tenant_id: UUID, found: Sequence[tuple[RowMapping, Mapping[str, Any]]]) -> None:
    """Store what was found and mark the memories as enriched.

    Found values are computed, like retrievability: they fill what the caller left open and make no version.
    """
    if not found:
        return
    rows = [{"id": row["id"], "content_version": row["content_version"], **values} for row, values in found]
    session.execute(
        text(
            """
            UPDATE memory m SET language = coalesce(m.language, f.language),
                keywords = CASE WHEN cardinality(m.keywords) = 0 THEN coalesce(f.keywords, m.keywords) ELSE m.keywords END,
                entities = CASE WHEN cardinality(m.entities) = 0 THEN coalesce(f.entities, m.entities) ELSE m.entities END,
                enriched_version = f.content_version
            FROM jsonb_to_recordset(CAST(:rows AS jsonb))
                AS f (id uuid, content_version integer, language text, keywords text[], entities text[])
            WHERE m.tenant_id = :tenant AND m.id = f.id AND m.content_version = f.content_version
            """
        ),
        {"tenant": tenant_id, "rows": to_jsonb(rows)},
    )


def still_pending(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> list[UUID]:
    """Return those of the memories that still wait."""
    rows = session.execute(
        text(
            "SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) "
            "AND enriched_version < content_version"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return [row.id for row in rows]


def fold_corpus(session: Session, tenant_id: UUID, namespace_id: UUID) -> bool:
    """Add the document counts that writers left; renew the frequencies of common terms when the namespace has grown.

    Returns False when another worker is at this namespace.
    """
    params: dict[str, Any] = {"tenant": tenant_id, "namespace": namespace_id}
    mine = session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended('fold' || CAST(:namespace AS text), 0))"), params
    )
    if not mine:
        return False
    row = session.execute(
        text(
            """
            WITH gone AS (
                DELETE FROM corpus_delta WHERE tenant_id = :tenant AND namespace_id = :namespace RETURNING docs
            )
            UPDATE namespace SET folded_docs = folded_docs + (SELECT coalesce(sum(docs), 0) FROM gone)
            WHERE tenant_id = :tenant AND id = :namespace RETURNING folded_docs, stats_docs
            """
        ),
        params,
    ).one_or_none()
    if row is None:
        return True
    if abs(row.folded_docs - row.stats_docs) > RENEW_AFTER_GROWTH * max(row.stats_docs, COMMON_FROM):
        _renew_common_terms(session, params, documents=row.folded_docs)
    return True


def _renew_common_terms(session: Session, params: Mapping[str, Any], *, documents: int) -> None:
    session.execute(text("DELETE FROM term_stat WHERE tenant_id = :tenant AND namespace_id = :namespace"), params)
    session.execute(
        text(
            "INSERT INTO term_stat (tenant_id, namespace_id, term, df) SELECT :tenant, :namespace, term, count(*) "
            "FROM posting WHERE tenant_id = :tenant AND namespace_id = :namespace AND known_to = 'infinity' "
            "GROUP BY term HAVING count(*) >= :common"
        ),
        {**params, "common": COMMON_FROM},
    )
    session.execute(
        text("UPDATE namespace SET stats_docs = :documents WHERE tenant_id = :tenant AND id = :namespace"),
        {**params, "documents": documents},
    )
