"""Entities: what the texts of a namespace name, under which names, and where.

Writers of one namespace take turns by an advisory lock, held to the end of their transaction. So a name is looked up, made
and referred to without a race, and nobody deletes an entity that another is about to mention. Locks are taken in order of
namespace, after any lock on memories.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.analysis.names import MOST_PEOPLE
from memory_service.analysis.naming import EntityKind, Named
from memory_service.storage.driver import Pending, later
from memory_service.storage.ids import new_id
from memory_service.storage.sql import to_jsonb, uuid_array

_Key = tuple[UUID, str]  # namespace, folded name


@dataclass(frozen=True, slots=True)
class Mentioned:
    """The entities that one version of a memory names."""

    memory_id: UUID
    namespace_id: UUID
    version: int
    names: Sequence[Named]


def speakers_in(session: Session, tenant_id: UUID, namespace_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Return who speaks in namespaces, at most one more than short forms are resolved against."""
    rows = session.execute(
        text(
            "SELECT n.id, s.name FROM unnest(CAST(:namespaces AS uuid[])) AS n (id) CROSS JOIN LATERAL (SELECT s.name "
            "FROM speaker s WHERE s.tenant_id = :tenant AND s.namespace_id = n.id ORDER BY s.name LIMIT :most) s"
        ),
        {"tenant": tenant_id, "namespaces": sorted(namespace_ids), "most": MOST_PEOPLE + 1},
    )
    found: dict[UUID, list[str]] = {}
    for row in rows:
        found.setdefault(row.id, []).append(row.name)
    return found


def apart_in(session: Session, tenant_id: UUID, namespace_ids: Collection[UUID]) -> dict[UUID, frozenset[str]]:
    """Return the folded names of namespaces that a person split off: they are short for no other name."""
    rows = session.execute(
        text(
            "SELECT namespace_id, folded FROM entity_name "
            "WHERE tenant_id = :tenant AND namespace_id = ANY(CAST(:namespaces AS uuid[])) AND apart"
        ),
        {"tenant": tenant_id, "namespaces": sorted(namespace_ids)},
    )
    found: dict[UUID, set[str]] = {}
    for row in rows:
        found.setdefault(row.namespace_id, set()).add(row.folded)
    return {namespace_id: frozenset(names) for namespace_id, names in found.items()}


def keep_mentions(session: Session, tenant_id: UUID, found: Sequence[Mentioned]) -> None:
    """Store which entities memories name, and make those that are new.

    A name that the namespace knows means the entity that has it. What is stored already stays as it is.
    """
    mentioned = [one for one in found if one.names]
    if not mentioned:
        return
    take_turns(session, {one.namespace_id for one in mentioned})
    resolution = _resolve(mentioned, _known(session, tenant_id, mentioned))
    _make(session, tenant_id, resolution)
    rows = [
        {
            # As digits: that takes a fifth of what it takes to have ids rendered one by one.
            "memory_id": one.memory_id.hex,
            "version": one.version,
            "namespace_id": one.namespace_id.hex,
            "entity_id": entity_id.hex,
            "names": sorted(names),
            "spans": [place for span in sorted(spans) for place in span],
        }
        for one in mentioned
        for entity_id, (names, spans) in _gathered(one, resolution.entity_of).items()
    ]
    session.execute(text(_INSERT_MENTIONS), {"tenant": tenant_id, "rows": to_jsonb(rows)})


def end_mentions(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, now: datetime) -> None:
    """Say that memories no longer name what their text named until now; they say something else from now on."""
    session.execute(
        text(
            "UPDATE mention SET known_to = greatest(known_from, :now) "
            "WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[])) AND known_to > :now"
        ),
        {"tenant": tenant_id, "ids": list(ids), "now": now},
    )


@dataclass(frozen=True, slots=True)
class Naming:
    """Whom and what one memory names."""

    entities: tuple[str, ...]  # canonical names, folded and in order
    aliases: tuple[
        tuple[str, str], ...
    ]  # other names by which its text does, each with the canonical one; folded, in order


