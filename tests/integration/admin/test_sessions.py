"""The session of the web view: who gets one, what it opens, what ends it, and which pages may use it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from memory_service.storage.keys import hash_secret
from memory_service.types import KeyScope

HERE = "http://127.0.0.1:8000"
OURS = {"X-Requested-By": "admin"}
Open = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def unlimited(client: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests log in more often than one address may; the limit has a test of its own."""
    monkeypatch.setattr(app.state.services.login_limiter, "amount", 100_000)


@pytest.fixture
def browser(client: TestClient, app: FastAPI) -> TestClient:
    """Return a client with cookies of its own, over the running application."""
    return TestClient(app, base_url=HERE, raise_server_exceptions=False)


@pytest.fixture
def opened(browser: TestClient, me: Any) -> TestClient:
    """Return a browser that has logged in with the key of ``me``."""
    answer = browser.post("/admin/session", json={"api_key": me.key})
    assert answer.status_code == 201, answer.text
    return browser


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_key_opens_a_session_of_twelve_hours(browser: TestClient, me: Any) -> None:
    answer = browser.post("/admin/session", json={"api_key": me.key})
    assert answer.status_code == 201
    said = answer.json()
    assert said["tenant"] == f"tenant {me.tenant_id}"
    assert said["key_name"] == "test"
    assert "memories:read" in said["scopes"]
    ends = datetime.fromisoformat(said["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11, minutes=58) < ends <= timedelta(hours=12)
    assert answer.headers["cache-control"] == "no-store"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("ms_session=mss_")
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= parts
    assert "secure" not in parts
    assert any(part.startswith("max-age=431") for part in parts)
    assert me.key not in answer.text
    assert browser.get("/admin/session").json() == said


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://memory.example", "Host": "memory.example"}, None], ids=["a proxy with TLS", "TLS"]
)
def test_over_tls_the_cookie_is_for_tls_alone(
    client: TestClient, app: FastAPI, me: Any, headers: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if headers:
        # The proxy's name is allowed, as MEMORY_SERVICE_ALLOWED_HOSTS would allow it.
        from memory_service.api.middleware import CheckHost

        async def passed(self: CheckHost, scope: Any, receive: Any, send: Any) -> None:
            await self._app(scope, receive, send)

        monkeypatch.setattr(CheckHost, "__call__", passed)
    secure = TestClient(app, base_url=HERE if headers else "https://127.0.0.1:8000")
    answer = secure.post("/admin/session", json={"api_key": me.key}, headers=headers)
    assert answer.status_code == 201, answer.text
    assert "; Secure" in answer.headers["set-cookie"]


def test_what_is_stored_is_a_hash(opened: TestClient, me: Any, maintenance: Engine) -> None:
    secret = opened.cookies["ms_session"]
    with maintenance.connect() as connection:
        row = connection.execute(
            text("SELECT hash, to_jsonb(s)::text AS all FROM web_session s WHERE tenant_id = :t"), {"t": me.tenant_id}
        ).one()
    assert row.hash == hash_secret(secret)
    assert secret not in row.all


def test_every_call_of_v1_takes_the_session(opened: TestClient, me: Any) -> None:
    made = opened.post("/v1/memories", json={"content": "The boiler is serviced in May."}, headers=OURS)
    assert made.status_code == 201, made.text
    path = f"/v1/memories/{made.json()['id']}"
    assert opened.get(path).json()["content"] == me.get(path).json()["content"]
    assert opened.patch(path, json={"title": "Boiler"}, headers=OURS).status_code == 200
    assert opened.post("/v1/search", json={"query": "boiler"}, headers=OURS).status_code == 200
    assert opened.delete(path, headers=OURS).status_code == 204


def test_a_session_may_what_its_key_may(browser: TestClient, make_tenant: Any) -> None:
    _, key = make_tenant(scopes=(KeyScope.READ,))
    assert browser.post("/admin/session", json={"api_key": key}).json()["scopes"] == ["memories:read"]
    assert browser.get("/v1/memories").status_code == 200
    assert code(browser.post("/v1/memories", json={"content": "x"}, headers=OURS)) == (403, "forbidden")
    assert code(browser.get("/v1/api-keys")) == (403, "forbidden")


def test_a_key_in_a_header_goes_before_the_session(opened: TestClient, make_tenant: Any, me: Any) -> None:
    other, key = make_tenant()
    me.post("/v1/memories", json={"content": "Mine."})
    answer = opened.get("/v1/memories", headers={"Authorization": f"Bearer {key}"})
    assert answer.json()["data"] == []
    # A bad key is refused, and does not fall back to the session.
    assert opened.get("/v1/memories", headers={"X-API-Key": "ms_wrong"}).status_code == 401
    # A key needs no header of the page: only browsers send cookies by themselves.
    assert opened.post("/v1/memories", json={"content": "x"}, headers={"X-API-Key": key}).status_code == 201
    # What a proxy asks for is no key of ours.
    assert len(opened.get("/v1/memories", headers={"Authorization": "Basic dTpw"}).json()["data"]) == 1
    assert isinstance(other, UUID)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/compat/mem0/memories?user_id=u"),
        ("GET", "/compat/mem0/v1/ping/"),
        ("POST", "/compat/mem0/search"),
        ("GET", "/openai/v1/models"),
        ("POST", "/openai/v1/chat/completions"),
        ("POST", "/admin/links"),
    ],
)
def test_the_session_opens_nothing_but_v1(opened: TestClient, method: str, path: str) -> None:
    body = {"json": {"query": "x", "messages": []}} if method == "POST" else {}
    answer = opened.request(method, path, headers=OURS, **body)
    assert answer.status_code == 401, answer.text


