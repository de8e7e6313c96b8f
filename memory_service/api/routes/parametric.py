"""Parametric memory: cubes that are registered, taught, asked, merged and taken back."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.parametric_models import (
    MergeIn,
    PairIn,
    ParametricDetailOut,
    ParametricIn,
    ParametricListOut,
    RollbackIn,
    RouteIn,
    RouteOut,
    TrainIn,
    TrainingOut,
)
from memory_service.api.redacted_search import redacted_query
from memory_service.api.strict_json import StrictRoute
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle.parametric_asking import ask
from memory_service.lifecycle.parametric_records import cube_json, detail_json
from memory_service.lifecycle.parametric_teaching import Training, absent, begin
from memory_service.lifecycle.parametric_versions import merge, register, remove, roll_back
from memory_service.storage import parametric_memories
from memory_service.storage.namespaces import (
    check_path,
    ensure_namespaces,
    find_namespace_id,
    find_namespaces,
    require_all,
)
from memory_service.storage.parametric_pairs import NewPair
from memory_service.types import Action, Caller, KeyScope

PARAMETRIC = "/v1/parametric"
SUBJECT = "parametric_memory"

router = APIRouter(prefix=PARAMETRIC, tags=["parametric"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]


def _shown(session: Session, tenant_id: UUID, cube_id: UUID, *, status: int = 200) -> Response:
    row = parametric_memories.get_cube(session, tenant_id, cube_id)
    if row is None:
        raise absent()
    shown = detail_json(row, parametric_memories.versions_of(session, tenant_id, cube_id))
    return answer(shown, status=status, headers={"Location": f"{PARAMETRIC}/{cube_id}"} if status == 201 else None)


@router.post("", status_code=201, response_model=ParametricDetailOut)
def register_parametric(
    request: Request, body: ParametricIn, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Register a cube that knows nothing yet.

    409 when the name is taken in its namespace, 413 `too_many_cubes` when that has 100 already.
    """

    def produce() -> Response:
        tenant_id, now = caller.tenant_id, services.clock()
        path = check_path(body.namespace)
        namespace_id = ensure_namespaces(session, tenant_id, [path], now=now)[path].id
        cube_id = register(
            session, tenant_id, namespace_id=namespace_id, name=body.name, kind=body.kind, gamma=body.gamma,
            ridge=body.ridge, now=now,
        )  # fmt: skip
        subject = (SUBJECT, cube_id)
        note(session, services, caller, Action.PARAMETRIC_CREATE, subject=subject, namespace_id=namespace_id)
        return _shown(session, tenant_id, cube_id, status=201)

    return idempotent(request, caller, session, produce)


@router.get("", response_model=ParametricListOut)
def list_parametric(
    caller: Reader,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only of this namespace; without it, of all.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List cubes, newest first, without their versions."""
    tenant_id = caller.tenant_id
    query = {"list": "parametric", "namespace": namespace}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = parametric_memories.list_cubes(session, tenant_id, namespace_id=space, before=before, limit=limit + 1)
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=cube_json, tenant_id=tenant_id, query=query)
    )


@router.post("/train", status_code=202, response_model=TrainingOut)
def train_parametric(
    request: Request, body: TrainIn, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Teach a cube. A worker makes the new version, and puts it in force only when the canary passes.

    409 `nothing_to_learn` where feedback says nothing new.
    """

    def produce() -> Response:
        training = Training(
            pairs=_pairs(body.pairs) if body.pairs is not None else None,
            probes=_pairs(body.probes),
            tolerance=body.tolerance,
        )
        ttl = timedelta(days=services.settings.job_ttl_days)
        cube, job_id = begin(session, caller.tenant_id, body.id, training, now=services.clock(), ttl=ttl)
        note(
            session, services, caller, Action.PARAMETRIC_TRAIN, subject=(SUBJECT, body.id),
            namespace_id=cube["namespace_id"], job_id=str(job_id), by="given" if body.pairs is not None else "feedback",
        )  # fmt: skip
        enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(job_id))
        return answer({"job_id": str(job_id)}, status=202, headers={"Location": f"/v1/jobs/{job_id}"})

    return idempotent(request, caller, session, produce)


