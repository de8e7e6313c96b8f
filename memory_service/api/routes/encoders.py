"""Encoders, for operators: register another model, and let namespaces change to it without a moment of wrong answers."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.encoder_models import (
    BegunReindexOut,
    CutOverIn,
    EncoderIn,
    EncoderOut,
    EncodersOut,
    NamespaceChoice,
    ReindexesOut,
    ReindexIn,
    TurnedOut,
    TurnIn,
)
from memory_service.api.idempotency import idempotent, idempotent_after
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.api.strict_json import StrictRoute
from memory_service.encoder import EncoderIdentity, EncoderUnavailable
from memory_service.encoding import load_named
from memory_service.errors import Conflict, FieldError, InvalidRequest, NotFound
from memory_service.jobs import RUN_JOB, enqueue_after_commit
from memory_service.lifecycle import reindex
from memory_service.lifecycle.records import rfc3339
from memory_service.lifecycle.reindex_states import UNDER_WAY, ReindexState
from memory_service.storage import encoders, reindexes
from memory_service.storage.bootstrap import role_urls
from memory_service.storage.encoders import EncoderRow
from memory_service.storage.namespaces import encoders_of, find_namespace_id, unknown_namespace
from memory_service.types import Action, Caller, KeyScope

router = APIRouter(prefix="/v1/encoders", tags=["encoders"], route_class=StrictRoute)

Admin = Annotated[Caller, require(KeyScope.ADMIN)]
Operator = Annotated[Caller, require(KeyScope.OPERATOR)]
EncoderId = Annotated[int, Path(ge=1, le=32_767)]

MAX_DIMENSION = 4_000  # of a vector in half precision that an index takes
_ALL_AT_ONCE = 100_000


def _encoder_json(row: EncoderRow, counts: tuple[int, int]) -> dict[str, Any]:
    namespaces, memories = counts
    return {
        "id": row.id,
        "name": row.name,
        "dimension": row.dimension,
        "max_tokens": row.max_tokens,
        "fingerprint": row.fingerprint,
        "default": row.is_default,
        "state": "serving" if namespaces else "registered",
        "namespaces": namespaces,
        "memories": memories,
    }


def _read(session: Session, encoder_id: int) -> EncoderRow:
    row = encoders.find_encoder(session.connection(), encoder_id)
    if row is None:
        raise NotFound(f"There is no encoder {encoder_id}.", code="encoder_not_found")
    return row


def _shown(session: Session, caller: Caller, encoder_id: int) -> dict[str, Any]:
    counts = reindexes.count_by_encoder(session, caller.tenant_id)
    return _encoder_json(_read(session, encoder_id), counts.get(encoder_id, (0, 0)))


@router.get("", response_model=EncodersOut)
def list_encoders(
    caller: Admin,
    session: SessionDep,
    namespace: Annotated[
        str | None, Query(description="Those under which this namespace has vectors; without it, all.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the encoders of this service, the oldest first."""
    query = {"list": "encoders", "namespace": namespace}
    after = decode_cursor(cursor, of=int, tenant_id=caller.tenant_id, query=query) or 0
    known = encoders.list_encoders(session.connection())
    if namespace is not None:
        space = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
        under = () if space is None else encoders_of(session, caller.tenant_id, [space])[space]
        known = [row for row in known if row.id in under]
    counts = reindexes.count_by_encoder(session, caller.tenant_id)
    rows = [row for row in known if row.id > after][: limit + 1]
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row.id,
            render=lambda row: _encoder_json(row, counts.get(row.id, (0, 0))),
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


@router.post("", status_code=201, response_model=EncoderOut)
def register_encoder(
    body: EncoderIn, request: Request, caller: Operator, services: ServicesDep, session: SessionDep
) -> Response:
    """Register a model: it is loaded and tried here, which takes long where it has to be exported first. 200 if it is known."""

    def produce(identity: EncoderIdentity) -> Response:
        row, new = encoders.add_encoder(_maintenance(services), identity=identity, now=services.clock())
        note(session, services, caller, Action.ENCODER_REGISTER, subject=("encoder", None), encoder_id=row.id)
        counts = reindexes.count_by_encoder(session, caller.tenant_id)
        return answer(_encoder_json(row, counts.get(row.id, (0, 0))), status=201 if new else 200)

    return idempotent_after(request, caller, session, lambda: _probed(services, body.name), produce)


