"""Where a search looks and as of when, and the SQL that says so of each channel's rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from memory_service.storage.memories import AS_KNOWN
from memory_service.storage.sql import Sql

SHARED = (0, 1)  # for short vectors and for long ones
FIRST_OWN_SHELF = 2


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a search looks, and as of when."""

    tenant_id: UUID
    namespace_ids: tuple[UUID, ...]
    shelf: int
    encoder_id: int
    at: datetime  # system time: the present, or the moment asked about
    as_known: bool = False  # nothing counts that was not known at `at`, and records are read as of then
    archived: bool = False  # archived memories are candidates as well
    where: Sql = field(default_factory=lambda: Sql("true"))
    memories: int = 1_000_000  # about how many there are; many where nobody says
    shelves: tuple[int, ...] = ()  # one per namespace; empty when all of them lie on `shelf`

    def __post_init__(self) -> None:
        if self.shelves and len(self.shelves) != len(self.namespace_ids):
            raise ValueError("name one shelf per namespace, or none")

    @property
    def places(self) -> Sequence[tuple[UUID, int]]:
        """Return every namespace with its shelf."""
        return tuple(zip(self.namespace_ids, self.shelves or (self.shelf,) * len(self.namespace_ids), strict=True))


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the text of the statement; everything else is a parameter.

    Shelves stand in the text: they are few, and a plan made for one shelf need not look at the others.
    """

    as_known: bool
    archived: bool
    where: str
    alone: bool  # one namespace: equality is cheaper than a list, row by row
    shared: tuple[int, ...]  # shared shelves
    own: tuple[int, ...]  # shelves with an index, each of one namespace, in the order of their parameters
    dimension: int  # of the query's vector, 0 without one
    exact: bool  # leave the indexes aside
    by_memory: bool = False  # the vector channel counts memories where it otherwise counts chunks: no index does

    @property
    def reads_records(self) -> bool:
        """Say whether choosing candidates needs more than the search tables hold."""
        return self.archived or self.where != "true"


def shape_of(scope: Scope, *, dimension: int, exact: bool, by_memory: bool = False) -> Shape:
    """Return the shape of the statement that searches a scope."""
    shelves = {shelf for _, shelf in scope.places}
    own = tuple(sorted(s for s in shelves if s >= FIRST_OWN_SHELF))
    return Shape(
        scope.as_known,
        scope.archived,
        scope.where.text,
        alone=len(scope.namespace_ids) == 1,
        # What is young in a large namespace lies on the shared shelf of its encoder, whichever that is.
        shared=SHARED if own else tuple(sorted(shelves)),
        own=own,
        dimension=dimension,
        exact=exact,
        by_memory=by_memory,
    )


def scope_params(scope: Scope) -> dict[str, Any]:
    """Return the parameters by which a scope is bound."""
    params: dict[str, Any] = {
        "tenant": scope.tenant_id,
        "namespaces": list(scope.namespace_ids),
        "namespace": scope.namespace_ids[0],
        "encoder": scope.encoder_id,
        "at": scope.at,
        "known": scope.at,
        **scope.where.params,
    }
    for space, shelf in scope.places:
        if shelf >= FIRST_OWN_SHELF:
            params[f"own_{shelf}"] = space
    return params


def live(alias: str, shape: Shape) -> str:
    """Return the condition that an embedding or posting counts at the moment of the search.

    As it is now what can be read was stored: a process whose clock is ahead may have written a moment that is yet to come here.
    """
    now = f"{alias}.known_to > :at"
    if shape.as_known:
        now = f"{alias}.known_from <= :at AND {now}"
    if shape.archived:
        return f"(({now}) OR (m.state IN ('archived', 'merged') AND {alias}.version = m.content_version))"
    return now


def inside(alias: str, shape: Shape) -> str:
    """Return the condition that a row lies in the namespaces searched."""
    if shape.alone:
        return f"{alias}.namespace_id = :namespace"
    return f"{alias}.namespace_id = ANY(CAST(:namespaces AS uuid[]))"


def records(alias: str, shape: Shape) -> str:
    """Return the join to the records, where the conditions of the search need them."""
    if not shape.reads_records:
        return ""
    table = AS_KNOWN if shape.as_known else "memory"
    return f"JOIN {table} m ON m.tenant_id = :tenant AND m.id = {alias}.memory_id"


def archive(alias: str, shape: Shape) -> str:
    """Return the join by which a look-up tells the present text of an archived memory from its earlier ones."""
    return records(alias, shape) if shape.archived else ""


def on_shelves(alias: str, shelves: Iterable[int | str]) -> str:
    """Return the condition that a vector lies on one of some shelves, numbers or parameters.

    The planner leaves out the other partitions by it, and has nothing else to do with it: by itself it would be taken for the
    end of an index's key, with a skip scan reckoned for it whose cost goes by the pages of the index, empty ones too. After a
    large namespace has moved away that is dearer than reading all that is left on the shared shelf.
    """
    listed = ", ".join(str(shelf) for shelf in shelves)
    return f"({alias}.shelf IN ({listed}) OR ({alias}.shelf = -1 AND {alias}.chunk = -1))"  # no row has either
