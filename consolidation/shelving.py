"""Move a large namespace to a shelf of its own, online: every step is a transaction, and any of them may be the last.

Why no step needs to block anybody stands in docs/adr/0010-own-shelves.md. In short: writers go on writing the shared shelf, and
what they wrote while the new one was filled is found by the transaction that wrote it last.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from consolidation.tenancy import Tenancy
from memory_service.errors import Unavailable
from memory_service.storage import shelves
from memory_service.storage.shelves import Move

COPIED_AT_ONCE = 5_000  # rows; a quarter of a second
SETTLED_AT_ONCE = 100  # memories, locked against changes while each is put into the index: half a second
SETTLED_FROM = 1_000  # young memories; a scan of so many takes a millisecond
SETTLE_S = 120.0  # in one run: other work waits meanwhile
CATCH_UP_S = 120.0  # in one run; what is left is less for the next, as nothing gets outdated any more
SETTLE_FIRST_S = 30.0  # of these, whoever waits; a search reads what is young beside the index, only more slowly
GIVE_WAY_EVERY_S = 1.0  # while an index is built

# A search learns which shelves to read, encodes, then reads: never longer than this in between.
GRACE = timedelta(seconds=60)

_LOCK_ATTEMPTS = 30

log = structlog.get_logger(__name__)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Building:
    """What building an index may use."""

    memory_mb: int = 1024
    workers: int = 0


def move_to_own_shelf(
    tenancy: Tenancy,
    namespace_id: UUID,
    *,
    building: Building | None = None,
    grace: timedelta = GRACE,
    settled_from: int = SETTLED_FROM,
    reached: Callable[[str], None] = lambda _: None,
) -> bool:
    """Begin or go on with the move of a namespace, or settle what is young in one that has moved.

    Args:
        tenancy: the tenant as a worker sees it.
        namespace_id: which namespace.
        building: what building the index may use.
        grace: for how long the shared shelf keeps everything after searches turned to the new one.
        settled_from: so many young memories are worth settling.
        reached: told the name of every step once it is committed.

    Returns:
        False when a later run has to go on.

    Raises:
        Unavailable: the database was busy or down; a later run goes on where this one stopped.
    """
    with tenancy.open() as session:
        shelves.open_shelf(session, namespace_id)
    move = _find(tenancy, namespace_id)
    if move is None or (move.shelf == move.home and move.target is None):
        return True
    if move.target is None:
        with tenancy.open() as session:
            few = len(shelves.young(session, tenancy.tenant_id, move, namespace_id, limit=settled_from)) < settled_from
        return few or _settle(tenancy, namespace_id, move, reached)
    reached("opened")
    if move.shelf == move.home:
        _build(tenancy, namespace_id, building or Building(), reached)
        if not _catch_up(tenancy, namespace_id, move):
            return False
        reached("caught up")
        with tenancy.open() as session:
            shelves.turn(session, tenancy.tenant_id, namespace_id, now=tenancy.clock())
        reached("turned")
    moved = _find(tenancy, namespace_id)
    if moved is None:
        return True  # its tenant has gone meanwhile
    if moved.moved_at is not None and tenancy.clock() < moved.moved_at + grace:
        return False
    if not _settle(tenancy, namespace_id, moved, reached):
        return False
    with tenancy.open() as session:
        shelves.finish(session, tenancy.tenant_id, namespace_id)
    reached("finished")
    log.info("shelf_moved", namespace_id=str(namespace_id), shelf=moved.shelf)
    return True


def _find(tenancy: Tenancy, namespace_id: UUID) -> Move | None:
    with tenancy.open() as session:
        return shelves.find_move(session, tenancy.tenant_id, namespace_id)


def _build(tenancy: Tenancy, namespace_id: UUID, building: Building, reached: Callable[[str], None]) -> None:
    """Fill the new shelf, index it, attach it."""
    while True:
        with tenancy.open() as session:
            copied = shelves.fill_shelf(session, namespace_id, limit=COPIED_AT_ONCE)
        reached("filled some")
        tenancy.give_way()
        if copied < COPIED_AT_ONCE:
            break
    while (step := _beside(tenancy, lambda: _advance(tenancy, namespace_id, building))) != "attached":
        reached(step)
    reached("attached")


def _settle(tenancy: Tenancy, namespace_id: UUID, move: Move, reached: Callable[[str], None]) -> bool:
    """Bring young memories to the own shelf until few are left; False when time ran out, or others wait for the worker."""
    began = time.monotonic()
    last: UUID | None = None
    while (taken := time.monotonic() - began) < SETTLE_S and not (taken > SETTLE_FIRST_S and tenancy.others_wait()):
        with tenancy.open() as session:
            ids = shelves.young(session, tenancy.tenant_id, move, namespace_id, limit=SETTLED_AT_ONCE, after=last)
            shelves.settle(session, tenancy.tenant_id, move, namespace_id, ids)
        reached("settled some")
        tenancy.give_way()
        if len(ids) < SETTLED_AT_ONCE:
            return True
        last = ids[-1]
    return False


def _beside(tenancy: Tenancy, work: Callable[[], _T]) -> _T:
    """Do what may be one long statement, the building of an index, in a thread, and give way to others meanwhile in this one."""
    with ThreadPoolExecutor(1, "shelving") as executor:
        under_way = executor.submit(copy_context().run, work)
        while wait([under_way], timeout=GIVE_WAY_EVERY_S).not_done:
            tenancy.give_way()
        return under_way.result()


def _advance(tenancy: Tenancy, namespace_id: UUID, building: Building) -> str:
    """Take one step towards the partition; where a lock is not to be had at once, others go first."""
    for attempt in range(_LOCK_ATTEMPTS):
        try:
            with tenancy.open() as session:
                return shelves.advance_shelf(
                    session, namespace_id, memory_mb=building.memory_mb, workers=building.workers
                )
        except Unavailable as error:
            if error.specific_code not in {"timeout", "busy"} or attempt == _LOCK_ATTEMPTS - 1:
                raise
        time.sleep(0.2 + 0.1 * attempt)
    raise AssertionError("unreachable")


def _outdated(tenancy: Tenancy, namespace_id: UUID, move: Move) -> Sequence[UUID]:
    with tenancy.open() as session:
        return shelves.outdated_copies(session, tenancy.tenant_id, move, namespace_id)


def _catch_up(tenancy: Tenancy, namespace_id: UUID, move: Move) -> bool:
    """Copy again what the new shelf holds otherwise than home does, because it changed since the filling began.

    Attaching waited until nobody was changing a memory, so whatever is changed from then on is changed on both shelves. Most of
    what is written meanwhile keeps its vectors, and consolidation writes every memory of a namespace: comparing is what takes no
    longer with that.

    Returns:
        False when time ran out; searches read home until a later run has done the rest.
    """
    assert move.since is not None  # set together with the target
    until = time.monotonic() + CATCH_UP_S
    ids = _beside(tenancy, lambda: _outdated(tenancy, namespace_id, move))
    for start in range(0, len(ids), SETTLED_AT_ONCE):
        if start and time.monotonic() > until:
            return False
        with tenancy.open() as session:
            shelves.copy_again(session, tenancy.tenant_id, move, namespace_id, ids[start : start + SETTLED_AT_ONCE])
        tenancy.give_way()
    return True
