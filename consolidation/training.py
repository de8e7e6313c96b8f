"""Teach cubes of parametric memory, and make stale ones anew: load, encode without a connection, compose and store."""

from contextlib import ExitStack
from typing import Any, Final
from uuid import UUID

import numpy as np
import structlog

from consolidation.tenancy import Tenancy
from memory_service.errors import Unavailable
from memory_service.lifecycle.draft import Encoding
from memory_service.lifecycle.parametric_composing import Lack, Loaded, Wanted, lacking, load, store
from memory_service.parametric.routing import centroid
from memory_service.parametric.weights import pack_vector
from memory_service.storage import jobs
from memory_service.storage.parametric_memories import Made
from memory_service.storage.parametric_pairs import Vectors
from memory_service.types import JobStatus

ATTEMPTS: Final = 3  # a memory that changes while it is encoded is encoded again
ENCODED_AT_ONCE: Final = 64  # texts; the job is asked in between whether it was cancelled

log = structlog.get_logger(__name__)


def train_job(tenancy: Tenancy, job: Any) -> bool:
    """Teach a cube the pairs that wait for a job; True once the job has ended, False where its memories kept changing.

    The version, its pairs and the end of the job are one transaction: a worker that dies leaves nothing, and the next begins
    anew.
    """
    payload = job["payload"]
    cube_id = UUID(payload["parametric_memory_id"])
    return _Work(tenancy, cube_id, Wanted(job["id"], payload["tolerance"])).run()


def rebuild(tenancy: Tenancy, cube_id: UUID) -> bool:
    """Make a stale cube anew of what is left of its pairs; False where it is not stale any more, or cannot be made now.

    Where its encoder cannot be loaded here it stays stale, and the next sweep tries again: that is no reason to end this one.

    Raises:
        Unavailable: the database is busy or down.
    """
    try:
        return _Work(tenancy, cube_id, Wanted()).run()
    except Unavailable as error:
        if error.specific_code != "encoder_unavailable":
            raise
        log.warning("cube_not_made_anew", parametric_memory_id=str(cube_id), reason=error.detail)
        return False


class _Work:
    """One version on its way."""

    def __init__(self, tenancy: Tenancy, cube_id: UUID, wanted: Wanted) -> None:
        self.tenancy = tenancy
        self.cube_id = cube_id
        self.wanted = wanted
        self.encoded: dict[int, Vectors] = {}

    def run(self) -> bool:
        tenancy = self.tenancy
        with ExitStack() as opened:
            for _ in range(ATTEMPTS):
                with tenancy.open() as session:
                    loaded = load(session, tenancy.tenant_id, self.cube_id, job_id=self.wanted.job_id)
                if loaded is None:
                    return self._fail("The cube was deleted.")
                if self.wanted.job_id is None and not _is_stale(loaded):
                    return False
                if lacks := list(lacking(loaded, self.encoded)):
                    self._encode(opened, loaded.encoder_id, lacks)
                if self._finish():
                    return True
        return False

    def _encode(self, opened: ExitStack, encoder_id: int, lacks: list[Lack]) -> None:
        """Encode cues, and the texts of memories; no connection is held."""
        encoding: Encoding = opened.enter_context(self.tenancy.open_encoding()).of(encoder_id)
        for start in range(0, len(lacks), ENCODED_AT_ONCE):
            batch = lacks[start : start + ENCODED_AT_ONCE]
            cues = encoding.encode([lack.cue for lack in batch])
            # A longer text has several vectors; what it says on the whole lies in the middle of them.
            chunked = encoding.chunks([lack.content for lack in batch])
            values = [pack_vector(centroid(np.stack([chunk.vector for chunk in chunks]))) for chunks in chunked]
            for lack, cue, value in zip(batch, cues, values, strict=True):
                key = lack.key if lack.key is not None else pack_vector(cue)
                self.encoded[lack.position] = Vectors(key, value, lack.memory_version, encoder_id)

    def _finish(self) -> bool:
        """Store the version with the end of the job; False when something changed meanwhile that has to be encoded again."""
        tenancy, job_id = self.tenancy, self.wanted.job_id
        with tenancy.open() as session:
            loaded = load(session, tenancy.tenant_id, self.cube_id, job_id=job_id, lock=True)
            if loaded is None or not loaded.whole or any(lacking(loaded, self.encoded)):
                return False
            # The row of the job stays locked: a cancel comes before all of it or after.
            if job_id is not None and not jobs.report_progress(
                session, tenancy.tenant_id, job_id, done=len(loaded.pairs)
            ):
                return True
            if job_id is None and not _is_stale(loaded):
                return True
            now = tenancy.clock()
            made = store(session, tenancy.tenant_id, loaded, self.encoded, self.wanted, now=now)
            if job_id is not None:
                done, result = JobStatus.SUCCEEDED, _result(made)
                jobs.finish_job(session, tenancy.tenant_id, job_id, status=done, now=now, result=result)
        log.info(
            "cube_taught" if job_id is not None else "cube_made_anew", parametric_memory_id=str(self.cube_id),
            version=made.version if made else None, pairs=made.pairs if made else 0,
            kept=made is not None and made.weights is not None,
        )  # fmt: skip
        return True

    def _fail(self, error: str) -> bool:
        job_id, tenancy = self.wanted.job_id, self.tenancy
        if job_id is None:
            return False
        with tenancy.open() as session:
            status = JobStatus.FAILED
            jobs.finish_job(session, tenancy.tenant_id, job_id, status=status, now=tenancy.clock(), error=error)
        return True


def _is_stale(loaded: Loaded) -> bool:
    return loaded.cube["active_version"] is not None and loaded.cube["state"] == "stale"


def _result(made: Made | None) -> dict[str, Any]:
    """Return what a training came to. Of what it was to learn everything may have been erased meanwhile."""
    if made is None:
        return {"version": None, "state": "nothing_left", "pairs": 0, "canary": None}
    state = "active" if made.weights is not None else "rejected"
    return {"version": made.version, "state": state, "pairs": made.pairs, "canary": made.canary}
