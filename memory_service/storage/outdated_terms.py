"""Terms that an earlier version of the rules cut: find them, put those of today in their place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from memory_service.storage.search_index import IMPACT, IMPACT_PARAMS, count_in
from memory_service.storage.sql import to_jsonb

# Texts that were posted and are no longer what their memory says.
_EARLIER = (
    "FROM memory_version v JOIN memory m ON m.tenant_id = :tenant AND m.id = v.id WHERE v.tenant_id = :tenant "
    "AND v.namespace_id = :namespace AND v.version = v.content_version AND v.version <> m.content_version"
)
_TEXT = "content, language, speaker, observed_at, title, context, computed"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the memories of a namespace have been cut anew."""

    version: int
    present_to: UUID | None  # the last memory whose present text is done, in the order of ids
    earlier_to: UUID | None  # the last memory whose earlier texts are done


@dataclass(frozen=True, slots=True)
class Posting:
    """The terms of one text of a memory, known by the version that brought it."""

    memory_id: UUID
    version: int
    terms: tuple[str, ...]


def lock_progress(session: Session, tenant_id: UUID, namespace_id: UUID) -> Progress | None:
    """Return how far a namespace is; None when another worker is at it, or it is gone."""
    mine = session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended('recut' || CAST(:namespace AS text), 0))"),
        {"namespace": namespace_id},
    )
    if not mine:
        return None
    row = session.execute(
        text(
            "SELECT terms_version, terms_rebuilt_to, earlier_terms_rebuilt_to FROM namespace "
            "WHERE tenant_id = :tenant AND id = :namespace"
        ),
        {"tenant": tenant_id, "namespace": namespace_id},
    ).one_or_none()
    return Progress(*row) if row else None


def lock_present(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Lock and return what the next memories say now, in the order of ids."""
    return (
        session.execute(
            text(
                f"SELECT id, content_version AS version, terms, {_TEXT} FROM memory WHERE tenant_id = :tenant "
                "AND namespace_id = :namespace AND id > :after ORDER BY id LIMIT :limit FOR NO KEY UPDATE"
            ),
            {"tenant": tenant_id, "namespace": namespace_id, "after": after or UUID(int=0), "limit": limit},
        )
        .mappings()
        .all()
    )


def earlier_texts(
    session: Session, tenant_id: UUID, namespace_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return what the next memories said before their last change of text: a search as of then finds them by it."""
    return (
        session.execute(
            text(
                f"WITH next AS (SELECT DISTINCT v.id {_EARLIER} AND v.id > :after ORDER BY v.id LIMIT :limit) "
                f"SELECT v.id, v.version, {', '.join('v.' + name.strip() for name in _TEXT.split(','))} "
                f"{_EARLIER} AND v.id IN (SELECT id FROM next) ORDER BY v.id, v.version"
            ),
            {"tenant": tenant_id, "namespace": namespace_id, "after": after or UUID(int=0), "limit": limit},
        )
        .mappings()
        .all()
    )


def replace_present(session: Session, tenant_id: UUID, namespace_id: UUID, postings: Sequence[Posting]) -> None:
    """Put the terms of locked memories in the place of those that they have."""
    params = _params(tenant_id, namespace_id, postings)
    session.execute(text(_DELETE_PRESENT), params)
    _insert(session, params)
    session.execute(text(_UPDATE_MEMORIES), params)


def replace_earlier(session: Session, tenant_id: UUID, namespace_id: UUID, postings: Sequence[Posting]) -> None:
    """Post earlier texts anew; under which terms they stood nobody knows any more, so this reads the whole namespace."""
    params = _params(tenant_id, namespace_id, postings)
    session.execute(text(_DELETE_EARLIER), params)
    _insert(session, params)


def keep_progress(session: Session, tenant_id: UUID, namespace_id: UUID, progress: Progress) -> None:
    """Note how far a namespace is."""
    session.execute(
        text(
            "UPDATE namespace SET terms_rebuilt_to = :present, earlier_terms_rebuilt_to = :earlier "
            "WHERE tenant_id = :tenant AND id = :namespace"
        ),
        {
            "tenant": tenant_id,
            "namespace": namespace_id,
            "present": progress.present_to,
            "earlier": progress.earlier_to,
        },
    )


def finish(session: Session, tenant_id: UUID, namespace_id: UUID, *, version: int) -> None:
    """Note that all terms of a namespace are of a version, and have the frequencies of its common terms counted anew."""
    session.execute(
        text(
            "UPDATE namespace SET terms_version = :version, terms_rebuilt_to = NULL, "
            "earlier_terms_rebuilt_to = NULL, stats_docs = 0 WHERE tenant_id = :tenant AND id = :namespace"
        ),
        {"tenant": tenant_id, "namespace": namespace_id, "version": version},
    )
    count_in(session, tenant_id, [(namespace_id, 0)])


_ROWS = "jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, version integer, terms text[])"

_DELETE_PRESENT = f"""
    DELETE FROM posting p USING {_ROWS}, memory m, unnest(m.terms) AS t (term)
    WHERE m.tenant_id = :tenant AND m.id = r.id AND p.tenant_id = :tenant AND p.namespace_id = :namespace
        AND p.term = t.term AND p.memory_id = r.id AND p.version = r.version
"""
_DELETE_EARLIER = f"""
    DELETE FROM posting p USING {_ROWS}
    WHERE p.tenant_id = :tenant AND p.namespace_id = :namespace AND p.memory_id = r.id AND p.version = r.version
"""
# A posting lives as long as the vector of the same text.
_INSERT = f"""
    INSERT INTO posting (tenant_id, namespace_id, term, memory_id, version, impact, known_from, known_to)
    SELECT :tenant, :namespace, t.term, r.id, r.version, {IMPACT.format("cardinality(r.terms)")}, e.known_from, e.known_to
    FROM {_ROWS} JOIN LATERAL (
        SELECT known_from, known_to FROM embedding e
        WHERE e.tenant_id = :tenant AND e.memory_id = r.id AND e.version = r.version AND e.chunk = 0
        UNION ALL
        SELECT known_from, known_to FROM embedding_coarse e
        WHERE e.tenant_id = :tenant AND e.memory_id = r.id AND e.version = r.version AND e.chunk = 0
    ) e ON true, unnest(r.terms) AS t (term)
    GROUP BY t.term, r.id, r.version, r.terms, e.known_from, e.known_to
"""
_UPDATE_MEMORIES = f"UPDATE memory m SET terms = r.terms FROM {_ROWS} WHERE m.tenant_id = :tenant AND m.id = r.id"


def _params(tenant_id: UUID, namespace_id: UUID, postings: Sequence[Posting]) -> dict[str, Any]:
    rows = [{"id": str(p.memory_id), "version": p.version, "terms": list(p.terms)} for p in postings]
    return {"tenant": tenant_id, "namespace": namespace_id, "rows": to_jsonb(rows)}


def _insert(session: Session, params: dict[str, Any]) -> None:
    session.execute(text(_INSERT), {**params, **IMPACT_PARAMS})
