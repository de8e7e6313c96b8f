"""Teach cubes of parametric memory, and make stale ones anew: encode what lacks vectors, then compose and store.

Vectors are stored batch by batch, so both may stop anywhere: what is to be encoded is what is not there.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

import numpy as np
import structlog

from consolidation.tenancy import Tenancy
from memory_service.errors import Unavailable
from memory_service.lifecycle.draft import Encoding
from memory_service.lifecycle.parametric_composing import Locked, Wanted, encoder_of, lineage_of, lock, store
from memory_service.parametric.routing import centroid
from memory_service.parametric.weights import pack_vector
from memory_service.storage import jobs, parametric_memories, parametric_pairs
from memory_service.storage.parametric_memories import Made
from memory_service.storage.parametric_pairs import MOST_PAIRS, Vectors
from memory_service.storage.sql import Row
from memory_service.types import JobStatus

PASSES: Final = 3  # over the pairs: a memory that changes while it is encoded is encoded again
ENCODED_AT_ONCE: Final = 64  # pairs, before their vectors are stored and others may have their turn
TEXT_AT_ONCE: Final = 65_536  # bytes of the contents of memories; one of them at least
REST: Final = timedelta(minutes=10)  # of a cube that cannot be made anew
_FIRST: Final = (UUID(int=0), -1)

log = structlog.get_logger(__name__)


def train_job(tenancy: Tenancy, job: Any) -> bool:
    """Teach a cube the pairs that wait for a job; True once the job has ended or rests, False where memories kept changing.

    What takes long goes on later as another task, and so does what a worker that died has begun. The version, its pairs and the
    end of the job are one transaction.
    """
    payload, until = job["payload"], monotonic() + tenancy.turn_s
    wanted = Wanted(job["id"], payload["tolerance"])

    def go_on() -> bool:
        return monotonic() < until and tenancy.go_on() and not tenancy.others_wait()

    return _Work(tenancy, UUID(payload["parametric_memory_id"]), wanted, go_on).run()


def rebuild(tenancy: Tenancy, cube_id: UUID, *, go_on: Callable[[], bool] = lambda: True) -> bool:
    """Make a stale cube anew of what is left of its pairs; True once it is.

    False where it is not stale any more, where `go_on` wanted no more of it, and where its encoder cannot be loaded here. Then it
    stays stale, lets others go first, and a sweep goes on where this one was.

    Raises:
        Unavailable: the database is busy or down.
    """
    try:
        return _Work(tenancy, cube_id, Wanted(), go_on).run()
    except Unavailable as error:
        if error.specific_code != "encoder_unavailable":
            raise
        log.warning("cube_not_made_anew", parametric_memory_id=str(cube_id), reason=error.detail)
        _let_rest(tenancy, cube_id, REST)
        return False
    except Exception:
        # It would fail again at every sweep, before those that came after it.
        _let_rest(tenancy, cube_id, REST)
        raise


def _let_rest(tenancy: Tenancy, cube_id: UUID, rest: timedelta) -> None:
    with tenancy.open() as session:
        parametric_memories.let_rest(session, tenancy.tenant_id, cube_id, until=tenancy.clock() + rest)


class _Work:
    """One turn of one version on its way."""

    def __init__(self, tenancy: Tenancy, cube_id: UUID, wanted: Wanted, go_on: Callable[[], bool]) -> None:
        self.tenancy = tenancy
        self.cube_id = cube_id
        self.wanted = wanted
        self.go_on = go_on
        self.opened: ExitStack | None = None
        self.encoding: Encoding | None = None

    def run(self) -> bool:
        tenancy, job_id = self.tenancy, self.wanted.job_id
        with ExitStack() as self.opened:
            for _ in range(PASSES):
                with tenancy.open() as session:
                    cube = parametric_memories.get_cube(session, tenancy.tenant_id, self.cube_id)
                if cube is None:
                    return self._fail("The cube was deleted.")
                if job_id is None and not _is_stale(cube):
                    return False
                ended = self._encode_all(cube)
                if ended is None:
                    ended = self._finish()
                if ended is not None:
                    return ended
        if job_id is None:
            _let_rest(tenancy, self.cube_id, timedelta())
        return False

    def _encode_all(self, cube: Row) -> bool | None:
        """Give every pair that lacks them vectors; None once none lacks any, else what the turn came to."""
        tenancy, job_id = self.tenancy, self.wanted.job_id
        lineage, encoder_id = lineage_of(cube), encoder_of(cube)
        with tenancy.open() as session:
            lacking = parametric_pairs.count_lacking(
                session, tenancy.tenant_id, self.cube_id, lineage, job_id=job_id, encoder_id=encoder_id
            )
        total, after = lacking, _FIRST
        while lacking:
            with tenancy.open() as session:
                rows = parametric_pairs.next_lacking(
                    session, tenancy.tenant_id, self.cube_id, lineage, job_id=job_id, encoder_id=encoder_id, after=after,
                    limit=ENCODED_AT_ONCE,
                )  # fmt: skip
            if not rows:
                return None
            done = self._encode(cube, rows)
            after = (rows[done - 1]["memory_id"], rows[done - 1]["position"])
            lacking -= done
            if job_id is not None:
                with tenancy.open() as session:
                    going_on = jobs.report_progress(
                        session, tenancy.tenant_id, job_id, done=max(total - lacking, 0), total=total
                    )
                if not going_on:
                    return True  # it was cancelled
            if lacking > 0 and not self.go_on():
                return self._pause()
            tenancy.give_way()
        return None

    def _encode(self, cube: Row, rows: Sequence[Row]) -> int:
        """Give the first of some pairs vectors, holding no connection meanwhile; return how many pairs.

        The text of a memory is encoded once, however many pairs name it.
        """
        tenancy, encoder_id = self.tenancy, encoder_of(cube)
        ids = list(dict.fromkeys(row["memory_id"] for row in rows))
        with tenancy.open() as session:
            values = parametric_pairs.values_encoded(session, tenancy.tenant_id, ids, encoder_id=encoder_id)
        taken, lengths = list[Row](), dict[tuple[UUID, int], int]()
        for row in rows:
            text = (row["memory_id"], row["content_version"])
            if text not in values:
                lengths[text] = row["bytes"]
            if taken and sum(lengths.values()) > TEXT_AT_ONCE:
                lengths.pop(text, None)
                break
            taken.append(row)
        with tenancy.open() as session:
            texts = parametric_pairs.texts_of(session, tenancy.tenant_id, [memory_id for memory_id, _ in lengths])
        if texts:
            chunked = self._under(encoder_id).chunks(list(texts.values()))
            for which, chunks in zip(texts, chunked, strict=True):
                # A longer text has several vectors; what it says on the whole lies in the middle of them.
                values[which] = pack_vector(centroid(np.stack([chunk.vector for chunk in chunks])))
        cues = [row["cue"] for row in taken if row["key"] is None]
        keys = iter(self._under(encoder_id).encode(cues) if cues else ())
        vectors = {}
        for row in taken:
            key = row["key"] if row["key"] is not None else pack_vector(next(keys))
            # One whose text has changed, or is gone, since it was listed is left to the next pass.
            if (value := values.get((row["memory_id"], row["content_version"]))) is not None:
                vectors[row["position"]] = Vectors(key, value, row["content_version"])
        with tenancy.open() as session:
            # Memories first, then the namespace, as everybody does.
            parametric_pairs.lock_sources(session, tenancy.tenant_id, ids, [cube["namespace_id"]])
            parametric_pairs.keep_vectors(session, tenancy.tenant_id, self.cube_id, vectors, encoder_id=encoder_id)
        return len(taken)

    def _under(self, encoder_id: int) -> Encoding:
        """Return the encoding under an encoder, loading models when the first text needs one."""
        assert self.opened is not None
        if self.encoding is None:
            self.encoding = self.opened.enter_context(self.tenancy.open_encoding())
        return self.encoding.of(encoder_id)

    def _pause(self) -> bool:
        """Let others have the worker: what is encoded is kept, and no attempt is used up."""
        tenancy, job_id = self.tenancy, self.wanted.job_id
        if job_id is None:
            _let_rest(tenancy, self.cube_id, timedelta())
            return False
        with tenancy.open() as session:
            goes_on = jobs.pause_job(session, tenancy.tenant_id, job_id, until=tenancy.clock())
        if goes_on:
            tenancy.nudge(job_id)
        return True

    def _finish(self) -> bool | None:
        """Store the version with the end of the job; None when something changed meanwhile that has to be encoded again."""
        tenancy, job_id = self.tenancy, self.wanted.job_id
        with tenancy.open() as session:
            locked = lock(session, tenancy.tenant_id, self.cube_id, job_id=job_id)
            if locked is None or not locked.complete:
                return None
            # The row of the job stays locked: a cancel comes before all of it or after.
            if job_id is not None and not jobs.report_progress(
                session, tenancy.tenant_id, job_id, done=len(locked.pairs), total=len(locked.pairs)
            ):
                return True
            if job_id is None and not _is_stale(locked.cube):
                return False
            now = tenancy.clock()
            if job_id is not None and _is_too_large(locked):
                error = f"A cube holds at most {MOST_PAIRS:,} pairs; it was taught others meanwhile."
                jobs.finish_job(session, tenancy.tenant_id, job_id, status=JobStatus.FAILED, now=now, error=error)
                return True
            made = store(session, tenancy.tenant_id, locked, self.wanted, now=now)
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


def _is_stale(cube: Row) -> bool:
    return cube["active_version"] is not None and cube["state"] == "stale"


def _is_too_large(locked: Locked) -> bool:
    """Say whether a training that was taken up again, after others, would make a cube hold more than it may."""
    return bool(locked.news) and len(locked.learned) + len(locked.news) > MOST_PAIRS


def _result(made: Made | None) -> dict[str, Any]:
    """Return what a training came to. Of what it was to learn everything may have been erased meanwhile."""
    if made is None:
        return {"version": None, "state": "nothing_left", "pairs": 0, "canary": None}
    state = "active" if made.weights is not None else "rejected"
    return {"version": made.version, "state": state, "pairs": made.pairs, "canary": made.canary}
