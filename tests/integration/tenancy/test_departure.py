"""A tenant that is deleted: nothing of it stays, and nothing of anybody else's goes with it."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from consolidation import consolidate, departing
from consolidation.departing import depart
from memory_service.api.services import utc_now
from memory_service.blobs.folder import FolderStore
from memory_service.blobs.protocol import blob_name
from memory_service.storage import keys, shelves
from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database
from memory_service.storage.namespaces import find_namespaces
from memory_service.types import Action, KeyScope

NOW = timedelta(0)


@pytest.fixture
def operator(make_tenant: Any, as_tenant: Callable[..., Any]) -> Any:
    return as_tenant(make_tenant(scopes=(KeyScope.OPERATOR, KeyScope.ADMIN, KeyScope.READ)))


@pytest.fixture
def blobs(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "kv")


def named(operator: Any, tenant_id: UUID) -> str:
    return str(operator.get(f"/v1/tenants/{tenant_id}").json()["name"])


def begin(operator: Any, tenant_id: UUID) -> Any:
    answer = operator.delete(f"/v1/tenants/{tenant_id}", params={"name": named(operator, tenant_id)})
    assert answer.status_code == 202, answer.text
    return answer.json()


def rows(checksum: Any, tenant_id: UUID) -> dict[str, int]:
    return {table: count for table, (count, _) in checksum(tenant_id).items() if count}


class Turns:
    """Says a few times that there is time for more."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> bool:
        self.left -= 1
        return self.left >= 0


def test_nothing_of_it_stays_and_nobody_else_is_touched(
    make_household: Callable[..., Any],
    untouched: Any,
    operator: Any,
    database: Database,
    blobs: FolderStore,
    checksum: Any,
    maintenance: Engine,
    tenant_tables: Mapping[str, str],
    tmp_path: Path,
) -> None:
    leaver = make_household("leaver")
    whose = leaver.tenant_id
    assert rows(checksum, whose).keys() == tenant_tables.keys(), "a row in every table, or this shows nothing"
    with database.transaction(whose) as session:
        kv = session.execute(text("UPDATE kv_memory SET has_blob = true RETURNING id")).scalars().all()
    blob = tmp_path / "blob"
    blob.write_bytes(b"tensors")
    for one in kv:
        with blob.open("rb") as file:
            blobs.put(blob_name(whose, one), file)
    preview = operator.delete(f"/v1/tenants/{whose}?dry_run=true")
    assert preview.status_code == 200
    before = rows(checksum, whose)
    assert preview.json()["counts"] == {table: count for table, count in before.items() if table != "tenant"}
    assert preview.json()["truncated"] is False
    begun = begin(operator, whose)
    assert begun["deleting_at"] is not None
    assert leaver.client.get("/v1/memories").status_code == 401, "its keys end with the answer"
    with maintenance.connect() as connection:
        open_work = text(
            "SELECT (SELECT count(*) FROM job WHERE tenant_id = :t AND status IN ('queued', 'running')) "
            "+ (SELECT count(*) FROM webhook WHERE tenant_id = :t AND active)"
        )
        assert connection.scalar(open_work, {"t": whose}) == 0, "nothing is done or told on its behalf"
    since, by = utc_now(), operator.tenant_id
    # A minute has to pass first: a request that began before is still to find its tenant.
    assert not depart(database.transaction, blobs, whose, since=since, by=by, now=since, go_on=lambda: True)
    assert rows(checksum, whose) == {"tenant": 1}
    shown = operator.get(f"/v1/tenants/{whose}").json()
    assert shown["removed"]["memory"] == before["memory"]
    assert shown["removed"]["audit_event"] >= before["audit_event"]
    later = since + departing.SETTLED_AFTER
    assert depart(database.transaction, blobs, whose, since=since, by=by, now=later, go_on=lambda: True)
    assert rows(checksum, whose) == {}
    assert list(blobs.listing()) == []
    assert operator.get(f"/v1/tenants/{whose}").json()["code"] == "tenant_not_found"
    assert consolidate.seal_audit(_tenancy(database, by))
    events = {one["action"]: one for one in operator.get("/v1/audit").json()["data"]}
    assert events[Action.TENANT_DELETE]["subject_id"] == events[Action.TENANT_GONE]["subject_id"] == str(whose)
    assert events[Action.TENANT_GONE]["details"]["removed"]["memory"] == before["memory"]


def _tenancy(database: Database, tenant_id: UUID) -> Any:
    from consolidation.tenancy import Tenancy

    return Tenancy(tenant_id, lambda: database.transaction(tenant_id), utc_now)


