"""Ask cubes: choose the one that knows a query best, and name the memories that its readout is like; or abstain."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.errors import TooLarge
from memory_service.lifecycle.parametric_records import BECAUSE, READY, STALE, state_of
from memory_service.lifecycle.records import memory_json
from memory_service.parametric import routing, weights
from memory_service.parametric.associative import Association, read
from memory_service.parametric.weights import DamagedWeights
from memory_service.storage import memories, parametric_memories, parametric_pairs
from memory_service.storage.namespaces import Namespace
from memory_service.storage.parametric_memories import MOST_ROUTED
from memory_service.storage.parametric_pairs import LIVE
from memory_service.storage.sql import Row

Open = Callable[[], AbstractContextManager[Session]]
Encode = Callable[[int], NDArray[np.float32]]  # the query under an encoder, by its id: float32[d]

NOTHING_TAUGHT: Final = "no_cube"  # no cube of these namespaces can be asked
UNFAMILIAR: Final = "unfamiliar"  # none knows the query
NOTHING_LIVE: Final = "nothing_live"  # what the cube names is archived or expired, or below the score asked for
CHANGED: Final = "it has changed just now"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A cube that was asked: its row, its state, of what it was made, and how familiar the query is to it."""

    row: Row
    state: Association
    lineage: Sequence[int]
    pairs: int
    familiarity: float


def ask(
    open_session: Open,
    tenant_id: UUID,
    namespaces: Sequence[Namespace],
    encode: Encode,
    *,
    limit: int,
    min_score: float,
    now: datetime,
) -> dict[str, Any]:
    """Return what the cubes of some namespaces say to a query, and which were passed over and why.

    No connection is held while the query is encoded. A stale cube is passed over, and so is one that changes while it is asked,
    and one whose weights are not what was written: it is marked, and made anew.

    Raises:
        TooLarge: code `too_many_cubes`.
    """
    with open_session() as session:
        rows = parametric_memories.routed(session, tenant_id, [space.id for space in namespaces])
    if len(rows) > MOST_ROUTED:
        detail = f"These namespaces have more than {MOST_ROUTED:,} parametric memories; name fewer of them."
        raise TooLarge(detail, code="too_many_cubes")
    ready = [row for row in rows if state_of(row) == READY]
    passed_over = [_passed_over(row, BECAUSE[row["reason"]]) for row in rows if state_of(row) == STALE]
    vectors = {encoder_id: encode(encoder_id) for encoder_id in sorted({row["encoder_id"] for row in ready})}
    known = []
    for row in _nearest(ready, vectors):
        found, why = _loaded(open_session, tenant_id, row, vectors[row["encoder_id"]], now=now)
        if found is None:
            passed_over.append(_passed_over(row, why))
        else:
            known.append(found)
    known.sort(key=lambda one: -one.familiarity)
    answer: dict[str, Any] = {
        "abstain": True,
        "reason": UNFAMILIAR if known else NOTHING_TAUGHT,
        "cube": None,
        "threshold": routing.FAMILIAR,
        "considered": [_considered(one) for one in known],
        "passed_over": passed_over,
        "results": [],
    }
    for best in known:
        if best.familiarity < routing.FAMILIAR:
            break
        query = vectors[best.row["encoder_id"]]
        with open_session() as session:
            results = _results(session, tenant_id, best, query, limit=limit, min_score=min_score, now=now)
        if results is None:
            answer["considered"].remove(_considered(best))
            passed_over.append(_passed_over(best.row, CHANGED))
            answer["reason"] = UNFAMILIAR if answer["considered"] else NOTHING_TAUGHT
            continue
        reason = None if results else NOTHING_LIVE
        return answer | {"abstain": not results, "reason": reason, "cube": _considered(best), "results": results}
    return answer


def _passed_over(row: Row, why: str) -> dict[str, Any]:
    return {"id": str(row["id"]), "name": row["name"], "namespace": row["namespace"], "reason": why}


def _considered(one: Known) -> dict[str, Any]:
    row = one.row
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "namespace": row["namespace"],
        "version": row["active_version"],
        "familiarity": round(one.familiarity, 6),
    }


