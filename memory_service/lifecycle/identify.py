"""Merge entities that are one, and split off names that mean somebody else: what a person knows and rules do not.

Both hold for what is written later: a name of a merged entity means the one it was merged into, and a name that was split
off is no longer taken for a short form of another. One takes the other back: splitting off the names of a merged entity
brings it back under its id, and merging what was split off gives the names back.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.analysis.names import fold_name
from memory_service.analysis.naming import EntityKind
from memory_service.errors import Conflict, FieldError, InvalidRequest, NotFound
from memory_service.storage import entity_identity as identity
from memory_service.storage.entities import speakers_in
from memory_service.storage.ids import new_id
from memory_service.storage.sql import Row


def merge_entities(
    session: Session, tenant_id: UUID, namespace_id: UUID, merged: Sequence[UUID], into: UUID, *, now: datetime
) -> None:
    """Make several entities of a namespace one, which keeps its id and its name and has all their names.

    Raises:
        NotFound: one of them is not there.
        InvalidRequest: an entity is to be merged into itself.
        Conflict: one of them was merged before.
    """
    gone = sorted(set(merged))
    if into in gone:
        place = list(merged).index(into)
        raise InvalidRequest(
            "An entity cannot be merged into itself.", errors=(FieldError(f"/from/{place}", "is `into`"),)
        )
    identity.lock_identities(session, tenant_id, namespace_id, [*gone, into])
    found = _entities(session, tenant_id, namespace_id, [*gone, into])
    moving = identity.present_mentions(session, tenant_id, gone)
    identity.give_names(session, tenant_id, gone, into, only=None, apart=())
    identity.set_merged(session, tenant_id, gone, into)
    if any(found[one]["kind"] == EntityKind.PERSON for one in gone) and found[into]["kind"] != EntityKind.PERSON:
        identity.set_kind(session, tenant_id, into, EntityKind.PERSON)
    identity.end_mentions_of(session, tenant_id, moving, now=now)
    identity.begin_mentions(session, tenant_id, _together(moving, into), now=now)
    identity.note_changed(session, tenant_id, (row["memory_id"] for row in moving))


def split_entity(
    session: Session, tenant_id: UUID, namespace_id: UUID, entity_id: UUID, names: Sequence[str], *, now: datetime
) -> UUID:
    """Make names of an entity an entity of their own and return it: the one that had them before a merge, or a new one.

    Raises:
        NotFound: there is no such entity.
        Conflict: it was merged into another one, which has its names now.
        InvalidRequest: one of the names is not a name of it, or is the one it is listed under.
    """
    identity.lock_identities(session, tenant_id, namespace_id, [entity_id])
    found = _entities(session, tenant_id, namespace_id, [entity_id])[entity_id]
    wanted = _checked(names, identity.names_of(session, tenant_id, entity_id), found)
    before = identity.merged_named(session, tenant_id, namespace_id, list(wanted))
    speaking = {fold_name(name) for name in speakers_in(session, tenant_id, [namespace_id]).get(namespace_id, ())}
    if before:
        new: UUID = min(before, key=lambda row: list(wanted).index(row["folded"]))["id"]
        identity.set_merged(session, tenant_id, [new], None)
    else:
        new, (folded, name) = new_id(), next(iter(wanted.items()))
        kind = EntityKind.PERSON if folded in speaking else EntityKind.NAME
        made = {"id": new, "name": name, "folded": folded, "kind": kind}
        identity.make_entity(session, tenant_id, namespace_id, made)
    # Who speaks under a name has it anyway.
    identity.give_names(session, tenant_id, [entity_id], new, only=wanted, apart=wanted.keys() - speaking)
    moving = identity.present_mentions(session, tenant_id, [entity_id], named=list(wanted))
    parts = [_parted(row, wanted) for row in moving]
    identity.keep_mentioned(session, tenant_id, [part.stays for part in parts if part.stays is not None])
    whole = [row for row, part in zip(moving, parts, strict=True) if part.stays is None]
    identity.end_mentions_of(session, tenant_id, whole, now=now)
    identity.begin_mentions(
        session, tenant_id, [{**part.goes, "entity_id": new} for part in parts if part.goes is not None], now=now
    )
    identity.note_changed(session, tenant_id, (row["memory_id"] for row in moving))
    return new


def _entities(session: Session, tenant_id: UUID, namespace_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Any]:
    found = identity.entities_in(session, tenant_id, namespace_id, ids)
    for one in ids:
        if one not in found:
            raise NotFound(f"There is no entity {one} in this namespace.", code="entity_not_found")
        into = found[one]["merged_into"]
        if into is not None:
            raise Conflict(f"Entity {one} was merged into {into}.", code="entity_merged")
    return found


def _checked(names: Sequence[str], known: Mapping[str, str], entity: Row) -> dict[str, str]:
    """Return the names to split off, folded, and as they are written.

    Raises:
        InvalidRequest: one cannot be.
    """
    wanted: dict[str, str] = {}
    errors = []
    for place, name in enumerate(names):
        folded = fold_name(name)
        if folded not in known:
            errors.append(FieldError(f"/names/{place}", "is not a name of this entity"))
        elif folded == entity["folded"]:
            errors.append(FieldError(f"/names/{place}", "is the name it is listed under: split off the others instead"))
        else:
            wanted[folded] = known[folded]
    if errors:
        raise InvalidRequest("These names cannot be split off.", errors=tuple(errors))
    return wanted


def _together(rows: Sequence[Row], into: UUID) -> list[dict[str, Any]]:
    """Return what the rows say of each text as one mention of an entity."""
    found: dict[tuple[UUID, int], dict[str, Any]] = {}
    for row in rows:
        one = found.setdefault(
            (row["memory_id"], row["version"]),
            {
                "memory_id": row["memory_id"],
                "version": row["version"],
                "namespace_id": row["namespace_id"],
                "entity_id": into,
                "names": set(),
                "spans": set(),
            },
        )
        one["names"] |= set(row["names"])
        one["spans"] |= set(_pairs(row["spans"]))
    return [{**one, "names": sorted(one["names"]), "spans": _flat(one["spans"])} for one in found.values()]


@dataclass(frozen=True, slots=True)
class _Parts:
    """One mention, parted by its names."""

    stays: dict[str, Any] | None
    goes: dict[str, Any] | None


def _parted(row: Row, names: Collection[str]) -> _Parts:
    """Part a mention: a place goes where the name goes that stands there."""
    going = [name for name in row["names"] if name in names]
    staying = [name for name in row["names"] if name not in names]
    if not staying:
        return _Parts(None, dict(row))
    spans = _pairs(row["spans"])
    places = {span for span in spans if fold_name(row["content"][span[0] : span[1]]) in names}
    return _Parts(
        {**row, "names": staying, "spans": _flat(set(spans) - places), "content": None},
        {**row, "names": going, "spans": _flat(places), "content": None},
    )


def _pairs(spans: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(spans[::2], spans[1::2], strict=True))


def _flat(spans: Collection[tuple[int, int]]) -> list[int]:
    return [place for span in sorted(spans) for place in span]