def _pairs(given: Sequence[PairIn]) -> list[NewPair]:
    return [NewPair(pair.cue, pair.memory_id) for pair in given]


@router.post("/route", response_model=RouteOut)
def route_parametric(body: RouteIn, caller: Reader, services: ServicesDep) -> Response:
    """Ask the cube that knows a query best which memories belong to it; where none knows it, nothing is named.

    How much of a query q a cube knows is κ(q) = (1 + λ) qᵀH(H + λI)⁻¹q of the unit query; on the average over all directions it
    is b = (1 + λ) tr(H(H + λI)⁻¹)/d. Its familiarity is (κ(q) - b) / (1 - b), cut off at 0 and 1; below `threshold` it abstains.
    Of the cubes asked, a few whose keys are nearest on the whole, the one with the highest answers: its readout
    U(H + λI)⁻¹q is compared with the memories it was taught, by the cosine under (VᵀV + λI)⁻¹ of their vectors V.
    413 `too_many_cubes` where the namespaces have more than 1,000 cubes together.
    """
    tenant_id, paths = caller.tenant_id, list(dict.fromkeys(body.namespaces))
    for at, path in enumerate(paths):
        check_path(path, pointer=f"/namespaces/{at}")
    # No connection is held while the query is encoded.
    with services.database.transaction(tenant_id, durable=False) as session:
        found = find_namespaces(session, tenant_id, paths)
    require_all(paths, found.values())
    redactors = services.database.redactions.of(tenant_id)
    chosen = redactors.among(tuple(paths), prefix=None) if redactors else ()
    query = redacted_query(body.query, chosen) if chosen else body.query
    return answer(
        ask(
            lambda: services.database.transaction(tenant_id, durable=False),
            tenant_id,
            list(found.values()),
            lambda encoder_id: services.encoders.get(encoder_id).batching.encode_query(query),
            limit=body.limit,
            min_score=body.min_score,
            now=services.clock(),
        )
    )


@router.post("/merge", status_code=201, response_model=ParametricDetailOut)
def merge_parametric(
    request: Request, body: MergeIn, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Make a cube of several: its weights are the sum of theirs, exactly, so nothing of them may fade (γ = 1).

    409 `parametric_not_mergeable` where namespace, encoder, γ or ridge forbid it, `parametric_stale`, `parametric_empty`.
    """

    def produce() -> Response:
        namespace_id, cube_id = merge(session, caller.tenant_id, body.ids, name=body.name, now=services.clock())
        note(
            session, services, caller, Action.PARAMETRIC_MERGE, subject=(SUBJECT, cube_id), namespace_id=namespace_id,
            of=[str(one) for one in body.ids],
        )  # fmt: skip
        return _shown(session, caller.tenant_id, cube_id, status=201)

    return idempotent(request, caller, session, produce)


@router.post("/rollback", response_model=ParametricDetailOut)
def roll_back_parametric(
    request: Request, body: RollbackIn, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Put an earlier version in force: the one named, or the one that the present one was made from.

    A version that is not kept is skipped then. 409 when the one named is stale, or there is none.
    """

    def produce() -> Response:
        cube, now_in_force = roll_back(session, caller.tenant_id, body.id, body.version, now=services.clock())
        note(
            session, services, caller, Action.PARAMETRIC_ROLL_BACK, subject=(SUBJECT, body.id),
            namespace_id=cube["namespace_id"], version=now_in_force,
        )  # fmt: skip
        return _shown(session, caller.tenant_id, body.id)

    return idempotent(request, caller, session, produce)


@router.get("/{parametric_id}", response_model=ParametricDetailOut)
def get_parametric(parametric_id: UUID, caller: Reader, session: SessionDep) -> Response:
    """Return a cube with its versions, newest first."""
    return _shown(session, caller.tenant_id, parametric_id)


@router.delete("/{parametric_id}", status_code=204)
def delete_parametric(parametric_id: UUID, caller: Writer, services: ServicesDep, session: SessionDep) -> Response:
    """Remove a cube with its versions; the memories it was taught stay."""
    cube = remove(session, caller.tenant_id, parametric_id)
    subject = (SUBJECT, parametric_id)
    note(session, services, caller, Action.PARAMETRIC_DELETE, subject=subject, namespace_id=cube["namespace_id"])
    return Response(status_code=204)
