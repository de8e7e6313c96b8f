"""Episodes, topics, gists, communities and profiles as rows: successive states of one id, and the memories they are made of.

A state is given as values by column name, with `members`: the ids of the memories that it is made of. They stand in one
membership table, so that erasure finds by a memory all that counts or quotes it.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Column, DateTime, LargeBinary, Table, Uuid, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from memory_service.storage import tables

TABLES: Final[Mapping[str, Table]] = {
    "episode": tables.episode,
    "topic": tables.topic,
    "gist": tables.gist,
    "community": tables.community,
    "profile": tables.profile,
}
MEMBERS: Final = "members"
_KEPT_HERE: Final = frozenset({"tenant_id", "id", "known_from", "known_to", "namespace_id", "changeset_id"})
_TOGETHER: Final = 500  # rows of one statement

Values = Mapping[str, Any]


def put(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    structure: str,
    id: UUID,
    values: Values,
    *,
    changeset_id: UUID | None,
    now: datetime,
) -> bool:
    """Add a state; the live one of the same id ends. See `put_many`; False where one of its memories is gone."""
    rows = {id: values}
    return not put_many(session, tenant_id, namespace_id, structure, rows, changeset_id=changeset_id, now=now)


def put_many(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    structure: str,
    rows: Mapping[UUID, Values],
    *,
    changeset_id: UUID | None,
    now: datetime,
) -> list[UUID]:
    """Add a state to each id; those that are live end.

    A state made of memories of which one was erased meanwhile would bring its words back: it is left out. Members are
    locked against erasure to the end of the transaction.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose.
        namespace_id: where.
        structure: a name in `TABLES`.
        rows: values by column name, with `members`; times and ids may be written as text, bytes as base64.
        changeset_id: what made them, if a changeset did.
        now: from when on they are known.

    Returns:
        The ids that were left out.
    """
    members = {id: sorted({_uuid(one) for one in values.get(MEMBERS, ())}) for id, values in rows.items()}
    there = _lock(session, tenant_id, {one for some in members.values() for one in some})
    left_out = [id for id, some in members.items() if not there.issuperset(some)]
    kept = [id for id in rows if id not in set(left_out)]
    if kept:
        _end_states(session, tenant_id, structure, kept, now=now)
        fixed = {"tenant_id": tenant_id, "namespace_id": namespace_id, "changeset_id": changeset_id, "known_from": now}
        table = TABLES[structure]
        for start in range(0, len(kept), _TOGETHER):
            some = [_stored(table, {**fixed, "id": id, **rows[id]}) for id in kept[start : start + _TOGETHER]]
            _insert(session, table, some)
        _set_members(session, tenant_id, namespace_id, structure, {id: members[id] for id in kept}, now=now)
    return left_out


def end(session: Session, tenant_id: UUID, structure: str, ids: Sequence[UUID], *, now: datetime) -> None:
    """End the live states of some ids, and with them their membership."""
    _end_states(session, tenant_id, structure, ids, now=now)
    session.execute(text(_END_MEMBERS), {"tenant": tenant_id, "ids": list(ids), "now": now})


def live(session: Session, tenant_id: UUID, structure: str, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the live states of some ids, as the values that `put` takes."""
    return live_where(session, tenant_id, structure, "t.id = ANY(CAST(:ids AS uuid[]))", {"ids": list(ids)})


def live_in(session: Session, tenant_id: UUID, structure: str, namespace_id: UUID) -> dict[UUID, dict[str, Any]]:
    """Return all live states in a namespace, as the values that `put` takes."""
    return live_where(session, tenant_id, structure, "t.namespace_id = :namespace", {"namespace": namespace_id})


def live_where(
    session: Session, tenant_id: UUID, structure: str, condition: str, params: Mapping[str, Any]
) -> dict[UUID, dict[str, Any]]:
    """Return the live states `t` that satisfy a condition, by id in their order, as the values that `put` takes."""
    table = TABLES[structure]
    columns = [column.name for column in table.columns if column.name not in _KEPT_HERE]
    rows = session.execute(
        text(
            f"SELECT t.id, {', '.join(f't.{name}' for name in columns)} FROM {table.name} t "
            f"WHERE t.tenant_id = :tenant AND t.known_to = 'infinity' AND ({condition}) ORDER BY t.id"
        ),
        {"tenant": tenant_id, **params},
    ).mappings()
    found = {row["id"]: {name: _shown(row[name]) for name in columns} for row in rows}
    members = members_of(session, tenant_id, list(found))
    return {id: {**values, MEMBERS: members.get(id, [])} for id, values in found.items()}


