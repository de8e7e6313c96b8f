"""Ask for blocks to be computed ahead, and find again what was asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.activation.engine_layout import EngineLayout, layout_of
from memory_service.activation.errors import ActivationError
from memory_service.activation.fingerprint import Fingerprint
from memory_service.activation.saved_file import RAW
from memory_service.errors import Conflict
from memory_service.lifecycle.kv_planning import Asked
from memory_service.storage import jobs
from memory_service.storage.kv_plans import KvPlan
from memory_service.types import PRECOMPUTE

MOST_BYTES: Final = 64 << 20
"""Of one file: what is evicted goes file by file, and one that is too large takes more with it than it has to."""


def check_packed(fingerprint: Fingerprint) -> EngineLayout:
    """Return the layout in which blocks for an engine are written.

    Raises:
        Conflict: they cannot be: the layout is not known here, or the model is split over workers.
    """
    parallelism = fingerprint.parallelism
    if (parallelism.tensor, parallelism.pipeline, parallelism.context) != (1, 1, 1) or fingerprint.lora is not None:
        raise Conflict(
            "Blocks are not computed ahead for a model that is split over workers or has an adapter.",
            code="engine_not_packed",
        )
    try:
        return layout_of(fingerprint.layout, block_size=fingerprint.block_size)
    except ActivationError as error:
        raise Conflict(f"{str(error)[:1].upper()}{str(error)[1:]}.", code="engine_not_packed") from error


def start(
    session: Session, tenant_id: UUID, plan: KvPlan, asked: Asked, *, codec: str, now: datetime, ttl: timedelta
) -> UUID:
    """Store the job; the operator's words are in it until it has ended, and of memories their ids."""
    return jobs.create_job(
        session,
        tenant_id,
        kind=PRECOMPUTE,
        namespace_id=plan.namespace_id,
        payload={
            "plan_id": str(plan.id),
            "system": asked.system,
            "codec": codec,
            "memories": [[str(row["id"]), row["version"]] for row in asked.rows],
        },
        total=plan.admitted,
        now=now,
        ttl=ttl,
    )


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a job was asked for."""

    plan_id: UUID
    system: str
    memories: tuple[tuple[UUID, int], ...]
    codec: str = RAW

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "Ahead":
        """Read the payload of a job."""
        memories = tuple((UUID(memory_id), int(version)) for memory_id, version in payload["memories"])
        # A job of a release before codecs could be chosen names none.
        return cls(UUID(payload["plan_id"]), payload["system"], memories, payload.get("codec", RAW))


def runs_of(first: int, end: int, *, block_bytes: int, most: int = MOST_BYTES) -> Sequence[tuple[int, int]]:
    """Cut blocks into files: first block and number of each.

    >>> runs_of(2, 9, block_bytes=10, most=30), runs_of(0, 2, block_bytes=10, most=3), runs_of(3, 3, block_bytes=1)
    ([(2, 3), (5, 3), (8, 1)], [(0, 1), (1, 1)], [])
    """
    step = max(1, most // block_bytes)
    return [(at, min(step, end - at)) for at in range(first, end, step)]