def _probed(services: Services, name: str) -> EncoderIdentity:
    """Load a model and look at what it makes of a sentence.

    Raises:
        InvalidRequest: it cannot be loaded, or its vectors cannot be kept.
    """
    try:
        loaded = load_named(services.settings, name)
    except EncoderUnavailable as error:
        raise _refused(error.detail, code="encoder_unavailable") from error
    try:
        identity = loaded.identity
    finally:
        loaded.close()
    if identity.dimension > MAX_DIMENSION:
        raise _refused(
            f"Its vectors have {identity.dimension:,} dimensions, more than {MAX_DIMENSION:,}.", code="encoder_too_wide"
        )
    if not np.isfinite(identity.probe).all() or abs(float(np.linalg.norm(identity.probe)) - 1) > 0.01:
        raise _refused("What it makes of a sentence is no vector of length 1.", code="encoder_unusable")
    return identity


def _maintenance(services: Services) -> str:
    """Return by which URL encoders are written, since the role of the service only reads them.

    Raises:
        Conflict: the roles were made by hand, and this process was not told of that one.
    """
    settings = services.settings
    if settings.service_database_url and not settings.maintenance_database_url:
        raise Conflict(
            "This process has no maintenance role: set MEMORY_SERVICE_MAINTENANCE_DATABASE_URL and start it again.",
            code="maintenance_role_missing",
        )
    return role_urls(settings).maintenance


def _refused(detail: str, *, code: str) -> InvalidRequest:
    return InvalidRequest(detail, errors=(FieldError("/name", detail),), code=code)


@router.get("/{encoder_id}", response_model=EncoderOut)
def get_encoder(encoder_id: EncoderId, caller: Admin, session: SessionDep) -> Response:
    """Read one encoder."""
    return answer(_shown(session, caller, encoder_id))


@router.post("/{encoder_id}/default", response_model=EncoderOut)
def make_default(
    encoder_id: EncoderId, request: Request, caller: Operator, services: ServicesDep, session: SessionDep
) -> Response:
    """Let new namespaces of every tenant begin with this encoder; those that are there keep theirs."""

    def produce() -> Response:
        _read(session, encoder_id)
        encoders.make_default(_maintenance(services), encoder_id)
        note(session, services, caller, Action.ENCODER_DEFAULT, subject=("encoder", None), encoder_id=encoder_id)
        return answer(_shown(session, caller, encoder_id))

    return idempotent(request, caller, session, produce)


@router.post("/{encoder_id}/reindex", status_code=202, response_model=BegunReindexOut)
def begin_reindex(
    encoder_id: EncoderId,
    body: ReindexIn,
    request: Request,
    caller: Operator,
    services: ServicesDep,
    session: SessionDep,
) -> Response:
    """Write new texts under this encoder, too, and give the old ones vectors; asked again, it goes on and compares anew."""

    def produce() -> Response:
        _read(session, encoder_id)
        begun = reindex.begin(
            session,
            caller.tenant_id,
            None if body.all else [_named(session, caller, body)],
            to=encoder_id,
            now=services.clock(),
            job_ttl=timedelta(days=services.settings.job_ttl_days),
        )
        if begun.namespace_ids:
            enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(begun.job_id))
        note(
            session, services, caller, Action.REINDEX_BEGIN, subject=("job", begun.job_id),
            encoder_id=encoder_id, namespaces=len(begun.namespace_ids),
        )  # fmt: skip
        made = {"job_id": str(begun.job_id), "namespaces": len(begun.namespace_ids)}
        return answer(made, status=202, headers={"Location": f"/v1/jobs/{begun.job_id}"})

    return idempotent(request, caller, session, produce)


