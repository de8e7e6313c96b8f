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

from memory_service.lifecycle.parametric_records import BECAUSE, READY, STALE, state_of
from memory_service.lifecycle.records import memory_json
from memory_service.parametric import routing, weights
from memory_service.parametric.associative import Association, read
from memory_service.parametric.weights import DamagedWeights
from memory_service.storage import memories, parametric_memories, parametric_pairs
from memory_service.storage.namespaces import Namespace
from memory_service.storage.sql import Row

Open = Callable[[], AbstractContextManager[Session]]
Encode = Callable[[int], NDArray[np.float32]]  # the query under an encoder, by its id: float32[d]

NOTHING_TAUGHT: Final = "no_cube"  # no cube of these namespaces can be asked
UNFAMILIAR: Final = "unfamiliar"  # none knows the query
NOTHING_LIVE: Final = "nothing_live"  # what the cube names is archived or expired, or below the score asked for

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A cube that was asked: its row, its state, how familiar the query is to it, and its pairs."""

    row: Row
    state: Association
    familiarity: float
    pairs: Sequence[Row]


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

    No connection is held while the query is encoded. A stale cube is passed over, and so is one whose weights are not what
    was written: it is marked, and made anew.
    """
    with open_session() as session:
        rows = parametric_memories.routed(session, tenant_id, [space.id for space in namespaces])
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
        "reason": None,
        "cube": None,
        "threshold": routing.FAMILIAR,
        "considered": [_considered(one) for one in known],
        "passed_over": passed_over,
        "results": [],
    }
    if not known or known[0].familiarity < routing.FAMILIAR:
        return answer | {"reason": UNFAMILIAR if known else NOTHING_TAUGHT}
    best = known[0]
    with open_session() as session:
        results = _results(
            session, tenant_id, best, vectors[best.row["encoder_id"]], limit=limit, min_score=min_score, now=now
        )
    reason = None if results else NOTHING_LIVE
    return answer | {"abstain": not results, "reason": reason, "cube": _considered(best), "results": results}


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
        pairs = parametric_pairs.taught(session, tenant_id, cube_id, kept["lineage"]) if kept is not None else ()
    if kept is None:
        return None, "it has changed just now"
    try:
        state = weights.unpack(kept["weights"], dimension=kept["dimension"], checksum=kept["checksum"])
    except DamagedWeights as error:
        log.error("weights_damaged", parametric_memory_id=str(cube_id), version=version, reason=str(error))
        with open_session() as session:
            parametric_memories.mark_damaged(session, tenant_id, cube_id, version, now=now)
        return None, BECAUSE["damaged"]
    return Known(row, state, routing.familiarity(state, query, ridge=row["ridge"]), pairs), ""


_LIVE: Final = text(
    "SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) AND archived_at IS NULL "
    "AND superseded_by IS NULL AND (expires_at IS NULL OR expires_at > :now) AND (valid_to IS NULL OR valid_to > :now)"
)


def _results(
    session: Session,
    tenant_id: UUID,
    best: Known,
    query: NDArray[np.float32],
    *,
    limit: int,
    min_score: float,
    now: datetime,
) -> list[dict[str, Any]]:
    """Return the live memories that the readout is like, the most alike first, each with the cue nearest to the query."""
    places: dict[UUID, list[int]] = {}
    for at, pair in enumerate(best.pairs):
        places.setdefault(pair["memory_id"], []).append(at)
    ids = list(places)
    readout = read(best.state, query[None, :], ridge=best.row["ridge"])
    values = np.stack([weights.unpack_vector(best.pairs[places[one][0]]["value"]) for one in ids])
    cues = routing.likeness(query[None, :], np.stack([weights.unpack_vector(pair["key"]) for pair in best.pairs]))[0]
    scores = routing.named(readout, values, ridge=best.row["ridge"])[0]
    live = set(session.scalars(_LIVE, {"tenant": tenant_id, "ids": ids, "now": now}))
    order = [at for at in np.argsort(-scores, kind="stable") if ids[at] in live and scores[at] >= min_score][:limit]
    records = memories.get_records(session, tenant_id, [ids[at] for at in order])
    results = []
    for rank, at in enumerate(order, start=1):
        nearest = max(places[ids[at]], key=lambda pair: cues[pair])
        results.append(
            {
                "memory": memory_json(records[ids[at]], now=now),
                "rank": rank,
                "score": round(float(scores[at]), 6),
                "why": {"cue": best.pairs[nearest]["cue"], "likeness": round(float(cues[nearest]), 6)},
            }
        )
    return results
