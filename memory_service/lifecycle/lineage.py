"""Lineage: where a memory comes from, what it was made of, and what took its place."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.lifecycle.records import rfc3339
from memory_service.storage import lineage

MAX_NODES = 200


def provenance(session: Session, tenant_id: UUID, memory_id: UUID) -> dict[str, Any]:
    """Return the lineage graph of a memory: its parents and predecessors, its successors, what was made of it, every source.

    Nodes are memories (with their versions) and sources; edges point from what is derived to what it came from. What was
    made is followed from the memory itself, however far, but not from its parents, nor to what else it was made of: that is
    the lineage of others. At most 200 memories are drawn, nearest first; ``truncated`` says when there are more.
    """
    seen: dict[UUID, Any] = {}
    edges: list[dict[str, str]] = []
    derived: list[tuple[UUID, UUID]] = []  # what was made, and what it was made of
    frontier = [memory_id]
    below = {memory_id}
    while frontier and len(seen) < MAX_NODES:
        rows = lineage.ancestry(session, tenant_id, frontier, limit=MAX_NODES - len(seen))
        frontier = []
        for row in rows:
            seen[row["id"]] = row
            made = row["children"] if row["id"] in below else []
            below.update(made)
            parents, older, newer = row["derivation_parents"], row["predecessors"], row["superseded_by"]
            if row["id"] in below and row["id"] != memory_id:
                derived += [(row["id"], parent) for parent in parents]
                parents, older, newer = [], [], None
            edges += [_derived_from(row["id"], parent) for parent in parents]
            edges += [{"from": str(row["id"]), "to": str(one), "type": "supersedes"} for one in older]
            frontier += [i for i in [*parents, *older, *([newer] if newer else []), *made] if i not in seen]
        frontier = list(dict.fromkeys(i for i in frontier if i not in seen))
    # Only now is it known what else was made of it: the way to a parent may be longer than the way to its child.
    edges += [_derived_from(made, parent) for made, parent in derived if parent in below]
    nodes, source_edges = _nodes(session, tenant_id, seen)
    return {
        "memory_id": str(memory_id),
        "nodes": nodes,
        "edges": list({tuple(e.values()): e for e in [*edges, *source_edges]}.values()),
        "truncated": bool(frontier),
    }


def _derived_from(made: UUID, parent: UUID) -> dict[str, str]:
    return {"from": str(made), "to": str(parent), "type": "derived_from"}


def _nodes(
    session: Session, tenant_id: UUID, seen: dict[UUID, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    nodes: list[dict[str, Any]] = [
        {
            "id": str(row["id"]),
            "kind": "memory",
            "version": row["version"],
            "state": row["state"],
            "method": row["derivation_method"],
            "created_at": rfc3339(row["created_at"]),
        }
        for row in seen.values()
    ]
    edges = []
    for row in lineage.sources_of(session, tenant_id, list(seen)):
        name = f"{row.memory_id}/source/{row.ordinal}"
        nodes.append(
            {
                "id": name,
                "kind": "source",
                "source": {
                    "kind": row.kind,
                    "ref": row.ref,
                    "speaker": row.speaker,
                    "role": row.role,
                    "span": [row.span_from, row.span_to],
                    "hash": row.hash.hex(),
                },
            }
        )
        edges.append({"from": str(row.memory_id), "to": name, "type": "comes_from"})
    return nodes, edges
