"""Structures as they are listed: with their gist, and with the memories that they are made of."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

_GIST: Final = """
    LEFT JOIN gist g ON g.tenant_id = :tenant AND g.target_id = t.id AND g.known_to = 'infinity'
"""
# Of what is archived or has expired nothing is shown, whether or not a run has passed since.
_MEMBERS: Final = """
    ARRAY(SELECT s.memory_id FROM structure_member s JOIN memory m ON m.tenant_id = :tenant AND m.id = s.memory_id
        WHERE s.tenant_id = :tenant AND s.structure_id = t.id AND s.known_to = 'infinity' AND m.archived_at IS NULL
        ORDER BY m.observed_at, m.id) AS memory_ids
"""
_OF_ALL: Final = (
    "t.id, n.path AS namespace, g.text, g.keywords, g.spans, g.method AS gist_method, t.method, t.known_from"
)
# How deep a tree is says its highest topic; what stands below a topic is counted along the tree.
_COLUMNS: Final = {
    "episode": f"t.user_id, t.agent_id, t.session_id, t.starts, t.ends, {_MEMBERS}",
    "topic": f"""t.parent_id, t.level,
        (SELECT max(h.level) FROM topic h WHERE h.tenant_id = :tenant AND h.namespace_id = t.namespace_id
            AND h.known_to = 'infinity') - t.level AS depth,
        (WITH RECURSIVE below AS (
            SELECT t.id, t.size UNION ALL
            SELECT c.id, c.size FROM topic c JOIN below b ON c.parent_id = b.id
            WHERE c.tenant_id = :tenant AND c.known_to = 'infinity'
        ) SELECT sum(size) FROM below) AS size,
        {_MEMBERS}""",
    "community": f"""ARRAY(SELECT e.name FROM unnest(t.entity_ids) WITH ORDINALITY AS k (id, place)
        JOIN entity e ON e.tenant_id = :tenant AND e.id = k.id ORDER BY k.place) AS entities, {_MEMBERS}""",
}


def list_structures(
    session: Session,
    tenant_id: UUID,
    structure: str,
    *,
    namespace_id: UUID | None,
    before: UUID | None,
    limit: int,
    under: UUID | None = None,
    top: bool = False,
) -> Sequence[RowMapping]:
    """Return live episodes, topics or communities, the newest first, one page of them.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose.
        structure: what: episode, topic or community.
        namespace_id: only of this namespace; None: of all.
        before: from behind this one.
        limit: how many at most.
        under: only topics right below this one.
        top: only topics below none.
    """
    conditions = ["t.known_to = 'infinity'"]
    if namespace_id is not None:
        conditions.append("t.namespace_id = :namespace")
    if before is not None:
        conditions.append("t.id < :before")
    if under is not None:
        conditions.append("t.parent_id = :under")
    if top:
        conditions.append("t.parent_id IS NULL")
    statement = f"{_select(structure)} AND {' AND '.join(conditions)} ORDER BY t.id DESC LIMIT :limit"
    params = {"tenant": tenant_id, "namespace": namespace_id, "before": before, "under": under, "limit": limit}
    return session.execute(text(statement), params).mappings().all()


def get_structure(session: Session, tenant_id: UUID, structure: str, id: UUID) -> RowMapping | None:
    """Return one live episode, topic or community, or nothing."""
    statement = f"{_select(structure)} AND t.known_to = 'infinity' AND t.id = :id"
    return session.execute(text(statement), {"tenant": tenant_id, "id": id}).mappings().one_or_none()


def profiles_of(session: Session, tenant_id: UUID, user_id: str, *, namespace_id: UUID | None) -> Sequence[RowMapping]:
    """Return the live profiles of a user, one per namespace."""
    condition = "AND t.namespace_id = :namespace" if namespace_id is not None else ""
    statement = f"""
        SELECT n.path AS namespace, t.lines, t.known_from, t.method FROM profile t
        JOIN namespace n ON n.tenant_id = :tenant AND n.id = t.namespace_id
        WHERE t.tenant_id = :tenant AND t.user_id = :user AND t.known_to = 'infinity' {condition} ORDER BY n.path
    """
    params = {"tenant": tenant_id, "user": user_id, "namespace": namespace_id}
    return session.execute(text(statement), params).mappings().all()


def gist_json(row: Any) -> dict[str, Any] | None:
    """Return the gist of a row as JSON; each span says where in which version of which memory its words stand."""
    if row["text"] is None:
        return None
    return {
        "text": row["text"],
        "keywords": row["keywords"],
        "spans": [
            {"memory_id": id, "version": version, "span": [start, end]} for id, version, start, end in row["spans"]
        ],
        "derivation": {"method": row["gist_method"]},
    }


def _select(structure: str) -> str:
    return (
        f"SELECT {_OF_ALL}, {_COLUMNS[structure]} FROM {structure} t "
        f"JOIN namespace n ON n.tenant_id = :tenant AND n.id = t.namespace_id {_GIST} WHERE t.tenant_id = :tenant"
    )
