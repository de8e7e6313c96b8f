"""What a process knows of redaction policies: no older than it says, asked once, and nothing without the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from memory_service.errors import Misconfigured, Unavailable
from memory_service.redaction.policy import read_redaction
from memory_service.storage import policies
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import ensure_namespaces
from memory_service.storage.policies import REDACTION
from memory_service.storage.redactions import FRESH_S, Redactions


class Watch:
    """A clock that stands, and a database that counts who asks."""

    def __init__(self, database: Database) -> None:
        self.now, self.asked, self._database = 0.0, 0, database

    def clock(self) -> float:
        return self.now

    @contextmanager
    def open(self, tenant_id: UUID) -> Iterator[Session]:
        self.asked += 1
        with self._database.transaction(tenant_id) as session:
            yield session


def put(database: Database, tenant_id: UUID, path: str, do: str) -> None:
    now = datetime.now(UTC)
    with database.transaction(tenant_id) as session:
        space = ensure_namespaces(session, tenant_id, [path], now=now)[path].id
        body = {"rules": [{"find": "email", "do": do}]}
        policies.put(session, tenant_id, space, REDACTION, new_id(), body, now=now)


@pytest.fixture
def tenant_id(make_tenant: Any, client: Any) -> UUID:
    """Return a tenant of a database in which the application has registered its encoder."""
    made: UUID = make_tenant()[0]
    return made


def test_it_is_asked_once_a_second_and_then_knows_what_holds(
    database: Database, tenant_id: UUID, make_tenant: Any
) -> None:
    watch = Watch(database)
    redactions = Redactions(watch.open, lambda: b"secret", clock=watch.clock)
    assert not redactions.of(tenant_id)
    put(database, tenant_id, "a/b", "mask")
    assert not redactions.of(tenant_id)
    assert watch.asked == 1
    watch.now = FRESH_S
    known = redactions.of(tenant_id)
    assert list(known.by_path) == ["a/b"]
    assert watch.asked == 2
    assert redactions.of(tenant_id) is known
    assert [len(known.among((p,))) for p in ("a/b", "a", "a/b/c")] == [1, 0, 0]
    assert [len(known.among(None, prefix=p)) for p in ("a", "a/", "a/b", "a/", "b", "a/b/c")] == [1, 1, 1, 1, 0, 0]
    assert not redactions.of(make_tenant()[0])


def test_one_policy_is_compiled_once(database: Database, tenant_id: UUID) -> None:
    watch = Watch(database)
    redactions = Redactions(watch.open, lambda: b"secret", clock=watch.clock)
    put(database, tenant_id, "default", "hash")
    first = redactions.of(tenant_id).by_path["default"]
    redactions.forget(tenant_id)
    assert redactions.of(tenant_id).by_path["default"] is first
    put(database, tenant_id, "default", "mask")
    redactions.forget(tenant_id)
    assert redactions.of(tenant_id).by_path["default"] is not first


def test_without_a_secret_nothing_is_stored_under_a_policy_that_needs_one(database: Database, tenant_id: UUID) -> None:
    redactions = Redactions(Watch(database).open)
    redactions.check(tenant_id, read_redaction({"rules": [{"find": "email", "do": "mask"}]})[0])
    with pytest.raises(Misconfigured):
        redactions.check(tenant_id, read_redaction({"rules": [{"find": "email", "do": "hash"}]})[0])
    put(database, tenant_id, "default", "hash")
    with pytest.raises(Misconfigured):
        redactions.of(tenant_id)


def test_a_policy_that_cannot_be_read_whole_lets_nothing_through(database: Database, tenant_id: UUID) -> None:
    """Without the rule that has a fault it would be a policy that allows what it forbids."""
    redactions = Redactions(Watch(database).open, lambda: b"secret")
    put(database, tenant_id, "default", "mask")
    put(database, tenant_id, "a", "burn")
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"'a'.*/rules/0/do") as refused:
            redactions.of(tenant_id)
        assert refused.value.specific_code == "redaction_policy_unreadable"
    put(database, tenant_id, "a", "hash")
    assert sorted(redactions.of(tenant_id).by_path) == ["a", "default"]
