"""Core memory blocks: short texts that agents always see and edit in place."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.analysis.edits import appended, replaced
from memory_service.api.answers import answer, memory_answer, versions_wanted
from memory_service.api.block_models import (
    LABEL,
    AddressedIn,
    BlockIn,
    BlockOut,
    BlockPatch,
    BlocksOut,
    BlockVersionsOut,
)
from memory_service.api.dependencies import AnyCaller, ServicesDep, SessionDep, check_scope, require
from memory_service.api.fields import ShortText, Time
from memory_service.api.idempotency import idempotent
from memory_service.api.pages import DEFAULT_LIMIT, MAX_LIMIT, decode_cursor, page
from memory_service.api.strict_json import StrictRoute
from memory_service.errors import FieldError, InvalidRequest
from memory_service.lifecycle.blocks import (
    Condition,
    Edit,
    NewValue,
    absent,
    archive,
    block_json,
    edit,
    erase,
    live,
    put,
    version_json,
)
from memory_service.storage import blocks
from memory_service.storage.blocks import Address
from memory_service.storage.namespaces import check_path, ensure_namespaces, find_namespace_id
from memory_service.types import DEFAULT_NAMESPACE, Caller, KeyScope

router = APIRouter(prefix="/v1/blocks", tags=["blocks"], route_class=StrictRoute)

Reader = Annotated[Caller, require(KeyScope.READ)]
Writer = Annotated[Caller, require(KeyScope.WRITE)]
IfMatch = Annotated[str | None, Header(alias="If-Match")]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", description="`*`: only when there is no such block.")]
Label = Annotated[str, Path(pattern=LABEL)]
OfNamespace = Annotated[str | None, Query(description="The namespace it lies in; `default` when left out.")]
OfUser = Annotated[ShortText | None, Query(description="The user it is about; a block without one is another block.")]
OfAgent = Annotated[ShortText | None, Query(description="The agent it belongs to; without one it is shared.")]


@dataclass(frozen=True, slots=True)
class Named:
    """Which block a request is about."""

    at: Address
    namespace: str | None

    @property
    def path(self) -> str:
        """Return the namespace."""
        return self.namespace or DEFAULT_NAMESPACE

    def also(self, body: AddressedIn) -> Self:
        """Return the address with what the body says of it.

        Raises:
            InvalidRequest: body and query parameters name different blocks.
        """
        found: dict[str, str | None] = {}
        for name, said in (("namespace", self.namespace), ("user_id", self.at.user_id), ("agent_id", self.at.agent_id)):
            in_body = getattr(body, name)
            if said is not None and in_body is not None and in_body != said:
                detail = f"Body and query parameter name a different {name}."
                raise InvalidRequest(detail, errors=(FieldError(f"/{name}", detail),))
            found[name] = in_body if said is None else said
        return type(self)(Address(self.at.label, found["user_id"], found["agent_id"]), found["namespace"])

    def namespace_id(self, session: Session, tenant_id: UUID) -> UUID | None:
        """Return the namespace's id; None for `default` before its first write.

        Raises:
            NamespaceNotFound: there is no such namespace.
        """
        return find_namespace_id(session, tenant_id, self.path, pointer="?namespace")


def _named(label: Label, namespace: OfNamespace = None, user_id: OfUser = None, agent_id: OfAgent = None) -> Named:
    if namespace is not None:
        check_path(namespace, pointer="?namespace")
    return Named(Address(label, user_id, agent_id), namespace)


BlockNamed = Annotated[Named, Depends(_named)]


def _condition(if_match: str | None, if_none_match: str | None = None) -> Condition:
    if if_none_match is not None and if_none_match.strip() != "*":
        detail = "If-None-Match takes only *, which asks that there is no such block."
        raise InvalidRequest(detail, errors=(FieldError("If-None-Match", detail),))
    return Condition(versions_wanted(if_match), absent=if_none_match is not None)


def _read(
    session: Session, caller: Caller, named: Named, *, known: datetime | None = None, archived: bool = False
) -> RowMapping:
    """Return the block a request is about.

    Raises:
        NamespaceNotFound, NotFound: there is none, or it is archived and that is not asked for.
    """
    space = named.namespace_id(session, caller.tenant_id)
    row = None if space is None else blocks.find_block(session, caller.tenant_id, space, named.at, known=known)
    if archived and row is not None:
        return row
    return live(row, named.at)


@router.get("", response_model=BlocksOut)
def list_blocks(
    caller: Reader,
    session: SessionDep,
    namespace: Annotated[str | None, Query(description="Only this namespace; without it, all.")] = None,
    label: Annotated[str | None, Query(pattern=LABEL)] = None,
    user_id: Annotated[ShortText | None, Query(description="Only blocks about this user.")] = None,
    agent_id: Annotated[ShortText | None, Query(description="Only blocks of this agent.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List blocks, the newest first."""
    tenant_id = caller.tenant_id
    wanted = {"label": label, "user_id": user_id, "agent_id": agent_id}
    query = {"list": "blocks", "namespace": namespace, **wanted}
    before = decode_cursor(cursor, of=UUID, tenant_id=tenant_id, query=query)
    space = None if namespace is None else find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
    rows = (
        blocks.list_blocks(session, tenant_id, namespace_id=space, before=before, limit=limit + 1, **wanted)
        if namespace is None or space is not None
        else ()
    )
    return answer(
        page(rows, limit=limit, position=lambda row: row["id"], render=block_json, tenant_id=tenant_id, query=query)
    )


