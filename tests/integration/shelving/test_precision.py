"""Memories that change their precision tier while their namespace moves to a shelf of its own, and after it has."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database
from memory_service.storage.migrate import _config, migrate
from memory_service.storage.precision import move_tiers
from memory_service.types import PrecisionTier

STEPS = ("opened", "filled some", "indexed", "guarded", "settled", "attached", "caught up", "turned", "settled some")


def move(house: Any, ids: Sequence[UUID], tier: PrecisionTier, **options: Any) -> None:
    with house.database.transaction(house.tenant_id) as session:
        done = move_tiers(session, house.tenant_id, [(i, tier) for i in ids], now=datetime.now(UTC), **options)
    assert set(done.moved) == set(ids)


def coarse(house: Any) -> dict[UUID, int]:
    return dict(map(tuple, house.all("SELECT memory_id, tier FROM embedding_coarse WHERE tenant_id = :t")))


@pytest.mark.parametrize("step", STEPS)
def test_tiers_change_in_the_middle_of_a_move(house: Any, step: str) -> None:
    """Each vector lies in one place at the end, and is found at every moment."""
    ids = house.add(120)
    down, signs, back = ids[:5], ids[5:10], ids[10:15]
    move(house, back, PrecisionTier.BINARY)
    passed: list[str] = []

    def change(name: str) -> None:
        if name == step and step not in passed:
            passed.append(name)
            move(house, down, PrecisionTier.INT8)
            move(house, signs, PrecisionTier.BINARY)
            move(house, back, PrecisionTier.HALF, vectors={(i, 1): house.vectors[i][None, :] for i in back})
            assert set(house.search(house.vector(), k=500).ids) == set(ids)

    assert house.move(reached=change)
    assert passed == [step]
    house.move()
    assert coarse(house) == dict.fromkeys(down, 1) | dict.fromkeys(signs, 2)
    assert house.shelves_of(ids) == {i: [house.namespace().shelf] for i in ids if i not in {*down, *signs}}
    for one in (down[0], signs[0], back[0], ids[50]):
        found = house.search(house.vectors[one], k=20)
        assert found.ids.count(one) == 1
        assert max(zip(found.vector, found.ids, strict=True))[1] == one


def test_a_large_namespace_finds_what_faded_beside_what_did_not(house: Any) -> None:
    ids = house.add(400)
    assert house.move()
    faded = ids[::2]
    move(house, faded[:100], PrecisionTier.INT8)
    move(house, faded[100:], PrecisionTier.BINARY)
    for one in ids[::40]:
        for k in (3, 50):
            assert one in house.search(house.vectors[one], k=k).ids
    every = house.search(house.vector(), k=1000)
    assert set(every.ids) == set(ids)
    # A query that is near to nothing of one kind still gets its rows of the other.
    near_faded = np.mean([house.vectors[i] for i in faded[:5]], axis=0)
    assert set(faded[:5]) <= set(house.search(near_faded / np.linalg.norm(near_faded), k=20).ids)


def test_long_texts_that_faded_hide_no_other_faded_one(house: Any) -> None:
    about = house.vector()
    house.add(200)
    short = house.add(4, near=(about + house.vector() * np.float32(0.5)))
    faded = [*house.add(2, chunks=40, near=about), *short]
    move(house, faded, PrecisionTier.BINARY)
    assert set(faded) <= set(house.search(about, k=3).ids)
    assert set(faded) <= set(house.search(about, k=10).ids)


def test_scores_by_sketch_are_estimates_of_cosines(house: Any) -> None:
    ids = house.add(200)
    move(house, ids, PrecisionTier.BINARY)
    query = house.vectors[ids[0]]
    found = house.search(query, k=100)
    estimated = dict(zip(found.ids, found.vector, strict=True))
    assert estimated[ids[0]] == pytest.approx(1)
    off = [score - float(house.vectors[i] @ query) for i, score in estimated.items()]
    assert (
        abs(np.mean(off)) < 0.1
    )  # 64 bits are few, and the nearest by their estimate are those whose estimate is high


def test_vectors_come_back_when_the_schema_goes_back(house: Any, roles: RoleUrls, service: Database) -> None:
    ids = house.add(20)
    move(house, ids[:5], PrecisionTier.INT8)
    move(house, ids[5:10], PrecisionTier.BINARY)
    service.dispose()
    owner = create_engine(roles.owner, poolclass=NullPool)
    with owner.begin() as connection:
        command.downgrade(_config(connection), "0012")
    try:
        assert house.shelves_of(ids) == {i: [0] for i in ids}
        rows = house.all("SELECT memory_id, vector::text FROM embedding WHERE tenant_id = :t")
        for memory_id, written in rows:
            vector = np.array(written.strip("[]").split(","), np.float32)
            least = 0.999 if memory_id not in ids[5:10] else 0.7
            assert float(vector @ house.vectors[memory_id]) > least
            assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-2)
    finally:
        migrate(roles.owner)
        owner.dispose()
        service.dispose()
    assert set(house.search(house.vector(), k=100).ids) == set(ids)
