"""What a job over many memories was asked to take: kept in its payload, and read again by whoever goes on with it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, Final, Self
from uuid import UUID

from memory_service.filters import parse_filter
from memory_service.storage.filter_sql import compile_filter
from memory_service.storage.scope_rows import SCOPE_COLUMNS, Scope
from memory_service.storage.sql import Sql, all_of

_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)  # no digest knows when it was asked


@dataclass(frozen=True, slots=True)
class Selection:
    """Which memories a job is about: one of a filter, ids, and what belongs to somebody; as of a moment.

    What is written after `before` is not meant: whoever comes back finds nothing of what was, and keeps what is new.
    """

    before: datetime
    filter: Mapping[str, Any] | None = None
    ids: tuple[UUID, ...] | None = None
    scope: Mapping[str, str] | None = None
    namespace_id: UUID | None = None
    namespace: str | None = None

    @property
    def by(self) -> str:
        """Return how it selects, in a word."""
        return "ids" if self.ids is not None else "scope" if self.scope is not None else "filter"

    @property
    def whole(self) -> Scope | None:
        """Return whose rows go altogether, memories or not; none where single memories are meant."""
        if self.scope is None and (self.filter or self.ids is not None or self.namespace_id is None):
            return None
        return Scope(self.scope or {}, self.namespace_id, self.namespace, self.before)

    def condition(self) -> Sql:
        """Return the condition on rows `m`."""
        parts = []
        if self.ids is not None:
            parts.append(Sql("m.id = ANY(CAST(:selected AS uuid[]))", {"selected": list(self.ids)}))
        else:
            parts.append(Sql("m.created_at <= :selected_before", {"selected_before": self.before}))
        if self.filter is not None:
            parts.append(compile_filter(parse_filter(self.filter), at=self.before))
        for name, value in (self.scope or {}).items():
            if name not in SCOPE_COLUMNS:
                raise ValueError(f"{name} is no column of a scope")
            parts.append(Sql(f"m.{name} = :selected_{name}", {f"selected_{name}": value}))
        if self.namespace_id is not None:
            parts.append(Sql("m.namespace_id = :selected_space", {"selected_space": self.namespace_id}))
        return all_of(*parts)

    def to_json(self) -> dict[str, Any]:
        """Return it as the payload of a job keeps it."""
        return {
            "before": self.before.isoformat(),
            "filter": self.filter,
            "ids": [str(i) for i in self.ids] if self.ids is not None else None,
            "scope": self.scope,
            "namespace_id": str(self.namespace_id) if self.namespace_id else None,
            "namespace": self.namespace,
        }

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """Read it back."""
        ids, namespace_id = payload["ids"], payload["namespace_id"]
        return cls(
            before=datetime.fromisoformat(payload["before"]),
            filter=payload["filter"],
            ids=tuple(UUID(i) for i in ids) if ids is not None else None,
            scope=payload["scope"],
            namespace_id=UUID(namespace_id) if namespace_id else None,
            namespace=payload["namespace"],
        )

    def digest(self, tenant_id: UUID) -> bytes:
        """Return the SHA-256 of what was asked for, in which a receipt proves it without saying it."""
        asked = {name: value for name, value in self.to_json().items() if name not in {"before", "namespace_id"}}
        return hashlib.sha256(json.dumps([str(tenant_id), asked], sort_keys=True).encode()).digest()


def digests_reaching(tenant_id: UUID, owners: Mapping[str, str | None], namespace: str) -> frozenset[bytes]:
    """Return the digests of all selections that take everything of some owners, or all of a namespace.

    Args:
        tenant_id: who asks.
        owners: scope columns of a record, and whose it is.
        namespace: where the record lies.
    """
    named = [(name, value) for name, value in owners.items() if value is not None]
    scopes = [dict(some) for size in range(1, len(named) + 1) for some in combinations(named, size)]
    wholes = [Selection(_ANY_TIME, scope=scope, namespace=at) for scope in scopes for at in (None, namespace)]
    wholes.append(Selection(_ANY_TIME, filter={}, namespace=namespace))
    return frozenset(whole.digest(tenant_id) for whole in wholes)
