"""Begin a training: what a cube is to learn is stored beside it, where erasures reach it, and a job does the rest."""

from collections.abc import Callable, Sequence
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
    """What a cube is to learn: pairs that were given, or those that feedback says (None), and probes, which are only asked."""

    pairs: Sequence[NewPair] | None
    probes: Sequence[NewPair]
    tolerance: float


def absent() -> NotFound:
    """Return the error for a cube that is not there."""
    return NotFound("There is no such parametric memory in this tenant.")


def begin(
    session: Session, tenant_id: UUID, cube_id: UUID, training: Training, *, now: datetime, ttl: timedelta
) -> tuple[Row, UUID]:
    """Store what a cube is to learn and queue the job that teaches it; return the cube and the job.

    Memories are locked first, then judgements, then the cube, as everybody does: an erasure comes before all of it or after.

    Raises:
        NotFound: there is no such cube.
        InvalidRequest: a memory is none of its namespace, or not live.
        Conflict: feedback says nothing that the cube has not been taught.
        TooLarge: the cube would hold more pairs than it may.
    """
    cube = _found(session, tenant_id, cube_id)
    mask = _masking(session, cube["namespace_id"])
    probes = [replace(mask(pair), probe=True) for pair in training.probes]
    if training.pairs is not None:
        pairs = [mask(pair) for pair in training.pairs]
    else:
        pairs = _judged_useful(session, tenant_id, cube, mask, now=now, keep=False)
    ids = {pair.memory_id for pair in (*pairs, *probes)}
    versions = parametric_pairs.teachable(session, tenant_id, cube["namespace_id"], sorted(ids), now=now)
    if training.pairs is None:
        # Once more, and kept now: what was erased meanwhile is not among them.
        pairs = _judged_useful(session, tenant_id, cube, mask, now=now, keep=True)
        pairs = [pair for pair in pairs if pair.memory_id in versions]
    parametric_memories.lock_cubes(session, tenant_id, [cube_id])
    cube = _found(session, tenant_id, cube_id)
    held = parametric_pairs.held(session, tenant_id, cube_id, list(cube["lineage"] or ()))
    if training.pairs is None:
        known = set(held)
        news = [pair for pair in pairs if (cue_hash(pair.cue), pair.memory_id) not in known]
        # The newest, of which the last said fades least.
        pairs = news[:MOST_GIVEN][::-1]
        if not pairs:
            raise Conflict("Feedback says nothing that this cube has not been taught.", code="nothing_to_learn")
    _check_memories("pairs", pairs, versions)
    _check_memories("probes", probes, versions)
    whole = list(dict.fromkeys([*pairs, *probes]))
    if len(held) + len(whole) > MOST_PAIRS:
        raise TooLarge(f"A cube holds at most {MOST_PAIRS:,} pairs; register another one and let queries choose.")
    parametric_pairs.make_room(session, tenant_id, cube_id, wanted=len(whole))
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


def _found(session: Session, tenant_id: UUID, cube_id: UUID) -> Row:
    cube = parametric_memories.get_cube(session, tenant_id, cube_id)
    if cube is None:
        raise absent()
    return cube


def _masking(session: Session, namespace_id: UUID) -> Callable[[NewPair], NewPair]:
    """Return what masks the cue of a pair as the namespace wants it; where it wants nothing the pair stays as it is."""
    redactor = redactors_in(session).by_id.get(namespace_id)
    if redactor is None:
        return lambda pair: pair
    return lambda pair: replace(pair, cue=redactor.masking.text(pair.cue, Counts()))


def _check_memories(name: str, pairs: Sequence[NewPair], versions: dict[UUID, int]) -> None:
    wrong = [at for at, pair in enumerate(pairs) if pair.memory_id not in versions]
    if wrong:
        detail = "Some of these are no live memories of the namespace of the cube."
        errors = tuple(FieldError(f"/{name}/{at}/memory_id", detail) for at in wrong[:10])
        raise InvalidRequest(detail, errors=errors)


def _judged_useful(
    session: Session, tenant_id: UUID, cube: Row, mask: Callable[[NewPair], NewPair], *, now: datetime, keep: bool
) -> list[NewPair]:
    """Return questions, masked, with the memories that were of use to them as last judged; the newest first.

    A pair is as old as its question: an erasure of whoever asked it reaches it by that.
    """
    judged: set[tuple[bytes, UUID]] = set()
    found = []
    for row in feedback.list_askers(session, tenant_id, cube["namespace_id"], now=now, keep=keep):
        asker = {name: row[name] for name in ("user_id", "agent_id", "session_id")}
        pair = mask(NewPair(row["query"], row["memory_id"], "feedback", said_at=row["asked_at"], **asker))
        what = (cue_hash(pair.cue), pair.memory_id)
        if what not in judged and row["useful"]:
            found.append(pair)
        judged.add(what)
    return found
