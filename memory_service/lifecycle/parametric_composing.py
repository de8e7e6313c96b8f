"""Make a version of a cube from its pairs: what of them has to be encoded, what the canary says, what is stored.

A version is a function of its pairs and its settings. It is always worked out from all of them: so what is erased is in no
number of it, and a cube that was taught without it is the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.parametric import canary, weights
from memory_service.parametric.associative import learned
from memory_service.parametric.canary import Canary
from memory_service.parametric.routing import centroid
from memory_service.storage import parametric_memories, parametric_pairs
from memory_service.storage.parametric_memories import Made
from memory_service.storage.parametric_pairs import Vectors
from memory_service.storage.sql import Row


@dataclass(frozen=True, slots=True)
class Loaded:
    """A cube with the pairs of the version in force and those that wait for a job."""

    cube: Row
    pairs: Sequence[Row]
    whole: bool  # all that the pairs are of was locked; True where nothing was to be

    @property
    def encoder_id(self) -> int:
        """Return the encoder that searches of the namespace use."""
        return int(self.cube["namespace_encoder_id"])

    @property
    def lineage(self) -> list[int]:
        """Return the trainings that the version in force is made of."""
        return list(self.cube["lineage"] or ())


@dataclass(frozen=True, slots=True)
class Lack:
    """A pair whose vectors are of another text or another encoder, or not there."""

    position: int
    cue: str
    content: str
    memory_version: int
    key: bytes | None  # what can be kept of it


def load(session: Session, tenant_id: UUID, cube_id: UUID, *, job_id: UUID | None, lock: bool = False) -> Loaded | None:
    """Return a cube with its pairs; None when there is no such cube.

    With `lock` nothing changes until the transaction ends: memories first, in the order of their ids, then the namespace, as
    everybody does, then the cube and its pairs.
    """
    cube = parametric_memories.get_cube(session, tenant_id, cube_id)
    if cube is None:
        return None
    if not lock:
        return Loaded(cube, _pairs(session, tenant_id, cube, job_id, lock=False), True)
    before = {pair["memory_id"] for pair in _pairs(session, tenant_id, cube, job_id, lock=False)}
    locked = parametric_pairs.lock_sources(session, tenant_id, list(before), [cube["namespace_id"]])
    parametric_memories.lock_cubes(session, tenant_id, [cube_id])
    cube = parametric_memories.get_cube(session, tenant_id, cube_id)
    if cube is None:
        return None
    pairs = _pairs(session, tenant_id, cube, job_id, lock=True)
    return Loaded(cube, pairs, {pair["memory_id"] for pair in pairs} <= locked)


def _pairs(session: Session, tenant_id: UUID, cube: Row, job_id: UUID | None, *, lock: bool) -> Sequence[Row]:
    lineage = list(cube["lineage"] or ())
    return parametric_pairs.pairs_of(session, tenant_id, cube["id"], lineage, job_id=job_id, lock=lock)


def lacking(loaded: Loaded, encoded: Mapping[int, Vectors]) -> Iterator[Lack]:
    """Yield the pairs that have to be encoded before a version can be made of them."""
    for pair in loaded.pairs:
        if vectors_of(pair, loaded.encoder_id, encoded) is None:
            same_encoder = pair["encoder_id"] == loaded.encoder_id
            yield Lack(
                pair["position"], pair["cue"], pair["content"] or "", pair["content_version"],
                pair["key"] if same_encoder else None,
            )  # fmt: skip


def vectors_of(pair: Row, encoder_id: int, encoded: Mapping[int, Vectors]) -> Vectors | None:
    """Return the vectors of a pair as its memory and its namespace are now, stored or just encoded."""
    stored = None
    if pair["key"] is not None:
        stored = Vectors(pair["key"], pair["value"], pair["memory_version"], pair["encoder_id"])
    for one in (stored, encoded.get(pair["position"])):
        if one is not None and (one.memory_version, one.encoder_id) == (pair["content_version"], encoder_id):
            return one
    return None


@dataclass(frozen=True, slots=True)
class Taught:
    """Pairs as arrays: keys and values, float32[n, d], and the memories."""

    keys: NDArray[np.float32]
    values: NDArray[np.float32]
    memory_ids: Sequence[UUID]

    def __len__(self) -> int:
        return len(self.memory_ids)

    def __add__(self, other: "Taught") -> "Taught":
        keys, values = np.concatenate([self.keys, other.keys]), np.concatenate([self.values, other.values])
        return Taught(keys, values, [*self.memory_ids, *other.memory_ids])

    def at(self, places: Sequence[int]) -> "Taught":
        """Return some of the pairs."""
        chosen = np.asarray(places, dtype=np.intp)
        return Taught(self.keys[chosen], self.values[chosen], [self.memory_ids[at] for at in places])


def taught_of(pairs: Sequence[tuple[UUID, Vectors]], dimension: int) -> Taught:
    """Return pairs of one dimension as arrays, none of them too."""
    keys = [weights.unpack_vector(vectors.key) for _, vectors in pairs]
    values = [weights.unpack_vector(vectors.value) for _, vectors in pairs]
    shape = (len(pairs), dimension)
    return Taught(
        np.array(keys, dtype=np.float32).reshape(shape),
        np.array(values, dtype=np.float32).reshape(shape),
        [memory_id for memory_id, _ in pairs],
    )


def examined(old: Taught, new: Taught, asked: Taught, *, gamma: float, ridge: float, tolerance: float) -> Canary:
    """Ask what was known before, a sample of it, and what a caller wants asked, of the state before and the state after.

    What a caller wants asked and the state before had never been taught counts as not known before.
    """
    questions = old.at(canary.sampled(len(old))) + asked
    if not len(questions):
        return canary.judge(None, None, asked=0, tolerance=tolerance)

    def share(known: Taught) -> float:
        places: dict[UUID, int] = {}
        for at, memory_id in enumerate(known.memory_ids):
            places.setdefault(memory_id, at)
        rows = {memory_id: row for row, memory_id in enumerate(places)}
        wanted = np.array([rows.get(one, -1) for one in questions.memory_ids])
        state = learned(known.keys, known.values, gamma=gamma)
        return canary.share_named(state, questions.keys, wanted, known.values[list(places.values())], ridge=ridge)

    before = share(old) if len(old) else None
    return canary.judge(before, share(old + new), asked=len(questions), tolerance=tolerance)


def made_of(
    taught: Taught,
    loaded_cube: Row,
    *,
    cause: str,
    job_id: UUID | None,
    encoder_id: int,
    report: Canary | None,
    lineage: Sequence[int],
) -> Made:
    """Return the next version of a cube; without weights where the canary did not pass."""
    version = loaded_cube["last_version"] + 1
    passed = report is None or report.passed
    dimension = int(taught.keys.shape[1])
    packed = weights.pack(learned(taught.keys, taught.values, gamma=loaded_cube["gamma"])) if passed else None
    return Made(
        version=version,
        parent=loaded_cube["active_version"],
        lineage=[*lineage, version],
        cause=cause,
        job_id=job_id,
        encoder_id=encoder_id,
        dimension=dimension,
        pairs=len(taught),
        weights=packed,
        checksum=weights.checksum_of(packed) if packed is not None else None,
        centroid=weights.pack_vector(centroid(taught.keys)) if packed is not None else None,
        canary=report.to_json() if report is not None else None,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a version is made for: a training and the tolerance it asked for, or none, to make it anew."""

    job_id: UUID | None = None
    tolerance: float = canary.TOLERANCE


