"""Begin a training: what a cube is to learn is stored beside it, where erasures reach it, and a job does the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.errors import Conflict, FieldError, InvalidRequest, NotFound, TooLarge
from memory_service.redaction.redactor import Counts
from memory_service.storage import feedback, jobs, parametric_memories, parametric_pairs
from memory_service.storage.parametric_pairs import MOST_GIVEN, MOST_PAIRS, NewPair, cue_hash
from memory_service.storage.redactions import redactors_in
from memory_service.storage.sql import Row
from memory_service.types import TRAIN


@dataclass(frozen=True, slots=True)
class Training:
    """What a cube is to learn: pairs that were given, or those that feedback says (None), and what is asked beside."""

    pairs: Sequence[NewPair] | None
    canary: Sequence[NewPair]
    tolerance: float


def absent() -> NotFound:
    """Return the error for a cube that is not there."""
    return NotFound("There is no such parametric memory in this tenant.")


def begin(
    session: Session, tenant_id: UUID, cube_id: UUID, training: Training, *, now: datetime, ttl: timedelta
) -> tuple[Row, UUID]:
    """Store what a cube is to learn and queue the job that teaches it; return the cube and the job.

    Raises:
        NotFound: there is no such cube.
        InvalidRequest: a memory is none of its namespace, or archived.
        Conflict: feedback says nothing that the cube has not been taught.
        TooLarge: the cube would hold more pairs than it may.
    """
    parametric_memories.lock_cubes(session, tenant_id, [cube_id])
    cube = parametric_memories.get_cube(session, tenant_id, cube_id)
    if cube is None:
        raise absent()
    lineage = list(cube["lineage"] or ())
    pairs, canary = training.pairs, [replace(pair, canary=True) for pair in training.canary]
    if pairs is None:
        pairs = _judged_useful(session, tenant_id, cube, lineage, now=now)
    redactor = redactors_in(session).by_id.get(cube["namespace_id"])
    if redactor is not None:
        pairs = [replace(pair, cue=redactor.masking.text(pair.cue, Counts())) for pair in pairs]
        canary = [replace(pair, cue=redactor.masking.text(pair.cue, Counts())) for pair in canary]
    whole = [*pairs, *canary]
    ids = {pair.memory_id for pair in whole}
    versions = parametric_pairs.teachable(session, tenant_id, cube["namespace_id"], sorted(ids))
    if training.pairs is None:
        pairs = [pair for pair in pairs if pair.memory_id in versions][:MOST_GIVEN]
        if not pairs:
            raise Conflict("Feedback says nothing that this cube has not been taught.", code="nothing_to_learn")
        whole = [*pairs, *canary]
    _check_memories("pairs", pairs, versions)
    _check_memories("canary", canary, versions)
    if parametric_pairs.count(session, tenant_id, cube_id, lineage) + len(whole) > MOST_PAIRS:
        raise TooLarge(f"A cube holds at most {MOST_PAIRS:,} pairs; register another one and let queries choose.")
    job_id = jobs.create_job(
        session,
        tenant_id,
        kind=TRAIN,
        namespace_id=cube["namespace_id"],
        payload={"parametric_memory_id": str(cube_id), "tolerance": training.tolerance},
        total=len(whole),
        now=now,
        ttl=ttl,
    )
    parametric_pairs.add_waiting(
        session, tenant_id, cube_id, whole, namespace_id=cube["namespace_id"], versions=versions, job_id=job_id, now=now
    )
    return cube, job_id


def _check_memories(name: str, pairs: Sequence[NewPair], versions: dict[UUID, int]) -> None:
    wrong = [at for at, pair in enumerate(pairs) if pair.memory_id not in versions]
    if wrong:
        detail = "Some of these are no live memories of the namespace of the cube."
        errors = tuple(FieldError(f"/{name}/{at}/memory_id", detail) for at in wrong[:10])
        raise InvalidRequest(detail, errors=errors)


def _judged_useful(
    session: Session, tenant_id: UUID, cube: Row, lineage: Sequence[int], *, now: datetime
) -> list[NewPair]:
    """Return questions with the memories that were of use to them, as last judged, less those the cube knows or waits for."""
    known = parametric_pairs.known(session, tenant_id, cube["id"], lineage)
    last: set[tuple[bytes, UUID]] = set()
    found = []
    for row in feedback.list_askers(session, tenant_id, cube["namespace_id"], now=now):
        what = (cue_hash(row["query"]), row["memory_id"])
        if what in last:
            continue
        last.add(what)
        if row["useful"] and what not in known:
            asker = {name: row[name] for name in ("user_id", "agent_id", "session_id")}
            found.append(NewPair(row["query"], row["memory_id"], "feedback", **asker))
    return found
