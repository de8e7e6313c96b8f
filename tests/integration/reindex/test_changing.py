"""A namespace changes its encoder: what is found before, in between and after, and what is left of the other one."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest


def test_searches_are_right_before_during_and_after(
    place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = texts[:30]
    ids = place.remember(said, namespace="n")
    to = place.register()
    assert place.all_found(said, namespace="n")
    place.me.post("/v1/search", json={"query": said[0], "namespace": "n"})  # a question to compare by

    job_id = place.begin("n", to)
    during = texts[30:36]
    ids += place.remember(during, namespace="n")
    assert place.all_found(said + during, namespace="n")
    assert place.vectors("n") == {1: 36, to: 6}, "new texts stand under both at once"
    place.turn("cut-over", "n", to, status=409)

    job = place.run(job_id)
    assert job["status"] == "succeeded", job
    state = place.state("n", to)
    assert (state["state"], state["comparison"]["queries"]) == ("ready", 36), state
    assert job["items"][0]["namespace"] == "n"
    assert 0 <= state["comparison"]["overlap_at_10"] <= 1
    assert place.vectors("n") == {1: 36, to: 36}
    assert place.all_found(said + during, namespace="n")

    assert place.turn("cut-over", "n", to, least_overlap=0)["data"][0]["state"] == "cut_over"
    after = texts[36:40]
    ids += place.remember(after, namespace="n")
    changed = place.me.patch(f"/v1/memories/{ids[0]}", json={"content": texts[40]})
    assert changed.status_code == 200, changed.text
    now = [texts[40], *said[1:], *during, *after]
    assert place.all_found(now, namespace="n")

    place.turn("roll-back", "n", to)
    assert place.all_found(now, namespace="n"), "the old vectors followed every change"
    place.turn("cut-over", "n", to, force=True)
    assert place.all_found(now, namespace="n")
    assert place.drop("n", to, monkeypatch) == "finished"
    assert place.vectors("n").keys() == {to}
    assert place.all_found(now, namespace="n")
    last = place.remember([texts[50]], namespace="n")
    assert place.nearest(texts[50], namespace="n") == texts[50]
    assert place.vectors("n") == {to: 42}, "texts are written under the one encoder that is left"
    assert place.me.delete(f"/v1/memories/{last[0]}").status_code == 204


def test_as_of_a_moment_before_the_change_finds_what_was_said_then(place: Any, texts: list[str]) -> None:
    ids = place.remember(texts[:5], namespace="n")
    record = place.me.get(f"/v1/memories/{ids[0]}").json()
    place.me.patch(f"/v1/memories/{ids[0]}", json={"content": texts[60]})
    place.me.delete(f"/v1/memories/{ids[1]}")
    to = place.register()
    place.run(place.begin("n", to))
    place.turn("cut-over", "n", to)
    then = {"as_of": {"known": record["updated_at"]}}
    assert place.nearest(texts[0], namespace="n", **then) == texts[0]
    assert place.nearest(texts[1], namespace="n", include=["archived"]) == texts[1]
    assert place.nearest(texts[1], namespace="n") != texts[1]
    place.me.post(f"/v1/memories/{ids[1]}/restore")
    assert place.nearest(texts[1], namespace="n") == texts[1]
    place.turn("roll-back", "n", to)
    assert place.nearest(texts[1], namespace="n") == texts[1]
    assert place.nearest(texts[60], namespace="n") == texts[60]


def test_namespaces_of_different_encoders_are_searched_together(place: Any, texts: list[str]) -> None:
    place.remember(texts[:20], namespace="all/old")
    place.remember(texts[20:40], namespace="all/new")
    to = place.register()
    place.run(place.begin("all/new", to))
    place.turn("cut-over", "all/new", to)
    for one in texts[:40:3]:
        assert place.nearest(one, namespace_prefix="all") == one
    answer = place.me.post("/v1/search", json={"query": texts[25], "namespace_prefix": "all"}).json()
    assert answer["results"][0]["memory"]["content"] == texts[25]
    by_words = {"query": "cat", "namespace_prefix": "all", "channels": {"keyword": 1}}
    assert place.me.post("/v1/search", json=by_words).json()["results"]


def test_giving_up_leaves_the_old_encoder_alone(place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    place.remember(texts[:8], namespace="n")
    to = place.register()
    place.run(place.begin("n", to))
    assert place.drop("n", to, monkeypatch) == "given_up"
    assert place.vectors("n") == {1: 8}
    assert place.all_found(texts[:8], namespace="n")
    # And may be begun again.
    place.run(place.begin("n", to))
    assert place.state("n", to)["state"] == "ready"


def test_what_is_erased_meanwhile_is_gone_under_both(
    place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from consolidation import reindexing

    ids = place.remember(texts[:40], namespace="n")
    to = place.register()
    job_id = place.begin("n", to)
    monkeypatch.setattr(reindexing, "FILLED_AT_ONCE", 8)
    fill, batches = reindexing._fill_batch, []

    def erase_in_between(work: Any, direction: Any, batch: Any) -> None:
        batches.append(len(batch))
        if len(batches) == 2:
            # One that was filled, one of this very batch, which was read already, and one that is yet to come.
            for one in (ids[0], ids[9], ids[30]):
                answer = place.me.delete(f"/v1/memories/{one}?erase=true")
                assert answer.status_code == 202, answer.text
                place.run(UUID(answer.json()["job_id"]))
        fill(work, direction, batch)

    monkeypatch.setattr(reindexing, "_fill_batch", erase_in_between)
    assert place.run(job_id)["status"] == "succeeded"
    assert place.vectors("n") == {1: 37, to: 37}
    place.turn("cut-over", "n", to)
    kept = [one for place_, one in enumerate(texts[:40]) if place_ not in {0, 9, 30}]
    assert place.all_found(kept, namespace="n")
    assert place.me.get(f"/v1/memories/{ids[9]}").status_code == 410


def test_a_writer_who_did_not_know_is_waited_for(place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from consolidation import reindexing
    from memory_service.api.writing import encoding_of
    from memory_service.lifecycle.draft import Draft, prepare
    from memory_service.lifecycle.remember import remember
    from memory_service.storage.namespaces import find_namespaces

    place.remember(texts[:4], namespace="n")
    to = place.register()
    monkeypatch.setattr(reindexing, "WAIT_S", 0.3)
    encoding = encoding_of(place.app.state.services)
    (prepared,) = prepare([Draft(texts[10], namespace="n")], encoding=encoding, now=place.tenancy().clock())
    with place.database.transaction(place.tenant_id) as session:
        find_namespaces(session, place.tenant_id, ["n"])
        job_id = place.begin("n", to)
        assert place.run(job_id)["status"] == "running", "not ready while somebody may write as before"
        place.turn("cut-over", "n", to, status=409)
        # Whoever reads the namespace from now on writes under both: here the text was encoded for one only.
        remember(session, place.tenant_id, [prepared], encoding=encoding, now=place.tenancy().clock())
    assert place.vectors("n") == {1: 5, to: 5}
    with place.database.transaction(place.tenant_id) as session:
        from sqlalchemy import text

        session.execute(text("UPDATE job SET lease_until = NULL WHERE tenant_id = :t"), {"t": place.tenant_id})
    assert place.run(job_id)["status"] == "succeeded"
    place.turn("cut-over", "n", to)
    assert place.nearest(texts[10], namespace="n") == texts[10]


def test_a_job_that_is_cancelled_goes_on_when_it_is_asked_for_again(place: Any, texts: list[str]) -> None:
    place.remember(texts[:12], namespace="n")
    to = place.register()
    first = place.begin("n", to)
    assert place.me.post(f"/v1/jobs/{first}/cancel").status_code == 200
    second = place.begin("n", to)
    assert place.run(second)["status"] == "succeeded"
    assert place.vectors("n") == {1: 12, to: 12}
    again = place.begin("n", to)
    assert place.run(again)["status"] == "succeeded"
    assert place.vectors("n") == {1: 12, to: 12}, "nothing is done twice"
    assert place.state("n", to)["state"] == "ready"


def test_a_turn_that_is_over_leaves_the_rest_to_the_next(
    place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from consolidation import reindexing

    monkeypatch.setattr(reindexing, "FILLED_AT_ONCE", 4)
    place.remember(texts[:30], namespace="n")
    to = place.register()
    job_id = place.begin("n", to)
    turns, nudged, given = 0, [], []
    while place.me.get(f"/v1/jobs/{job_id}").json()["status"] not in {"succeeded", "failed"}:
        turns += 1
        assert turns < 40
        # Each turn ends after its first batch, as long as it has one.
        before = place.vectors("n").get(to, 0)

        def go_on(before: int = before) -> bool:
            return place.vectors("n").get(to, 0) in {before, 30}

        place.run(job_id, go_on=go_on, nudge=nudged.append, give_way=lambda: given.append(None))
    assert turns > 3
    assert given  # where a turn goes on
    assert set(nudged) == {job_id}
    assert place.vectors("n") == {1: 30, to: 30}


def test_memories_of_lower_precision_stay_so(place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy import text

    from memory_service.storage.precision import move_tiers
    from memory_service.types import PrecisionTier

    ids = [UUID(one) for one in place.remember(texts[:6], namespace="n")]
    with place.database.transaction(place.tenant_id) as session:
        moves = [(ids[0], PrecisionTier.INT8), (ids[1], PrecisionTier.BINARY)]
        move_tiers(session, place.tenant_id, moves, now=place.tenancy().clock())
    to = place.register()
    place.run(place.begin("n", to))
    coarse = "SELECT memory_id, tier FROM embedding_coarse WHERE tenant_id = :t AND encoder_id = :e ORDER BY tier"
    with place.maintenance.begin() as connection:
        found = connection.execute(text(coarse), {"t": place.tenant_id, "e": to}).all()
    assert [tuple(row) for row in found] == [(ids[0], 1), (ids[1], 2)]
    place.turn("cut-over", "n", to)
    assert place.all_found([texts[0], *texts[2:6]], namespace="n")
    # Archived and back: what is found by two kinds of vectors comes back under both.
    for one in ids[:3]:
        place.me.delete(f"/v1/memories/{one}")
        place.me.post(f"/v1/memories/{one}/restore")
    assert place.all_found([texts[0], *texts[2:6]], namespace="n")
    place.turn("roll-back", "n", to)
    assert place.all_found([texts[0], *texts[2:6]], namespace="n")


def test_a_namespace_on_a_shelf_of_its_own_changes_and_leaves_it(
    place: Any, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from sqlalchemy import text

    from consolidation.shelving import move_to_own_shelf
    from memory_service.storage.namespaces import find_namespaces

    place.remember(texts[:50], namespace="n")
    with place.database.transaction(place.tenant_id) as session:
        space = find_namespaces(session, place.tenant_id, ["n"])["n"]
    assert move_to_own_shelf(place.tenancy(), space.id, grace=timedelta())
    to = place.register()

    def shelf() -> int:
        with place.database.transaction(place.tenant_id) as session:
            return find_namespaces(session, place.tenant_id, ["n"])["n"].shelf

    own = shelf()
    assert own > 1
    place.run(place.begin("n", to))
    assert place.vectors("n") == {1: 50, to: 50}
    place.turn("cut-over", "n", to, force=True)
    assert shelf() == 0
    assert move_to_own_shelf(place.tenancy(), space.id, grace=timedelta())
    assert shelf() == 0, "between two encoders it stays where it is"
    place.remember([texts[60]], namespace="n")
    assert place.all_found([*texts[:50:7], texts[60]], namespace="n")
    place.turn("roll-back", "n", to)
    assert shelf() == own
    assert place.all_found([*texts[:50:7], texts[60]], namespace="n")
    place.turn("cut-over", "n", to, force=True)
    assert place.drop("n", to, monkeypatch) == "finished"
    with place.maintenance.begin() as connection:
        there = connection.scalar(text("SELECT to_regclass(:name)"), {"name": f"embedding_shelf_{own}"})
    assert there is None, "the shelf of the old encoder is gone"
    assert place.vectors("n") == {to: 51}
    assert move_to_own_shelf(place.tenancy(), space.id, grace=timedelta())
    assert shelf() > 1, "and the new one gets its own"
    assert place.all_found([*texts[:50:7], texts[60]], namespace="n")
    place.remember([texts[61]], namespace="n")
    assert place.nearest(texts[61], namespace="n") == texts[61]


def test_the_comparison_can_speak_against_it(place: Any, texts: list[str]) -> None:
    ids = place.remember(texts[:40], namespace="n")
    saved = {"query": texts[3], "namespace": "n", "relevant": [ids[3]]}
    assert place.me.post("/v1/saved-queries", json=saved).status_code in {200, 201}
    to = place.register()
    place.run(place.begin("n", to))
    comparison = place.state("n", to)["comparison"]
    assert (comparison["judged"], comparison["recall_before"], comparison["recall_after"]) == (1, 1.0, 1.0)
    with place.database.transaction(place.tenant_id) as session:
        from sqlalchemy import text

        worse = "UPDATE reindex SET comparison = comparison || '{\"recall_after\": 0.2}' WHERE tenant_id = :t"
        session.execute(text(worse), {"t": place.tenant_id})
    refused = place.turn("cut-over", "n", to, status=409)
    assert refused["code"] == "reindex_worse"
    assert "0.200" in refused["detail"]
    place.turn("cut-over", "n", to, most_recall_lost=0.9)


def test_all_namespaces_at_once(place: Any, texts: list[str], make_place: Callable[..., Any]) -> None:
    place.remember(texts[:3], namespace="a")
    place.remember(texts[3:6], namespace="b")
    stranger = make_place()
    stranger.remember(texts[:2], namespace="a")
    to = place.register()
    answer = place.me.post(f"/v1/encoders/{to}/reindex", json={"all": True})
    assert answer.json()["namespaces"] == 2
    job = place.run(UUID(answer.json()["job_id"]))
    assert {item["namespace"] for item in job["items"]} == {"a", "b"}
    assert job["progress"]["total"] == 6
    turned = place.me.post(f"/v1/encoders/{to}/reindex/cut-over", json={"all": True, "force": True}).json()["data"]
    assert {one["namespace"]: one["state"] for one in turned} == {"a": "cut_over", "b": "cut_over"}
    assert stranger.vectors("a") == {1: 2}
    nothing = place.me.post(f"/v1/encoders/{to}/reindex", json={"all": True})
    assert nothing.json()["namespaces"] == 0
    assert place.me.get(f"/v1/jobs/{nothing.json()['job_id']}").json()["status"] == "succeeded"
