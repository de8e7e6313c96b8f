"""A job stays with the worker that is at it, and goes to the next soon after that one died."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from consolidation import consolidate
from consolidation.leases import LEASE, TRUSTED, held, lease_of
from consolidation.tenancy import Tenancy
from memory_service.storage import jobs
from memory_service.storage.database import Database
from memory_service.types import CONSOLIDATE

OFTEN_S = 0.02


@pytest.fixture
def job_id(me: Any, remember: Any) -> UUID:
    remember("A text.")
    return UUID(me.post("/v1/consolidations", json={}).json()["job_id"])


def claim(tenancy: Tenancy, job_id: UUID, *, lease: timedelta) -> Any:
    with tenancy.open() as session:
        return jobs.claim_job(session, tenancy.tenant_id, job_id, now=tenancy.clock(), lease=lease)


def lease_until(rows: Any, job_id: UUID) -> Any:
    return rows.one("SELECT lease_until FROM job WHERE id = :id", id=job_id)[0]


def wait_for_beats() -> None:
    time.sleep(20 * OFTEN_S)


def test_work_that_outlasts_its_lease_is_not_handed_to_another(tenancy: Tenancy, job_id: UUID) -> None:
    claimed = claim(tenancy, job_id, lease=timedelta(seconds=0))
    with held(tenancy, job_id, attempt=claimed["attempts"], every_s=OFTEN_S):
        wait_for_beats()
        assert claim(tenancy, job_id, lease=LEASE) is None


def test_a_worker_that_died_is_followed_by_another_when_the_lease_is_over(tenancy: Tenancy, job_id: UUID) -> None:
    claimed = claim(tenancy, job_id, lease=timedelta(seconds=0))
    with held(tenancy, job_id, attempt=claimed["attempts"], every_s=60):
        pass  # The thread has ended as it does with its process.
    assert claim(tenancy, job_id, lease=LEASE)["attempts"] == claimed["attempts"] + 1


def test_a_job_that_ends_every_worker_leaves_the_others_their_turns(
    me: Any, tenancy: Tenancy, rows: Any, job_id: UUID, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that takes all memory, or hangs until it is killed: what a killed worker leaves is a lease."""

    class Killed(BaseException):
        pass

    def die(*_: Any) -> bool:
        raise Killed

    def is_due(later: timedelta) -> bool:
        due = text("SELECT job_id FROM due_jobs(:at, 1000)")
        with database.untenanted() as connection:
            return job_id in connection.scalars(due, {"at": datetime.now(UTC) + later})

    with monkeypatch.context() as patched:
        patched.setitem(consolidate._WORK, CONSOLIDATE, die)
        for attempt in range(1, TRUSTED + 3):
            with pytest.raises(Killed):
                consolidate.run_job(tenancy, job_id)
            job = me.get(f"/v1/jobs/{job_id}").json()
            assert (job["status"], job["attempts"]) == ("running", attempt)
            waits = lease_of(attempt)
            assert (is_due(waits - LEASE / 2), is_due(waits + LEASE / 2)) == (False, True)
            rows.run("UPDATE job SET lease_until = now() WHERE id = :id", id=job_id)
    assert "killed or hung" in job["error"]
    assert consolidate.run_job(tenancy, job_id) is True
    job = me.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["error"]) == ("succeeded", None), "it was not its fault"


def test_a_lease_that_is_another_workers_or_given_back_is_left_alone(tenancy: Tenancy, rows: Any, job_id: UUID) -> None:
    late = claim(tenancy, job_id, lease=timedelta(seconds=0))
    taken = claim(tenancy, job_id, lease=LEASE)
    kept = lease_until(rows, job_id)
    with held(tenancy, job_id, attempt=late["attempts"], every_s=OFTEN_S):
        wait_for_beats()
    assert lease_until(rows, job_id) == kept
    with held(tenancy, job_id, attempt=taken["attempts"], every_s=OFTEN_S):
        with tenancy.open() as session:
            rest = tenancy.clock() + timedelta(seconds=5)
            assert jobs.pause_job(session, tenancy.tenant_id, job_id, until=rest)
        wait_for_beats()
    assert lease_until(rows, job_id) == rest
