"""Workers act for one tenant at a time: messages that name another's work do nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import Engine, text

from consolidation import consolidate, enriching
from consolidation.conflicts.statements import read_statements
from consolidation.zettelkasten import vocabulary
from consolidation.zettelkasten.vocabulary import Vocabulary
from memory_service.analysis.tokens import TERMS_VERSION
from memory_service.errors import Unavailable
from memory_service.storage import jobs
from memory_service.storage.database import Database
from memory_service.storage.namespaces import get_namespace
from memory_service.storage.precision import Moved, move_tiers
from memory_service.types import JobStatus, PrecisionTier


def forge(database: Database, tenant_id: UUID, kind: str, memory_ids: list[str]) -> UUID:
    """Store a job of one tenant that names memories of another."""
    with database.transaction(tenant_id) as session:
        return jobs.create_job(
            session,
            tenant_id,
            kind=kind,
            payload={"memory_ids": memory_ids},
            total=len(memory_ids),
            now=datetime.now(UTC),
            ttl=timedelta(days=1),
        )


def job_of(database: Database, tenant_id: UUID, job_id: UUID) -> Any:
    with database.transaction(tenant_id) as session:
        return jobs.get_job(session, tenant_id, job_id)


def pending(maintenance: Engine, tenant_id: UUID) -> int:
    with maintenance.connect() as connection:
        statement = text("SELECT count(*) FROM memory WHERE tenant_id = :t AND enriched_version < content_version")
        return connection.scalar(statement, {"t": tenant_id}) or 0


def test_enriching_one_tenant_leaves_the_others_waiting(
    worker: ModuleType, make_household: Callable[..., Any], untouched: Any, maintenance: Engine
) -> None:
    busy = make_household("busy")
    assert pending(maintenance, busy.tenant_id) > 0
    waiting = pending(maintenance, untouched.tenant_id)
    assert waiting > 0
    worker.enrich(str(busy.tenant_id))
    assert pending(maintenance, busy.tenant_id) == 0
    assert pending(maintenance, untouched.tenant_id) == waiting


def test_ids_of_another_tenant_are_not_worked_on(
    ours: Any, untouched: Any, open_tenancy: Any, maintenance: Engine
) -> None:
    tenancy = open_tenancy(ours.tenant_id)
    ids = [UUID(i) for i in (untouched.memory_id, untouched.older_id, untouched.archived_id)]
    assert enriching.enrich_pending(tenancy, ids=ids) == 0
    assert consolidate.expire_due(tenancy, ids) == 0
    with maintenance.connect() as connection:
        spaces = connection.scalars(text("SELECT id FROM namespace WHERE tenant_id = :t"), {"t": untouched.tenant_id})
        for namespace_id in spaces.all():
            consolidate.fold_corpus(tenancy, namespace_id)


def test_memories_of_another_tenant_keep_their_precision(
    ours: Any, untouched: Any, open_tenancy: Any, maintenance: Engine
) -> None:
    ids = [UUID(i) for i in (untouched.memory_id, untouched.older_id, untouched.archived_id)]
    tenancy = open_tenancy(ours.tenant_id)
    given = {(i, version): np.ones((1, 384), np.float32) for i in ids for version in (1, 2)}
    for tier in PrecisionTier:
        with tenancy.open() as session:
            done = move_tiers(session, ours.tenant_id, [(i, tier) for i in ids], now=datetime.now(UTC), vectors=given)
        assert done == Moved((), ())


def test_housekeeping_purges_deliveries_piece_by_piece(
    worker: ModuleType, ours: Any, database: Database, maintenance: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece in a transaction of its own, after what else is purged: where one fails, the others stay done."""
    with database.transaction(ours.tenant_id) as session:
        many = """
            INSERT INTO webhook_delivery SELECT :t, gen_random_uuid(), :t, :t, 'job.failed', NULL, :t, NULL, '{}',
                now() - make_interval(days => 400 - n), 'delivered', 1, now(), '[]' FROM generate_series(1, 5) n
        """
        session.execute(text(many), {"t": ours.tenant_id})
    left = text("SELECT count(*) FROM webhook_delivery WHERE tenant_id = :t AND event = 'job.failed'")
    monkeypatch.setattr("consolidation.worker.housekeeping.PURGED_AT_ONCE", 2)
    monkeypatch.setattr("consolidation.worker.housekeeping.PURGE_FOR_S", 0.0)
    assert worker.housekeep()["webhook_delivery"] == 0, "its time is over; the next one goes on"
    monkeypatch.setattr("consolidation.worker.housekeeping.PURGE_FOR_S", 60.0)
    assert worker.housekeep()["webhook_delivery"] == 5
    with maintenance.connect() as connection:
        assert connection.scalar(left, {"t": ours.tenant_id}) == 0


