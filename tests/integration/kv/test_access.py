"""Tenants are apart, and a grant reaches the blocks of its plan and nothing else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from memory_service.activation.grant import Grant, sign
from memory_service.api.services import utc_now
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.keys import change_key, find_key
from memory_service.types import KeyScope
from tests.integration.kv.engine_files import ENGINE, safetensors


@pytest.fixture
def other(as_tenant: Callable[..., Any], make_tenant: Callable[..., Any]) -> Any:
    """Return the client of another tenant."""
    return as_tenant(make_tenant())


def test_the_same_prompt_of_two_tenants_has_other_blocks(me: Any, other: Any, plan: Any, engine_client: Any) -> None:
    mine, theirs = plan(me), plan(other)
    assert set(mine.hashes).isdisjoint(theirs.hashes)
    record = engine_client(mine.grant).save(safetensors(6), first=0, count=6).json()["id"]
    # Even where they know the hashes and the id.
    for token in (theirs.grant, other.key):
        engine = engine_client(token)
        assert engine.look_up(mine.hashes).json()["stored"] == 0
        assert engine.look_up(theirs.hashes).json()["stored"] == 0
        assert engine.load(record).status_code == 404
        assert engine.get(f"/v1/kv/memories/{record}").status_code == 404
    assert other.get("/v1/kv/memories").json()["data"] == []
    assert other.get("/v1/kv/stats").json()["count"] == 0
    assert other.delete(f"/v1/kv/memories/{record}").status_code == 404
    named = {"plan_id": str(mine.plan_id), "engine": ENGINE}
    assert engine_client(other.key).save(safetensors(6), first=0, count=6, **named).status_code == 404
    assert engine_client(mine.grant).load(record).status_code == 200


def test_a_grant_reaches_the_blocks_of_its_plan_alone(me: Any, plan: Any, engine_client: Any) -> None:
    mine, elsewhere = plan(me), plan(me, tokens=range(1_000, 1_024))
    record = engine_client(elsewhere.grant).save(safetensors(6), first=0, count=6).json()["id"]
    engine = engine_client(mine.grant)
    assert engine.look_up(elsewhere.hashes).json()["stored"] == 0
    assert engine.load(record).status_code == 404
    refused = engine.save(safetensors(1), first=0, count=1, plan_id=str(elsewhere.plan_id))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert engine.look_up(mine.hashes, engine="f" * 64).status_code == 403
    # A longer plan that begins the same may use what it finds.
    longer = plan(me, tokens=[*range(1_000, 1_024), *range(8)])
    assert engine_client(longer.grant).look_up(longer.hashes).json()["stored"] == 6
    assert engine_client(longer.grant).load(record).status_code == 200


@pytest.mark.parametrize("path", ["/v1/kv/memories", "/v1/kv/stats", "/v1/kv/quota", "/v1/memories", "/v1/api-keys"])
def test_a_grant_opens_nothing_else(me: Any, plan: Any, engine_client: Any, path: str) -> None:
    assert engine_client(plan(me).grant).get(path).status_code in (401, 403)


def test_a_grant_deletes_nothing(me: Any, plan: Any, engine_client: Any) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    record = engine.save(safetensors(1), first=0, count=1).json()["id"]
    assert engine.delete(f"/v1/kv/memories/{record}").status_code == 403
    assert engine.load(record).status_code == 200


def test_forged_and_expired_grants(me: Any, plan: Any, engine_client: Any, app: Any) -> None:
    planned = plan(me)
    grant = Grant(me.tenant_id, planned.plan_id, new_id(), ENGINE, utc_now() + timedelta(minutes=1))
    late = Grant(me.tenant_id, planned.plan_id, new_id(), ENGINE, utc_now() - timedelta(seconds=2))
    for token in (
        sign(b"another secret", grant),
        sign(app.state.services.kv.secret, late),
        "kvg1.",
        "kvg1." + "A" * 160,
    ):
        refused = engine_client(token).look_up(planned.hashes)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


def key_of(me: Any, database: Database) -> UUID:
    with database.untenanted() as connection:
        row = find_key(connection, me.key)
    assert row is not None
    return row.key_id


def test_a_grant_ends_with_the_key_it_was_made_with(
    me: Any, plan: Any, engine_client: Any, database: Database, app: Any
) -> None:
    """A key that is revoked, has expired or lost its scope is refused, at the latest when what was remembered is forgotten."""
    planned = plan(me)
    engine, key_id = engine_client(planned.grant), key_of(me, database)
    record = engine.save(safetensors(6), first=0, count=6).json()["id"]
    for values in (
        {"revoked_at": utc_now()},
        {"expires_at": utc_now() - timedelta(seconds=1)},
        {"scopes": ["memories:read"]},
    ):
        was = {"revoked_at": None, "expires_at": None, "scopes": ["kv:use"]}
        with database.transaction(me.tenant_id) as session:
            change_key(session, me.tenant_id, key_id, **{**was, **values})
        app.state.services.authenticator.forget()
        for refused in (
            engine.look_up(planned.hashes), engine.load(record), engine.save(safetensors(6), first=0, count=6),
            engine.get(f"/v1/kv/memories/{record}"),
        ):  # fmt: skip
            assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated"), values
        with database.transaction(me.tenant_id) as session:
            change_key(session, me.tenant_id, key_id, **was)
        app.state.services.authenticator.forget()
        assert engine.load(record).status_code == 200


def test_revoking_a_key_ends_its_grants_at_once(me: Any, plan: Any, engine_client: Any, database: Database) -> None:
    planned = plan(me)
    engine = engine_client(planned.grant)
    assert engine.look_up(planned.hashes).status_code == 200
    assert me.delete(f"/v1/api-keys/{key_of(me, database)}").status_code == 204
    assert engine.look_up(planned.hashes).status_code == 401


def test_a_grant_of_a_key_of_another_tenant_is_none(
    me: Any, other: Any, plan: Any, engine_client: Any, app: Any, database: Database
) -> None:
    planned = plan(me)
    until = utc_now() + timedelta(minutes=1)
    for key_id in (key_of(other, database), new_id()):
        token = sign(app.state.services.kv.secret, Grant(me.tenant_id, planned.plan_id, key_id, ENGINE, until))
        assert engine_client(token).look_up(planned.hashes).status_code == 401


def test_a_key_needs_the_scope(me: Any, plan: Any, engine_client: Any, as_tenant: Any, make_tenant: Any) -> None:
    reader = as_tenant(make_tenant(scopes=(KeyScope.READ, KeyScope.WRITE)))
    for answer in (
        engine_client(reader.key).look_up(["a" * 64]), engine_client(reader.key).save(safetensors(1), first=0, count=1),
        reader.get("/v1/kv/stats"), reader.get("/v1/kv/memories"), reader.put("/v1/kv/quota", json={"bytes": 1}),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    engine_key = as_tenant(make_tenant(scopes=(KeyScope.KV,)))
    assert engine_key.get("/v1/kv/stats").status_code == 200
    assert engine_key.put("/v1/kv/quota", json={"bytes": 1}).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {}, {"engine": "x", "block_hashes": []}, {"engine": ENGINE, "block_hashes": ["AB" * 32]},
        {"engine": ENGINE, "block_hashes": ["a" * 64] * 8_193}, {"engine": ENGINE, "block_hashes": [1]},
        {"engine": ENGINE, "block_hashes": [], "codecs": []}, {"engine": ENGINE, "block_hashes": [], "more": 1},
    ],
)  # fmt: skip
def test_bad_look_ups(me: Any, body: Any) -> None:
    assert me.post("/v1/kv/blocks/lookup", json=body).status_code == 422


def test_a_cursor_continues_only_its_owner_s_list(me: Any, other: Any, plan: Any, engine_client: Any) -> None:
    for who in (me, other):
        engine = engine_client(plan(who).grant)
        for first in (0, 3):
            assert engine.save(safetensors(3), first=first, count=3).is_success
    listed = other.get("/v1/kv/memories", params={"limit": 1}).json()
    assert listed["next_cursor"]
    more = {"limit": 1, "cursor": listed["next_cursor"]}
    assert other.get("/v1/kv/memories", params=more).json()["data"] != []
    refused = me.get("/v1/kv/memories", params=more)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")
