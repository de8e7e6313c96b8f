"""Ids in paths are opaque: one that is no UUID is as unknown as one that no record has, on every route."""

import re
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from memory_service.types import KeyScope

UNKNOWN = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"
# Their bodies are files or have fields that must be there; without them both are refused before the id is looked at.
BODIES: dict[str, Any] = {
    "supersede_memory": {"content": "a"},
    "give_feedback": {"memory_id": UNKNOWN, "useful": True},
    "explain_absence": {"memory_id": UNKNOWN},
}


def routes_with_ids(app: FastAPI) -> list[tuple[str, str, str]]:
    return sorted(
        (method, route.path, str(route.operation_id))
        for route in app.routes
        if isinstance(route, APIRoute)
        and any(field.field_info.annotation is UUID for field in route.dependant.path_params)
        for method in route.methods
    )


def test_no_uuid_is_answered_as_an_unknown_one(app: FastAPI, as_tenant: Any, make_tenant: Any) -> None:
    operator = as_tenant(make_tenant(scopes=tuple(KeyScope)))
    routes = routes_with_ids(app)
    assert len(routes) > 50
    not_found = 0
    for method, path, name in routes:
        body = BODIES.get(name, {} if method in {"POST", "PATCH", "PUT"} else None)
        unknown, none = (
            operator.request(method, re.sub(r"{[^}]+}", id, path), **({} if body is None else {"json": body}))
            for id in (UNKNOWN, "none")
        )
        not_found += none.status_code == 404
        said = (method, path, unknown.text, none.text)
        assert none.status_code == unknown.status_code, said
        if unknown.status_code >= 400 and path.count("_id}") == 1:  # of two unknown ids either may be named
            assert none.json()["code"] == unknown.json()["code"], said
    assert not_found > 50


def test_ids_elsewhere_are_still_values(me: Any, problem: Any) -> None:
    problem(me.get("/v1/tasks?parent_id=none"), 422, pointer="?parent_id")
    problem(me.post("/v1/tasks", json={"title": "a", "parent_id": "none"}), 422, pointer="/parent_id")


@pytest.mark.parametrize("body", [{"content": ""}, {"colour": 1}])
def test_what_else_is_wrong_is_said_first(me: Any, problem: Any, body: Any) -> None:
    for id in (UNKNOWN, "none"):
        problem(me.patch(f"/v1/memories/{id}", json=body), 422, pointer=f"/{next(iter(body))}")
