"""What a worker keeps of a namespace between turns is what reading it anew would give."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from consolidation import kept as kept_module
from consolidation import run as run_module
from consolidation.consolidate import run_job
from consolidation.enriching import enrich_pending
from consolidation.kept import Kept, Seat
from consolidation.loading import load_neighbourhood
from consolidation.neighbourhood import Neighbourhood, neighbourhood
from consolidation.tenancy import Tenancy
from memory_service.storage.namespaces import Namespace, get_namespace


@pytest.fixture
def space(tenancy: Tenancy, rows: Any, remember: Callable[..., dict[str, Any]]) -> Namespace:
    """Return a namespace with some memories of two users."""
    for number in range(6):
        at = datetime(2024, 5, 1 + number, tzinfo=UTC).isoformat()
        remember(f"The ferry {number} leaves from pier {number}.", user_id=f"user{number % 2}", observed_at=at)
    row = rows.one("SELECT DISTINCT namespace_id AS id FROM memory WHERE tenant_id = :t", t=tenancy.tenant_id)
    with tenancy.open() as session:
        return get_namespace(session, tenancy.tenant_id, row.id)


def same(one: Neighbourhood, other: Neighbourhood) -> bool:
    return (
        one.ids == other.ids
        and one.place == other.place
        and np.array_equal(one.vectors, other.vectors)
        and np.array_equal(one.scopes, other.scopes)
    )


def look(kept: Kept, tenancy: Tenancy, space: Namespace) -> Neighbourhood:
    """Return what is kept, having compared it with what is there."""
    now = tenancy.clock()
    found = kept.neighbourhood(tenancy.open, tenancy.tenant_id, space, now=now)
    assert same(found, load_neighbourhood(tenancy.open, tenancy.tenant_id, space, now=now))
    return found


def test_it_follows_whatever_happens_to_memories(
    me: Any,
    tenancy: Tenancy,
    space: Namespace,
    remember: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    mean_vectors = kept_module.mean_vectors

    def counted(*args: Any) -> Any:
        read.append(len(args[-1]))
        return mean_vectors(*args)

    monkeypatch.setattr(kept_module, "mean_vectors", counted)
    kept = Kept()
    first = look(kept, tenancy, space)
    assert (len(first.ids), read) == (6, [6])
    assert look(kept, tenancy, space) is first, "nothing was written, nothing is read"
    early = remember("An earlier ferry.", user_id="user1", observed_at="2024-04-01T00:00:00Z")["id"]
    assert look(kept, tenancy, space).ids[0] == UUID(early)
    assert read == [6, 1]
    one, two, three = (str(i) for i in first.ids[:3])
    assert me.patch(f"/v1/memories/{one}", json={"importance": 0.9}).status_code == 200
    enrich_pending(tenancy)
    look(kept, tenancy, space)
    assert read == [6, 1], "what is written besides the text costs no vector"
    assert me.patch(f"/v1/memories/{one}", json={"content": "Another text altogether."}).status_code == 200
    assert not np.array_equal(look(kept, tenancy, space).vectors, first.vectors)
    assert read == [6, 1, 1]
    assert me.post("/v1/memories/archive", json={"ids": [two]}).status_code == 200
    assert UUID(two) not in look(kept, tenancy, space).place
    assert me.post("/v1/memories/restore", json={"ids": [two]}).status_code == 200
    assert UUID(two) in look(kept, tenancy, space).place
    job = me.delete(f"/v1/memories/{three}?erase=true").json()["job_id"]
    assert run_job(tenancy, UUID(job))
    erased = look(kept, tenancy, space)
    assert UUID(three) not in erased.place
    assert len(erased.vectors) == len(erased.ids), "nothing of it stays in memory"
    assert read[3:] == [0, 1, 0], "what is archived or erased costs no vector, what is restored one"


def test_nobody_gets_what_another_tenant_keeps(tenancy: Tenancy, space: Namespace) -> None:
    kept = Kept()
    assert len(look(kept, tenancy, space).ids) == 6
    found = kept.neighbourhood(tenancy.open, UUID(int=5), space, now=tenancy.clock())
    assert found.ids == ()
    assert len(kept) == 2


def test_whoever_erases_keeps_nothing_of_the_tenant(me: Any, tenancy: Tenancy, space: Namespace) -> None:
    kept = Kept()
    first = look(kept, tenancy, space)
    kept.neighbourhood(tenancy.open, UUID(int=5), space, now=tenancy.clock())
    job = me.delete(f"/v1/memories/{first.ids[0]}?erase=true").json()["job_id"]
    assert run_job(replace(tenancy, kept=kept), UUID(job))
    assert list(kept._held) == [(UUID(int=5), space.id)]


def test_little_more_is_allocated_than_what_is_kept() -> None:
    """Of the size of a namespace there is what was held, and what takes its place."""
    size, more, dimension = 40_000, 500, 128
    at = datetime(2024, 5, 1, tzinfo=UTC)
    seats = [Seat(at + timedelta(seconds=n), UUID(int=n), 1, None, 0, None) for n in range(size + more)]
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(size + more, dimension)).astype(np.float16)
    new = set(rng.choice(size + more, more, replace=False).tolist())
    olds, news = ([n for n in range(size + more) if (n in new) is fresh] for fresh in (False, True))
    near = neighbourhood([seats[n].id for n in olds], vectors[olds], [0] * size)
    tracemalloc.start()
    try:
        merged = kept_module._merged(seats, near, {seats[n].id: row for row, n in enumerate(news)}, vectors[news])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(merged, vectors)
    assert peak < 1.4 * merged.nbytes


def test_another_encoder_means_other_vectors(tenancy: Tenancy, space: Namespace) -> None:
    kept = Kept()
    look(kept, tenancy, space)
    assert look(kept, tenancy, replace(space, encoder_id=space.encoder_id + 1)).ids == ()


def test_what_is_idle_or_too_large_is_let_go(tenancy: Tenancy, space: Namespace) -> None:
    at = 0.0
    kept = Kept(idle_s=10.0, monotonic=lambda: at)
    look(kept, tenancy, space)
    at = 9.0
    kept.drop_idle()
    assert len(kept) == 1
    at = 11.0
    kept.drop_idle()
    assert len(kept) == 0
    small = Kept(limit_bytes=100)
    look(small, tenancy, space)
    assert len(small) == 0


def test_what_has_expired_is_gone_without_a_sweep(
    tenancy: Tenancy, space: Namespace, remember: Callable[..., dict[str, Any]]
) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    made = UUID(remember("A ferry for today.", expires_at=soon.isoformat())["id"])
    kept = Kept()
    assert made in look(kept, tenancy, space).place
    later = replace(tenancy, clock=lambda: soon + timedelta(hours=1))
    assert made not in look(kept, later, space).place


def test_a_run_of_several_turns_reads_a_namespace_once(
    me: Any, tenancy: Tenancy, space: Namespace, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrich_pending(tenancy)
    monkeypatch.setattr(run_module, "BATCH", 2)
    read: list[int] = []
    mean_vectors = kept_module.mean_vectors
    monkeypatch.setattr(kept_module, "mean_vectors", lambda *args: (read.append(len(args[-1])), mean_vectors(*args))[1])
    job_id = UUID(me.post("/v1/consolidations", json={}).json()["job_id"])
    hasty = replace(tenancy, turn_s=0.0, kept=Kept())
    turns = 0
    while me.get(f"/v1/jobs/{job_id}").json()["status"] != "succeeded":
        assert run_job(hasty, job_id)
        turns += 1
        assert turns < 10
    assert turns > 2
    assert sum(read) == 6
    left = "SELECT count(*) AS n FROM memory WHERE tenant_id = :t AND consolidated_version < content_version"
    assert rows.one(left, t=me.tenant_id).n == 0
