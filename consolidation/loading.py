"""Load what the steps of a run read: records with what is near them, in short transactions that end before anything is decided."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from consolidation.neighbourhood import NEAREST, Neighbourhood, neighbourhood, stored
from consolidation.records import Considered, Edge, Neighbour, Record, stated_of
from memory_service.storage import considered
from memory_service.storage.facts import same_attribute
from memory_service.storage.namespaces import Namespace
from memory_service.storage.sql import Sql
from retrieval.feed import vectors_of
from retrieval.scope import FIRST_OWN_SHELF, Scope
from retrieval.statements import find_candidates

OpenTransaction = Callable[[], AbstractContextManager[Session]]


class Placed(Protocol):
    """A live memory: whose it is, when it was observed, which of its texts is the present one."""

    @property
    def id(self) -> UUID: ...  # noqa: D102
    @property
    def content_version(self) -> int: ...  # noqa: D102
    @property
    def user_id(self) -> str | None: ...  # noqa: D102
    @property
    def observed_at(self) -> datetime: ...  # noqa: D102


CANDIDATES: Final = (
    2 * NEAREST
)  # that the database is asked for: the mean of a text's chunks may be nearer than any of them
# Reading everything costs about as much as asking the index of an own shelf about one memory in so many, or as letting the
# database compare so few with everything.
ONE_IN: Final = 250
FEW: Final = 20
SMALL: Final = 2_000  # memories that are read in less time than it takes to ask about one or two
MOST_READ: Final = 250_000  # memories: 0.2 GB of vectors, and as much again for where they stand
_PAGE: Final = 10_000  # memories whose vectors are read at once


def asks_database(namespace: Namespace, *, live: int, new: int) -> bool:
    """Say whether it costs less to ask the database what is near so many new memories than to read all that are live.

    >>> small, large = (Namespace(UUID(int=1), "n", {}, shelf=shelf, encoder_id=1) for shelf in (0, FIRST_OWN_SHELF))
    >>> [asks_database(small, live=40_000, new=new) for new in (1, 500)]
    [True, False]
    >>> [asks_database(large, live=100_000, new=new) for new in (1, 300, 500)], asks_database(large, live=10**6, new=10**6)
    ([True, True, False], True)
    """
    if live > MOST_READ:
        return True
    if live < SMALL:
        return False
    return new <= (live // ONE_IN if namespace.shelf >= FIRST_OWN_SHELF else FEW)


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
        stated=stated_of(row, row["computed"]),
    )


def records_of(session: Session, tenant_id: UUID, rows: Sequence[Any]) -> list[Record]:
    """Return stored memories as the steps see them, with the entities they mention."""
    names = considered.names_in(session, tenant_id, [row["id"] for row in rows])
    return [record_of(row, names.get(row["id"], ())) for row in rows]


def load_neighbourhood(
    open_transaction: OpenTransaction, tenant_id: UUID, namespace: Namespace, *, now: datetime
) -> Neighbourhood:
    """Read the vectors of every live memory of a namespace: the mean of its chunks, in the order of observation."""
    with open_transaction() as session:
        places = considered.live_places(session, tenant_id, namespace.id, now=now)
    return _with_vectors(open_transaction, tenant_id, namespace, places)


def near_some(
    open_transaction: OpenTransaction, tenant_id: UUID, namespace: Namespace, ids: Sequence[UUID], *, now: datetime
) -> Neighbourhood:
    """Read some memories and what may be near them, as the database finds it: so few may be new to a large namespace.

    What is nearest is told from more candidates than are wanted. They are exact on a shared shelf, and those of the index on a
    shelf of its own.
    """
    with open_transaction() as session:
        fresh = considered.places_of(session, tenant_id, ids, now=now)
        around = {row.id for row in fresh}
        for others in same_attribute(session, tenant_id, namespace.id, [row.id for row in fresh]).values():
            around.update(others)
    own = _with_vectors(open_transaction, tenant_id, namespace, fresh)
    for row in fresh:
        at = own.place.get(row.id)
        if at is None:
            continue
        before = Sql(
            "m.user_id IS NOT DISTINCT FROM CAST(:near_user AS text) AND (m.observed_at, m.id) < (:near_at, :near_id)",
            {"near_user": row.user_id, "near_at": row.observed_at, "near_id": row.id},
        )
        scope = Scope(tenant_id, (namespace.id,), namespace.shelf, namespace.encoder_id, now, where=before)
        vector = own.vectors[at].astype(np.float32)
        with open_transaction() as session:
            around.update(
                find_candidates(session, scope, vector=vector, keyword=None, per_channel=CANDIDATES, scored=False).ids
            )
    with open_transaction() as session:
        places = considered.places_of(session, tenant_id, sorted(around), now=now)
    return _with_vectors(open_transaction, tenant_id, namespace, places)


def _with_vectors(
    open_transaction: OpenTransaction, tenant_id: UUID, namespace: Namespace, places: Sequence[Placed]
) -> Neighbourhood:
    ordered = sorted(places, key=lambda row: (row.observed_at, row.id))
    vectors, there = mean_vectors(open_transaction, tenant_id, namespace, ordered)
    users: dict[str | None, int] = {}
    return neighbourhood(
        [row.id for row in there], vectors, [users.setdefault(row.user_id, len(users)) for row in there]
    )


P = TypeVar("P", bound=Placed)


def mean_vectors(
    open_transaction: OpenTransaction, tenant_id: UUID, namespace: Namespace, places: Sequence[P]
) -> tuple[NDArray[np.float16], list[P]]:
    """Return the mean vectors of memories as a neighbourhood holds them, and the places of those that have one, in order.

    They are read and halved page by page into what is returned: whole at once they would take several times its memory.
    """
    there: list[P] = []
    kept: NDArray[np.float16] | None = None
    for start in range(0, len(places), _PAGE):
        page = places[start : start + _PAGE]
        with open_transaction() as session:
            vectors = vectors_of(
                session, tenant_id, [namespace.id], shelf=namespace.shelf, encoder_id=namespace.encoder_id,
                ids=[row.id for row in page],
            )  # fmt: skip
        found = [row for row in page if (row.id, row.content_version) in vectors]
        if found:
            means = np.stack([vectors[row.id, row.content_version].mean(axis=0) for row in found])
            if kept is None:
                kept = np.empty((len(places), means.shape[1]), dtype=np.float16)
            kept[len(there) : len(there) + len(found)] = stored(means.astype(np.float32))
            there += found
    if kept is None:
        return np.zeros((0, 1), dtype=np.float16), there
    # Rows of memories without a vector are left over; where they are many, their room is given back.
    return (kept[: len(there)] if 2 * len(there) > len(places) else kept[: len(there)].copy()), there


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
    targets = [*(record.id for record in inside), *sorted(ids)]
    edges = _by_target(Edge(*row) for row in considered.edges_to(session, tenant_id, targets))
    return [
        Considered(
            record,
            near.vectors[near.place[record.id]].astype(np.float32),
            tuple(Neighbour(cache[near.ids[p]], cosine) for p, cosine in nearest if near.ids[p] in cache),
            edges=tuple(edge for end in (record.id, *(near.ids[p] for p, _ in nearest)) for edge in edges.get(end, ())),
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


def _by_target(edges: Iterable[Edge]) -> dict[UUID, list[Edge]]:
    found: dict[UUID, list[Edge]] = {}
    for edge in edges:
        found.setdefault(edge.target, []).append(edge)
    return found