def store(
    session: Session, tenant_id: UUID, loaded: Loaded, encoded: Mapping[int, Vectors], wanted: Wanted, *, now: datetime
) -> Made | None:
    """Make the next version of a locked cube and store it; None where nothing is left to make one of.

    All vectors are there: nothing is `lacking`.
    """
    cube, encoder_id = loaded.cube, loaded.encoder_id
    vectors = {pair["position"]: vectors_of(pair, encoder_id, encoded) for pair in loaded.pairs}
    complete = {at: one for at, one in vectors.items() if one is not None}
    assert len(complete) == len(vectors)  # nothing is lacking

    def part(chosen: Sequence[Row]) -> Taught:
        return taught_of([(pair["memory_id"], complete[pair["position"]]) for pair in chosen], dimension)

    dimension = len(next(iter(complete.values())).key) // 4 if complete else int(cube["dimension"])
    old = part([pair for pair in loaded.pairs if pair["version"] is not None])
    new = part([pair for pair in loaded.pairs if pair["version"] is None and not pair["canary"]])
    if not len(old) + len(new):
        if cube["active_version"] is not None:
            parametric_memories.put_in_force(session, tenant_id, cube["id"], None, now=now)
        return None
    report = None
    if wanted.job_id is not None:
        asked = part([pair for pair in loaded.pairs if pair["canary"]])
        report = examined(old, new, asked, gamma=cube["gamma"], ridge=cube["ridge"], tolerance=wanted.tolerance)
    made = made_of(
        old + new, cube, cause="rebuilt" if wanted.job_id is None else "trained", job_id=wanted.job_id,
        encoder_id=encoder_id, report=report, lineage=loaded.lineage,
    )  # fmt: skip
    if made.weights is not None:
        fresh = {
            pair["position"]: complete[pair["position"]]
            for pair in loaded.pairs
            if not pair["canary"] and _is_news(pair, complete[pair["position"]])
        }
        parametric_pairs.keep_vectors(session, tenant_id, cube["id"], fresh, version=made.version)
    if wanted.job_id is not None:
        parametric_pairs.drop_waiting(session, tenant_id, wanted.job_id)
    parametric_memories.add_version(session, tenant_id, cube["id"], made, now=now)
    return made


def _is_news(pair: Row, vectors: Vectors) -> bool:
    stored = (pair["memory_version"], pair["encoder_id"])
    return pair["version"] is None or stored != (vectors.memory_version, vectors.encoder_id)
