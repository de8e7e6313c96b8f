"""Policies of namespaces: every one that ever was, with the time during which it was in force."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, select, text, update
from sqlalchemy.orm import Session

from memory_service.storage.tables import namespace, policy

RETENTION = "retention"
FUSION = "fusion"
REDACTION = "redaction"

_t = policy.c
_FOREVER = text("'infinity'")


def lock(session: Session, tenant_id: UUID, namespace_id: UUID) -> None:
    """Let one transaction at a time decide over the policies of a namespace."""
    session.execute(
        select(namespace.c.id)
        .where(namespace.c.tenant_id == tenant_id, namespace.c.id == namespace_id)
        .with_for_update(key_share=True)
    )


def in_force(session: Session, tenant_id: UUID, namespace_id: UUID, kind: str) -> RowMapping | None:
    """Return the policy of a kind that is in force in a namespace; None where the defaults are."""
    query = select(_t.id, _t.body, _t.known_from).where(
        _t.tenant_id == tenant_id, _t.namespace_id == namespace_id, _t.kind == kind, _t.known_to == _FOREVER
    )
    return session.execute(query).mappings().one_or_none()


def put(
    session: Session, tenant_id: UUID, namespace_id: UUID, kind: str, policy_id: UUID, body: Mapping[str, Any] | None, *,
    now: datetime,
) -> None:  # fmt: skip
    """Put a policy in the place of the one in force; None goes back to the defaults.

    Of one of retention the namespace keeps a copy, which is what searches and sweeps read. Under another policy every memory
    of it is due.
    """
    session.execute(
        update(policy)
        .where(_t.tenant_id == tenant_id, _t.namespace_id == namespace_id, _t.kind == kind, _t.known_to == _FOREVER)
        .values(known_to=func.greatest(_t.known_from, now))
    )
    if body is not None:
        session.execute(
            insert(policy).values(
                tenant_id=tenant_id,
                id=policy_id,
                namespace_id=namespace_id,
                kind=kind,
                body=dict(body),
                known_from=now,
                known_to=_FOREVER,
            )
        )
    if kind != RETENTION:
        return
    copy = None if body is None else json.dumps({"id": str(policy_id), "policy": dict(body)})
    session.execute(
        text(
            "UPDATE namespace SET retention_policy = CAST(:copy AS jsonb) WHERE tenant_id = :tenant AND id = :namespace"
        ),
        {"copy": copy, "tenant": tenant_id, "namespace": namespace_id},
    )


def list_policies(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, history: bool, before: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Return policies, the newest first: those in force, or with the history all that ever were."""
    # The client knows no infinity; nothing says the same.
    ends = func.nullif(_t.known_to, _FOREVER).label("known_to")
    path = namespace.c.path.label("namespace")
    of = policy.join(namespace, (namespace.c.tenant_id == _t.tenant_id) & (namespace.c.id == _t.namespace_id))
    query = select(_t.id, _t.kind, _t.body, _t.known_from, ends, path).select_from(of).where(_t.tenant_id == tenant_id)
    if namespace_id is not None:
        query = query.where(_t.namespace_id == namespace_id)
    if not history:
        query = query.where(_t.known_to == _FOREVER)
    if before is not None:
        query = query.where(_t.id < before)
    return session.execute(query.order_by(_t.id.desc()).limit(limit)).mappings().all()