@router.get("/{label}", response_model=BlockOut)
def get_block(
    named: BlockNamed,
    caller: Reader,
    session: SessionDep,
    as_of: Annotated[Time | None, Query(description="Read the block as it was known at this time.")] = None,
) -> Response:
    """Read one block, now or as it was known at a time."""
    return memory_answer(block_json(_read(session, caller, named, known=as_of)))


@router.put("/{label}", response_model=BlockOut, responses={201: {"model": BlockOut}})
def put_block(
    named: BlockNamed,
    body: BlockIn,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Write a whole block: 201 when there was none, else 200 and its next version."""
    now, tenant_id = services.clock(), caller.tenant_id
    named = named.also(body)
    path = check_path(named.path)
    condition = _condition(if_match, if_none_match)

    def produce() -> Response:
        space = ensure_namespaces(session, tenant_id, [path], now=now)[path]
        made = put(
            session,
            tenant_id,
            space.id,
            named.at,
            body.content(),
            edited_by=body.edited_by,
            condition=condition,
            now=now,
        )
        return memory_answer(block_json(_read(session, caller, named)), status=201 if made else 200)

    return idempotent(request, caller, session, produce)


@router.patch("/{label}", response_model=BlockOut)
def edit_block(
    named: BlockNamed,
    body: BlockPatch,
    request: Request,
    caller: Writer,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
) -> Response:
    """Edit a block: add a line, replace one exact passage, or change fields of it."""
    now = services.clock()
    named = named.also(body)
    wanted, condition = _edit_of(body), _condition(if_match)

    def produce() -> Response:
        space = named.namespace_id(session, caller.tenant_id)
        if space is None:
            raise absent(named.at)
        edit(
            session,
            caller.tenant_id,
            space,
            named.at,
            wanted,
            may_unlock=caller.may(KeyScope.ADMIN),
            condition=condition,
            now=now,
        )
        return memory_answer(block_json(_read(session, caller, named)))

    return idempotent(request, caller, session, produce)


def _edit_of(body: BlockPatch) -> Edit:
    """Return the edit that a body asks for."""
    operation, value = "patch", None
    if "append" in body.model_fields_set:
        operation, value = "append", NewValue(body.append or "", "/append", appended)
    elif body.replace is not None:
        old = body.replace.old
        value = NewValue(body.replace.new, "/replace/new", lambda present, words: replaced(present, old, words))
        operation = "replace"
    elif "value" in body.model_fields_set:
        value = NewValue(body.value or "", "/value", lambda _, words: words)
    return Edit(operation, body.changes(), value, body.edited_by)


@router.delete("/{label}", status_code=204)
def delete_block(
    named: BlockNamed,
    caller: AnyCaller,
    services: ServicesDep,
    session: SessionDep,
    if_match: IfMatch = None,
    erase_it: Annotated[
        bool, Query(alias="erase", description="Remove it and its history for good; needs the scope memories:erase.")
    ] = False,
) -> Response:
    """Take a block away and keep its history (needs memories:write), or erase both (needs memories:erase)."""
    check_scope(caller, KeyScope.ERASE if erase_it else KeyScope.WRITE)
    condition = _condition(if_match)
    space = named.namespace_id(session, caller.tenant_id)
    if space is None:
        raise absent(named.at)
    if erase_it:
        erase(session, caller.tenant_id, space, named.at, condition=condition, now=services.clock())
    else:
        archive(session, caller.tenant_id, space, named.at, condition=condition, now=services.clock())
    return Response(status_code=204)


@router.get("/{label}/versions", response_model=BlockVersionsOut)
def list_block_versions(
    named: BlockNamed,
    caller: Reader,
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Response:
    """List every state a block has had, the newest first; also of one that was taken away."""
    tenant_id = caller.tenant_id
    row = _read(session, caller, named, archived=True)
    query = {"list": "block versions", "block": str(row["id"])}
    before = decode_cursor(cursor, of=int, tenant_id=tenant_id, query=query)
    rows = blocks.list_versions(session, tenant_id, row["id"], before=before, limit=limit + 1)
    return answer(
        page(
            rows,
            limit=limit,
            position=lambda row: row["version"],
            render=version_json,
            tenant_id=tenant_id,
            query=query,
        )
    )