def _nearest(ready: Sequence[Row], vectors: Mapping[int, NDArray[np.float32]]) -> list[Row]:
    """Return the cubes whose keys are nearest to the query, a few of each encoder."""
    chosen: list[Row] = []
    for encoder_id, query in vectors.items():
        rows = [row for row in ready if row["encoder_id"] == encoder_id]
        centroids = np.stack([weights.unpack_vector(row["centroid"]) for row in rows])
        chosen += [rows[at] for at in routing.nearest(centroids, query)]
    return chosen


def _loaded(
    open_session: Open, tenant_id: UUID, row: Row, query: NDArray[np.float32], *, now: datetime
) -> tuple[Known | None, str]:
    """Return a cube as it is now, or why it cannot be asked: it may have gone stale since it was listed."""
    cube_id, version = row["id"], row["active_version"]
    with open_session() as session:
        kept = parametric_memories.weights_of(session, tenant_id, cube_id, version)
    if kept is None:
        return None, CHANGED
    try:
        state = weights.unpack(kept["weights"], dimension=kept["dimension"], checksum=kept["checksum"])
    except DamagedWeights as error:
        log.error("weights_damaged", parametric_memory_id=str(cube_id), version=version, reason=str(error))
        with open_session() as session:
            parametric_memories.mark_damaged(session, tenant_id, cube_id, version, now=now)
        return None, BECAUSE["damaged"]
    familiarity = routing.familiarity(state, query, ridge=row["ridge"])
    return Known(row, state, kept["lineage"], kept["pairs"], familiarity), ""


_LIVE: Final = text(f"SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) AND {LIVE}")


def _results(
    session: Session,
    tenant_id: UUID,
    best: Known,
    query: NDArray[np.float32],
    *,
    limit: int,
    min_score: float,
    now: datetime,
) -> list[dict[str, Any]] | None:
    """Return the live memories that the readout is like, the most alike first, each with the cue nearest to the query.

    None where something it was taught was taken away since its weights were read: then they are of what is no more.
    """
    cube_id, ridge = best.row["id"], best.row["ridge"]
    taught = parametric_pairs.memories_taught(session, tenant_id, cube_id, best.lineage)
    if not taught or taught[0]["pairs"] != best.pairs:
        return None
    ids = [row["memory_id"] for row in taught]
    values = np.stack([weights.unpack_vector(row["value"]) for row in taught])
    scores = routing.named(read(best.state, query[None, :], ridge=ridge), values, ridge=ridge)[0]
    live = set(session.scalars(_LIVE, {"tenant": tenant_id, "ids": ids, "now": now}))
    order = [at for at in np.argsort(-scores, kind="stable") if ids[at] in live and scores[at] >= min_score][:limit]
    records = memories.get_records(session, tenant_id, [ids[at] for at in order])
    nearest = _nearest_cues(session, tenant_id, best, query, [ids[at] for at in order])
    # Each was read by a statement of its own: what was erased between two of them is left out.
    named = [at for at in order if ids[at] in records and ids[at] in nearest]
    return [
        {
            "memory": memory_json(records[ids[at]], now=now),
            "rank": rank,
            "score": round(float(scores[at]), 6),
            "why": nearest[ids[at]],
        }
        for rank, at in enumerate(named, start=1)
    ]


def _nearest_cues(
    session: Session, tenant_id: UUID, best: Known, query: NDArray[np.float32], ids: Sequence[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Return for each of some memories the cue that is nearest to the query, of those it was taught with."""
    cues = parametric_pairs.cues_of(session, tenant_id, best.row["id"], best.lineage, ids)
    if not cues:
        return {}
    alike = routing.likeness(query[None, :], np.stack([weights.unpack_vector(row["key"]) for row in cues]))[0]
    nearest: dict[UUID, dict[str, Any]] = {}
    for at in np.argsort(-alike, kind="stable"):
        why = {"cue": cues[at]["cue"], "likeness": round(float(alike[at]), 6)}
        nearest.setdefault(cues[at]["memory_id"], why)
    return nearest