# Same site but another origin: a server on another port of this machine, to which SameSite makes no difference.
FOREIGN = [
    {"Origin": "http://127.0.0.1:3000"},
    {"Origin": "http://localhost:8000"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:8000.evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "file://"},
    {"Origin": "http://[bad"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "nonsense"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Origin": HERE},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/memories"), ("DELETE", "/admin/session")])
def test_another_page_changes_nothing(
    opened: TestClient, me: Any, method: str, path: str, headers: dict[str, str]
) -> None:
    body = {"json": {"content": "Sent by another page."}} if method == "POST" else {}
    answer = opened.request(method, path, headers={**OURS, **headers}, **body)
    assert code(answer) == (403, "cross_site_request")
    assert me.get("/v1/memories").json()["data"] == []
    assert opened.get("/admin/session").status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"X-Requested-By": ""}, {"X-Requested-By": "Admin"}, {"X-Requested-With": "admin"}]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_change_needs_the_header_of_the_page(opened: TestClient, method: str, headers: dict[str, str]) -> None:
    answer = opened.request(method, "/v1/blocks/persona" if method != "POST" else "/v1/memories", headers=headers)
    assert code(answer) == (403, "cross_site_request")


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://x"}]
)
def test_another_page_reads_nothing(opened: TestClient, headers: dict[str, str]) -> None:
    assert code(opened.get("/v1/memories", headers=headers)) == (403, "cross_site_request")
    assert code(opened.get("/admin/session", headers=headers)) == (403, "cross_site_request")


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}])
def test_the_own_page_and_a_person_read(opened: TestClient, headers: dict[str, str]) -> None:
    assert opened.get("/v1/memories", headers=headers).status_code == 200


def test_the_own_page_writes(opened: TestClient) -> None:
    headers = {**OURS, "Origin": HERE, "Sec-Fetch-Site": "same-origin"}
    assert opened.post("/v1/memories", json={"content": "Mine."}, headers=headers).status_code == 201


@pytest.mark.parametrize("path", ["/v1/memories", "/admin/session"])
def test_no_other_origin_is_told_that_it_may(opened: TestClient, path: str) -> None:
    asked = {
        "Origin": "http://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-requested-by",
    }
    for answer in (opened.options(path, headers=asked), opened.get(path, headers={"Origin": "http://evil.example"})):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_page_logs_nobody_in(browser: TestClient, me: Any, headers: dict[str, str]) -> None:
    answer = browser.post("/admin/session", json={"api_key": me.key}, headers=headers)
    assert code(answer) == (403, "cross_site_request")
    form = browser.post("/admin/session", data={"api_key": me.key})
    assert code(form) == (415, "unsupported_media_type")
    assert "ms_session" not in browser.cookies


def test_logging_out_ends_the_session_and_not_only_the_cookie(opened: TestClient, app: FastAPI) -> None:
    secret = opened.cookies["ms_session"]
    answer = opened.delete("/admin/session", headers=OURS)
    assert answer.status_code == 204
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert "ms_session" not in opened.cookies
    again = TestClient(app, base_url=HERE, cookies={"ms_session": secret})
    assert code(again.get("/v1/memories")) == (401, "unauthenticated")
    assert code(again.get("/admin/session")) == (401, "unauthenticated")
    assert code(again.delete("/admin/session", headers=OURS)) == (401, "unauthenticated")


