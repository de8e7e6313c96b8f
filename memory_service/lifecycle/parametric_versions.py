"""Cubes of several, and the way back to an earlier version."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.errors import Conflict, SourceChanged, TooLarge
from memory_service.lifecycle.parametric_composing import made_of, taught_of
from memory_service.lifecycle.parametric_records import BECAUSE, READY, STALE, state_of
from memory_service.lifecycle.parametric_teaching import absent
from memory_service.storage import parametric_memories, parametric_pairs
from memory_service.storage.ids import new_id
from memory_service.storage.parametric_pairs import MOST_PAIRS, Vectors
from memory_service.storage.sql import Row


def name_taken(name: str) -> Conflict:
    """Return the error for a name that another cube of the namespace has."""
    return Conflict(f"A parametric memory of this namespace is named {name!r} already.", code="name_taken")


def merge(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, name: str, now: datetime) -> UUID:
    """Make a cube that knows what some cubes know: the sum of their weights, of their pairs; return its id.

    Raises:
        NotFound: one of them is not there.
        Conflict: they cannot be added up, one is empty or stale, or the name is taken.
        SourceChanged: something changed meanwhile.
        TooLarge: together they hold more pairs than one cube may.
    """
    cubes = [_found(session, tenant_id, cube_id) for cube_id in ids]
    _check_alike(cubes)
    sources = {
        pair["memory_id"]
        for cube in cubes
        for pair in parametric_pairs.taught(session, tenant_id, cube["id"], cube["lineage"] or ())
    }
    locked = parametric_pairs.lock_sources(session, tenant_id, list(sources), [cubes[0]["namespace_id"]])
    parametric_memories.lock_cubes(session, tenant_id, ids)
    # As they are now that nobody changes them.
    cubes = [_found(session, tenant_id, cube_id) for cube_id in ids]
    _check_alike(cubes)
    for cube in cubes:
        _check_ready(cube)
    pairs = [
        pair
        for cube in cubes
        for pair in parametric_pairs.pairs_of(session, tenant_id, cube["id"], cube["lineage"], job_id=None, lock=True)
    ]
    if not {pair["memory_id"] for pair in pairs} <= locked:
        raise SourceChanged("One of the cubes was taught something while they were being merged; try again.")
    if len(pairs) > MOST_PAIRS:
        raise TooLarge(f"A cube holds at most {MOST_PAIRS:,} pairs; these have {len(pairs):,} together.")
    first, merged = cubes[0], new_id()
    made = parametric_memories.create(
        session, tenant_id, merged, namespace_id=first["namespace_id"], name=name, kind=first["kind"],
        gamma=first["gamma"], ridge=first["ridge"], now=now,
    )  # fmt: skip
    if not made:
        raise name_taken(name)
    for cube in cubes:
        parametric_pairs.copy(session, tenant_id, cube["id"], cube["lineage"], to=merged)
    vectors = [
        (pair["memory_id"], Vectors(pair["key"], pair["value"], pair["memory_version"], pair["encoder_id"]))
        for pair in pairs
    ]
    row = _found(session, tenant_id, merged)
    version = made_of(
        taught_of(vectors, first["dimension"]), row, cause="merged", job_id=None,
        encoder_id=first["namespace_encoder_id"], report=None, lineage=(),
    )  # fmt: skip
    parametric_memories.add_version(session, tenant_id, merged, version, now=now)
    return merged


def roll_back(session: Session, tenant_id: UUID, cube_id: UUID, version: int | None, *, now: datetime) -> int:
    """Put an earlier version in force, the one before where none is named; return which one that is.

    Raises:
        NotFound: there is no such cube.
        Conflict: there is no such version, or it was rejected or is stale.
    """
    parametric_memories.lock_cubes(session, tenant_id, [cube_id])
    cube = _found(session, tenant_id, cube_id)
    versions = parametric_memories.versions_of(session, tenant_id, cube_id)
    if version is None:
        # Newest first: what was in force before this one, as far as it can be again.
        before = [row for row in versions if row["version"] < (cube["active_version"] or 0) and row["state"] == "kept"]
        if not before:
            raise Conflict("There is no earlier version that can be put in force.", code="version_not_kept")
        chosen = before[0]
    else:
        named = [row for row in versions if row["version"] == version]
        if not named:
            raise Conflict(f"There is no version {version} of this cube, or not any more.", code="version_not_kept")
        chosen = named[0]
    if chosen["state"] == "stale":
        raise Conflict(f"Version {chosen['version']} is stale: {BECAUSE[chosen['reason']]}.", code="parametric_stale")
    if chosen["state"] == "rejected":
        raise Conflict(f"Version {chosen['version']} was rejected by its canary.", code="version_not_kept")
    number = int(chosen["version"])
    parametric_memories.put_in_force(session, tenant_id, cube_id, number, now=now)
    return number


def _found(session: Session, tenant_id: UUID, cube_id: UUID) -> Row:
    cube = parametric_memories.get_cube(session, tenant_id, cube_id)
    if cube is None:
        raise absent()
    return cube


def _check_alike(cubes: Sequence[Row]) -> None:
    """Refuse cubes whose weights do not add up.

    Raises:
        Conflict: code `parametric_not_mergeable`.
    """
    first = cubes[0]
    for cube in cubes:
        why = None
        if cube["namespace_id"] != first["namespace_id"]:
            why = "they are of different namespaces"
        elif cube["fingerprint"] != first["fingerprint"]:
            why = "their keys are of different encoders"
        elif cube["gamma"] != 1.0:
            why = f"what {cube['name']!r} holds fades, and a sum has no order"
        elif cube["ridge"] != first["ridge"]:
            why = "their ridges differ"
        if why is not None:
            raise Conflict(f"These cubes cannot be added up: {why}.", code="parametric_not_mergeable")


def _check_ready(cube: Row) -> None:
    state = state_of(cube)
    if state == STALE:
        detail = f"{cube['name']!r} is stale: {BECAUSE[cube['reason']]}. A worker makes it anew within seconds."
        raise Conflict(detail, code="parametric_stale")
    if state != READY:
        raise Conflict(f"{cube['name']!r} has not been taught anything.", code="parametric_empty")