def test_it_goes_piece_by_piece_and_goes_on_where_a_worker_died(
    make_household: Callable[..., Any],
    operator: Any,
    database: Database,
    blobs: FolderStore,
    checksum: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(departing, "ROWS_AT_ONCE", 7)
    leaver = make_household("crumbs")
    begin(operator, leaver.tenant_id)
    left, calls = [sum(rows(checksum, leaver.tenant_id).values())], 0
    gone = False
    while not gone and calls < 400:
        gone = depart(
            database.transaction, blobs, leaver.tenant_id, since=utc_now(), by=None, now=utc_now(), go_on=Turns(3),
            settled_after=NOW,
        )  # fmt: skip
        left.append(sum(rows(checksum, leaver.tenant_id).values()))
        calls += 1
    assert gone
    assert left[-1] == 0
    assert calls > left[0] / 40, "a piece is small"
    assert left == sorted(left, reverse=True)


def test_nobody_is_removed_whose_deletion_was_not_begun(
    untouched: Any, role_urls: RoleUrls, database: Database, blobs: FolderStore
) -> None:
    """Whoever speaks as the service can ask; what was not begun is not touched."""
    engine = create_engine(role_urls.service, poolclass=NullPool)
    with engine.connect() as connection:
        removed = connection.execute(
            text("SELECT * FROM remove_tenant_rows(:id, NULL, 1000)"), {"id": untouched.tenant_id}
        ).all()
        assert connection.scalar(text("SELECT end_tenant(:id)"), {"id": untouched.tenant_id}) is None
        connection.execute(text("SELECT set_config('app.tenant', :id, true)"), {"id": str(untouched.tenant_id)})
        assert connection.scalar(text("SELECT drop_shelves_of_leaver()")) == 0
        listed = connection.execute(text("SELECT tenant_id FROM deleting_tenants(1000)")).scalars().all()
        connection.rollback()
    engine.dispose()
    assert removed == []
    assert untouched.tenant_id not in listed


def test_the_tables_come_from_the_catalogue(maintenance: Engine, tenant_tables: Mapping[str, str]) -> None:
    """Also those of later migrations; and what refers to another table comes before it."""
    with maintenance.connect() as connection:
        found = connection.execute(text("SELECT part, name FROM tenant_tables()")).all()
        partitions = connection.scalars(text("SELECT inhrelid::regclass::text FROM pg_inherits")).all()
    names = [row.name for row in found]
    assert set(names) == tenant_tables.keys() - {"tenant"}
    assert names.index("embedding") < names.index("memory") < names.index("namespace")
    parts = {row.part for row in found}
    assert {one for one in partitions if re.fullmatch(r"embedding_shelf_\d+", one)} <= parts
    assert "embedding" not in parts


def test_whom_it_is_refused(operator: Any, ours: Any, make_tenant: Any) -> None:
    other, _ = make_tenant()
    path = f"/v1/tenants/{other}"
    wrong = operator.delete(path, params={"name": "another"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "?name")
    assert operator.delete(path).status_code == 422
    assert operator.get(path).json()["deleting_at"] is None
    own = operator.delete(f"/v1/tenants/{operator.tenant_id}", params={"name": named(operator, operator.tenant_id)})
    assert (own.status_code, own.json()["code"]) == (409, "own_tenant")
    nobody = operator.delete(f"/v1/tenants/{uuid4()}", params={"name": "x"})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "tenant_not_found")
    assert ours.client.delete(path, params={"name": "x"}).status_code == 403
    assert ours.client.get(path).status_code == 403


def test_a_key_that_somebody_makes_meanwhile_opens_nothing(
    operator: Any, make_tenant: Any, client: Any, database: Database
) -> None:
    other, _ = make_tenant()
    first = begin(operator, other)
    # By a process that had not heard of it.
    with database.transaction(other) as session:
        key_id, secret = keys.create_key(
            session, other, name="late", scopes=["memories:read"], expires_at=None, now=utc_now()
        )
    assert client.get("/v1/memories", headers={"X-API-Key": secret}).status_code == 401
    with database.transaction(other) as session:
        row = keys.get_key_row(session, other, key_id)
    assert row is not None
    assert row.revoked_at is not None
    assert begin(operator, other)["deleting_at"] == first["deleting_at"], "beginning twice is beginning once"


def test_its_own_shelves_go_as_a_whole_and_nobody_elses(
    make_household: Callable[..., Any],
    operator: Any,
    database: Database,
    blobs: FolderStore,
    maintenance: Engine,
    open_tenancy: Callable[[UUID], Any],
) -> None:
    leaver, neighbour = make_household("shelved"), make_household("shelvedtoo")

    def shelves_of(tenant_id: UUID) -> set[str]:
        with maintenance.connect() as connection:
            numbers = connection.scalars(
                text("SELECT moving_to FROM namespace WHERE tenant_id = :t AND moving_to IS NOT NULL"), {"t": tenant_id}
            ).all()
            there = text("SELECT to_regclass(CAST(:name AS text)) IS NOT NULL")
            names = {f"embedding_shelf_{number}" for number in numbers}
            return {name for name in names if connection.scalar(there, {"name": name})}

    for household in (leaver, neighbour):
        with database.transaction(household.tenant_id) as session:
            space = find_namespaces(session, household.tenant_id, [household.namespace])[household.namespace]
            assert shelves.open_shelf(session, space.id) is not None
    mine, theirs = shelves_of(leaver.tenant_id), shelves_of(neighbour.tenant_id)
    assert len(mine) == len(theirs) == 1
    begin(operator, leaver.tenant_id)
    since = utc_now()
    depart(database.transaction, blobs, leaver.tenant_id, since=since, by=None, now=since, go_on=lambda: True)
    with maintenance.connect() as connection:
        there = text("SELECT to_regclass(CAST(:name AS text)) IS NOT NULL")
        assert [connection.scalar(there, {"name": name}) for name in (*mine, *theirs)] == [False, True]
    begin(operator, neighbour.tenant_id)
    depart(database.transaction, blobs, neighbour.tenant_id, since=since, by=None, now=since, go_on=lambda: True)
    assert shelves_of(neighbour.tenant_id) == set()