def test_revoking_the_key_ends_the_session_at_once(opened: TestClient, me: Any) -> None:
    assert opened.get("/v1/memories").status_code == 200
    key_id = opened.get("/admin/session").json()["key_id"]
    assert me.delete(f"/v1/api-keys/{key_id}").status_code == 204
    assert code(opened.get("/v1/memories")) == (401, "unauthenticated")
    assert code(opened.get("/admin/session")) == (401, "unauthenticated")


def test_rotating_the_key_ends_the_session(opened: TestClient, me: Any) -> None:
    key_id = opened.get("/admin/session").json()["key_id"]
    assert me.post(f"/v1/api-keys/{key_id}/rotate").status_code == 201
    assert opened.get("/v1/memories").status_code == 401


def test_a_session_ends_no_later_than_its_key(browser: TestClient, make_tenant: Any, maintenance: Engine) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=5)
    _, key = make_tenant(expires_at=ends)
    answer = browser.post("/admin/session", json={"api_key": key})
    assert abs(datetime.fromisoformat(answer.json()["expires_at"]) - ends) < timedelta(seconds=1)
    assert "Max-Age=29" in answer.headers["set-cookie"]


@pytest.mark.parametrize("table", ["web_session", "api_key"])
def test_what_has_expired_opens_nothing(
    opened: TestClient, app: FastAPI, me: Any, maintenance: Engine, table: str
) -> None:
    assert opened.get("/v1/memories").status_code == 200
    with maintenance.begin() as connection:
        connection.execute(
            text(f"UPDATE {table} SET expires_at = now() - interval '1 second' WHERE tenant_id = :t"),
            {"t": me.tenant_id},
        )
    app.state.services.authenticator.forget()
    assert code(opened.get("/v1/memories")) == (401, "unauthenticated")


def test_a_remembered_session_does_not_outlive_its_end(
    opened: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened.get("/v1/memories").status_code == 200
    later = datetime.now(UTC) + timedelta(hours=12, seconds=5)
    monkeypatch.setattr(app.state.services.authenticator, "_clock", lambda: later)
    assert code(opened.get("/v1/memories")) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "secret",
    ["x", "mss_" + "A" * 43, "mss_", "'; DROP TABLE web_session; --", "mss_%00", "a" * 600, "mss_\u00e9"],
    ids=lambda s: s[:12],
)
def test_a_secret_that_nobody_gave_opens_nothing(browser: TestClient, secret: str) -> None:
    cookie = f"ms_session={secret}".encode("latin-1")
    for path in ("/v1/memories", "/admin/session"):
        assert code(browser.get(path, headers={"Cookie": cookie})) == (401, "unauthenticated")  # type: ignore[dict-item]


