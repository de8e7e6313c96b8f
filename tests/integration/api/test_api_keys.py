from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from memory_service.types import KeyScope


def make(me: Any, **body: Any) -> dict[str, Any]:
    answer = me.post("/v1/api-keys", json={"name": "laptop", "scopes": ["memories:read"], **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/api-keys/{made['id']}"
    return made


def test_a_key_is_shown_once_and_works(me: Any, client: Any) -> None:
    expires_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = make(me, expires_at=expires_at)
    assert made["key"].startswith(made["prefix"])
    assert client.get("/v1/jobs", headers={"X-API-Key": made["key"]}).status_code == 200
    shown = me.get(f"/v1/api-keys/{made['id']}").json()
    assert shown == {name: value for name, value in made.items() if name != "key"} | {
        "last_used_at": shown["last_used_at"]
    }
    listed = me.get("/v1/api-keys")
    assert made["key"] not in listed.text
    assert listed.json()["data"][0]["id"] == made["id"]


def test_a_revoked_key_is_refused_at_once(me: Any, client: Any) -> None:
    made = make(me)
    headers = {"X-API-Key": made["key"]}
    assert client.get("/v1/jobs", headers=headers).status_code == 200
    for _ in range(2):
        assert me.delete(f"/v1/api-keys/{made['id']}").status_code == 204
        assert client.get("/v1/jobs", headers=headers).status_code == 401
    assert me.get(f"/v1/api-keys/{made['id']}").json()["revoked_at"] is not None


def test_rotation_replaces_the_secret(me: Any, client: Any) -> None:
    made = make(me)
    rotated = me.post(f"/v1/api-keys/{made['id']}/rotate")
    assert rotated.status_code == 201
    fresh = rotated.json()
    assert (fresh["name"], fresh["scopes"]) == (made["name"], made["scopes"])
    assert client.get("/v1/jobs", headers={"X-API-Key": made["key"]}).status_code == 401
    assert client.get("/v1/jobs", headers={"X-API-Key": fresh["key"]}).status_code == 200
    again = me.post(f"/v1/api-keys/{made['id']}/rotate")
    assert (again.status_code, again.json()["code"]) == (409, "key_not_active")


def test_a_key_cannot_grant_what_it_may_not_do(make_tenant: Any, as_tenant: Callable[..., Any]) -> None:
    admin = as_tenant(make_tenant(scopes=(KeyScope.ADMIN,)))
    assert make(admin, scopes=["memories:erase", "admin"])["scopes"] == ["admin", "memories:erase"]
    refused = admin.post("/v1/api-keys", json={"name": "x", "scopes": ["operator", "memories:read"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    reader = as_tenant(make_tenant(scopes=(KeyScope.READ,)))
    assert reader.post("/v1/api-keys", json={"name": "x", "scopes": ["memories:read"]}).status_code == 403


def test_a_key_that_would_have_expired_is_not_made(me: Any) -> None:
    body = {"name": "x", "scopes": ["memories:read"], "expires_at": "2020-01-01T00:00:00Z"}
    refused = me.post("/v1/api-keys", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/expires_at"


def test_keys_of_another_tenant_are_not_there(
    me: Any, make_tenant: Any, as_tenant: Callable[..., Any], client: Any
) -> None:
    made = make(me)
    stranger = as_tenant(make_tenant())
    assert stranger.get(f"/v1/api-keys/{made['id']}").status_code == 404
    assert stranger.delete(f"/v1/api-keys/{made['id']}").status_code == 404
    assert stranger.post(f"/v1/api-keys/{made['id']}/rotate").status_code == 404
    assert made["id"] not in stranger.get("/v1/api-keys").text
    assert client.get("/v1/jobs", headers={"X-API-Key": made["key"]}).status_code == 200


def test_pages(me: Any, make_tenant: Any, as_tenant: Callable[..., Any]) -> None:
    ids = [make(me, name=f"key {number}")["id"] for number in range(4)]
    seen, cursor = [], ""
    while True:
        answer = me.get(f"/v1/api-keys?limit=2{cursor}").json()
        seen += [key["id"] for key in answer["data"]]
        if not answer["has_more"]:
            break
        cursor = f"&cursor={answer['next_cursor']}"
        stranger = as_tenant(make_tenant()).get(f"/v1/api-keys?limit=2{cursor}")
        assert (stranger.status_code, stranger.json()["code"]) == (422, "invalid_cursor")
    assert seen[:4] == ids[::-1]
    assert len(seen) == 5


def test_the_same_request_twice_makes_one_key_and_stores_no_secret(me: Any, maintenance: Engine) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"name": "once", "scopes": ["memories:read"]}
    first = me.post("/v1/api-keys", json=body, headers=headers)
    second = me.post("/v1/api-keys", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert second.json() == first.json() | {"key": None}
    with maintenance.connect() as connection:
        rows = connection.execute(
            text("SELECT count(*) FROM api_key WHERE tenant_id = :t AND name = 'once'"), {"t": me.tenant_id}
        )
        assert rows.scalar_one() == 1
        stored = connection.scalars(text("SELECT body FROM idempotency_key WHERE tenant_id = :t"), {"t": me.tenant_id})
        assert all(first.json()["key"].encode() not in bytes(body) for body in stored)


def test_an_admin_cannot_touch_an_operators_key(make_tenant: Any, as_tenant: Callable[..., Any]) -> None:
    operator = as_tenant(make_tenant(scopes=tuple(KeyScope)))
    powerful = make(operator, scopes=["operator"])
    admin = as_tenant((operator.tenant_id, make(operator, scopes=["admin"])["key"]))
    for refused in (
        admin.delete(f"/v1/api-keys/{powerful['id']}"),
        admin.post(f"/v1/api-keys/{powerful['id']}/rotate"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "operator" in refused.json()["detail"]
    assert operator.get(f"/v1/api-keys/{powerful['id']}").json()["revoked_at"] is None
    assert operator.delete(f"/v1/api-keys/{powerful['id']}").status_code == 204


def test_erasing_needs_its_scope_alone(me: Any, as_tenant: Callable[..., Any]) -> None:
    path = me.post("/v1/memories", json={"content": "To be forgotten."}).headers["location"]
    eraser = as_tenant((me.tenant_id, make(me, scopes=["memories:erase"])["key"]))
    writer = as_tenant((me.tenant_id, make(me, scopes=["memories:write"])["key"]))
    reader = as_tenant((me.tenant_id, make(me)["key"]))
    for key, query in ((eraser, ""), (writer, "?erase=true"), (reader, ""), (reader, "?erase=true")):
        refused = key.delete(path + query)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert me.get(path).json()["state"] != "archived"
    assert eraser.delete(f"{path}?erase=true").status_code == 202


def test_a_writing_key_sees_what_it_wrote_and_nothing_else(me: Any, as_tenant: Callable[..., Any]) -> None:
    writer = as_tenant((me.tenant_id, make(me, scopes=["memories:write"])["key"]))
    made = writer.post("/v1/memories", json={"content": "Mine."})
    assert made.json()["content"] == "Mine."
    assert writer.post(f"{made.headers['location']}/pin").json()["content"] == "Mine."
    assert writer.get(made.headers["location"]).status_code == 403
