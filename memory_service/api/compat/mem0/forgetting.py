"""Delete: archive, or erase where the operator has decided so (`MEMORY_SERVICE_MEM0_DELETE`)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.api.compat.mem0.filters import Raw
from memory_service.api.dependencies import check_scope
from memory_service.api.erasing import begin_erasure
from memory_service.api.listing import in_namespace
from memory_service.api.services import Services
from memory_service.errors import NamespaceNotFound
from memory_service.filters import parse_filter
from memory_service.lifecycle.archive import archive
from memory_service.lifecycle.selection import Selection
from memory_service.storage import memories
from memory_service.storage.filter_sql import compile_filter
from memory_service.storage.sql import Sql, all_of
from memory_service.types import Caller, KeyScope

CHUNK: Final = 1_000  # memories of one transaction: others wait for its locks
_THERE: Final = Sql("m.state <> 'archived'")


def check_may_forget(services: Services, caller: Caller) -> None:
    """Refuse a key that may not do what a delete does here.

    Raises:
        Forbidden: it lacks memories:write, or memories:erase where a delete erases.
    """
    check_scope(caller, KeyScope.ERASE if services.settings.mem0_delete == "erase" else KeyScope.WRITE)


def forget(session: Session, services: Services, caller: Caller, ids: Sequence[UUID], *, now: datetime) -> int:
    """Put memories away and return how many changed; to erase them a job is queued, and until then they are archived."""
    changed = archive(session, caller.tenant_id, ids, now=now)
    if services.settings.mem0_delete == "erase" and ids:
        begin_erasure(session, services, caller, Selection(before=now, ids=tuple(ids)))
    return len(changed)


def forget_matching(services: Services, caller: Caller, namespace: str, selection: Raw) -> int:
    """Put away every memory that a translated filter selects, in several transactions; return how many there were.

    What is cut short goes on when it is asked again.
    """
    now, forgotten = services.clock(), 0
    condition = compile_filter(parse_filter(selection), at=now)
    while True:
        with services.database.transaction(caller.tenant_id) as session:
            try:
                inside = in_namespace(session, caller.tenant_id, namespace, pointer="{namespace}")
            except NamespaceNotFound:
                return 0
            where = all_of(inside, condition, _THERE)
            ids = memories.matching_ids(session, caller.tenant_id, where=where, limit=CHUNK)
            if not ids:
                return forgotten
            forgotten += forget(session, services, caller, ids, now=now)
