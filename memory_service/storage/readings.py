"""What rules or models read out of texts: rows that take the place of what was read out of the same memories before."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.storage.sql import integer_array, uuid_array

KNOWN_FROM: Final = """
    coalesce((SELECT v.updated_at FROM memory_version v WHERE v.tenant_id = :tenant AND v.id = m.id
        AND v.version = m.content_version), m.updated_at)
"""
"""Since when the present text of a memory `m` is known: since the version that brought it."""

GIVEN: Final = """
    memory m JOIN unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS k (id, version)
        ON m.tenant_id = :tenant AND m.id = k.id AND m.content_version = k.version
"""
"""The memories whose texts were read, those left out that say something else by now."""


def given(tenant_id: UUID, found: Mapping[UUID, tuple[int, Any]]) -> dict[str, Any]:
    """Return the parameters of `GIVEN`: by memory, the version of its text and anything else."""
    return {
        "tenant": tenant_id,
        "ids": uuid_array(found),
        "versions": integer_array(version for version, _ in found.values()),
    }


def make_room(session: Session, table: str, params: Mapping[str, Any], *, same: str = "true") -> None:
    """End what earlier texts of memories said, and delete what was read out of their present text already.

    Of a new memory nothing was read before, and most are new: one look tells it for all of them.

    Args:
        session: the transaction that has locked the memories.
        table: `time_mention` or `fact`.
        params: what `given` returns, and what `same` needs.
        same: what has to be true of a row `x` besides for it to be deleted.
    """
    there = (
        f"SELECT EXISTS (SELECT FROM {table} x WHERE x.tenant_id = :tenant AND x.memory_id = ANY(CAST(:ids AS uuid[])))"
    )
    if not session.scalar(text(there), params):
        return
    session.execute(
        text(
            f"UPDATE {table} x SET known_to = greatest({KNOWN_FROM}, x.known_from) FROM {GIVEN} WHERE x.tenant_id = :tenant "
            "AND x.memory_id = m.id AND x.version <> m.content_version AND x.known_to = 'infinity'"
        ),
        params,
    )
    session.execute(
        text(
            f"DELETE FROM {table} x USING {GIVEN} WHERE x.tenant_id = :tenant "
            f"AND x.memory_id = m.id AND x.version = m.content_version AND {same}"
        ),
        params,
    )