def naming_of(
    session: Session,
    tenant_id: UUID,
    namespace_ids: Sequence[UUID],
    ids: Sequence[UUID],
    *,
    known: datetime | None = None,
) -> Pending[dict[UUID, Naming]]:
    """Ask for the entities that memories name; one statement, in binary.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose memories.
        namespace_ids: where they are.
        ids: which memories; those that name nobody are not in the answer.
        known: the moment whose knowledge is asked for; None for now.
    """
    params = {"tenant": tenant_id, "namespaces": list(namespace_ids), "ids": uuid_array(ids), "known": known}
    return Pending(later(session, _MENTIONS_NOW if known is None else _MENTIONS_KNOWN, params), _naming_by_memory)


def _naming_by_memory(rows: Sequence[Any]) -> dict[UUID, Naming]:
    found: dict[UUID, tuple[set[str], set[tuple[str, str]]]] = {}
    for memory_id, folded, others in rows:
        entities, aliases = found.setdefault(memory_id, (set(), set()))
        entities.add(folded)
        if others is not None:
            aliases.update((other, folded) for other in others)
    return {
        memory_id: Naming(tuple(sorted(some)), tuple(sorted(others))) for memory_id, (some, others) in found.items()
    }


def mentioned_in(session: Session, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    """Return the entities that any version of some memories named, by namespace."""
    rows = session.execute(
        text(
            "SELECT DISTINCT namespace_id, entity_id FROM mention "
            "WHERE tenant_id = :tenant AND memory_id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"tenant": tenant_id, "ids": list(ids)},
    )
    found: dict[UUID, set[UUID]] = {}
    for row in rows:
        found.setdefault(row.namespace_id, set()).add(row.entity_id)
    return found


def forget_unmentioned(session: Session, tenant_id: UUID, entities: Mapping[UUID, Collection[UUID]]) -> None:
    """Delete those of the entities that nobody mentions any more, and names by which nobody mentions them.

    Runs last in an erasure: the lock it takes must come after every lock on memories.
    """
    if not entities:
        return
    take_turns(session, entities)
    params = {"tenant": tenant_id, "ids": sorted(one for some in entities.values() for one in some)}
    for statement in (_FORGET_ENTITIES, _FORGET_NAMES, _RENAME, _RENAME_MERGED):
        session.execute(text(statement), params)


@dataclass(frozen=True, slots=True)
class _Resolution:
    """Which entity each name means, and what has to be made or changed for that."""

    entity_of: dict[_Key, UUID]
    entities: list[dict[str, Any]]  # new rows of `entity`
    names: list[dict[str, Any]]  # new rows of `entity_name`
    people: list[UUID]  # known entities that turn out to speak


def _resolve(mentioned: Sequence[Mentioned], known: Mapping[_Key, tuple[UUID, str]]) -> _Resolution:
    """Decide; a canonical name claims its short forms before they could become entities of their own."""
    made = _Resolution({key: entity_id for key, (entity_id, _) in known.items()}, [], [], [])
    pairs = [(one.namespace_id, named) for one in mentioned for named in one.names]
    # Those that have other names come first.
    for namespace_id, named in sorted(pairs, key=lambda pair: not pair[1].aliases):
        key = (namespace_id, named.folded)
        if key not in made.entity_of:
            made.entity_of[key] = entity_id = new_id()
            made.entities.append(
                {
                    "id": entity_id,
                    "namespace_id": namespace_id,
                    "name": named.name,
                    "folded": named.folded,
                    "kind": named.kind,
                }
            )
            made.names.append(_name_row(key, entity_id, named.name))
        elif key in known and named.kind is EntityKind.PERSON and known[key][1] != EntityKind.PERSON:
            made.people.append(known[key][0])
        for folded, written in named.aliases:
            alias = (namespace_id, folded)
            if alias not in made.entity_of:
                made.entity_of[alias] = made.entity_of[key]
                made.names.append(_name_row(alias, made.entity_of[key], written))
    return made


def _name_row(key: _Key, entity_id: UUID, name: str) -> dict[str, Any]:
    return {"namespace_id": key[0], "folded": key[1], "entity_id": entity_id, "name": name}


def _gathered(one: Mentioned, entity_of: Mapping[_Key, UUID]) -> dict[UUID, tuple[set[str], set[tuple[int, int]]]]:
    """Gather the names and places of each entity in one text: two names may turn out to mean the same."""
    found: dict[UUID, tuple[set[str], set[tuple[int, int]]]] = {}
    for named in one.names:
        names, spans = found.setdefault(entity_of[one.namespace_id, named.folded], (set(), set()))
        names |= {folded for folded, _ in named.forms}
        spans |= set(named.spans)
    return found


def take_turns(session: Session, namespace_ids: Iterable[UUID]) -> None:
    """Wait until no other writer is at the entities of these namespaces, and keep them out until the transaction ends."""
    for namespace_id in sorted(namespace_ids):
        session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('entities' || CAST(:namespace AS text), 0))"),
            {"namespace": namespace_id},
        )


