"""Quotas hold, and what is worth least makes room."""

from typing import Any

import pytest

from tests.integration.kv.engine_files import safetensors

SIZE = len(safetensors(2))


def tokens(n: int) -> list[int]:
    return list(range(n * 100, n * 100 + 24))


def fill(me: Any, plan: Any, engine_client: Any, number: int) -> list[tuple[Any, str]]:
    """Save so many prompts of equal size."""
    found = []
    for n in range(number):
        planned = plan(me, tokens=tokens(n))
        answer = engine_client(planned.grant).save(safetensors(2), first=0, count=2)
        assert answer.status_code == 201
        found.append((planned, answer.json()["id"]))
    return found


def test_the_coldest_makes_room(me: Any, plan: Any, engine_client: Any, app: Any) -> None:
    assert me.put("/v1/kv/quota", json={"bytes": 3 * SIZE + 10}).json()["bytes"] == 3 * SIZE + 10
    kept = fill(me, plan, engine_client, 3)
    for planned, record in (kept[0], kept[2]):
        engine_client(planned.grant).load(record)
    app.state.services.kv.uses.flush()
    planned = plan(me, tokens=tokens(9))
    answer = engine_client(planned.grant).save(safetensors(2), first=0, count=2)
    assert (answer.status_code, answer.json()["evicted"]) == (201, 1)
    assert [engine_client(one.grant).load(record).status_code for one, record in kept] == [200, 410, 200]
    quota = me.get("/v1/kv/quota").json()
    assert quota["used_bytes"] == 3 * SIZE
    left = [one for one in app.state.services.kv.blobs.listing() if one.name.startswith(str(me.tenant_id))]
    assert len(left) == 3


def test_what_is_worth_more_stays(me: Any, plan: Any, engine_client: Any, app: Any) -> None:
    kept = fill(me, plan, engine_client, 2)
    for _ in range(3):
        for planned, record in kept:
            engine_client(planned.grant).load(record)
    app.state.services.kv.uses.flush()
    me.put("/v1/kv/quota", json={"bytes": 2 * SIZE})
    planned = plan(me, tokens=tokens(9))
    refused = engine_client(planned.grant).save(safetensors(2), first=0, count=2)
    assert (refused.status_code, refused.json()["code"]) == (507, "kv_over_quota")
    assert all(engine_client(one.grant).load(record).status_code == 200 for one, record in kept)
    left = [one for one in app.state.services.kv.blobs.listing() if one.name.startswith(str(me.tenant_id))]
    assert len(left) == 2


def test_a_blob_larger_than_the_quota(me: Any, plan: Any, engine_client: Any) -> None:
    me.put("/v1/kv/quota", json={"bytes": SIZE - 1})
    refused = engine_client(plan(me).grant).save(safetensors(2), first=0, count=2)
    assert (refused.status_code, refused.json()["code"]) == (413, "kv_over_quota")
    me.put("/v1/kv/quota", json={"bytes": 0})
    assert engine_client(plan(me).grant).save(safetensors(1), first=0, count=1).status_code == 413
    me.put("/v1/kv/quota", json={"bytes": None})
    assert engine_client(plan(me).grant).save(safetensors(2), first=0, count=2).status_code == 201


def test_a_namespace_has_a_quota_of_its_own(me: Any, plan: Any, engine_client: Any) -> None:
    planned = plan(me, namespace="small")
    answer = me.put("/v1/kv/quota", json={"bytes": SIZE, "namespace": "small"})
    assert answer.json()["namespaces"] == {"small": SIZE}
    engine = engine_client(planned.grant)
    first = engine.save(safetensors(2), first=0, count=2)
    assert first.status_code == 201
    assert engine.save(safetensors(2), first=2, count=2).json()["evicted"] == 1
    elsewhere = plan(me, tokens=tokens(5))
    assert engine_client(elsewhere.grant).save(safetensors(2), first=0, count=2).json()["evicted"] == 0


@pytest.mark.parametrize(
    "body", [{"bytes": -1}, {"bytes": 2**60}, {"bytes": 1.5}, {}, {"bytes": 1, "namespace": "none"}]
)
def test_bad_quotas(me: Any, body: Any) -> None:
    assert me.put("/v1/kv/quota", json=body).status_code in (404, 422)