@router.get("/{encoder_id}/reindex", response_model=ReindexesOut)
def list_reindexes(
    encoder_id: EncoderId,
    caller: Admin,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List the namespaces that have changed, or are changing, to this encoder, in order of path."""
    tenant_id = caller.tenant_id
    _read(session, encoder_id)
    query = {"list": "reindex", "encoder": encoder_id, "namespace": namespace}
    after = decode_cursor(cursor, of=str, tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows: Sequence[RowMapping] = ()
    if namespace is None or space is not None:
        rows = reindexes.list_reindexes(
            session, tenant_id, encoder_id=encoder_id, namespace_id=space, after=after, limit=limit + 1
        )
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["namespace"],
            render=_reindex_json,
            tenant_id=tenant_id,
            query=query,
        )
    )


@router.post("/{encoder_id}/reindex/cut-over", response_model=TurnedOut)
def cut_over(
    encoder_id: EncoderId,
    body: CutOverIn,
    request: Request,
    caller: Operator,
    services: ServicesDep,
    session: SessionDep,
) -> Response:
    """Let searches use this encoder; the vectors of the old one are kept and follow every change."""

    def produce() -> Response:
        chosen = _chosen(session, caller, encoder_id, body, {ReindexState.BACKFILLING, ReindexState.READY})
        for one in chosen:
            reindex.cut_over(
                session,
                caller.tenant_id,
                one,
                to=encoder_id,
                force=body.force,
                least_overlap=body.least_overlap,
                most_recall_lost=body.most_recall_lost,
                now=services.clock(),
            )
            note(
                session,
                services,
                caller,
                Action.REINDEX_CUT_OVER,
                namespace_id=one,
                encoder_id=encoder_id,
                forced=body.force,
            )
        return _turned(session, caller, chosen)

    return idempotent(request, caller, session, produce)


@router.post("/{encoder_id}/reindex/roll-back", response_model=TurnedOut)
def roll_back(
    encoder_id: EncoderId,
    body: TurnIn,
    request: Request,
    caller: Operator,
    services: ServicesDep,
    session: SessionDep,
) -> Response:
    """Let searches use the old encoder again; both are kept up to date, so it can be cut over once more."""

    def produce() -> Response:
        chosen = _chosen(session, caller, encoder_id, body, {ReindexState.CUT_OVER})
        for one in chosen:
            reindex.roll_back(session, caller.tenant_id, one, to=encoder_id, now=services.clock())
            note(session, services, caller, Action.REINDEX_ROLL_BACK, namespace_id=one, encoder_id=encoder_id)
        return _turned(session, caller, chosen)

    return idempotent(request, caller, session, produce)


@router.post("/{encoder_id}/reindex/finish", status_code=202, response_model=TurnedOut)
def finish(
    encoder_id: EncoderId,
    body: TurnIn,
    request: Request,
    caller: Operator,
    services: ServicesDep,
    session: SessionDep,
) -> Response:
    """Keep the encoder that searches use now, and drop the vectors of the other: after this there is no way back.

    Asked again after the job that drops them was cancelled or failed, it queues another one.
    """

    def produce() -> Response:
        chosen = _chosen(session, caller, encoder_id, body, UNDER_WAY)
        if body.all:
            rows = {one: reindexes.find_reindex(session, caller.tenant_id, one) for one in chosen}
            chosen = [
                one
                for one, row in rows.items()
                if row is not None and not reindex.is_dropped_by_a_job(session, caller.tenant_id, row)
            ]
        ttl = timedelta(days=services.settings.job_ttl_days)
        for one in chosen:
            job_id = reindex.finish(session, caller.tenant_id, one, to=encoder_id, now=services.clock(), job_ttl=ttl)
            enqueue_after_commit(session, services.nudger, RUN_JOB, str(caller.tenant_id), str(job_id))
            note(
                session, services, caller, Action.REINDEX_FINISH, subject=("job", job_id), namespace_id=one,
                encoder_id=encoder_id,
            )  # fmt: skip
        return _turned(session, caller, chosen, status=202)

    return idempotent(request, caller, session, produce)


def _named(session: Session, caller: Caller, body: NamespaceChoice) -> UUID:
    path = body.namespace or ""
    found = find_namespace_id(session, caller.tenant_id, path, pointer="/namespace")
    if found is None:
        raise unknown_namespace(path)
    return found


def _chosen(
    session: Session, caller: Caller, encoder_id: int, body: NamespaceChoice, states: AbstractSet[ReindexState]
) -> list[UUID]:
    """Return the namespaces that are meant: the one named whatever its state, or all that are in one of some states."""
    _read(session, encoder_id)
    if not body.all:
        return [_named(session, caller, body)]
    rows = reindexes.list_reindexes(session, caller.tenant_id, encoder_id=encoder_id, limit=_ALL_AT_ONCE)
    # In the order in which everybody locks them.
    return sorted(row["namespace_id"] for row in rows if row["state"] in states)


def _turned(session: Session, caller: Caller, chosen: Sequence[UUID], *, status: int = 200) -> Response:
    rows = [reindexes.find_reindex(session, caller.tenant_id, one) for one in chosen]
    return answer({"data": [_reindex_json(row) for row in rows if row is not None]}, status=status)


def _reindex_json(row: RowMapping) -> dict[str, Any]:
    return {
        "namespace": row["namespace"],
        "from_encoder_id": row["from_encoder_id"],
        "to_encoder_id": row["to_encoder_id"],
        "state": row["state"],
        "job_id": str(row["job_id"]),
        "comparison": row["comparison"],
        **{name: rfc3339(row[name]) for name in ("started_at", "ready_at", "turned_at", "finished_at")},
    }