def _known(session: Session, tenant_id: UUID, mentioned: Sequence[Mentioned]) -> dict[_Key, tuple[UUID, str]]:
    """Return entity and kind of the names that the namespaces know."""
    keys = dict.fromkeys(
        (one.namespace_id, folded)
        for one in mentioned
        for named in one.names
        for folded in (named.folded, *(alias for alias, _ in named.aliases))
    )
    rows = session.execute(
        text(
            "SELECT n.namespace_id, n.folded, n.entity_id, e.kind "
            "FROM unnest(CAST(:namespaces AS uuid[]), CAST(:names AS text[])) AS k (namespace_id, folded) "
            "JOIN entity_name n ON n.tenant_id = :tenant AND n.namespace_id = k.namespace_id AND n.folded = k.folded "
            "JOIN entity e ON e.tenant_id = :tenant AND e.id = n.entity_id"
        ),
        {"tenant": tenant_id, "namespaces": uuid_array(key[0] for key in keys), "names": [key[1] for key in keys]},
    )
    return {(row.namespace_id, row.folded): (row.entity_id, row.kind) for row in rows}


def _make(session: Session, tenant_id: UUID, made: _Resolution) -> None:
    if made.entities:
        session.execute(text(_INSERT_ENTITIES), {"tenant": tenant_id, "rows": to_jsonb(made.entities)})
    if made.names:
        session.execute(text(_INSERT_NAMES), {"tenant": tenant_id, "rows": to_jsonb(made.names)})
    if made.people:
        session.execute(
            text("UPDATE entity SET kind = 'person' WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))"),
            {"tenant": tenant_id, "ids": sorted(set(made.people))},
        )


