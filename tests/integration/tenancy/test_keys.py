"""Who is asking follows from the key alone, and a key cannot be talked into more than it is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from memory_service.types import KeyScope

QUERY = {"query": "lighthouse"}


def test_no_operation_but_health_answers_without_a_key(app: Any, client: TestClient) -> None:
    open_paths = set()
    for path, methods in app.openapi()["paths"].items():
        for method in methods.keys() - {"parameters"}:
            concrete = path.replace("{", "").replace("}", "")
            answer = client.request(method, concrete, json={} if method in {"post", "patch", "put"} else None)
            if answer.status_code != 401:
                open_paths.add(path)
    # Who logs in brings a key or a link in the body; an empty one is 422.
    assert open_paths == {"/healthz", "/readyz", "/metrics", "/admin/session"}


@pytest.mark.parametrize(
    "secret",
    [
        "ms_",
        "ms_unknown",
        "null",
        "undefined",
        "' OR 1=1 --",
        "*",
        "%",
        "ms_\u00e9",
        "a" * 10_000,
        "Bearer x",
        "\\x00",
        "ms_ ms_",
    ],
)
def test_made_up_keys_are_refused_alike(client: TestClient, theirs: Any, secret: str) -> None:
    answer = client.get("/v1/memories", headers=[(b"authorization", b"Bearer " + secret.encode())])
    assert answer.status_code == 401
    assert answer.json()["detail"] == "The API key is not valid: unknown, revoked or expired."


def test_a_key_is_the_whole_key(client: TestClient, theirs: Any, maintenance: Engine) -> None:
    key = theirs.client.key
    with maintenance.connect() as connection:
        row = connection.execute(
            text("SELECT id, prefix, encode(hash, 'hex') FROM api_key WHERE tenant_id = :t ORDER BY id LIMIT 1"),
            {"t": theirs.tenant_id},
        ).one()
    for almost in (key[:-1], key + "x", key.upper(), key[3:], *map(str, row), f"\\x{row[2]}", str(theirs.tenant_id)):
        assert client.get("/v1/memories", headers={"X-API-Key": almost}).status_code == 401, almost


def test_expired_and_revoked_keys_are_told_apart_by_nobody(
    client: TestClient, make_tenant: Any, as_tenant: Callable[..., Any]
) -> None:
    expired = make_tenant(expires_at=datetime.now(UTC) - timedelta(seconds=1))[1]
    admin = as_tenant(make_tenant())
    revoked = admin.post("/v1/api-keys", json={"name": "short", "scopes": ["memories:read"]}).json()
    assert client.get("/v1/memories", headers={"X-API-Key": revoked["key"]}).status_code == 200
    assert admin.delete(f"/v1/api-keys/{revoked['id']}").status_code == 204
    answers = [client.get("/v1/memories", headers={"X-API-Key": k}) for k in (expired, revoked["key"], "ms_unknown")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert len({frozenset(answer.headers.keys()) for answer in answers}) == 1


@pytest.mark.parametrize(
    "header",
    [
        "X-Tenant",
        "X-Tenant-ID",
        "Tenant",
        "X-Forwarded-User",
        "X-Org-Id",
        "X-User-Id",
        "app.tenant",
        "Cookie",
        "X-Original-URL",
    ],
)
def test_headers_do_not_choose_the_tenant(ours: Any, untouched: Any, header: str) -> None:
    sent = {header: str(untouched.tenant_id)}
    assert ours.client.get(f"/v1/memories/{untouched.memory_id}", headers=sent).status_code == 404
    listed = ours.client.get("/v1/memories", headers=sent)
    assert listed.status_code == 200
    assert untouched.secret not in listed.text


def test_two_keys_in_one_request_are_never_both(ours: Any, untouched: Any) -> None:
    """One header wins for the whole request; which one does not depend on what is asked."""
    sent = {"X-API-Key": untouched.client.key}
    listed = ours.client.get("/v1/memories", headers=sent)
    assert (ours.secret in listed.text, untouched.secret in listed.text) == (True, False)


@pytest.mark.parametrize("field", ["tenant_id", "tenant", "tenantId", "org_id", "project_id", "namespace_id", "id"])
def test_bodies_and_queries_do_not_choose_the_tenant(ours: Any, untouched: Any, field: str) -> None:
    value = str(untouched.tenant_id)
    for path, body in (
        ("/v1/memories", {"content": "x"}),
        ("/v1/memories/query", {}),
        ("/v1/memories/archive", {"ids": [untouched.memory_id]}),
        ("/v1/messages", {"messages": [{"content": "x"}]}),
        ("/v1/search", QUERY),
        ("/v1/context", QUERY),
        ("/v1/namespaces", {"path": "x"}),
        ("/v1/api-keys", {"name": "x", "scopes": ["memories:read"]}),
        (f"/v1/traces/{ours.search_id}/feedback", {"memory_id": ours.memory_id, "useful": True}),
    ):
        answer = ours.client.post(path, json={**body, field: value})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{field}"), path
    batch = ours.client.post("/v1/memories/batch", json={"items": [{"content": "x", field: value}]}).json()
    assert [item["status"] for item in batch["results"]] == ["rejected"]
    for path in ("memories", "users", "jobs", "api-keys", "namespaces", f"memories/{ours.memory_id}"):
        assert ours.client.get(f"/v1/{path}?{field}={value}").status_code == 422, path
    filtered = ours.client.post("/v1/memories/query", json={"filter": {field: value}})
    assert filtered.status_code == (200 if field == "id" else 422)
    assert filtered.json().get("data", []) == []


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1@evil.example", "",
     "evil.example#127.0.0.1", "[::1].evil.example", "0x7f000001", "LOCALHOST.", "127.0.0.1, evil.example"],
)  # fmt: skip
def test_a_name_that_was_rebound_to_us_is_refused(client: TestClient, theirs: Any, host: str) -> None:
    for path in ("/v1/memories", "/healthz", "/docs", "/openapi.json", "/nowhere"):
        answer = client.get(path, headers={"Host": host, "X-API-Key": theirs.client.key})
        assert answer.status_code == 421, (host, path)
        assert theirs.secret not in answer.text
    forwarded = {"X-Forwarded-Host": "evil.example", "X-API-Key": theirs.client.key}
    assert client.get("/v1/memories", headers=forwarded).status_code == 200


def test_no_key_begets_a_stronger_one(make_tenant: Any, as_tenant: Callable[..., Any], theirs: Any) -> None:
    for scope in KeyScope:
        me = as_tenant(make_tenant(scopes=(scope,)))
        for wanted in KeyScope:
            answer = me.post("/v1/api-keys", json={"name": "x", "scopes": [wanted.value]})
            may = scope is KeyScope.ADMIN and wanted is not KeyScope.OPERATOR
            assert answer.status_code == (201 if may else 403), (scope, wanted)
        for path in (f"/v1/api-keys/{theirs.key_id}/rotate", f"/v1/api-keys/{theirs.key_id}"):
            method = "POST" if path.endswith("rotate") else "DELETE"
            assert me.request(method, path).status_code == (404 if scope is KeyScope.ADMIN else 403)


def test_an_admin_does_not_rotate_an_operator_s_key(make_tenant: Any, as_tenant: Callable[..., Any]) -> None:
    operator = as_tenant(make_tenant(scopes=tuple(KeyScope)))
    admin_key = operator.post("/v1/api-keys", json={"name": "admin", "scopes": ["admin"]}).json()
    admin = as_tenant((operator.tenant_id, admin_key["key"]))
    mine = next(key for key in admin.get("/v1/api-keys").json()["data"] if "operator" in key["scopes"])
    assert admin.post(f"/v1/api-keys/{mine['id']}/rotate").status_code == 403
    assert operator.get("/v1/tenants").status_code == 200, "a refused rotation revokes nothing"


def test_an_operator_makes_tenants_and_enters_none(
    make_tenant: Any, as_tenant: Callable[..., Any], untouched: Any
) -> None:
    operator = as_tenant(make_tenant(scopes=tuple(KeyScope)))
    made = operator.post("/v1/tenants", json={"name": f"made by {operator.tenant_id}"}).json()
    assert "operator" not in made["api_key"]["scopes"]
    assert made["api_key"]["id"] not in operator.get("/v1/api-keys").text
    fresh = as_tenant((made["id"], made["api_key"]["key"]))
    assert fresh.post("/v1/memories", json={"content": "a first thought"}).status_code == 201
    assert operator.post("/v1/search", json={"query": "a first thought"}).json()["results"] == []
    again = operator.post("/v1/tenants", json={"name": f"tenant {untouched.tenant_id}"})
    assert (again.status_code, again.json()["code"]) == (409, "tenant_exists")