def makers(session: Session, tenant_id: UUID, structure: str, ids: Sequence[UUID]) -> dict[UUID, UUID | None]:
    """Return which changeset made the live states of some ids; an id without a live state is left out."""
    statement = text(
        f"SELECT id, changeset_id FROM {TABLES[structure].name} WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) "
        "AND known_to = 'infinity'"
    )
    return {row.id: row.changeset_id for row in session.execute(statement, {"tenant": tenant_id, "ids": list(ids)})}


def until(
    session: Session, tenant_id: UUID, structure: str, ids: Sequence[UUID], at: datetime
) -> dict[UUID, dict[str, Any]]:
    """Return the states of some ids that ended at a moment, as the values that `put` takes, with who were members till then."""
    if not ids:
        return {}
    table = TABLES[structure]
    columns = [column.name for column in table.columns if column.name not in _KEPT_HERE]
    params = {"tenant": tenant_id, "ids": list(ids), "at": at}
    rows = session.execute(
        text(
            f"SELECT t.id, {', '.join(f't.{name}' for name in columns)} FROM {table.name} t WHERE t.tenant_id = :tenant "
            "AND t.id = ANY(CAST(:ids AS uuid[])) AND t.known_to = :at AND t.known_from < :at"
        ),
        params,
    ).mappings()
    found = {row["id"]: {name: _shown(row[name]) for name in columns} for row in rows}
    members: dict[UUID, list[UUID]] = {}
    for row in session.execute(text(_MEMBERS_UNTIL), params):
        members.setdefault(row.structure_id, []).append(row.memory_id)
    return {id: {**values, MEMBERS: members.get(id, [])} for id, values in found.items()}


def makers_until(
    session: Session, tenant_id: UUID, structure: str, ids: Sequence[UUID], at: datetime
) -> dict[UUID, UUID | None]:
    """Return which changeset made the states of some ids that ended at a moment."""
    statement = text(
        f"SELECT id, changeset_id FROM {TABLES[structure].name} WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) "
        "AND known_to = :at AND known_from < :at"
    )
    params = {"tenant": tenant_id, "ids": list(ids), "at": at}
    return {row.id: row.changeset_id for row in session.execute(statement, params)}


def unclaimed(
    session: Session, tenant_id: UUID, namespace_id: UUID, structure: str, rows: Mapping[UUID, Values]
) -> dict[UUID, Values]:
    """Return those of the states that may live again beside what lives now, the live states of the same ids left out.

    A memory has one episode, one topic, one community; a structure that lives has one gist; a user has one profile
    in a namespace.
    """
    params: dict[str, Any] = {"tenant": tenant_id, "namespace": namespace_id, "structure": structure, "ids": list(rows)}
    if structure == "gist":
        targets = {_uuid(values["target_id"]) for values in rows.values()}
        live_targets = {
            id
            for name, table in TABLES.items()
            if name != "gist"
            for id in session.scalars(
                text(
                    f"SELECT id FROM {table.name} WHERE tenant_id = :tenant AND id = ANY(CAST(:targets AS uuid[])) "
                    "AND known_to = 'infinity'"
                ),
                {"tenant": tenant_id, "targets": sorted(targets)},
            )
        }
        params["keys"] = sorted(live_targets)
        taken = set(session.scalars(text(_TAKEN.format(key="target_id", table="gist", type="uuid")), params))
        return {i: values for i, values in rows.items() if _uuid(values["target_id"]) in live_targets - taken}
    if structure == "profile":
        params["keys"] = [values["user_id"] for values in rows.values()]
        taken = set(session.scalars(text(_TAKEN.format(key="user_id", table="profile", type="text")), params))
        return {i: values for i, values in rows.items() if values["user_id"] not in taken}
    params["keys"] = sorted({_uuid(one) for values in rows.values() for one in values[MEMBERS]})
    taken = set(session.scalars(text(_CLAIMED), params))
    return {i: values for i, values in rows.items() if taken.isdisjoint(_uuid(one) for one in values[MEMBERS])}


