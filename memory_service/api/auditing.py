"""What routes write down in the audit chain, in the transaction of the change itself."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.api.services import Services
from memory_service.storage import audit
from memory_service.storage.namespaces import find_namespaces
from memory_service.types import Action, Caller


def place_of(session: Session, caller: Caller, path: str | None) -> UUID | None:
    """Return the id of the one namespace that a change is about; None where it names none, or one that nobody has written to."""
    found = {} if path is None else find_namespaces(session, caller.tenant_id, [path])
    return found[path].id if path in found else None


def note(
    session: Session,
    services: Services,
    caller: Caller,
    action: Action,
    *,
    subject: tuple[str, UUID | None] | None = None,
    namespace_id: UUID | None = None,
    **details: Any,
) -> None:
    """Write down that the caller did something.

    Args:
        session: of the change: both are committed, or neither.
        services: for the time.
        caller: whose key it was.
        action: what was done.
        subject: the kind of thing it was done to, and its id.
        namespace_id: where, when that is one namespace.
        details: ids, numbers and words of ours; never anything that a user wrote.
    """
    kind, subject_id = subject or (None, None)
    audit.record(
        session,
        caller.tenant_id,
        action,
        api_key_id=caller.key_id,
        at=services.clock(),
        subject=kind,
        subject_id=subject_id,
        namespace_id=namespace_id,
        details=details,
    )
