"""The job that drops the old encoder is stopped, goes on and is done twice: nobody else's vectors go with it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from consolidation import reindexing
from consolidation.shelving import move_to_own_shelf
from memory_service.storage import jobs, reindexes, shelves
from memory_service.storage.namespaces import find_namespaces
from memory_service.types import JobStatus, KeyScope


def space_of(place: Any) -> Any:
    with place.database.transaction(place.tenant_id) as session:
        return find_namespaces(session, place.tenant_id, ["n"])["n"]


def take_shelf(place: Any) -> int:
    assert move_to_own_shelf(place.tenancy(), space_of(place).id, grace=timedelta())
    return int(space_of(place).shelf)


def there(place: Any, shelf: int) -> bool:
    with place.maintenance.begin() as connection:
        found = connection.scalar(text("SELECT to_regclass(:name)"), {"name": f"embedding_shelf_{shelf}"})
    return found is not None


def half_dropped(place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, UUID, int]:
    """Bring a namespace to where its shelf is dropped and other vectors are not; return the encoder, the job and the shelf."""
    monkeypatch.setattr(reindexing, "GRACE", timedelta())
    monkeypatch.setattr(reindexing, "DROPPED_AT_ONCE", 1)
    place.remember(texts[:20], namespace="n")
    own = take_shelf(place)
    assert own > 1
    to = place.register()
    place.run(place.begin("n", to))
    place.turn("cut-over", "n", to, force=True)
    place.remember(texts[20:24], namespace="n")  # under the old encoder, too, and on the shared shelf
    job_id = UUID(place.turn("finish", "n", to, status=202)["data"][0]["job_id"])
    assert place.run(job_id, go_on=lambda: False)["status"] == "running"
    assert not there(place, own)
    assert 0 < place.vectors("n")[1] < 5, "the first turn leaves some to the next"
    return to, job_id, own


def test_the_next_turn_leaves_a_shelf_alone_that_another_tenant_got_meanwhile(
    place: Any, texts: list[str], make_place: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    to, job_id, own = half_dropped(place, texts, monkeypatch)
    stranger = make_place()
    stranger.remember(texts[:30], namespace="n")
    assert take_shelf(stranger) == own, "the lowest number that is free"
    assert place.run(job_id)["status"] == "succeeded"
    assert place.state("n", to)["state"] == "finished"
    assert place.vectors("n") == {to: 24}
    assert there(place, own)
    assert stranger.vectors("n") == {1: 30}
    assert stranger.all_found(texts[:30:5], namespace="n")


def test_the_next_turn_leaves_a_shelf_alone_to_which_the_namespace_is_on_its_way(
    place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, job_id, own = half_dropped(place, texts, monkeypatch)
    with place.database.transaction(place.tenant_id) as session:
        shelves.open_shelf(session, space_of(place).id)
    assert place.run(job_id)["status"] == "succeeded"
    assert there(place, own)
    assert take_shelf(place) == own
    assert place.all_found(texts[:24:4], namespace="n")


@pytest.mark.parametrize("between", [False, True])
def test_a_shelf_that_somebody_is_on_is_never_dropped(
    place: Any, texts: list[str], make_place: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, between: bool
) -> None:
    to, _, own = half_dropped(place, texts, monkeypatch)
    stranger = make_place()
    stranger.remember(texts[:30], namespace="n")
    assert take_shelf(stranger) == own
    if between:  # cut over, it is on a shared shelf, and may turn back
        stranger.run(stranger.begin("n", to))
        stranger.turn("cut-over", "n", to, force=True)
    with place.maintenance.begin() as connection:
        # As if nothing had been noted.
        noted = "UPDATE reindex SET from_shelf = :own WHERE tenant_id = :tenant AND from_shelf = 0"
        assert connection.execute(text(noted), {"own": own, "tenant": place.tenant_id}).rowcount == 1
    with place.database.transaction(place.tenant_id) as session:
        assert not reindexes.drop_shelf(session, space_of(place).id, lock_timeout_ms=1_000)
    if between:
        stranger.turn("roll-back", "n", to)
    assert there(place, own)
    assert stranger.all_found(texts[:30:5], namespace="n")


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("cut_over", [False, True])
@pytest.mark.parametrize("how", ["cancelled", "failed", "purged"])
def test_finishing_goes_on_when_its_job_has_ended(
    place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch, how: str, cut_over: bool, everything: bool
) -> None:
    place.remember(texts[:6], namespace="n")
    to = place.register()
    place.run(place.begin("n", to))
    if cut_over:
        place.turn("cut-over", "n", to, force=True)
    first = UUID(place.turn("finish", "n", to, status=202)["data"][0]["job_id"])
    assert place.turn("finish", "n", to, status=409)["code"] == "reindex_state", "a job is at it"
    all_of_them = f"/v1/encoders/{to}/reindex/finish"
    assert place.me.post(all_of_them, json={"all": True}).json()["data"] == []
    if how == "failed":
        with place.database.transaction(place.tenant_id) as session:
            now = place.tenancy().clock()
            assert jobs.finish_job(session, place.tenant_id, first, status=JobStatus.FAILED, now=now, error="x")
    else:
        assert place.me.post(f"/v1/jobs/{first}/cancel").status_code == 200
    if how == "purged":
        with place.maintenance.begin() as connection:
            assert connection.execute(text("DELETE FROM job WHERE id = :id"), {"id": first}).rowcount == 1
    monkeypatch.setattr(reindexing, "GRACE", timedelta())
    answer = place.me.post(all_of_them, json={"all": True} if everything else {"namespace": "n"})
    assert answer.status_code == 202, answer.text
    (made,) = answer.json()["data"]
    assert made["job_id"] != str(first)
    if how == "cancelled":
        # The first is none of anybody's business any more, whoever repeats it.
        assert place.me.post(f"/v1/jobs/{first}/retry").status_code == 200
        assert place.run(first)["status"] == "succeeded"
        assert place.state("n", to)["state"] == "dropping"
    assert place.run(UUID(made["job_id"]))["status"] == "succeeded"
    assert place.state("n", to)["state"] == ("finished" if cut_over else "given_up")
    kept, other = (to, 1) if cut_over else (1, to)
    assert place.vectors("n") == {kept: 6}
    assert place.all_found(texts[:6], namespace="n")
    place.begin("n", other)  # and its encoder may change again


def test_a_job_that_was_taken_over_does_not_end_what_began_anew(
    place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindexing, "GRACE", timedelta())
    place.remember(texts[:6], namespace="n")
    to = place.register()
    place.run(place.begin("n", to))
    place.turn("cut-over", "n", to, force=True)
    first = UUID(place.turn("finish", "n", to, status=202)["data"][0]["job_id"])
    drop_some = reindexes.drop_some

    def slowly(session: Any, *args: Any, **fields: Any) -> int:
        dropped = drop_some(session, *args, **fields)
        if not dropped:  # all is done but to say so; meanwhile somebody is out of patience
            monkeypatch.setattr(reindexes, "drop_some", drop_some)
            assert place.me.post(f"/v1/jobs/{first}/cancel").status_code == 200
            second = place.turn("finish", "n", to, status=202)["data"][0]["job_id"]
            assert place.run(UUID(second))["status"] == "succeeded"
            place.begin("n", 1)
        return dropped

    monkeypatch.setattr(reindexes, "drop_some", slowly)
    assert place.run(first)["status"] == "cancelled"
    assert place.state("n", 1)["state"] == "backfilling"


def test_only_operators_cancel_and_retry_jobs_of_encoders(place: Any, texts: list[str], tenant_client: Any) -> None:
    scopes = [scope.value for scope in KeyScope if scope is not KeyScope.OPERATOR]
    made = place.me.post("/v1/api-keys", json={"name": "writer", "scopes": scopes})
    assert made.status_code == 201, made.text
    writer = {"Authorization": f"Bearer {made.json()['key']}"}
    place.remember(texts[:3], namespace="n")
    to = place.register()
    filling = place.begin("n", to)

    def ask(job_id: Any, step: str, **fields: Any) -> tuple[int, str]:
        answer = place.me.post(f"/v1/jobs/{job_id}/{step}", **fields)
        return answer.status_code, answer.json().get("code", answer.json().get("status"))

    assert ask(filling, "cancel", headers=writer) == (403, "forbidden")
    assert ask(filling, "cancel") == (200, "cancelled")
    assert ask(filling, "retry", headers=writer) == (403, "forbidden")
    assert ask(filling, "retry") == (200, "queued")
    place.run(filling)
    dropping = place.turn("finish", "n", to, status=202)["data"][0]["job_id"]
    assert ask(dropping, "cancel", headers=writer) == (403, "forbidden")
    assert ask(dropping, "cancel") == (200, "cancelled")
    assert ask(dropping, "retry", headers=writer) == (403, "forbidden")
    assert ask(dropping, "retry") == (200, "queued")
