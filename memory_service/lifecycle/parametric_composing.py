"""Make a version of a cube from its pairs: what the canary says, what is stored.

A version is a function of its pairs and its settings. It is always worked out from all of them: so what is erased is in no
number of it, and a cube that was taught without it is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.parametric import canary, weights
from memory_service.parametric.associative import Association, learned
from memory_service.parametric.canary import CanaryReport, Shares
from memory_service.parametric.routing import centroid
from memory_service.storage import parametric_memories, parametric_pairs
from memory_service.storage.parametric_memories import Made
from memory_service.storage.sql import Row


@dataclass(frozen=True, slots=True)
class Locked:
    """A cube with the pairs of the version in force and those that wait for a job, none of which changes any more."""

    cube: Row
    pairs: Sequence[Row]

    @property
    def encoder_id(self) -> int:
        """Return the encoder that searches of the namespace use."""
        return encoder_of(self.cube)

    @property
    def complete(self) -> bool:
        """Say whether every pair has the vectors of its texts as they are now."""
        return all(
            (pair["memory_version"], pair["encoder_id"]) == (pair["content_version"], self.encoder_id)
            for pair in self.pairs
        )

    @property
    def learned(self) -> list[Row]:
        """Return the pairs of the version in force."""
        return [pair for pair in self.pairs if pair["version"] is not None]

    @property
    def news(self) -> list[Row]:
        """Return what a job is to teach; what feedback says once more is no news."""
        known = {(pair["cue_hash"], pair["memory_id"]) for pair in self.learned}
        return [
            pair
            for pair in self.pairs
            if pair["version"] is None
            and not pair["probe"]
            and not (pair["origin"] == "feedback" and (pair["cue_hash"], pair["memory_id"]) in known)
        ]

    @property
    def probes(self) -> list[Row]:
        """Return what is only asked."""
        return [pair for pair in self.pairs if pair["probe"]]


def encoder_of(cube: Row) -> int:
    """Return the encoder under which a cube is made: that of its namespace."""
    return int(cube["namespace_encoder_id"])


def lineage_of(cube: Row) -> list[int]:
    """Return the trainings that the version in force of a cube is made of."""
    return list(cube["lineage"] or ())


def lock(session: Session, tenant_id: UUID, cube_id: UUID, *, job_id: UUID | None) -> Locked | None:
    """Return a cube with its pairs, locked to the end; None when it is gone, or was taught something meanwhile.

    Memories first, in the order of their ids, then the namespace, as everybody does, then the cube and its pairs.
    """
    cube = parametric_memories.get_cube(session, tenant_id, cube_id)
    if cube is None:
        return None
    ids = parametric_pairs.sources_of(session, tenant_id, cube_id, lineage_of(cube), job_id=job_id)
    locked = parametric_pairs.lock_sources(session, tenant_id, list(ids), [cube["namespace_id"]])
    parametric_memories.lock_cubes(session, tenant_id, [cube_id])
    cube = parametric_memories.get_cube(session, tenant_id, cube_id)
    if cube is None:
        return None
    pairs = parametric_pairs.lock_pairs(session, tenant_id, cube_id, lineage_of(cube), job_id=job_id)
    return Locked(cube, pairs) if {pair["memory_id"] for pair in pairs} <= locked else None


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


def taught_of(pairs: Sequence[Row], dimension: int) -> Taught:
    """Return pairs that have their vectors, all of one dimension, as arrays; none of them too."""
    shape = (len(pairs), dimension)
    keys, values = (
        np.array([weights.unpack_vector(pair[name]) for pair in pairs], dtype=np.float32).reshape(shape)
        for name in ("key", "value")
    )
    return Taught(keys, values, [pair["memory_id"] for pair in pairs])


def _as_kept(taught: Taught, gamma: float) -> Association:
    """Return the state as it is served, after it was rounded to float32."""
    packed = weights.pack(learned(taught.keys, taught.values, gamma=gamma))
    return weights.unpack(packed, dimension=int(taught.keys.shape[1]), checksum=weights.checksum_of(packed))


def examined(old: Taught, new: Taught, probes: Taught, *, gamma: float, ridge: float, tolerance: float) -> CanaryReport:
    """Ask a sample of what was known before, and the probes, of the state before and of the state after.

    A probe whose memory the state before had not been taught counts as not known before.
    """
    whole = old + new
    after = _as_kept(whole, gamma) if len(whole) else None
    before = _as_kept(old, gamma) if len(old) else None

    def share(state: Association | None, known: Taught, questions: Taught) -> float | None:
        if state is None or not len(questions):
            return None
        places: dict[UUID, int] = {}
        for at, memory_id in enumerate(known.memory_ids):
            places.setdefault(memory_id, at)
        rows = {memory_id: row for row, memory_id in enumerate(places)}
        wanted = np.array([rows.get(one, -1) for one in questions.memory_ids])
        return canary.share_named(state, questions.keys, wanted, known.values[list(places.values())], ridge=ridge)

    def shares(questions: Taught) -> Shares:
        was, becomes = share(before, old, questions), share(after, whole, questions)
        return canary.judge(was, becomes, asked=len(questions), tolerance=tolerance)

    return CanaryReport(shares(old.at(canary.sampled(len(old)))), shares(probes), tolerance)


def made_of(
    taught: Taught,
    cube: Row,
    *,
    cause: str,
    job_id: UUID | None,
    encoder_id: int,
    report: CanaryReport | None,
    lineage: Sequence[int],
) -> Made:
    """Return the next version of a cube; without weights where the canary did not pass."""
    version = cube["last_version"] + 1
    passed = report is None or report.passed
    dimension = int(taught.keys.shape[1])
    packed = weights.pack(learned(taught.keys, taught.values, gamma=cube["gamma"])) if passed else None
    return Made(
        version=version,
        parent=cube["active_version"],
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


def store(session: Session, tenant_id: UUID, locked: Locked, wanted: Wanted, *, now: datetime) -> Made | None:
    """Make the next version of a complete cube and store it; None where nothing is left to make one of."""
    cube, news = locked.cube, locked.news
    dimension = len(locked.pairs[0]["key"]) // 4 if locked.pairs else int(cube["dimension"])
    old, new = taught_of(locked.learned, dimension), taught_of(news, dimension)
    made = None
    if len(old) + len(new):
        report = None
        if wanted.job_id is not None:
            probes = taught_of(locked.probes, dimension)
            report = examined(old, new, probes, gamma=cube["gamma"], ridge=cube["ridge"], tolerance=wanted.tolerance)
        made = made_of(
            old + new, cube, cause="rebuilt" if wanted.job_id is None else "trained", job_id=wanted.job_id,
            encoder_id=locked.encoder_id, report=report, lineage=lineage_of(cube),
        )  # fmt: skip
        if made.weights is not None:
            positions = [pair["position"] for pair in news]
            parametric_pairs.join_version(session, tenant_id, cube["id"], positions, version=made.version)
        parametric_memories.add_version(session, tenant_id, cube["id"], made, now=now)
    elif cube["active_version"] is not None:
        parametric_memories.put_in_force(session, tenant_id, cube["id"], None, now=now)
    if wanted.job_id is not None:
        parametric_pairs.drop_waiting(session, tenant_id, wanted.job_id)
    return made