def test_housekeeping_encodes_anew_what_was_recalled(
    worker: ModuleType, make_household: Callable[..., Any], untouched: Any, database: Database
) -> None:
    """As a worker does it: with the model that it loads for this, across tenants, under each one's own name."""
    faded = make_household("faded")
    one = UUID(faded.memory_id)
    with database.transaction(faded.tenant_id) as session:
        assert move_tiers(session, faded.tenant_id, [(one, PrecisionTier.BINARY)], now=datetime.now(UTC)).moved
    judged = {"memory_id": str(one), "useful": True}
    assert faded.client.post(f"/v1/traces/{faded.search_id}/feedback", json=judged).status_code == 200
    assert faded.client.get(f"/v1/memories/{one}").json()["retention"]["precision_tier"] == "binary"
    rounds = [worker.housekeep()["raised"]]
    while rounds[-1] and len(rounds) < 10:  # Other tests may have left memories that wait, too many for one round.
        rounds.append(worker.housekeep()["raised"])
    assert rounds[0] >= 1
    assert rounds[-1] == 0
    assert faded.client.get(f"/v1/memories/{one}").json()["retention"]["precision_tier"] == "half"


def test_a_message_that_pairs_a_tenant_with_a_foreign_job_does_nothing(
    worker: ModuleType, ours: Any, untouched: Any
) -> None:
    for job_id in (untouched.queued_job_id, untouched.done_job_id):
        assert worker.run_job(str(ours.tenant_id), job_id) is False


@pytest.mark.parametrize("tenant", ["nobody", "'; DROP TABLE memory; --", "", "*"])
def test_a_message_that_names_no_tenant_is_refused(worker: ModuleType, untouched: Any, tenant: str) -> None:
    for call in (lambda: worker.enrich(tenant), lambda: worker.run_job(tenant, untouched.queued_job_id)):
        with pytest.raises(ValueError, match="UUID"):
            call()


def test_a_tenant_that_does_not_exist_has_no_work(worker: ModuleType, untouched: Any) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    assert worker.enrich(nobody) == 0
    assert worker.run_job(nobody, untouched.queued_job_id) is False


def test_an_erasure_that_names_foreign_memories_erases_nothing(
    worker: ModuleType, database: Database, ours: Any, untouched: Any
) -> None:
    ids = [untouched.memory_id, untouched.older_id, untouched.archived_id, untouched.erased_id]
    job_id = forge(database, ours.tenant_id, "erase", ids)
    assert worker.run_job(str(ours.tenant_id), str(job_id)) is True
    job = job_of(database, ours.tenant_id, job_id)
    assert job["status"] == JobStatus.SUCCEEDED
    assert job["items"] == [{"memory_id": i, "status": "absent"} for i in ids]
    assert ours.client.get(f"/v1/memories/{untouched.memory_id}").status_code == 404, "no tombstone was left for it"


def test_an_enrichment_that_names_foreign_memories_reads_nothing(
    worker: ModuleType, database: Database, ours: Any, untouched: Any
) -> None:
    job_id = forge(database, ours.tenant_id, "enrich", [untouched.memory_id])
    assert worker.run_job(str(ours.tenant_id), str(job_id)) is True
    assert "theirs" not in str(job_of(database, ours.tenant_id, job_id))


def test_a_sweep_does_everybody_s_work_under_their_own_name(
    worker: ModuleType, make_household: Callable[..., Any], maintenance: Engine
) -> None:
    swept = [make_household(f"swept{number}") for number in range(2)]
    with maintenance.begin() as connection:
        for household in swept:
            connection.execute(
                text("UPDATE namespace SET terms_version = 1 WHERE tenant_id = :t"), {"t": household.tenant_id}
            )

    def status_of(household: Any) -> str:
        status: str = household.client.get(f"/v1/jobs/{household.queued_job_id}").json()["status"]
        return status

    # A sweep takes 500 of each kind; other tests of a whole run have left more.
    for _ in range(10):
        worker.sweep()
        if all(not pending(maintenance, h.tenant_id) and status_of(h) == "succeeded" for h in swept):
            break
    with maintenance.connect() as connection:
        outdated = "SELECT min(terms_version) FROM namespace WHERE tenant_id = ANY(:tenants)"
        tenants = [household.tenant_id for household in swept]
        assert connection.scalar(text(outdated), {"tenants": tenants}) == TERMS_VERSION
    worker.housekeep()
    for household in swept:
        assert pending(maintenance, household.tenant_id) == 0
        assert status_of(household) == "succeeded"
        other = next(h for h in swept if h is not household)
        for view in ("", "/versions", "/provenance", "/links"):
            assert other.secret not in household.client.get(f"/v1/memories/{household.memory_id}{view}").text
        found = household.client.get(f"/v1/memories/{household.memory_id}").json()
        assert "Tomás" in found["entities"]


