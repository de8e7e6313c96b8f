"""What waits for the workers: memories to enrich, counts to fold. Pending work is a column, never only a message."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.sql import Row, to_jsonb

# What waits for the workers, as the index `memory_pending` has it; a memory with extract "none" never does.
_WAITS = "enriched_version < content_version AND extract <> 'none'"

# Terms in fewer documents are counted when they are asked for; more of them and counting would cost more than a look-up.
COMMON_FROM = 500
# Frequencies may be stale by half without cost to recall, so a tenth of growth is soon enough.
RENEW_AFTER_GROWTH = 0.10


def lock_pending(
    session: Session,
    tenant_id: UUID,
    *,
    ids: Sequence[UUID] | None = None,
    all_of: UUID | None = None,
    limit: int,
) -> Sequence[RowMapping]:
    """Lock and return memories that wait for enrichment, those that other workers are at left out.

    With `all_of`, a namespace, none of it is left out: the others are waited for, and what they enriched waits no more.
    """
    chosen = "" if ids is None else "AND id = ANY(CAST(:ids AS uuid[]))"
    skipping = "SKIP LOCKED"
    if all_of is not None:
        chosen, skipping = f"{chosen} AND namespace_id = :namespace", ""
    return (
        session.execute(
            text(
                "SELECT id, namespace_id, content, content_version, language, keywords, entities, speaker, observed_at, role, "
                "session_id, created_at, trust, flags, (SELECT s.kind FROM source s WHERE s.tenant_id = :tenant "
                "AND s.memory_id = memory.id AND s.ordinal = 0) AS source_kind FROM memory "
                f"WHERE tenant_id = :tenant AND {_WAITS} {chosen} ORDER BY id LIMIT :limit "
                f"FOR NO KEY UPDATE {skipping}"
            ),
            {"tenant": tenant_id, "ids": list(ids or ()), "namespace": all_of, "limit": limit},
        )
        .mappings()
        .all()
    )


def keep_enrichment(session: Session, tenant_id: UUID, found: Sequence[tuple[Row, Mapping[str, Any]]]) -> None:
    """Store what was found and mark the memories as enriched.

    Found values are computed, like retrievability: they fill what the caller left open and make no version. `computed`
    names the fields that were filled, so that new content takes them back. A row without values is only marked.
    `importance` stands there from the beginning where the caller gave none, and `derivation` where a text was found to
    repeat what was recalled. Trust is only ever lowered.
    """
    if not found:
        return
    rows = [{"id": row["id"], "content_version": row["content_version"], **values} for row, values in found]
    session.execute(
        text(
            """
            UPDATE memory m SET language = coalesce(m.language, f.language),
                speaker = coalesce(m.speaker, f.speaker), role = coalesce(m.role, f.role),
                keywords = CASE WHEN cardinality(m.keywords) = 0 THEN coalesce(f.keywords, m.keywords) ELSE m.keywords END,
                entities = CASE WHEN cardinality(m.entities) = 0 THEN coalesce(f.entities, m.entities) ELSE m.entities END,
                importance = CASE WHEN 'importance' = ANY (m.computed) THEN coalesce(f.importance, m.importance)
                    ELSE m.importance END,
                surprise = coalesce(f.surprise, m.surprise),
                trust = least(m.trust, coalesce(f.trust, m.trust)),
                flags = coalesce(f.flags, m.flags),
                derivation_method = CASE WHEN m.derivation_method = 'verbatim'
                    THEN coalesce(f.derivation_method, m.derivation_method) ELSE m.derivation_method END,
                derivation_parents = CASE WHEN m.derivation_method = 'verbatim'
                    THEN coalesce(f.derivation_parents, m.derivation_parents) ELSE m.derivation_parents END,
                computed = m.computed || array_remove(ARRAY[
                    CASE WHEN m.derivation_method = 'verbatim' AND f.derivation_method IS NOT NULL THEN 'derivation' END,
                    CASE WHEN cardinality(m.entities) = 0 AND cardinality(f.entities) > 0
                        AND 'entities' <> ALL (m.computed) THEN 'entities' END,
                    CASE WHEN cardinality(m.keywords) = 0 AND cardinality(f.keywords) > 0
                        AND 'keywords' <> ALL (m.computed) THEN 'keywords' END,
                    CASE WHEN m.language IS NULL AND f.language IS NOT NULL
                        AND 'language' <> ALL (m.computed) THEN 'language' END,
                    CASE WHEN m.speaker IS NULL AND f.speaker IS NOT NULL
                        AND 'speaker' <> ALL (m.computed) THEN 'speaker' END,
                    CASE WHEN m.role IS NULL AND f.role IS NOT NULL AND 'role' <> ALL (m.computed) THEN 'role' END
                ], NULL),
                enriched_version = f.content_version
            FROM jsonb_to_recordset(CAST(:rows AS jsonb))
                AS f (id uuid, content_version integer, language text, keywords text[], entities text[], importance float8,
                    surprise float8, trust float8, flags text[], derivation_method text, derivation_parents uuid[], speaker text,
                    role text)
            WHERE m.tenant_id = :tenant AND m.id = f.id AND m.content_version = f.content_version
            """
        ),
        {"tenant": tenant_id, "rows": to_jsonb(rows)},
    )


def still_pending(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> list[UUID]:
    """Return those of the memories that still wait."""
    rows = session.execute(
        text(
            f"SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) AND {_WAITS} ORDER BY id"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return [row.id for row in rows]


def absent(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the ids that no memory of this tenant has, erased ones among them."""
    rows = session.execute(
        text("SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    return set(ids) - {row.id for row in rows}


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
        _renew_common_terms(session, params)
    return True


def keep_stated(session: Session, tenant_id: UUID, memory_id: UUID, computed: Sequence[str]) -> None:
    """Say which fields of a memory are still computed, the caller having stated others just as they were."""
    session.execute(
        text("UPDATE memory SET computed = CAST(:computed AS text[]) WHERE tenant_id = :tenant AND id = :id"),
        {"tenant": tenant_id, "id": memory_id, "computed": list(computed)},
    )


def _renew_common_terms(session: Session, params: Mapping[str, Any]) -> None:
    # A million memories have ten million postings: counting them may take longer than any request.
    session.execute(text("SELECT set_config('statement_timeout', '600s', true)"))
    session.execute(text("DELETE FROM term_stat WHERE tenant_id = :tenant AND namespace_id = :namespace"), params)
    session.execute(
        text(
            "INSERT INTO term_stat (tenant_id, namespace_id, term, df) SELECT :tenant, :namespace, term, count(*) "
            "FROM posting WHERE tenant_id = :tenant AND namespace_id = :namespace AND known_to = 'infinity' "
            "GROUP BY term HAVING count(*) >= :common"
        ),
        {**params, "common": COMMON_FROM},
    )
    # Counted anew while at it, so that no drift of the sums outlives it. One statement sees one moment: a memory it counts
    # has its delta deleted, one it does not see yet keeps its delta for the next fold.
    session.execute(
        text(
            """
            WITH gone AS (DELETE FROM corpus_delta WHERE tenant_id = :tenant AND namespace_id = :namespace),
            live AS (
                SELECT count(*) AS docs FROM memory
                WHERE tenant_id = :tenant AND namespace_id = :namespace AND archived_at IS NULL
            )
            UPDATE namespace SET folded_docs = live.docs, stats_docs = live.docs FROM live
            WHERE tenant_id = :tenant AND id = :namespace
            """
        ),
        params,
    )
