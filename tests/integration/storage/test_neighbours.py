"""The turns around a turn as further candidates: one session, one scope, one moment."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from memory_service.lifecycle import archive
from memory_service.lifecycle.draft import Chunk, Draft, Encoding, Prepared, content_hash, dedupe_hash, said_hash
from memory_service.lifecycle.remember import remember
from memory_service.storage.database import Database
from memory_service.storage.neighbours import neighbours_of, runs_around
from memory_service.types import Extract


@pytest.fixture
def tell(database: Database, make_tenant: Any, encoder_id: int) -> Iterator[Any]:
    """Return a function that stores turns in order, of one tenant."""
    tenant_id, _ = make_tenant()

    def store(count: int, **fields: Any) -> list[UUID]:
        now = datetime.now(UTC)
        drafts = [Draft(f"turn {n}", extract=Extract.NONE, **{"session_id": "s", **fields}) for n in range(count)]
        vector = np.full(384, 384**-0.5, np.float32)
        prepared = [
            Prepared(
                d,
                d.observed_at or now,
                content_hash(d.content),
                dedupe_hash(d),
                said_hash(d.user_id, content_hash(d.content)),
                ("turn",),
                (Chunk((0, 1), vector),),
            )
            for d in drafts
        ]
        encoding = Encoding(lambda texts: np.zeros((0, 0), np.float32), lambda text: [], encoder_id)
        with database.transaction(tenant_id) as session:
            return [o.memory_id for o in remember(session, tenant_id, prepared, encoding=encoding, now=now)]

    store.tenant_id = tenant_id  # type: ignore[attr-defined]
    return store


def around(database: Database, tell: Any, ids: Sequence[UUID], **options: Any) -> list[list[UUID]]:
    with database.transaction(tell.tenant_id) as session:
        runs = runs_around(
            session, tell.tenant_id, ids, **{"distance": 2, "at": datetime.now(UTC) + timedelta(seconds=1), **options}
        )
    assert all(memory_id in run for memory_id, run in runs.items())
    return list(runs.values())


def test_two_turns_on_either_side_and_no_turn_twice(database: Database, tell: Any) -> None:
    turns = tell(10)
    assert around(database, tell, [turns[5]]) == [turns[3:8]]
    assert around(database, tell, [turns[0]]) == [turns[:3]]
    assert sorted(around(database, tell, [turns[3], turns[5]])) == [turns[1:6], turns[3:8]]
    assert around(database, tell, []) == []


def test_turns_stand_in_the_order_in_which_they_were_observed(database: Database, tell: Any) -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    newest_first = [tell(1, observed_at=noon - timedelta(minutes=n))[0] for n in range(7)]
    as_said = newest_first[::-1]
    assert around(database, tell, [as_said[3]]) == [as_said[1:6]]
    same, together = tell(2, observed_at=noon - timedelta(minutes=3))
    assert same == as_said[3]
    assert around(database, tell, [as_said[3]]) == [[*as_said[1:4], together, as_said[4]]]
    with database.transaction(tell.tenant_id) as session:
        nearby = neighbours_of(session, tell.tenant_id, [as_said[3]], distance=1, now=datetime.now(UTC))
    assert [row["id"] for row in nearby[as_said[3]]] == [as_said[2], together]
    known = datetime.now(UTC) + timedelta(seconds=1)
    assert around(database, tell, [as_said[1]], at=known, known=known) == [as_said[:4]]


def test_sessions_users_and_namespaces_are_not_crossed(database: Database, tell: Any) -> None:
    ours = tell(3, user_id="a")
    tell(3, user_id="b")
    tell(3, user_id="a", session_id="another")
    tell(3, user_id="a", namespace="elsewhere")
    alone = tell(1, session_id=None)
    assert around(database, tell, [ours[1]]) == [ours]
    assert around(database, tell, alone) == []


def test_as_of_a_moment(database: Database, tell: Any) -> None:
    turns = tell(3)
    before = datetime.now(UTC) + timedelta(microseconds=1)
    with database.transaction(tell.tenant_id) as session:
        archive.archive(session, tell.tenant_id, turns[:1], now=datetime.now(UTC) + timedelta(seconds=1))
    later = tell(1)
    far, early = datetime.now(UTC) + timedelta(hours=1), before - timedelta(days=1)
    assert around(database, tell, [turns[1]], at=far) == [[*turns[1:], *later]]
    assert around(database, tell, [turns[1]], at=before, known=before) == [turns]
    assert around(database, tell, [turns[1]], at=far, known=far) == [[*turns[1:], *later]]
    assert around(database, tell, [turns[1]], at=early, known=early) == []
