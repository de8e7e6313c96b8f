from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from memory_service.types import KeyScope


@pytest.fixture
def operator(make_tenant: Any, as_tenant: Callable[..., Any]) -> Any:
    return as_tenant(make_tenant(scopes=(KeyScope.OPERATOR, KeyScope.READ)))


def test_a_tenant_comes_with_a_key_that_is_its_own(operator: Any, client: Any) -> None:
    name = f"acme {uuid4()}"
    answer = operator.post("/v1/tenants", json={"name": name})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    headers = {"X-API-Key": made["api_key"]["key"]}
    keys = client.get("/v1/api-keys", headers=headers).json()["data"]
    assert [key["id"] for key in keys] == [made["api_key"]["id"]]
    assert "operator" not in keys[0]["scopes"]
    assert client.get("/v1/tenants", headers=headers).status_code == 403
    taken = operator.post("/v1/tenants", json={"name": name})
    assert (taken.status_code, taken.json()["code"]) == (409, "tenant_exists")


def test_making_a_tenant_twice_by_mistake(operator: Any) -> None:
    body, headers = {"name": f"once {uuid4()}"}, {"Idempotency-Key": "t"}
    first = operator.post("/v1/tenants", json=body, headers=headers)
    second = operator.post("/v1/tenants", json=body, headers=headers)
    assert second.status_code == 201
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["api_key"] == first.json()["api_key"] | {"key": None}


def test_operators_see_every_tenant_and_no_content(operator: Any) -> None:
    names, path = set(), "/v1/tenants?limit=2"
    ids = {operator.post("/v1/tenants", json={"name": f"listed {uuid4()}"}).json()["id"] for _ in range(3)}
    while True:
        answer = operator.get(path).json()
        names |= {tenant["id"] for tenant in answer["data"]}
        if not answer["has_more"]:
            break
        path = f"/v1/tenants?limit=2&cursor={answer['next_cursor']}"
    assert ids <= names


def test_administrators_are_not_operators(me: Any) -> None:
    assert me.get("/v1/tenants").status_code == 403
    assert me.post("/v1/tenants", json={"name": "x"}).status_code == 403