def test_a_key_is_no_session_and_a_session_no_key(opened: TestClient, app: FastAPI, me: Any) -> None:
    secret = opened.cookies["ms_session"]
    fresh = TestClient(app, base_url=HERE)
    assert fresh.get("/v1/memories", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    assert fresh.get("/v1/memories", headers={"Cookie": f"ms_session={me.key}"}).status_code == 401
    assert fresh.post("/admin/session", json={"api_key": secret}).status_code == 401
    assert fresh.post("/admin/session", json={"token": secret}).status_code == 401
    assert fresh.post("/admin/session", json={"token": me.key}).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"api_key": "a", "token": "b"}, 422),
        ({"api_key": ""}, 422),
        ({"api_key": None}, 422),
        ({"api_key": ["a"]}, 422),
        ({"api_key": "a" * 513}, 422),
        ({"api_key": "a", "tenant": "b"}, 422),
        ({"api_key": "a\0b"}, 422),
        ({"api_key": "\ud800"}, 422),
        ({"api_key": "ms_wrong"}, 401),
        ({"token": "msl_wrong"}, 401),
        ([], 422),
        ({"api_key": "a" * 9000}, 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_login_is_refused(browser: TestClient, body: Any, status: int) -> None:
    import json

    answer = browser.post(
        "/admin/session", content=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert "ms_session" not in browser.cookies
    assert "ms_wrong" not in answer.text


def test_a_revoked_key_logs_nobody_in(browser: TestClient, me: Any) -> None:
    made = me.post("/v1/api-keys", json={"name": "gone", "scopes": ["memories:read"]}).json()
    me.delete(f"/v1/api-keys/{made['id']}")
    assert browser.post("/admin/session", json={"api_key": made["key"]}).status_code == 401


def test_a_key_has_fifty_sessions_at_most(browser: TestClient, me: Any, maintenance: Engine, app: FastAPI) -> None:
    first = browser.post("/admin/session", json={"api_key": me.key}).cookies["ms_session"]
    for _ in range(50):
        assert browser.post("/admin/session", json={"api_key": me.key}).status_code == 201
    with maintenance.connect() as connection:
        count = connection.scalar(text("SELECT count(*) FROM web_session WHERE tenant_id = :t"), {"t": me.tenant_id})
    assert count == 50
    assert browser.get("/admin/session").status_code == 200
    assert TestClient(app, base_url=HERE, cookies={"ms_session": first}).get("/v1/memories").status_code == 401


def test_an_address_may_try_so_often_and_no_more(
    browser: TestClient, me: Any, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memory_service.api.rate_limit import RateLimiter
    from memory_service.api.sharing import Windows

    fresh = RateLimiter("5/minute", may="This address may try to log in", clock=lambda: 1000.0)
    limiter = app.state.services.login_limiter
    monkeypatch.setattr(limiter, "amount", fresh.amount)
    monkeypatch.setattr(limiter, "_windows", Windows(16))
    for _ in range(5):
        assert browser.post("/admin/session", json={"api_key": "ms_guess"}).status_code == 401
    answer = browser.post("/admin/session", json={"api_key": me.key})
    assert code(answer) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) >= 1
    # Who is in already is not kept from working, nor is a key.
    assert me.get("/v1/memories").status_code == 200


def test_a_link_logs_in_once(browser: TestClient, app: FastAPI, me: Any) -> None:
    made = me.post("/admin/links").json()
    assert made["path"] == f"/admin/#login={made['token']}"
    assert made["token"].startswith("msl_")
    ends = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < ends <= timedelta(minutes=15)
    answer = browser.post("/admin/session", json={"token": made["token"]})
    assert answer.status_code == 201
    assert answer.json()["tenant"] == f"tenant {me.tenant_id}"
    assert browser.get("/v1/memories").status_code == 200
    again = TestClient(app, base_url=HERE).post("/admin/session", json={"token": made["token"]})
    assert code(again) == (401, "unauthenticated")
    assert "admin-link" in again.json()["detail"]


def test_of_many_who_use_a_link_at_once_one_gets_in(app: FastAPI, client: TestClient, me: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    token = me.post("/admin/links").json()["token"]

    def use(_: int) -> int:
        return TestClient(app, base_url=HERE).post("/admin/session", json={"token": token}).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(use, range(6))) == [201, 401, 401, 401, 401, 401]


def test_an_old_link_logs_nobody_in(browser: TestClient, me: Any, maintenance: Engine) -> None:
    token = me.post("/admin/links").json()["token"]
    with maintenance.begin() as connection:
        connection.execute(
            text("UPDATE login_link SET expires_at = now() - interval '1 second' WHERE tenant_id = :t"),
            {"t": me.tenant_id},
        )
    assert browser.post("/admin/session", json={"token": token}).status_code == 401
    # The next link removes what has expired.
    me.post("/admin/links")
    with maintenance.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM login_link WHERE tenant_id = :t"), {"t": me.tenant_id}) == 1


def test_a_link_of_a_revoked_key_logs_nobody_in(browser: TestClient, me: Any, as_tenant: Any) -> None:
    made = me.post("/v1/api-keys", json={"name": "short", "scopes": ["memories:read"]}).json()
    token = as_tenant((me.tenant_id, made["key"])).post("/admin/links").json()["token"]
    me.delete(f"/v1/api-keys/{made['id']}")
    assert browser.post("/admin/session", json={"token": token}).status_code == 401


def test_a_replayed_answer_holds_no_token(me: Any) -> None:
    headers = {"Idempotency-Key": "link-1"}
    first = me.post("/admin/links", headers=headers).json()
    again = me.post("/admin/links", headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == {**first, "token": None, "path": None}


def test_logins_stand_in_the_audit_chain(opened: TestClient, me: Any) -> None:
    me.post("/admin/links")
    opened.delete("/admin/session", headers=OURS)
    events = me.get("/v1/audit?limit=50").json()["data"]
    actions = [event["action"] for event in events]
    assert {"web_session.begin", "web_session.end", "login_link.create"} <= set(actions)
