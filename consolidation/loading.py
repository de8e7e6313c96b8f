"""Load what the steps of a run read: records with what is near them, in short transactions that end before anything is decided."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from consolidation.neighbourhood import Neighbourhood, neighbourhood
from consolidation.records import Considered, Edge, Neighbour, Record
from memory_service.storage import considered
from memory_service.storage.facts import same_attribute
from memory_service.storage.namespaces import Namespace
from retrieval.feed import vectors_of

_PLAIN: Final = (
    "id", "version", "content", "observed_at", "created_at", "memory_type", "state", "content_version", "user_id", "agent_id",
    "session_id", "external_id", "speaker", "role", "title", "context", "language", "importance", "confidence", "pinned",
    "valid_from", "valid_to", "expires_at", "superseded_by", "derivation_method", "extract", "trust",
)  # fmt: skip


def record_of(row: Any, entities: Collection[str] = ()) -> Record:
    """Return a stored memory as the steps see it."""
    return Record(
        **{name: row[name] for name in _PLAIN},
        source_kind=row["source_kind"] or "user",
        keywords=tuple(row["keywords"]),
        tags=tuple(row["tags"]),
        entities=tuple(entities) or tuple(row["entities"]),
        parents=tuple(row["derivation_parents"]),
        computed=frozenset(row["computed"]),
    )


def records_of(session: Session, tenant_id: UUID, rows: Sequence[Any]) -> list[Record]:
    """Return stored memories as the steps see them, with the entities they mention."""
    names = considered.names_in(session, tenant_id, [row["id"] for row in rows])
    return [record_of(row, names.get(row["id"], ())) for row in rows]


def load_neighbourhood(session: Session, tenant_id: UUID, namespace: Namespace, *, now: datetime) -> Neighbourhood:
    """Read the vectors of every live memory of a namespace: the mean of its chunks, in the order of observation."""
    places = considered.live_places(session, tenant_id, namespace.id, now=now)
    places.sort(key=lambda row: (row.observed_at, row.id))
    vectors = vectors_of(
        session, tenant_id, [namespace.id], shelf=namespace.shelf, encoder_id=namespace.encoder_id, ids=None
    )
    there = [row for row in places if (row.id, row.content_version) in vectors]
    users: dict[str | None, int] = {}
    scopes = [users.setdefault(row.user_id, len(users)) for row in there]
    means = [vectors[row.id, row.content_version].mean(axis=0) for row in there]
    matrix = np.stack(means).astype(np.float32) if means else np.zeros((0, 1), dtype=np.float32)
    return neighbourhood([row.id for row in there], matrix, scopes)


def load_considered(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    rows: Sequence[Any],
    near: Neighbourhood,
    *,
    cache: dict[UUID, Record],
    now: datetime,
) -> list[Considered]:
    """Read what is near some memories; `cache` holds records read earlier in this run, as they were then."""
    records = records_of(session, tenant_id, rows)
    inside = [record for record in records if record.id in near.place]
    found = near.nearest([near.place[record.id] for record in inside])
    cache |= {record.id: record for record in records}
    kin = same_attribute(session, tenant_id, namespace_id, [record.id for record in inside])
    ids = {near.ids[place] for nearest in found for place, _ in nearest}
    ids |= {other for others in kin.values() for other in others if other in near.place}
    missing = sorted(ids - cache.keys())
    others = considered.live_records(session, tenant_id, missing, now=now)
    cache |= {record.id: record for record in records_of(session, tenant_id, others)}
    touching = [*(record.id for record in inside), *sorted(ids)]
    edges = _by_end(Edge(*row) for row in considered.edges_of(session, tenant_id, touching))
    return [
        Considered(
            record,
            near.vectors[near.place[record.id]].astype(np.float32),
            tuple(Neighbour(cache[near.ids[p]], cosine) for p, cosine in nearest if near.ids[p] in cache),
            edges=tuple(
                dict.fromkeys(
                    edge for end in (record.id, *(near.ids[p] for p, _ in nearest)) for edge in edges.get(end, ())
                )
            ),
            kin=_kin(record, nearest, kin.get(record.id, ()), near, cache),
        )
        for record, nearest in zip(inside, found, strict=True)
    ]


def _kin(
    record: Record,
    nearest: Sequence[tuple[int, float]],
    others: Sequence[UUID],
    near: Neighbourhood,
    cache: Mapping[UUID, Record],
) -> tuple[Neighbour, ...]:
    """Return those that state the same attribute and are not near already, with their cosines."""
    known = {near.ids[place] for place, _ in nearest}
    own = near.vectors[near.place[record.id]].astype(np.float32)
    return tuple(
        Neighbour(cache[i], round(float(own @ near.vectors[near.place[i]].astype(np.float32)), 4))
        for i in others
        if i in cache and i in near.place and i not in known
    )


def _by_end(edges: Iterable[Edge]) -> dict[UUID, list[Edge]]:
    found: dict[UUID, list[Edge]] = {}
    for edge in edges:
        found.setdefault(edge.source, []).append(edge)
        found.setdefault(edge.target, []).append(edge)
    return found