_INSERT_ENTITIES: Final = """
    INSERT INTO entity (tenant_id, id, namespace_id, name, folded, kind)
    SELECT :tenant, f.id, f.namespace_id, f.name, f.folded, f.kind
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS f (id uuid, namespace_id uuid, name text, folded text, kind text)
"""
_INSERT_NAMES: Final = """
    INSERT INTO entity_name (tenant_id, namespace_id, folded, entity_id, name)
    SELECT :tenant, f.namespace_id, f.folded, f.entity_id, f.name
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS f (namespace_id uuid, folded text, entity_id uuid, name text)
"""
# Known since the text is: from the end of the last version that said something else, or from the beginning.
_INSERT_MENTIONS: Final = """
    INSERT INTO mention (tenant_id, memory_id, version, entity_id, namespace_id, names, spans, known_from, known_to)
    SELECT :tenant, f.memory_id, f.version, f.entity_id, f.namespace_id, f.names, f.spans, coalesce(
        CASE WHEN f.version > 1 THEN (SELECT max(v.known_to) FROM memory_version v
            WHERE v.tenant_id = :tenant AND v.id = f.memory_id AND v.content_version < f.version) END,
        m.created_at), 'infinity'
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS f (memory_id uuid, version integer, namespace_id uuid, entity_id uuid, names text[], spans integer[])
    JOIN memory m ON m.tenant_id = :tenant AND m.id = f.memory_id
    WHERE NOT EXISTS (SELECT FROM mention x WHERE x.tenant_id = :tenant AND x.memory_id = f.memory_id
        AND x.version = f.version AND x.entity_id = f.entity_id AND x.known_to = 'infinity')
    ON CONFLICT DO NOTHING
"""
_MENTIONS: Final = """
    SELECT m.memory_id, e.folded, nullif(array_remove(m.names, e.folded), '{}')
    FROM mention m JOIN entity e ON e.tenant_id = %(tenant)s AND e.id = m.entity_id
    WHERE m.tenant_id = %(tenant)s AND m.memory_id = ANY(%(ids)s::uuid[]) AND m.namespace_id = ANY(%(namespaces)s) AND
"""
_MENTIONS_NOW: Final = f"{_MENTIONS} m.known_to = 'infinity'"
_MENTIONS_KNOWN: Final = f"{_MENTIONS} m.known_from <= %(known)s AND m.known_to > %(known)s"

_FORGET_ENTITIES: Final = """
    DELETE FROM entity e WHERE e.tenant_id = :tenant AND e.id = ANY(CAST(:ids AS uuid[]))
    AND NOT EXISTS (SELECT FROM mention m WHERE m.tenant_id = :tenant AND m.entity_id = e.id)
"""
# A name stays with those who use it: a text that is left, or a speaker.
_USED: Final = """
    (EXISTS (SELECT FROM mention m WHERE m.tenant_id = :tenant AND m.entity_id = n.entity_id AND n.folded = ANY(m.names))
    OR EXISTS (SELECT FROM speaker s WHERE s.tenant_id = :tenant AND s.namespace_id = n.namespace_id AND s.name = n.name))
"""
_FORGET_NAMES: Final = f"""
    DELETE FROM entity_name n WHERE n.tenant_id = :tenant AND n.entity_id = ANY(CAST(:ids AS uuid[])) AND NOT {_USED}
"""
# The canonical name may be the one that is gone: then another takes its place.
_RENAME: Final = """
    UPDATE entity e SET name = n.name, folded = n.folded FROM entity_name n
    WHERE e.tenant_id = :tenant AND e.id = ANY(CAST(:ids AS uuid[])) AND n.tenant_id = :tenant AND n.entity_id = e.id
    AND n.folded = (SELECT min(o.folded) FROM entity_name o WHERE o.tenant_id = :tenant AND o.entity_id = e.id)
    AND NOT EXISTS (SELECT FROM entity_name s WHERE s.tenant_id = :tenant AND s.entity_id = e.id AND s.folded = e.folded)
"""
# One that was merged has no names of its own any more; texts that are left may have named it otherwise.
_RENAME_MERGED: Final = """
    UPDATE entity e SET name = o.name, folded = o.name FROM (
        SELECT m.entity_id, min(n.name) AS name FROM mention m, unnest(m.names) AS n (name)
        WHERE m.tenant_id = :tenant AND m.entity_id = ANY(CAST(:ids AS uuid[])) GROUP BY m.entity_id
    ) o WHERE e.tenant_id = :tenant AND e.id = o.entity_id AND e.id = ANY(CAST(:ids AS uuid[]))
    AND coalesce(e.merged_into, e.id) <> e.id
    AND NOT EXISTS (SELECT FROM mention m WHERE m.tenant_id = :tenant AND m.entity_id = e.id AND e.folded = ANY(m.names))
    AND NOT EXISTS (SELECT FROM entity_name n WHERE n.tenant_id = :tenant AND n.namespace_id = e.namespace_id
        AND n.folded = e.folded)
"""
