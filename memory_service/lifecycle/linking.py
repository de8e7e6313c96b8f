"""Link: edges between memories that callers draw, beside those that runs of consolidation find."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.errors import Conflict, FieldError, InvalidRequest, NotFound
from memory_service.lifecycle.correct import missing
from memory_service.storage import consolidated, links, memories
from memory_service.storage.ids import new_id
from memory_service.types import CALLER, LinkType

# Lineage, which erasures follow; what only superseding may say; what follows from recalls and is worked out anew each week.
MADE_ELSEWHERE: Final = frozenset({LinkType.DERIVED_FROM, LinkType.SUPERSEDES, LinkType.CO_RECALLED})
OF_CALLERS: Final = tuple(kind for kind in LinkType if kind not in MADE_ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge as a caller states it."""

    source_id: UUID
    target_id: UUID
    type: LinkType
    weight: float


def link(session: Session, tenant_id: UUID, edge: Edge, *, now: datetime) -> tuple[RowMapping, bool]:
    """Draw an edge; return it, and whether it is new. One that a run has drawn becomes the caller's.

    Raises:
        InvalidRequest: it leads to itself or into another namespace, or its type is made elsewhere.
        NotFound, Gone: one of its ends is not there.
        Conflict: one of its ends is archived.
    """
    if edge.type in MADE_ELSEWHERE:
        _refuse("/type", f"is not drawn by callers; choose of {', '.join(OF_CALLERS)}")
    if edge.source_id == edge.target_id:
        _refuse("/to", "is the memory that the link comes from")
    # In one order for everybody, and held: of two that draw the same edge the second finds the first.
    ends = memories.lock_memories(session, tenant_id, [edge.source_id, edge.target_id])
    for memory_id in (edge.source_id, edge.target_id):
        if memory_id not in ends:
            raise missing(session, tenant_id, memory_id)
        if ends[memory_id]["archived_at"] is not None:
            raise Conflict(f"Memory {memory_id} is archived; restore it before you link it.", code="archived")
    namespace_id = ends[edge.source_id]["namespace_id"]
    if ends[edge.target_id]["namespace_id"] != namespace_id:
        _refuse("/to", "lies in another namespace than the memory that the link comes from")
    present = links.between(session, tenant_id, edge.source_id, edge.target_id, edge.type)
    for row in present:
        if row["derivation_method"] == CALLER and row["weight"] == edge.weight:
            return row, False
    consolidated.end_links(session, tenant_id, [row["id"] for row in present], now=now)
    drawn = (new_id(), edge.source_id, edge.target_id, edge.type.value, edge.weight, CALLER)
    consolidated.insert_links(session, tenant_id, namespace_id, [drawn], changeset_id=None, now=now)
    (row,) = links.between(session, tenant_id, edge.source_id, edge.target_id, edge.type)
    return row, True


def unlink(session: Session, tenant_id: UUID, link_id: UUID, *, now: datetime) -> None:
    """End an edge that a caller drew; searches as of earlier still know it.

    Raises:
        NotFound: there is no such edge now.
        Conflict: a run drew it.
    """
    row = links.get(session, tenant_id, link_id)
    if row is None:
        raise NotFound(f"There is no link {link_id}.", code="link_not_found")
    if row["derivation_method"] != CALLER:
        raise Conflict(
            "A run of consolidation drew this link, and would draw it again; revert its changeset, or correct the memories.",
            code="link_computed",
        )
    consolidated.end_links(session, tenant_id, [link_id], now=now)


def _refuse(pointer: str, detail: str) -> None:
    raise InvalidRequest(f"{pointer}: {detail}", errors=(FieldError(pointer, detail),))
