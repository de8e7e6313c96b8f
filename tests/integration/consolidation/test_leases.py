"""A job stays with the worker that is at it, and goes to the next soon after that one died."""

import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consolidation.leases import LEASE, held
from consolidation.tenancy import Tenancy
from memory_service.storage import jobs

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