def members_of(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Return the present members of some structures, in the order of their ids."""
    found: dict[UUID, list[UUID]] = {}
    if ids:
        for row in session.execute(text(_MEMBERS), {"tenant": tenant_id, "ids": list(ids)}):
            found.setdefault(row.structure_id, []).append(row.memory_id)
    return found


def standing_versions(session: Session, tenant_id: UUID, ids: Iterable[UUID], *, now: datetime) -> dict[UUID, int]:
    """Return the version of the content of those of the memories that are live and that no other took the place of."""
    params = {"tenant": tenant_id, "ids": sorted(set(ids)), "now": now}
    return {row.id: row.content_version for row in session.execute(text(_STANDING), params)}


def live_and_holding(
    session: Session, tenant_id: UUID, ids: Iterable[UUID], *, now: datetime
) -> tuple[dict[UUID, int], set[UUID]]:
    """Return those of the memories that are live, with the version of their text, and those whose validity has not ended.

    For what was merged the one stands that stayed: it says the same, until its text is another.
    """
    params = {"tenant": tenant_id, "ids": sorted(set(ids)), "now": now}
    rows = session.execute(text(_HOLDING), params).all()
    return {row.id: row.content_version for row in rows}, {row.id for row in rows if row.holds}


def forget_memories(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> list[UUID]:
    """Remove every state, past ones too, of whatever quotes or counts memories that are about to be erased.

    The next run of consolidation makes anew what can be made of the rest. What points at something removed (a gist at its
    episode) goes as well. Return the ids that are gone.
    """
    params = {"tenant": tenant_id, "ids": list(ids)}
    gone = [row[0] for row in session.execute(text(_MADE_OF), params)]
    if not gone:
        return []
    params = {"tenant": tenant_id, "ids": gone}
    gone += [row[0] for row in session.execute(text("DELETE FROM gist WHERE tenant_id = :tenant "
        "AND target_id = ANY(CAST(:ids AS uuid[])) RETURNING id"), params)]  # fmt: skip
    gone = sorted(set(gone))
    params = {"tenant": tenant_id, "ids": gone}
    for table in TABLES.values():
        session.execute(
            text(f"DELETE FROM {table.name} WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"), params
        )
    session.execute(text(_NEVER_MEMBERS), params)
    return gone


def _lock(session: Session, tenant_id: UUID, ids: Iterable[UUID]) -> set[UUID]:
    found = session.scalars(text(_LOCK), {"tenant": tenant_id, "ids": sorted(ids)})
    return set(found)


def _end_states(session: Session, tenant_id: UUID, structure: str, ids: Sequence[UUID], *, now: datetime) -> None:
    session.execute(
        text(
            f"UPDATE {TABLES[structure].name} SET known_to = :now WHERE tenant_id = :tenant "
            "AND id = ANY(CAST(:ids AS uuid[])) AND known_to = 'infinity'"
        ),
        {"tenant": tenant_id, "ids": list(ids), "now": now},
    )


def _insert(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert states; one that ended at the moment in which it began, as within one run, begins again."""
    statement = insert(table).values(list(rows))
    key = [column.name for column in table.primary_key]
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in key}
    session.execute(statement.on_conflict_do_update(index_elements=key, set_=changed))


def _set_members(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    structure: str,
    members: Mapping[UUID, Sequence[UUID]],
    *,
    now: datetime,
) -> None:
    """End the membership of who left, begin that of who came; who stays is not touched."""
    pairs = [(id, one) for id, some in members.items() for one in some]
    params = {
        "tenant": tenant_id, "namespace": namespace_id, "structure": structure, "now": now, "ids": list(members),
        "structures": [pair[0] for pair in pairs], "memories": [pair[1] for pair in pairs],
    }  # fmt: skip
    session.execute(text(_PART_MEMBERS), params)
    session.execute(text(_JOIN_MEMBERS), params)


def _stored(table: Table, values: Values) -> dict[str, Any]:
    row = {column.name: _as_column(column, values.get(column.name)) for column in table.columns}
    return {**row, "known_to": text("'infinity'::timestamptz")}


def _as_column(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, DateTime) and isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(column.type, Uuid):
        return _uuid(value)
    if isinstance(column.type, LargeBinary) and isinstance(value, str):
        return b64decode(value)
    if isinstance(column.type, ARRAY):
        return [_as_column(Column("item", column.type.item_type), one) for one in value]
    return value


def _shown(value: Any) -> Any:
    """Write bytes as base64: values are kept and shown as JSON."""
    return b64encode(value).decode() if isinstance(value, bytes | memoryview) else value


