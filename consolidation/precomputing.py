"""The job that computes blocks ahead: the plan's tokens through the model, its blocks into the store, each run with its outcome."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from consolidation.models_here import ModelsHere
from consolidation.tenancy import Tenancy
from memory_service.activation.errors import ActivationError
from memory_service.activation.fingerprint import tokens_digest
from memory_service.activation.run_file import BlockRun, exactness_of, pack_run
from memory_service.errors import MemoryServiceError, Unavailable
from memory_service.lifecycle.kv_ahead import Ahead, check_packed, runs_of
from memory_service.lifecycle.kv_arriving import bring, settle
from memory_service.lifecycle.kv_checking import sound_blocks
from memory_service.lifecycle.kv_planning import Asked, check_engine, plan_asked
from memory_service.lifecycle.kv_saving import Part, Saved, save
from memory_service.lifecycle.kv_sweeping import Open
from memory_service.storage import jobs, kv_engines, kv_memories, kv_plans, memories
from memory_service.storage.kv_engines import Engine
from memory_service.storage.kv_memories import KvSource
from memory_service.storage.kv_plans import KvPlan
from memory_service.types import JobStatus

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Task:
    """A plan that can be worked on."""

    plan: KvPlan
    engine: Engine
    token_ids: tuple[int, ...]  # of the admitted blocks
    first: int  # block that is not stored yet
    codec: str


class _Ended(Exception):
    """There is nothing to compute; the sentence says why."""


def precompute_job(tenancy: Tenancy, here: ModelsHere, job: Any) -> bool:
    """Compute the admitted blocks of a plan and store them; True once the job has ended.

    Tokens are made anew from the memories as they were planned. A memory that changed meanwhile, or was erased, ends the job:
    its plan is void.
    """
    try:
        if not job["payload"]:
            raise _Ended("What it was to compute is not kept once a job has ended; ask again.")
        ahead = Ahead.of(job["payload"])
        task = _task(tenancy, here, ahead)
        refused = _compute(tenancy, here, job, task)
    except _Ended as ended:
        _finish(tenancy, job, JobStatus.FAILED, str(ended))
        return True
    except ActivationError as error:
        _finish(tenancy, job, JobStatus.FAILED, f"The blocks cannot be computed: {error}.")
        return True
    except Unavailable:
        raise
    except MemoryServiceError as error:
        _finish(tenancy, job, JobStatus.FAILED, error.detail)
        return True
    if refused:
        _finish(tenancy, job, JobStatus.FAILED, f"{refused} of the runs were not stored; the items say why.")
    else:
        _finish(tenancy, job, JobStatus.SUCCEEDED, None)
    return True


def _task(tenancy: Tenancy, here: ModelsHere, ahead: Ahead) -> _Task:
    now, tenant_id = tenancy.clock(), tenancy.tenant_id
    with tenancy.open() as session:
        plan = kv_plans.get_plan(session, tenant_id, ahead.plan_id, now=now)
        if plan is None:
            raise _Ended("The plan has expired, or one of its memories was erased; ask again.")
        engine = kv_engines.get_engine(session, tenant_id, plan.engine)
        rows = memories.get_records(session, tenant_id, [memory_id for memory_id, _ in ahead.memories])
        sources = [KvSource(memory_id, version, 0, 0) for memory_id, version in ahead.memories]
        as_planned, _ = kv_memories.sources_as_they_were(session, tenant_id, sources, now=now)
    if engine is None:
        raise _Ended("The engine of the plan is not known any more; announce it anew.")
    if not as_planned:
        raise _Ended("A memory of the plan has changed since; ask again.")
    model = here.models.text_of(plan.model)
    check_engine(engine, model)
    check_packed(engine.fingerprint)
    asked = Asked(ahead.system, [rows[memory_id] for memory_id, _ in ahead.memories])
    prompt = plan_asked(asked, model, engine, salt=here.salt_of(tenant_id))
    if tokens_digest(list(prompt.token_ids)) != plan.token_ids_hash or prompt.block_hashes != plan.block_hashes:
        raise _Ended("This worker cuts the prompt otherwise than the plan does; give both the same model and secret.")
    first = sound_blocks(
        _opener(tenancy), here.blobs, here.looks, tenant_id, plan.block_hashes[: plan.admitted], engine=plan.engine,
        codec=ahead.codec, exactness=exactness_of(ahead.codec), now=now,
    )  # fmt: skip
    return _Task(plan, engine, prompt.token_ids[: plan.admitted * plan.block_size], first, ahead.codec)


def _opener(tenancy: Tenancy) -> Open:
    """Return what opens transactions of the one tenant that a job is of."""

    def open_session(_: UUID) -> AbstractContextManager[Session]:
        return tenancy.open()

    return open_session


def _compute(tenancy: Tenancy, here: ModelsHere, job: Any, task: _Task) -> int:
    """Compute what is missing and store it run by run; return how many runs were refused."""
    plan, engine = task.plan, task.engine
    if task.first:
        _report(tenancy, job, task.first, {"first_block": 0, "blocks": task.first, "status": "present"})
    if task.first == plan.admitted:
        return 0
    layout = check_packed(engine.fingerprint)
    with here.open(plan.model, engine.fingerprint) as compute:
        cache = compute(task.token_ids)
    refused = 0
    block_bytes = engine.bytes_per_token * plan.block_size
    for first, count in runs_of(task.first, plan.admitted, block_bytes=block_bytes):
        end = first + count
        digest = tokens_digest(list(task.token_ids[: end * plan.block_size]))
        run = BlockRun(engine.digest, first, plan.block_hashes[first:end], digest)
        data = pack_run(run, layout, cache, codec=task.codec)
        item: dict[str, Any] = {"first_block": first, "blocks": count}
        try:
            item |= _stored(tenancy, here, task, data, first=first, count=count)
        except Unavailable:
            raise
        except MemoryServiceError as error:
            item |= {"status": "refused", "code": error.specific_code, "detail": error.detail}
            refused += 1
        if not _report(tenancy, job, end, item):
            break
    log.info("precomputed", blocks=plan.admitted - task.first, refused=refused)
    return refused


def _stored(tenancy: Tenancy, here: ModelsHere, task: _Task, data: bytes, *, first: int, count: int) -> dict[str, Any]:
    """Keep a run: the blob, then the record that names it; return what became of it."""
    plan, codec, now = task.plan, task.codec, tenancy.clock()
    part = Part(plan.id, plan.engine, first, count, codec, exactness_of(codec))
    tenant_id, digest, open_session = tenancy.tenant_id, sha256(data).hexdigest(), _opener(tenancy)
    arrived = bring(
        open_session, here.blobs, here.looks, tenant_id, part, BytesIO(data), size=len(data), checksum=digest, now=now
    )
    saved: Saved | None = None
    try:
        with tenancy.open() as session:
            done = saved = save(session, tenant_id, part, arrived, limits=here.limits, now=now)
    finally:
        settle(open_session, here.blobs, tenant_id, arrived, saved, now=now)
    return {"kv_memory_id": str(done.id), "status": "stored" if done.is_new else "present", "bytes": len(data)}


def _report(tenancy: Tenancy, job: Any, done: int, item: dict[str, Any]) -> bool:
    with tenancy.open() as session:
        return jobs.report_progress(session, tenancy.tenant_id, job["id"], done=done, items=[item])


def _finish(tenancy: Tenancy, job: Any, status: JobStatus, error: str | None) -> None:
    with tenancy.open() as session:
        jobs.finish_job(session, tenancy.tenant_id, job["id"], status=status, now=tenancy.clock(), error=error)