@pytest.mark.parametrize("step", ["enrich_pending", "expire_due", "fold_corpus"])
@pytest.mark.parametrize("fault", [ValueError("a bad row"), Unavailable("Locked.", code="busy")], ids=["bug", "busy"])
def test_a_sweep_goes_on_after_a_tenant_whose_work_fails(
    worker: ModuleType,
    make_household: Callable[..., Any],
    maintenance: Engine,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    fault: Exception,
) -> None:
    broken, sound = make_household("broken"), make_household("sound")
    with maintenance.begin() as connection:
        for household in (broken, sound):
            connection.execute(
                text("UPDATE memory SET expires_at = now() WHERE tenant_id = :t AND id = CAST(:id AS uuid)"),
                {"t": household.tenant_id, "id": household.memory_id},
            )
    home = enriching if step == "enrich_pending" else consolidate
    tried, work = [], getattr(home, step)

    def failing(tenancy: Any, *ids: Any) -> Any:
        tried.append(tenancy.tenant_id)
        if tenancy.tenant_id == broken.tenant_id:
            raise fault
        return work(tenancy, *ids)

    monkeypatch.setattr(home, step, failing)
    monkeypatch.setattr(
        "consolidation.worker.across_tenants.FOUND_AT_ONCE", 100_000
    )  # other tests left work of their own
    worker.sweep()
    assert {broken.tenant_id, sound.tenant_id} <= set(tried)
    with maintenance.connect() as connection:
        state = connection.scalar(
            text("SELECT state FROM memory WHERE tenant_id = :t AND id = CAST(:id AS uuid)"),
            {"t": sound.tenant_id, "id": sound.memory_id},
        )
        unfolded = connection.scalar(
            text("SELECT count(*) FROM corpus_delta WHERE tenant_id = :t"), {"t": sound.tenant_id}
        )
    assert (pending(maintenance, sound.tenant_id), state, unfolded) == (0, "expired", 0)


def test_a_sweep_stops_when_the_database_is_down(
    worker: ModuleType, make_household: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_household("unreached")

    def down(*_: Any) -> int:
        raise Unavailable("The database does not answer.")

    monkeypatch.setattr(enriching, "enrich_pending", down)
    with pytest.raises(Unavailable):
        worker.sweep()


def test_a_run_gives_way_to_jobs_of_another_kind(
    worker: ModuleType, make_household: Callable[..., Any], database: Database, maintenance: Engine
) -> None:
    me = make_household("hurried")
    with maintenance.begin() as connection:  # what other tests left waiting waits on
        connection.execute(text("UPDATE job SET lease_until = now() + interval '1 hour' WHERE finished_at IS NULL"))
    forge(database, me.tenant_id, "consolidate", [])
    assert worker.tenancies.tenancy_of(me.tenant_id).others_wait() is False
    forge(database, me.tenant_id, "erase", [])
    assert worker.tenancies.tenancy_of(me.tenant_id).others_wait() is True


def test_a_sweep_deletes_tenants_that_are_to_go(
    worker: ModuleType, make_household: Callable[..., Any], untouched: Any, checksum: Any, maintenance: Engine
) -> None:
    leaver = make_household("gone")
    with maintenance.begin() as connection:
        connection.execute(
            text("UPDATE tenant SET deleting_at = now() - interval '2 minutes' WHERE id = :t"), {"t": leaver.tenant_id}
        )
    for _ in range(10):
        worker.sweep()
        if not any(count for count, _ in checksum(leaver.tenant_id).values()):
            return
    pytest.fail("the tenant is still there")


def test_no_text_stays_between_two_tasks_and_no_vectors_that_nobody_asked_for(
    worker: ModuleType, make_household: Callable[..., Any], database: Database
) -> None:
    busy = make_household("busy")
    read_statements("The kettle of Mrs Oyelaran leaks.", "en")
    Vocabulary().stems("Mrs Oyelaran's kettle", "en")
    with database.transaction(busy.tenant_id) as session:
        only = text("SELECT id FROM namespace WHERE tenant_id = :t LIMIT 1")
        namespace = get_namespace(session, busy.tenant_id, session.scalar(only, {"t": busy.tenant_id}))
    worker.opened.kept.cache_clear()
    kept = worker.opened.kept()
    kept.neighbourhood(lambda: database.transaction(busy.tenant_id), busy.tenant_id, namespace, now=datetime.now(UTC))
    assert worker.enrich.apply(args=(str(busy.tenant_id),)).successful()
    assert read_statements.cache_info().currsize == vocabulary._stems_of_phrase.cache_info().currsize == 0
    assert len(kept) == 1, "a run may go on"
    kept._idle_s = 0.0
    assert worker.enrich.apply(args=(str(busy.tenant_id),)).successful()
    assert len(kept) == 0