def _uuid(value: UUID | str) -> UUID:
    return UUID(value) if isinstance(value, str) else value


_LOCK: Final = (
    "SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR KEY SHARE"
)
_TAKEN: Final = (
    "SELECT {key} FROM {table} WHERE tenant_id = :tenant AND {key} = ANY(CAST(:keys AS {type}[])) AND known_to = 'infinity' "
    "AND namespace_id = :namespace AND NOT id = ANY(CAST(:ids AS uuid[]))"
)
_CLAIMED: Final = """
    SELECT DISTINCT memory_id FROM structure_member WHERE tenant_id = :tenant AND structure = :structure
    AND memory_id = ANY(CAST(:keys AS uuid[])) AND known_to = 'infinity' AND NOT structure_id = ANY(CAST(:ids AS uuid[]))
"""
_MEMBERS: Final = """
    SELECT structure_id, memory_id FROM structure_member
    WHERE tenant_id = :tenant AND structure_id = ANY(CAST(:ids AS uuid[])) AND known_to = 'infinity'
    ORDER BY structure_id, memory_id
"""
_HOLDING: Final = """
    SELECT m.id, m.content_version, s.valid_to IS NULL OR s.valid_to > :now AS holds FROM memory m
    JOIN memory s ON s.tenant_id = :tenant AND s.id = CASE WHEN m.state = 'merged' THEN m.superseded_by ELSE m.id END
    WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[]))
    AND s.archived_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > :now) AND s.extract <> 'none'
    AND (m.id = s.id OR m.updated_at >= coalesce((SELECT v.updated_at FROM memory_version v
        WHERE v.tenant_id = :tenant AND v.id = s.id AND v.version = s.content_version), s.updated_at))
"""
_STANDING: Final = """
    SELECT m.id, m.content_version FROM memory m WHERE m.tenant_id = :tenant AND m.id = ANY(CAST(:ids AS uuid[]))
    AND m.archived_at IS NULL AND (m.expires_at IS NULL OR m.expires_at > :now) AND m.extract <> 'none'
    AND (m.superseded_by IS NULL OR m.valid_to IS NULL OR m.valid_to > :now)
"""
_MEMBERS_UNTIL: Final = """
    SELECT structure_id, memory_id FROM structure_member
    WHERE tenant_id = :tenant AND structure_id = ANY(CAST(:ids AS uuid[])) AND known_from < :at AND known_to >= :at
    ORDER BY structure_id, memory_id
"""
_MADE_OF: Final = """
    SELECT DISTINCT structure_id FROM structure_member WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[]))
"""
# Kept as never having been so, for search processes that follow what is written; it says nothing of the erased memory, whose own
# rows go with it.
_NEVER_MEMBERS: Final = """
    UPDATE structure_member SET known_to = known_from WHERE tenant_id = :tenant AND structure_id = ANY(CAST(:ids AS uuid[]))
"""
_END_MEMBERS: Final = """
    UPDATE structure_member SET known_to = :now
    WHERE tenant_id = :tenant AND structure_id = ANY(CAST(:ids AS uuid[])) AND known_to = 'infinity'
"""
_PART_MEMBERS: Final = """
    UPDATE structure_member s SET known_to = :now
    WHERE s.tenant_id = :tenant AND s.structure_id = ANY(CAST(:ids AS uuid[])) AND s.known_to = 'infinity'
    AND NOT EXISTS (SELECT FROM unnest(CAST(:structures AS uuid[]), CAST(:memories AS uuid[])) AS k (structure_id, memory_id)
        WHERE k.structure_id = s.structure_id AND k.memory_id = s.memory_id)
"""
_JOIN_MEMBERS: Final = """
    INSERT INTO structure_member (tenant_id, structure_id, memory_id, known_from, known_to, namespace_id, structure)
    SELECT :tenant, k.structure_id, k.memory_id, :now, 'infinity', :namespace, :structure
    FROM unnest(CAST(:structures AS uuid[]), CAST(:memories AS uuid[])) AS k (structure_id, memory_id)
    WHERE NOT EXISTS (SELECT FROM structure_member s WHERE s.tenant_id = :tenant AND s.structure_id = k.structure_id
        AND s.memory_id = k.memory_id AND s.known_to = 'infinity')
    ON CONFLICT (tenant_id, structure_id, memory_id, known_from) DO UPDATE SET known_to = 'infinity'
"""
