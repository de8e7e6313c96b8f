"""What every kind of policy of a namespace has in common: how it is read, put, and taken away."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query, Response
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.api.answers import answer
from memory_service.api.auditing import note
from memory_service.api.dependencies import require
from memory_service.api.services import Services
from memory_service.errors import FieldError, InvalidRequest, NotFound, PreconditionFailed
from memory_service.lifecycle.records import rfc3339
from memory_service.storage import policies
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import check_path, ensure_namespaces, find_namespace_id
from memory_service.types import Action, Caller, KeyScope

Reader = Annotated[Caller, require(KeyScope.READ)]
Admin = Annotated[Caller, require(KeyScope.ADMIN)]
IfMatch = Annotated[str | None, Header(alias="If-Match")]
OfNamespace = Annotated[str, Query(description="The namespace whose policy it is.")]


@dataclass(frozen=True, slots=True)
class Taken:
    """A namespace over whose policies this transaction decides, and the one in force there."""

    namespace_id: UUID
    present: RowMapping | None
    now: datetime


@dataclass(frozen=True, slots=True)
class PolicyKind:
    """A kind of policy, and how one is shown that is stored; None: the defaults."""

    name: str
    shown: Callable[[Mapping[str, Any] | None], Mapping[str, Any]]

    def refuse(self, wrong: Iterable[tuple[str, str]], *, below: str = "") -> None:
        """Refuse a policy in which something is wrong: (pointer, detail) of each.

        Raises:
            InvalidRequest: something is.
        """
        errors = tuple(FieldError(f"{below}{pointer}", detail) for pointer, detail in wrong)
        if errors:
            detail = f"The {self.name} policy cannot be as it is stated."
            raise InvalidRequest(detail, errors=errors, code="invalid_policy")

    def read(self, session: Session, caller: Caller, namespace: str) -> Response:
        """Answer with the policy by which a namespace goes.

        Raises:
            NotFound: there is no such namespace.
        """
        namespace_id = find_namespace_id(session, caller.tenant_id, namespace, pointer="?namespace")
        return self.answer(session, caller, namespace, namespace_id)

    def answer(self, session: Session, caller: Caller, namespace: str, namespace_id: UUID | None) -> Response:
        """Answer with the policy by which a namespace goes that has been found; None: it exists in name only."""
        row = policies.in_force(session, caller.tenant_id, namespace_id, self.name) if namespace_id else None
        body = {
            "kind": self.name,
            "namespace": namespace,
            "id": None if row is None else str(row["id"]),
            "policy": self.shown(None if row is None else row["body"]),
            "known_from": None if row is None else rfc3339(row["known_from"]),
            "known_to": None,
        }
        return answer(body, headers={"ETag": _tag(row)})

    def take(self, services: Services, session: Session, caller: Caller, namespace: str, if_match: str | None) -> Taken:
        """Have this transaction decide alone over the policies of a namespace; `default` may have to be made.

        Raises:
            NotFound: there is no such namespace.
            PreconditionFailed: another policy is in force than the caller has read.
        """
        now, tenant_id = services.clock(), caller.tenant_id
        path = check_path(namespace, pointer="?namespace")
        namespace_id = find_namespace_id(session, tenant_id, path, pointer="?namespace")
        if namespace_id is None:
            # `default` before its first write.
            namespace_id = ensure_namespaces(session, tenant_id, [path], now=now)[path].id
        policies.lock(session, tenant_id, namespace_id)
        present = policies.in_force(session, tenant_id, namespace_id, self.name)
        _match(if_match, present)
        return Taken(namespace_id, present, now)

    def put(
        self, services: Services, session: Session, caller: Caller, taken: Taken, body: Mapping[str, Any], **noted: Any
    ) -> UUID:
        """Put a policy in the place of the one in force, and note it; return its id."""
        policy_id, place = new_id(), taken.namespace_id
        policies.put(session, caller.tenant_id, place, self.name, policy_id, body, now=taken.now)
        note(
            session, services, caller, Action.POLICY_CHANGE, subject=("policy", policy_id), namespace_id=place,
            kind=self.name, **noted,
        )  # fmt: skip
        return policy_id

    def remove(
        self, services: Services, session: Session, caller: Caller, namespace: str, if_match: str | None
    ) -> Taken:
        """Go back to the defaults, and note it; the policy stays in the history.

        Raises:
            NotFound: there is no such namespace, or it has no policy of its own.
            PreconditionFailed: another policy is in force than the caller has read.
        """
        tenant_id = caller.tenant_id
        place = find_namespace_id(session, tenant_id, namespace, pointer="?namespace")
        if place is not None:
            policies.lock(session, tenant_id, place)
        present = policies.in_force(session, tenant_id, place, self.name) if place else None
        _match(if_match, present)
        if present is None or place is None:
            raise NotFound(
                f"The namespace {namespace!r} has no {self.name} policy of its own.", code="policy_not_found"
            )
        now = services.clock()
        policies.put(session, tenant_id, place, self.name, present["id"], None, now=now)
        note(
            session, services, caller, Action.POLICY_DELETE, subject=("policy", present["id"]), namespace_id=place,
            kind=self.name,
        )  # fmt: skip
        return Taken(place, present, now)


def _match(if_match: str | None, present: RowMapping | None) -> None:
    """Refuse a change of something other than what the caller has read.

    Raises:
        PreconditionFailed: another policy is in force.
    """
    if if_match is None or if_match.strip() == "*":
        return
    if _tag(present) not in {part.strip() for part in if_match.split(",")}:
        raise PreconditionFailed("Another policy is in force than the one you have read; read it again.")


def _tag(present: RowMapping | None) -> str:
    return f'"{present["id"] if present is not None else "default"}"'
