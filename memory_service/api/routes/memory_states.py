"""What happens to one memory as a whole: archive, restore, pin, unpin, reinstate."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy.orm import Session

from memory_service.api.answer_models import Memory
from memory_service.api.answers import memory_answer, versions_wanted
from memory_service.api.dependencies import ServicesDep, SessionDep, require
from memory_service.api.idempotency import idempotent
from memory_service.api.routes.memories import read_memory
from memory_service.api.strict_json import StrictRoute
from memory_service.lifecycle import archive as archiving
from memory_service.lifecycle.correct import load_for_change
from memory_service.lifecycle.reinstate import load_with_successor, reinstate
from memory_service.types import Caller, KeyScope

router = APIRouter(prefix="/v1/memories", tags=["memories"], route_class=StrictRoute)

Writer = Annotated[Caller, require(KeyScope.WRITE)]
IfMatch = Annotated[str | None, Header(alias="If-Match")]
Change = Callable[[Session, UUID, UUID, datetime], object]


class Load(Protocol):
    """What locks a memory for a change."""

    def __call__(
        self, session: Session, tenant_id: UUID, memory_id: UUID, *, if_match: Collection[int] | None
    ) -> object:
        """Lock it and check that the caller has seen its present version, as `load_for_change` says."""


def _archive(session: Session, tenant_id: UUID, memory_id: UUID, now: datetime) -> None:
    archiving.archive(session, tenant_id, [memory_id], now=now)


def _restore(session: Session, tenant_id: UUID, memory_id: UUID, now: datetime) -> None:
    archiving.restore(session, tenant_id, [memory_id], now=now)


def _pin(session: Session, tenant_id: UUID, memory_id: UUID, now: datetime) -> None:
    archiving.pin(session, tenant_id, [memory_id], pinned=True, now=now)


def _unpin(session: Session, tenant_id: UUID, memory_id: UUID, now: datetime) -> None:
    archiving.pin(session, tenant_id, [memory_id], pinned=False, now=now)


def _reinstate(session: Session, tenant_id: UUID, memory_id: UUID, now: datetime) -> None:
    reinstate(session, tenant_id, memory_id, now=now)


def _add(name: str, change: Change, description: str, *, load: Load = load_for_change) -> None:
    """Add ``POST /v1/memories/{memory_id}/<name>``; `load` locks what the change reaches, so that it is locked in order."""

    def changed(
        memory_id: UUID,
        request: Request,
        caller: Writer,
        services: ServicesDep,
        session: SessionDep,
        if_match: IfMatch = None,
    ) -> Response:
        now = services.clock()
        wanted = versions_wanted(if_match)

        def produce() -> Response:
            load(session, caller.tenant_id, memory_id, if_match=wanted)
            change(session, caller.tenant_id, memory_id, now)
            return memory_answer(read_memory(session, caller, memory_id, now=now))

        return idempotent(request, caller, session, produce)

    changed.__name__ = f"{name}_memory"  # the operation's name in the OpenAPI document
    router.add_api_route(
        f"/{{memory_id}}/{name}", changed, methods=["POST"], response_model=Memory, description=description
    )


_add("archive", _archive, "Archive a memory: out of every default search, restorable.")
_add("restore", _restore, "Restore an archived or expired memory.")
_add("pin", _pin, "Pin a memory: it does not fade.")
_add("unpin", _unpin, "Let a pinned memory fade again.")
_add(
    "reinstate",
    _reinstate,
    "Take a supersede back: the old memory holds as before, what took its place is archived.",
    load=load_with_successor,
)
