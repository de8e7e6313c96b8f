"""Memory in weights: cubes that learned which memory a cue brings."""

from __future__ import annotations

from pydantic import AwareDatetime

from memory_client.models.base import Answer
from memory_client.models.memories import Memory


class CubeCapacity(Answer):
    """How full a cube is; from ``alarm_at`` pairs on, cues begin to get in each other's way."""

    used: int
    alarm_at: int
    alarm: bool


class CubeEncoder(Answer):
    """The model whose vectors keys and values are."""

    name: str
    dimension: int
    fingerprint: str


class CanaryShares(Answer):
    """For which share of what was asked the right memory was named first, before a training and after it."""

    asked: int
    before: float | None = None
    after: float | None = None
    passed: bool


class Canary(Answer):
    """What was asked before a version was put in force: a sample of the earlier pairs, and the probes; both have to pass."""

    sample: CanaryShares
    probes: CanaryShares
    tolerance: float
    passed: bool


class Cube(Answer):
    """A cube: its settings, and what is in force of it."""

    id: str
    namespace: str
    name: str
    kind: str
    gamma: float
    ridge: float
    state: str
    stale_because: str | None = None
    active_version: int | None = None
    pairs: int
    capacity: CubeCapacity
    bytes: int
    checksum: str | None = None
    encoder: CubeEncoder
    canary: Canary | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class CubeVersion(Answer):
    """One version of a cube; without bytes it cannot be put in force."""

    version: int
    parent: int | None = None
    cause: str
    state: str
    active: bool
    stale_because: str | None = None
    pairs: int
    bytes: int
    checksum: str | None = None
    canary: Canary | None = None
    job_id: str | None = None
    created_at: AwareDatetime


class CubeDetail(Cube):
    """A cube with its versions, newest first."""

    versions: list[CubeVersion]


class AskedCube(Answer):
    """A cube that was asked, and how much of the query it knows, 0 to 1."""

    id: str
    name: str
    namespace: str
    version: int
    familiarity: float


class PassedOver(Answer):
    """A cube that was not asked, and why."""

    id: str
    name: str
    namespace: str
    reason: str


class CubeCue(Answer):
    """The cue of a memory that is nearest to the query, and the cosine of the two."""

    cue: str
    likeness: float


class Brought(Answer):
    """A memory that the readout of a cube names."""

    memory: Memory
    rank: int
    score: float
    why: CubeCue


class CubeAnswer(Answer):
    """What the cube that knows a query best says to it; where none knows it, ``abstain`` is true."""

    abstain: bool
    reason: str | None = None
    cube: AskedCube | None = None
    threshold: float
    considered: list[AskedCube]
    passed_over: list[PassedOver]
    results: list[Brought]
