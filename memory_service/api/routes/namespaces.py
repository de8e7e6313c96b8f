"""Namespaces: where memories are searched together, and what happens to new ones by default."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.fields import Flag
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.services import Services
from memory_service.api.strict_json import Body, StrictRoute
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import namespace_settings
from memory_service.storage.fusion_weights import in_force
from memory_service.storage.namespaces import check_path, ensure_namespaces, find_namespace_id, unknown_namespace
from memory_service.types import DEFAULT_NAMESPACE, Action, Caller, Extract, KeyScope

router = APIRouter(prefix="/v1/namespaces", tags=["namespaces"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]

DEFAULTS: dict[str, Any] = {"extract": Extract.RULES.value, "consolidation": "auto", "fusion": {"learn": False}}


class FusionIn(Body):
    """How the ranking of a namespace may change."""

    learn: Flag = False


class SettingsIn(Body):
    """Settings to change; null goes back to the default."""

    extract: Extract | None = None
    consolidation: Literal["auto", "manual"] | None = None
    fusion: FusionIn | None = None


class NamespaceIn(Body):
    """A namespace to make."""

    path: str
    settings: SettingsIn = SettingsIn()


class NamespacePatch(Body):
    """What to change in a namespace."""

    settings: SettingsIn


class FusionOut(BaseModel):
    """Whether the weights of the channels learn from feedback."""

    learn: bool


class SettingsOut(BaseModel):
    """Settings in force, defaults included."""

    extract: Extract
    consolidation: Literal["auto", "manual"]
    fusion: FusionOut


class NamespaceOut(BaseModel):
    """A namespace; ``created_at`` is null for ``default`` before its first write."""

    path: str
    settings: SettingsOut
    created_at: datetime | None


class CountedNamespaceOut(NamespaceOut):
    """A namespace with the number of its live memories and the learned factors on its channels."""

    memories: int
    factors: dict[str, float]


class NamespacesOut(BaseModel):
    """A page of namespaces, in order of path."""

    data: list[NamespaceOut]
    next_cursor: str | None
    has_more: bool


# `default` exists before its first write.
UNWRITTEN: dict[str, Any] = {"id": None, "path": DEFAULT_NAMESPACE, "settings": {}, "created_at": None}


def _changes(settings: SettingsIn) -> dict[str, Any]:
    """Return what to change: the settings named, each one whole, since it takes the place of what is stored."""
    return settings.model_dump(mode="json", include=settings.model_fields_set)


def _namespace_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "path": row["path"],
        "settings": DEFAULTS | row["settings"],
        "created_at": rfc3339(row["created_at"]),
    }


def _counted_json(services: Services, session: Session, caller: Caller, row: Mapping[str, Any]) -> dict[str, Any]:
    count, learned = 0, None
    if row["id"]:
        count = namespace_settings.count_memories(session, caller.tenant_id, row["id"], now=services.clock())
        learned = in_force(session, caller.tenant_id, row["id"])
    return {**_namespace_json(row), "memories": count, "factors": learned.factors if learned else {}}


def _ensure(services: Services, session: Session, caller: Caller, path: str) -> None:
    ensure_namespaces(
        session,
        caller.tenant_id,
        [path],
        now=services.clock(),
    )


@router.get("", response_model=NamespacesOut)
def list_namespaces(
    caller: Reader,
    services: ServicesDep,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this one; without it, all.")] = None,
    prefix: Annotated[str | None, Query(description="Only this path and what lies below it.")] = None,
    occupied: Annotated[bool, Query(description="Only those that hold live memories.")] = False,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List namespaces in order of path."""
    if prefix is not None:
        check_path(prefix, pointer="?prefix")
    if namespace is not None:
        find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
    query = {"list": "namespaces", "namespace": namespace, "prefix": prefix, "occupied": occupied}
    after = decode_cursor(cursor, of=str, tenant_id=caller.tenant_id, query=query)
    rows = namespace_settings.list_namespaces(
        session,
        caller.tenant_id,
        prefix=prefix,
        after=after,
        limit=limit + 1,
        path=namespace,
        occupied_at=services.clock() if occupied else None,
    )
    if (
        not occupied
        and prefix in (None, DEFAULT_NAMESPACE)
        and namespace in (None, DEFAULT_NAMESPACE)
        and (after is None or after < DEFAULT_NAMESPACE)
        and all(row["path"] != DEFAULT_NAMESPACE for row in rows)
    ):
        rows = sorted([*rows, UNWRITTEN], key=lambda row: str(row["path"]))[: limit + 1]
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["path"],
            render=_namespace_json,
            tenant_id=caller.tenant_id,
            query=query,
        )
    )


@router.post("", status_code=201, response_model=CountedNamespaceOut, responses={200: {"model": CountedNamespaceOut}})
def create_namespace(
    request: Request, body: NamespaceIn, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Make a namespace before its first write; 200 when it is there already, whose settings are then changed."""

    def produce() -> Response:
        path = check_path(body.path, pointer="/path")
        present = namespace_settings.get_namespace(session, caller.tenant_id, path)
        _ensure(services, session, caller, path)
        changes = _changes(body.settings)
        row = namespace_settings.change_settings(session, caller.tenant_id, path, changes)
        assert row is not None
        if not present or changes:
            _note(services, session, caller, row["id"], changes, made=not present)
        return answer(
            _counted_json(services, session, caller, row),
            status=200 if present else 201,
            headers={"Location": f"/v1/namespaces/{quote(path, safe='')}"},
        )

    return idempotent(request, caller, session, produce)


@router.get("/{path:path}", response_model=CountedNamespaceOut)
def get_namespace(path: str, caller: Reader, services: ServicesDep, session: SessionDep) -> Response:
    """Return one namespace with the number of its live memories."""
    check_path(path, pointer="{path}")
    row = namespace_settings.get_namespace(session, caller.tenant_id, path)
    if row is None and path != DEFAULT_NAMESPACE:
        raise unknown_namespace(path)
    return answer(_counted_json(services, session, caller, row or UNWRITTEN))


def _note(
    services: Services, session: Session, caller: Caller, namespace_id: UUID, changes: Mapping[str, Any], *, made: bool
) -> None:
    """Write down that a namespace was made, or which of its settings were changed."""
    action = Action.NAMESPACE_CREATE if made else Action.NAMESPACE_CHANGE
    subject = ("namespace", namespace_id)
    note(session, services, caller, action, subject=subject, namespace_id=namespace_id, settings=sorted(changes))


@router.patch("/{path:path}", response_model=CountedNamespaceOut)
def change_namespace(
    path: str, body: NamespacePatch, caller: Writer, services: ServicesDep, session: SessionDep
) -> Response:
    """Change settings of a namespace; those that are not named stay as they are."""
    check_path(path, pointer="{path}")
    if path == DEFAULT_NAMESPACE:
        _ensure(services, session, caller, path)
    changes = _changes(body.settings)
    row = namespace_settings.change_settings(session, caller.tenant_id, path, changes)
    if row is None:
        raise unknown_namespace(path)
    _note(services, session, caller, row["id"], changes, made=False)
    return answer(_counted_json(services, session, caller, row))
