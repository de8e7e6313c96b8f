"""Moments that memories speak of: written by the worker, known over a span of time, seen by their tenant only, erased."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from consolidation import consolidate, enriching
from consolidation.tenancy import Tenancy
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.time_mentions import spans_of

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
FRIDAY = (datetime(2023, 5, 5, tzinfo=UTC).timestamp(), datetime(2023, 5, 6, tzinfo=UTC).timestamp())
SUNDAY = (datetime(2023, 5, 7, tzinfo=UTC).timestamp(), datetime(2023, 5, 8, tzinfo=UTC).timestamp())


@pytest.fixture
def remember(me: Any) -> Callable[..., UUID]:
    def store(content: str, **fields: Any) -> UUID:
        answer = me.post(
            "/v1/memories", json={"content": content, "observed_at": MONDAY.isoformat(), "namespace": "times", **fields}
        )
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    return store


def spans(database: Database, tenant_id: UUID, *ids: UUID, known: datetime | None = None) -> dict[UUID, Any]:
    with database.transaction(tenant_id) as session:
        namespace_id = session.scalar(
            text("SELECT id FROM namespace WHERE tenant_id = :t AND path = 'times'"), {"t": tenant_id}
        )
        return spans_of(session, tenant_id, [namespace_id or new_id()], ids, known=known).result()


def rows_of(maintenance: Engine, memory_id: UUID) -> list[Any]:
    with maintenance.connect() as connection:
        statement = text(
            "SELECT version, ordinal, starts, ends, phrase, span_from, span_to, granularity, namespace_id, known_from, "
            "nullif(known_to, 'infinity') AS known_to FROM time_mention WHERE memory_id = :id ORDER BY version, ordinal"
        )
        return list(connection.execute(statement, {"id": memory_id}).all())


def test_the_worker_writes_what_a_text_speaks_of(
    database: Database, tenancy: Tenancy, remember: Any, maintenance: Engine
) -> None:
    content = "I met her last Friday, and I have lived here since 2019."
    spoken, silent = remember(content), remember("I like tea.")
    assert spans(database, tenancy.tenant_id, spoken, silent) == {}
    assert enriching.enrich_pending(tenancy) == 2
    since = (datetime(2019, 1, 1, tzinfo=UTC).timestamp(), math.inf)
    assert spans(database, tenancy.tenant_id, spoken, silent) == {spoken: (FRIDAY, since)}
    friday, since_2019 = rows_of(maintenance, spoken)
    assert (friday.phrase, friday.granularity, friday.version, friday.ordinal) == ("last Friday", "day", 1, 0)
    assert content[friday.span_from : friday.span_to] == "last Friday"
    assert (since_2019.phrase, since_2019.granularity, since_2019.ends) == ("since 2019", "year", None)


def test_an_open_beginning_is_minus_infinity(database: Database, tenancy: Tenancy, remember: Any) -> None:
    memory_id = remember("That was before 2022.")
    enriching.enrich_pending(tenancy)
    end = datetime(2022, 1, 1, tzinfo=UTC).timestamp()
    assert spans(database, tenancy.tenant_id, memory_id) == {memory_id: ((-math.inf, end),)}


def test_many_memories_are_read_at_once(database: Database, tenancy: Tenancy, me: Any) -> None:
    items = [
        {"content": f"{n}: we met yesterday.", "observed_at": MONDAY.isoformat(), "namespace": "times"}
        for n in range(300)
    ]
    answer = me.post("/v1/memories/batch", json={"items": items})
    ids = [UUID(result["id"]) for result in answer.json()["results"]]
    assert enriching.enrich_pending(tenancy) == 300
    found = spans(database, tenancy.tenant_id, *ids, new_id())
    assert found == dict.fromkeys(ids, (SUNDAY,))


def test_running_again_changes_nothing(
    database: Database, tenancy: Tenancy, remember: Any, maintenance: Engine
) -> None:
    memory_id = remember("We met yesterday.")
    enriching.enrich_pending(tenancy)
    before = rows_of(maintenance, memory_id)
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE memory SET enriched_version = 0 WHERE id = :id"), {"id": memory_id})
    assert enriching.enrich_pending(tenancy) == 1
    assert rows_of(maintenance, memory_id) == before


def test_new_content_ends_what_the_old_spoke_of(
    database: Database, tenancy: Tenancy, remember: Any, me: Any, maintenance: Engine
) -> None:
    memory_id = remember("We met last Friday.")
    stored = datetime.now(UTC)
    enriching.enrich_pending(tenancy)
    assert me.patch(f"/v1/memories/{memory_id}", json={"content": "We met yesterday."}).status_code == 200
    # Nothing is said of the new text before a worker has read it.
    assert spans(database, tenancy.tenant_id, memory_id) == {}
    enriching.enrich_pending(tenancy)
    assert spans(database, tenancy.tenant_id, memory_id) == {memory_id: (SUNDAY,)}
    assert spans(database, tenancy.tenant_id, memory_id, known=stored) == {memory_id: (FRIDAY,)}
    assert spans(database, tenancy.tenant_id, memory_id, known=stored - timedelta(days=1)) == {}
    old, new = rows_of(maintenance, memory_id)
    assert (old.version, new.version) == (1, 2)
    # Without a gap, whenever the worker came.
    assert old.known_to == new.known_from


def test_a_text_that_is_read_anew_after_another_title_is_not_said_twice(
    database: Database, tenancy: Tenancy, remember: Any, me: Any, maintenance: Engine
) -> None:
    """A title makes another version of what is searched and ends nothing that was read out of the text."""
    memory_id = remember("We met yesterday.")
    enriching.enrich_pending(tenancy)
    assert me.patch(f"/v1/memories/{memory_id}", json={"title": "A meeting"}).status_code == 200
    with maintenance.begin() as connection:
        connection.execute(text("UPDATE memory SET enriched_version = 0 WHERE id = :id"), {"id": memory_id})
    enriching.enrich_pending(tenancy)
    assert [row.version for row in rows_of(maintenance, memory_id) if row.known_to is None] == [2]
    assert spans(database, tenancy.tenant_id, memory_id) == {memory_id: (SUNDAY,)}


def test_another_time_of_observation_moves_what_is_relative(
    database: Database, tenancy: Tenancy, remember: Any, me: Any
) -> None:
    memory_id = remember("We met yesterday.")
    enriching.enrich_pending(tenancy)
    later = {"observed_at": (MONDAY - timedelta(days=2)).isoformat()}
    assert me.patch(f"/v1/memories/{memory_id}", json=later).status_code == 200
    enriching.enrich_pending(tenancy)
    assert spans(database, tenancy.tenant_id, memory_id) == {memory_id: (FRIDAY,)}


def test_other_changes_leave_them_alone(database: Database, tenancy: Tenancy, remember: Any, me: Any) -> None:
    memory_id = remember("We met yesterday.")
    enriching.enrich_pending(tenancy)
    assert me.patch(f"/v1/memories/{memory_id}", json={"tags": ["x"], "title": "A meeting"}).status_code == 200
    assert me.delete(f"/v1/memories/{memory_id}").status_code == 204
    assert me.post(f"/v1/memories/{memory_id}/restore").status_code == 200
    assert spans(database, tenancy.tenant_id, memory_id) == {memory_id: (SUNDAY,)}


def test_what_was_changed_before_the_worker_came_is_known_from_the_text_s_beginning(
    database: Database, tenancy: Tenancy, remember: Any, me: Any, maintenance: Engine
) -> None:
    memory_id = remember("We met yesterday.")
    stored = datetime.now(UTC)
    me.patch(f"/v1/memories/{memory_id}", json={"tags": ["x"]})
    enriching.enrich_pending(tenancy)
    assert spans(database, tenancy.tenant_id, memory_id, known=stored) == {memory_id: (SUNDAY,)}


def test_memories_that_ask_for_no_extraction_get_none(
    tenancy: Tenancy, remember: Any, me: Any, maintenance: Engine
) -> None:
    memory_id = remember("We met yesterday.", extract="none")
    me.patch(f"/v1/memories/{memory_id}", json={"content": "We met last Friday."})
    assert enriching.enrich_pending(tenancy) == 0
    assert rows_of(maintenance, memory_id) == []


def test_they_are_read_within_one_namespace(database: Database, tenancy: Tenancy, remember: Any) -> None:
    here, elsewhere = remember("We met yesterday."), remember("We met yesterday.", namespace="other")
    enriching.enrich_pending(tenancy)
    assert spans(database, tenancy.tenant_id, here, elsewhere).keys() == {here}


def test_another_tenant_sees_none_of_them(
    database: Database, tenancy: Tenancy, remember: Any, make_tenant: Any, maintenance: Engine
) -> None:
    memory_id = remember("We met yesterday.")
    enriching.enrich_pending(tenancy)
    stranger, _ = make_tenant()
    (row,) = rows_of(maintenance, memory_id)
    with database.transaction(stranger) as session:
        assert session.scalar(text("SELECT count(*) FROM time_mention")) == 0
        assert spans_of(session, tenancy.tenant_id, [row.namespace_id], [memory_id]).result() == {}
        assert spans_of(session, stranger, [row.namespace_id], [memory_id]).result() == {}


def test_erasure_leaves_none(tenancy: Tenancy, remember: Any, me: Any, maintenance: Engine) -> None:
    memory_id = remember("We met yesterday at the lake.")
    enriching.enrich_pending(tenancy)
    me.patch(f"/v1/memories/{memory_id}", json={"content": "We met last Friday at the lake."})
    enriching.enrich_pending(tenancy)
    assert len(rows_of(maintenance, memory_id)) == 2
    job = me.delete(f"/v1/memories/{memory_id}?erase=true").json()["job_id"]
    assert consolidate.run_job(tenancy, UUID(job))
    assert rows_of(maintenance, memory_id) == []
