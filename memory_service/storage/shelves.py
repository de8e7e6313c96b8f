"""Shelves of their own: the steps by which the vectors of a large namespace move to a partition with an index.

A move never blocks a writer or a reader. Writers always write the shared shelf of their encoder, *home*; what is young there is
settled on the namespace's own shelf now and then. The columns of `namespace` say how far a move is:

| shelf | moving_to | |
|---|---|---|
| home | | not moved |
| home | N | shelf N is filled, indexed, attached; what changed meanwhile is copied again; nobody reads it yet |
| N | N | searches read N and home; what N holds is deleted at home |
| N | | moved |
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from memory_service.storage.database import only_one

MOST_SHELVES = 500  # Every statement that names no shelf locks each partition; thousands would fill the lock table.

LOCK_TIMEOUT_MS = 300

_KEY = "tenant_id = :tenant AND id = :namespace"


@dataclass(frozen=True, slots=True)
class Move:
    """How far the move of a namespace is."""

    shelf: int  # what searches read, besides home
    home: int  # the shared shelf of its encoder
    encoder_id: int
    dimension: int
    target: int | None  # where it moves
    since: int | None  # the horizon from which on changes must be copied again
    moved_at: datetime | None


def find_move(session: Session, tenant_id: UUID, namespace_id: UUID) -> Move | None:
    """Return how far a namespace is; None when there is no such namespace."""
    row = session.execute(
        text(
            "SELECT n.shelf, e.shelf, n.encoder_id, e.dimension, n.moving_to, "
            "CAST(CAST(n.moving_since AS text) AS bigint), n.moved_at "
            "FROM namespace n JOIN encoder e ON e.id = n.encoder_id WHERE n.tenant_id = :tenant AND n.id = :namespace"
        ),
        {"tenant": tenant_id, "namespace": namespace_id},
    ).one_or_none()
    return Move(*row) if row is not None else None


def open_shelf(session: Session, namespace_id: UUID) -> int | None:
    """Make an empty shelf for a namespace, or return the one that is being filled; None when it needs or gets none."""
    number: int | None = session.scalar(
        text("SELECT open_shelf(:namespace, :most)"), {"namespace": namespace_id, "most": MOST_SHELVES}
    )
    return number


def fill_shelf(session: Session, namespace_id: UUID, *, limit: int) -> int:
    """Copy the next rows to a shelf that is not attached yet; fewer than `limit` says that there are no more."""
    copied: int = session.execute(
        text("SELECT fill_shelf(:namespace, :limit)"), {"namespace": namespace_id, "limit": limit}
    ).scalar_one()
    return copied


def advance_shelf(session: Session, namespace_id: UUID, *, memory_mb: int, workers: int) -> str:
    """Take the next step from a filled table to a partition; return which: indexed, guarded, settled, attached.

    Two steps need the table of memories for an instant, against its writers (guarded) or alone (attached). What holds it
    longer than a moment makes them fail, so that nobody queues behind them; they are to be tried again.

    Args:
        session: a transaction of its own.
        namespace_id: whose shelf.
        memory_mb: what building the index may use; with less than the graph needs it takes many times as long.
        workers: processes that help building it.
    """
    session.execute(
        text(
            "SELECT set_config('statement_timeout', '0', true), set_config('maintenance_work_mem', :memory, true), "
            "set_config('max_parallel_maintenance_workers', :workers, true), set_config('lock_timeout', :lock, true)"
        ),
        {"memory": f"{memory_mb}MB", "workers": str(workers), "lock": f"{LOCK_TIMEOUT_MS}ms"},
    )
    step: str = session.execute(text("SELECT advance_shelf(:namespace)"), {"namespace": namespace_id}).scalar_one()
    return step


def outdated_copies(session: Session, tenant_id: UUID, move: Move, namespace_id: UUID) -> list[UUID]:
    """Return the memories of a namespace of which the new shelf holds what home no longer holds so, as far as they changed.

    What it does not hold at all is read at home, and settled later. Nothing is locked, so it may take its time: a run over a
    million memories writes each of them, and a move that ran into the usual limit would do so again whenever it goes on.
    """
    session.execute(text("SELECT set_config('statement_timeout', '600s', true)"))
    params = {**_params(tenant_id, move, namespace_id, ()), "since": str(move.since)}
    same = (
        "tenant_id = :tenant AND {0}.memory_id = c.memory_id AND {0}.encoder_id = :encoder AND {0}.version = c.version"
    )
    rows = session.execute(
        text(
            "SELECT m.id FROM memory m WHERE m.tenant_id = :tenant AND m.namespace_id = :namespace "
            "AND m.written >= CAST(CAST(:since AS text) AS xid8) AND EXISTS (SELECT FROM embedding c "
            "WHERE c.tenant_id = :tenant AND c.shelf = :own AND c.namespace_id = :namespace AND c.encoder_id = :encoder "
            "AND c.memory_id = m.id AND (EXISTS (SELECT FROM embedding e WHERE e.shelf = :home "
            f"AND e.namespace_id = :namespace AND e.{same.format('e')} AND e.chunk = c.chunk AND e.known_to <> c.known_to) "
            f"OR EXISTS (SELECT FROM embedding_coarse k WHERE k.{same.format('k')} AND k.chunk = c.chunk))) ORDER BY m.id"
        ),
        params,
    )
    return [row.id for row in rows]


def copy_again(session: Session, tenant_id: UUID, move: Move, namespace_id: UUID, ids: Sequence[UUID]) -> None:
    """Make the new shelf hold what home holds of some memories; nobody can change them meanwhile.

    The records are locked in a statement of their own: who changes what a memory is found by has locked its record first. So
    either the change is seen here, or its own statements will see these copies.
    """
    params = _params(tenant_id, move, namespace_id, ids)
    session.execute(
        text(
            "SELECT id FROM memory WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR SHARE"
        ),
        params,
    )
    # What fell to another tier after it was copied is kept there alone.
    session.execute(
        text(
            f"DELETE FROM embedding c USING embedding_coarse k WHERE {_here('c', 'own')} AND k.tenant_id = :tenant "
            "AND k.memory_id = c.memory_id AND k.encoder_id = c.encoder_id AND k.version = c.version "
            "AND k.chunk = c.chunk"
        ),
        params,
    )
    same = "c.memory_id = e.memory_id AND c.version = e.version AND c.chunk = e.chunk"
    session.execute(
        text(
            f"UPDATE embedding c SET known_to = e.known_to FROM embedding e WHERE {_here('c', 'own')} "
            f"AND {_here('e', 'home')} AND {same} AND c.known_to <> e.known_to"
        ),
        params,
    )
    session.execute(
        text(
            "INSERT INTO embedding (tenant_id, shelf, namespace_id, encoder_id, memory_id, version, chunk, span_from, "
            "span_to, known_from, known_to, vector) SELECT e.tenant_id, CAST(:own AS smallint), e.namespace_id, "
            "e.encoder_id, e.memory_id, e.version, e.chunk, e.span_from, e.span_to, e.known_from, e.known_to, e.vector "
            f"FROM embedding e WHERE {_here('e', 'home')} AND NOT EXISTS (SELECT FROM embedding c "
            f"WHERE {_here('c', 'own')} AND {same}) ON CONFLICT DO NOTHING"
        ),
        params,
    )


def turn(session: Session, tenant_id: UUID, namespace_id: UUID, *, now: datetime) -> None:
    """Let searches read the new shelf as well."""
    session.execute(
        text(f"UPDATE namespace SET shelf = moving_to, moved_at = :now WHERE {_KEY} AND moving_to IS NOT NULL"),
        {"tenant": tenant_id, "namespace": namespace_id, "now": now},
    )


def young(
    session: Session, tenant_id: UUID, move: Move, namespace_id: UUID, *, limit: int, after: UUID | None = None
) -> list[UUID]:
    """Return some memories of a moved namespace that have vectors at home, oldest first, beginning after one.

    Whoever deletes what he was given must say where he stands: else each call walks over all that was deleted before.
    """
    rows = session.execute(
        text(
            "SELECT DISTINCT e.memory_id FROM embedding e WHERE e.tenant_id = :tenant AND e.shelf = :home "
            "AND e.namespace_id = :namespace AND e.encoder_id = :encoder AND e.memory_id > :after "
            "ORDER BY e.memory_id LIMIT :limit"
        ),
        {**_params(tenant_id, move, namespace_id, ()), "limit": limit, "after": after or UUID(int=0)},
    )
    return [row.memory_id for row in rows]


def settle(session: Session, tenant_id: UUID, move: Move, namespace_id: UUID, ids: Sequence[UUID]) -> None:
    """Bring what home holds of some memories to the own shelf, in one transaction: a search finds it here or there."""
    copy_again(session, tenant_id, move, namespace_id, ids)
    session.execute(
        text(f"DELETE FROM embedding e WHERE {_here('e', 'home')}"), _params(tenant_id, move, namespace_id, ids)
    )


def _params(tenant_id: UUID, move: Move, namespace_id: UUID, ids: Sequence[UUID]) -> dict[str, object]:
    return {
        "tenant": tenant_id, "ids": list(ids), "namespace": namespace_id, "encoder": move.encoder_id, "home": move.home,
        "own": move.target or move.shelf,
    }  # fmt: skip


def _here(alias: str, shelf: str) -> str:
    """Return the condition that a vector of the memories at hand lies on a shelf, given by the name of its parameter."""
    return (
        f"{alias}.tenant_id = :tenant AND {alias}.shelf = :{shelf} AND {alias}.namespace_id = :namespace "
        f"AND {alias}.encoder_id = :encoder AND {alias}.memory_id = ANY(CAST(:ids AS uuid[]))"
    )


def finish(session: Session, tenant_id: UUID, namespace_id: UUID) -> None:
    """Say that the move is over."""
    session.execute(
        text(f"UPDATE namespace SET moving_to = NULL, moving_since = NULL WHERE {_KEY} AND shelf = moving_to"),
        {"tenant": tenant_id, "namespace": namespace_id},
    )


def only_mover(engine: Engine, namespace_id: UUID) -> AbstractContextManager[bool]:
    """Say whether nobody else is moving a namespace; for as long as the context lasts or this process lives."""
    return only_one(engine, f"memory_service.move.{namespace_id}")
