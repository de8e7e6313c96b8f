"""Down and up again with a namespace on a shelf of its own and another on its way."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database
from memory_service.storage.migrate import _config, migrate


@pytest.fixture
def owner(roles: RoleUrls) -> Iterator[Any]:
    engine = create_engine(roles.owner, poolclass=NullPool)
    yield engine
    engine.dispose()


def test_vectors_come_back_to_the_shared_shelf(house: Any, owner: Any, roles: RoleUrls, service: Database) -> None:
    moved = house.add(80, namespace="moved")
    assert house.move("moved")
    on_its_way = house.add(40, namespace="on its way")

    class Killed(BaseException):
        pass

    def die(step: str) -> None:
        if step == "turned":
            raise Killed

    with pytest.raises(Killed):
        house.move("on its way", reached=die)
    service.dispose()
    with owner.begin() as connection:
        command.downgrade(_config(connection), "0004")
    assert {t for t in inspect(owner).get_table_names() if t.startswith("embedding_shelf")} == {
        "embedding_shelf_0", "embedding_shelf_1",
    }  # fmt: skip
    assert house.shelves_of(moved + on_its_way) == {i: [0] for i in moved + on_its_way}
    migrate(roles.owner)
    service.dispose()
    assert house.move("moved")
    shelf = house.namespace("moved").shelf
    assert house.shelves_of(moved) == {i: [shelf] for i in moved}
    assert len(house.search(house.vector(), paths=("moved",), k=80).ids) == 80
