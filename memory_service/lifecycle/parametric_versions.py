"""Cubes of several, and the way back to an earlier version."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.errors import Conflict, SourceChanged, TooLarge
from memory_service.lifecycle.parametric_composing import encoder_of, lineage_of, made_of, taught_of
from memory_service.lifecycle.parametric_records import BECAUSE, READY, STALE, state_of
from memory_service.lifecycle.parametric_teaching import absent
from memory_service.storage import parametric_memories, parametric_pairs
from memory_service.storage.ids import new_id
from memory_service.storage.parametric_memories import MOST_CUBES
from memory_service.storage.parametric_pairs import MOST_PAIRS
from memory_service.storage.sql import Row


def register(
    session: Session,
    tenant_id: UUID,
    *,
    namespace_id: UUID,
    name: str,
    kind: str,
    gamma: float,
    ridge: float,
    now: datetime,
) -> UUID:
    """Make a cube that knows nothing yet; return its id.

    Raises:
        Conflict: another cube of the namespace has the name.
        TooLarge: the namespace has as many cubes as it may.
    """
    # So many, and no cube that a query is not compared with.
    if parametric_memories.count_cubes(session, tenant_id, namespace_id) >= MOST_CUBES:
        detail = f"A namespace has at most {MOST_CUBES} parametric memories; delete or merge some of them."
        raise TooLarge(detail, code="too_many_cubes")
    cube_id = new_id()
    made = parametric_memories.create(
        session, tenant_id, cube_id, namespace_id=namespace_id, name=name, kind=kind, gamma=gamma, ridge=ridge, now=now
    )
    if not made:
        raise Conflict(f"A parametric memory of this namespace is named {name!r} already.", code="name_taken")
    return cube_id


def remove(session: Session, tenant_id: UUID, cube_id: UUID) -> Row:
    """Delete a cube with its pairs and versions, and return what it was.

    The memories of all its pairs are locked first, so that an erasure of one comes before all of it or after.

    Raises:
        NotFound: there is no such cube.
    """
    cube = _found(session, tenant_id, cube_id)
    ids = parametric_pairs.all_sources_of(session, tenant_id, cube_id)
    parametric_pairs.lock_sources(session, tenant_id, list(ids), [])
    if not parametric_memories.delete_cube(session, tenant_id, cube_id):
        raise absent()
    return cube


def lock_sources_of(session: Session, tenant_id: UUID, cubes: Sequence[Row]) -> set[UUID]:
    """Lock the memories that the versions in force of cubes of one namespace are made of, then the namespace, then the cubes."""
    ids = set[UUID]()
    for cube in cubes:
        ids |= parametric_pairs.sources_of(session, tenant_id, cube["id"], lineage_of(cube), job_id=None)
    locked = parametric_pairs.lock_sources(session, tenant_id, list(ids), [cubes[0]["namespace_id"]])
    parametric_memories.lock_cubes(session, tenant_id, [cube["id"] for cube in cubes])
    return locked


def merge(session: Session, tenant_id: UUID, ids: Sequence[UUID], *, name: str, now: datetime) -> tuple[UUID, UUID]:
    """Make a cube that knows what some cubes know: the sum of their weights, of their pairs; return its namespace and its id.

    Raises:
        NotFound: one of them is not there.
        Conflict: they cannot be added up, one is empty or stale, or the name is taken.
        SourceChanged: something changed meanwhile.
        TooLarge: together they hold more pairs than one cube may, or the namespace has as many cubes as it may.
    """
    cubes = [_found(session, tenant_id, cube_id) for cube_id in ids]
    _check_alike(cubes)
    locked = lock_sources_of(session, tenant_id, cubes)
    # As they are now that nobody changes them.
    cubes = [_found(session, tenant_id, cube_id) for cube_id in ids]
    _check_alike(cubes)
    for cube in cubes:
        _check_ready(cube)
    pairs = [
        pair
        for cube in cubes
        for pair in parametric_pairs.lock_pairs(session, tenant_id, cube["id"], cube["lineage"], job_id=None)
    ]
    if not {pair["memory_id"] for pair in pairs} <= locked:
        raise SourceChanged("One of the cubes was taught something while they were being merged; try again.")
    if len(pairs) > MOST_PAIRS:
        raise TooLarge(f"A cube holds at most {MOST_PAIRS:,} pairs; these have {len(pairs):,} together.")
    first = cubes[0]
    merged = register(
        session, tenant_id, namespace_id=first["namespace_id"], name=name, kind=first["kind"], gamma=first["gamma"],
        ridge=first["ridge"], now=now,
    )  # fmt: skip
    for cube in cubes:
        parametric_pairs.copy(session, tenant_id, cube["id"], cube["lineage"], to=merged)
    row = _found(session, tenant_id, merged)
    version = made_of(
        taught_of(pairs, first["dimension"]), row, cause="merged", job_id=None, encoder_id=encoder_of(first), report=None,
        lineage=(),
    )  # fmt: skip
    parametric_memories.add_version(session, tenant_id, merged, version, now=now)
    return first["namespace_id"], merged


def roll_back(
    session: Session, tenant_id: UUID, cube_id: UUID, version: int | None, *, now: datetime
) -> tuple[Row, int]:
    """Put an earlier version in force, the one it was made from where none is named; return the cube and which one that is.

    Raises:
        NotFound: there is no such cube.
        Conflict: there is no such version, or it was rejected or is stale.
    """
    parametric_memories.lock_cubes(session, tenant_id, [cube_id])
    cube = _found(session, tenant_id, cube_id)
    versions = parametric_memories.versions_of(session, tenant_id, cube_id)
    if version is None:
        earlier = _before(versions, cube["active_version"])
        if earlier is None:
            raise Conflict("It was made from no version that can be put in force.", code="version_not_kept")
        chosen = earlier
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
    return cube, number


def _before(versions: Sequence[Row], number: int | None) -> Row | None:
    """Return what a version was made from, as far back as can be put in force again; None where nothing can."""
    numbered = {row["version"]: row for row in versions}
    row = numbered.get(number)
    while row is not None:
        row = numbered.get(row["parent"])
        if row is not None and row["state"] == "kept":
            return row
    return None


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
        detail = f"{cube['name']!r} is stale: {BECAUSE[cube['reason']]}. A worker makes it anew."
        raise Conflict(detail, code="parametric_stale")
    if state != READY:
        raise Conflict(f"{cube['name']!r} has not been taught anything.", code="parametric_empty")
