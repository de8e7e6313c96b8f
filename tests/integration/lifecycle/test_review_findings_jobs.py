"""Jobs and sweeps when something is in the way: tried again, cancelled in time, and told truthfully."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from consolidation import consolidate, enriching
from consolidation.consolidate import MAX_ATTEMPTS
from consolidation.tenancy import Tenancy
from memory_service.errors import Unavailable
from memory_service.storage import jobs
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id

LOCK = text("SELECT id FROM memory WHERE id = CAST(:id AS uuid) FOR UPDATE")


def impatient(database: Database, tenancy: Tenancy) -> Tenancy:
    """Return a worker that waits for no lock longer than a moment."""

    @contextmanager
    def opened() -> Iterator[Session]:
        with database.transaction(tenancy.tenant_id) as session:
            session.execute(text("SELECT set_config('lock_timeout', '50ms', true)"))
            yield session

    return replace(tenancy, open=opened)


def job_row(rows: Any, job_id: UUID) -> Any:
    return rows.one("SELECT * FROM job WHERE id = :id", id=job_id)


def test_a_job_that_meets_a_lock_is_tried_again(
    database: Database, tenancy: Tenancy, remember: Any, make_job: Callable[..., UUID], rows: Any
) -> None:
    memory_id = remember("The lock is in the way.")["id"]
    job_id = make_job("erase", [memory_id])
    hurried = impatient(database, tenancy)
    with database.transaction(tenancy.tenant_id) as other:
        other.execute(LOCK, {"id": memory_id})
        with pytest.raises(Unavailable):
            consolidate.run_job(hurried, job_id)
    found = job_row(rows, job_id)
    assert found.status == "running"
    assert found.lease_until > datetime.now(UTC)
    assert found.error.startswith("To be tried again:")
    later = replace(tenancy, clock=lambda: datetime.now(UTC) + timedelta(minutes=1))
    assert consolidate.run_job(later, job_id)
    found = job_row(rows, job_id)
    assert (found.status, found.error) == ("succeeded", None)


def test_a_job_that_always_meets_a_lock_fails_at_last_with_a_sentence(
    database: Database, tenancy: Tenancy, remember: Any, make_job: Callable[..., UUID], rows: Any
) -> None:
    memory_id = remember("The lock never opens.")["id"]
    job_id = make_job("erase", [memory_id])
    rows.run("UPDATE job SET attempts = :n WHERE id = :id", n=MAX_ATTEMPTS - 1, id=job_id)
    with database.transaction(tenancy.tenant_id) as other:
        other.execute(LOCK, {"id": memory_id})
        with pytest.raises(Unavailable):
            consolidate.run_job(impatient(database, tenancy), job_id)
    found = job_row(rows, job_id)
    assert found.status == "failed"
    assert found.error.startswith(f"Given up after {MAX_ATTEMPTS} attempts: ")


def test_an_enrich_job_waits_for_what_another_worker_holds(
    database: Database, tenancy: Tenancy, remember: Any, make_job: Callable[..., UUID], rows: Any
) -> None:
    memory_id, nowhere = remember("Anna lives in Oslo.")["id"], str(new_id())
    job_id = make_job("enrich", [memory_id, nowhere])
    with database.transaction(tenancy.tenant_id) as other:
        other.execute(LOCK, {"id": memory_id})
        consolidate.run_job(tenancy, job_id)
    found = job_row(rows, job_id)
    assert (found.status, found.items, found.done) == ("running", [], 0)
    later = replace(tenancy, clock=lambda: datetime.now(UTC) + timedelta(minutes=1))
    assert consolidate.run_job(later, job_id)
    found = job_row(rows, job_id)
    assert found.status == "succeeded"
    assert found.items == [
        {"memory_id": memory_id, "status": "succeeded"},
        {"memory_id": nowhere, "status": "absent"},
    ]


def test_an_erasure_cancelled_after_its_claim_erases_nothing(
    database: Database, tenancy: Tenancy, me: Any, remember: Any, make_job: Callable[..., UUID], rows: Any
) -> None:
    memory_id = remember("Keep me after all.")["id"]
    job_id = make_job("erase", [memory_id])
    opened = 0

    @contextmanager
    def cancelled_after_the_claim() -> Iterator[Session]:
        nonlocal opened
        opened += 1
        if opened == 2:
            with database.transaction(tenancy.tenant_id) as session:
                assert jobs.cancel_job(session, tenancy.tenant_id, job_id, now=datetime.now(UTC))
        with database.transaction(tenancy.tenant_id) as session:
            yield session

    consolidate.run_job(replace(tenancy, open=cancelled_after_the_claim), job_id)
    assert me.get(f"/v1/memories/{memory_id}").status_code == 200
    assert job_row(rows, job_id).status == "cancelled"


def test_one_memory_that_cannot_be_enriched_holds_up_no_other(
    tenancy: Tenancy, remember: Any, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = remember("Poison for the rules.")["id"], remember("Anna lives in Oslo.")["id"]
    enrich = enriching.enrich

    def choking(content: str, **known: Any) -> Any:
        if "Poison" in content:
            raise ValueError(content)
        return enrich(content, **known)

    monkeypatch.setattr(enriching, "enrich", choking)
    assert enriching.enrich_pending(tenancy) == 2
    statement = "SELECT entities, enriched_version >= content_version AS done FROM memory WHERE id = CAST(:id AS uuid)"
    assert rows.one(statement, id=good) == (["Oslo"], True)
    assert rows.one(statement, id=bad) == ([], True)
    assert enriching.enrich_pending(tenancy) == 0


def test_a_memory_without_extraction_never_waits_for_it(tenancy: Tenancy, me: Any, remember: Any, rows: Any) -> None:
    memory_id = remember("Anna lives in Oslo.", extract="none")["id"]
    assert me.patch(f"/v1/memories/{memory_id}", json={"content": "Anna lives in Bergen."}).status_code == 200
    waiting = rows.all("SELECT * FROM pending_enrichment(100000) WHERE tenant_id = :t", t=tenancy.tenant_id)
    assert waiting == []
    assert enriching.enrich_pending(tenancy) == 0
    assert me.get(f"/v1/memories/{memory_id}").json()["entities"] == []


def test_a_renewal_of_frequencies_heals_the_document_count(tenancy: Tenancy, remember: Any, rows: Any) -> None:
    for number in range(3):
        remember(f"Fact number {number}.")
    (space,) = rows.one("SELECT id FROM namespace WHERE tenant_id = :t", t=tenancy.tenant_id)
    rows.run("UPDATE namespace SET folded_docs = 5000 WHERE id = :id", id=space)
    assert consolidate.fold_corpus(tenancy, space)
    assert rows.one("SELECT folded_docs, stats_docs FROM namespace WHERE id = :id", id=space) == (3, 3)
    assert rows.all("SELECT 1 FROM corpus_delta WHERE namespace_id = :id", id=space) == []
