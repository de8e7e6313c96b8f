from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from memory_service.types import KeyScope


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer {key}"},
        {"Authorization": "bearer {key}"},
        {"Authorization": "Token {key}"},
        {"X-API-Key": "{key}"},
    ],
)
def test_a_key_is_read_where_clients_put_it(client: TestClient, make_tenant: Any, headers: dict[str, str]) -> None:
    _, key = make_tenant()
    sent = {name: value.format(key=key) for name, value in headers.items()}
    assert client.get("/v1/jobs", headers=sent).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer ms_unknown"},
        {"Authorization": "Basic bXM6eA=="},
        {"X-API-Key": "\xe9"},
        {"X-API-Key": "x" * 4000},
        {"Authorization": "Bearer ' OR true --"},
    ],
)
def test_without_a_valid_key_nothing_is_shown(client: TestClient, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = client.get("/v1/jobs", headers=raw)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthenticated"
    assert answer.json()["retryable"] is False


def test_a_key_is_refused_the_moment_it_expires_though_it_is_remembered(
    app: FastAPI, client: TestClient, make_tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = make_tenant(expires_at=datetime.now(UTC) + timedelta(hours=1))
    headers = {"X-API-Key": key}
    assert client.get("/v1/jobs", headers=headers).status_code == 200
    later = datetime.now(UTC) + timedelta(hours=1, seconds=1)
    monkeypatch.setattr(app.state.services.authenticator, "_clock", lambda: later)
    assert client.get("/v1/jobs", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ((KeyScope.READ,), {"/v1/jobs"}),
        ((KeyScope.WRITE,), set()),
        ((KeyScope.ADMIN,), {"/v1/jobs", "/v1/api-keys"}),
        ((KeyScope.OPERATOR,), {"/v1/tenants"}),
        (tuple(KeyScope), {"/v1/jobs", "/v1/api-keys", "/v1/tenants"}),
    ],
)
def test_a_key_may_do_what_its_scopes_say(
    client: TestClient, make_tenant: Any, scopes: tuple[KeyScope, ...], allowed: set[str]
) -> None:
    _, key = make_tenant(scopes=scopes)
    for path in ("/v1/jobs", "/v1/api-keys", "/v1/tenants"):
        answer = client.get(path, headers={"X-API-Key": key})
        assert answer.status_code == (200 if path in allowed else 403), path
        if path not in allowed:
            assert answer.json()["code"] == "forbidden"


def test_when_a_key_was_used_is_written_once_a_minute(
    app: FastAPI, client: TestClient, make_tenant: Callable[[], tuple[UUID, str]], maintenance: Engine
) -> None:
    tenant_id, key = make_tenant()
    last_used = app.state.services.authenticator.last_used

    def written() -> datetime | None:
        last_used.flush()
        with maintenance.connect() as connection:
            found: datetime | None = connection.scalar(
                text("SELECT last_used_at FROM api_key WHERE tenant_id = :tenant"), {"tenant": tenant_id}
            )
        return found

    assert written() is None
    client.get("/v1/jobs", headers={"X-API-Key": key})
    first = written()
    assert first is not None
    client.get("/v1/jobs", headers={"X-API-Key": key})
    assert written() == first


def test_a_key_that_asks_too_often_is_told_when_to_come_back(
    app: FastAPI, me: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.services.rate_limiter, "amount", 2)
    answers = [me.get("/v1/jobs") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["code"] == "rate_limited"
    assert answers[-1].json()["retryable"] is True
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
