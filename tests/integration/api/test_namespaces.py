from collections.abc import Callable
from typing import Any

import pytest


def test_default_is_there_before_anything_is(me: Any) -> None:
    assert me.get("/v1/namespaces").json()["data"] == [
        {
            "path": "default",
            "settings": {"extract": "rules", "consolidation": "auto", "fusion": {"learn": False}},
            "created_at": None,
        }
    ]
    assert me.get("/v1/namespaces/default").json()["memories"] == 0
    changed = me.patch("/v1/namespaces/default", json={"settings": {"extract": "none"}})
    assert changed.status_code == 200, changed.text
    assert changed.json()["settings"] == {"extract": "none", "consolidation": "auto", "fusion": {"learn": False}}
    assert changed.json()["created_at"] is not None


def test_a_namespace_is_made_found_and_changed(me: Any) -> None:
    made = me.post("/v1/namespaces", json={"path": "users/42", "settings": {"extract": "none"}})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/v1/namespaces/users%2F42"
    for path in ("users%2F42", "users/42"):
        assert me.get(f"/v1/namespaces/{path}").json() == made.json()
    again = me.post("/v1/namespaces", json={"path": "users/42"})
    assert (again.status_code, again.json()) == (200, made.json())
    reset = me.patch("/v1/namespaces/users%2F42", json={"settings": {"extract": None}})
    assert reset.json()["settings"] == {"extract": "rules", "consolidation": "auto", "fusion": {"learn": False}}


def test_a_setting_without_its_parts_has_their_defaults(me: Any) -> None:
    for learn, said in ((True, {"learn": True}), (False, {})):
        changed = me.patch("/v1/namespaces/default", json={"settings": {"fusion": said}})
        assert changed.json()["settings"] == {"extract": "rules", "consolidation": "auto", "fusion": {"learn": learn}}
    assert me.patch("/v1/namespaces/default", json={"settings": {}}).json()["settings"]["fusion"] == {"learn": False}


def test_a_prefix_matches_whole_segments(me: Any) -> None:
    for path in ("users/4", "users/42", "users/4/notes", "users/4-b", "zoo"):
        assert me.post("/v1/namespaces", json={"path": path}).status_code == 201
    found = me.get("/v1/namespaces?prefix=users/4").json()["data"]
    assert [each["path"] for each in found] == ["users/4", "users/4/notes"]


@pytest.mark.parametrize("before", [[], ["a", "z"], ["a", "b", "c", "default", "e"], ["e", "f"]])
def test_pages_hold_every_path_once_and_default_always(me: Any, before: list[str]) -> None:
    for path in before:
        assert me.post("/v1/namespaces", json={"path": path}).status_code == 201
    for limit in (1, 2, 3, 50):
        seen: list[str] = []
        path = f"/v1/namespaces?limit={limit}"
        while True:
            answer = me.get(path).json()
            assert len(answer["data"]) <= limit
            seen += [each["path"] for each in answer["data"]]
            if not answer["has_more"]:
                break
            path = f"/v1/namespaces?limit={limit}&cursor={answer['next_cursor']}"
        assert seen == sorted({*before, "default"}), limit


@pytest.mark.parametrize("path", ["", "/", "a//b", "/a", "a/", "a b", "ä", "a" * 257, "a\\b", "../x y"])
def test_paths_that_are_none(me: Any, path: str) -> None:
    answer = me.post("/v1/namespaces", json={"path": path})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/path"


def test_another_tenants_namespaces_are_not_there(me: Any, make_tenant: Any, as_tenant: Callable[..., Any]) -> None:
    me.post("/v1/namespaces", json={"path": "mine"})
    stranger = as_tenant(make_tenant())
    for answer in (
        stranger.get("/v1/namespaces/mine"),
        stranger.patch("/v1/namespaces/mine", json={"settings": {"extract": "none"}}),
        stranger.get("/v1/users?namespace=mine"),
        stranger.get("/v1/jobs?namespace=mine"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "namespace_not_found")
    assert "mine" not in stranger.get("/v1/namespaces").text


def test_occupied_ones_hold_something_that_lives(me: Any) -> None:
    def occupied(**parameters: Any) -> list[str]:
        answer = me.get("/v1/namespaces", params={"occupied": True, **parameters})
        assert answer.status_code == 200, answer.text
        return [each["path"] for each in answer.json()["data"]]

    assert occupied() == []
    assert me.post("/v1/namespaces", json={"path": "empty"}).status_code == 201
    made = {
        path: me.post("/v1/memories", json={"content": "Here.", "namespace": path, **fields}).json()["id"]
        for path, fields in (("a", {}), ("a/b", {}), ("c", {"expires_at": "2020-01-01T00:00:00Z"}))
    }
    assert occupied() == ["a", "a/b"]
    assert occupied(prefix="a/b") == ["a/b"]
    page = me.get("/v1/namespaces", params={"occupied": True, "limit": 1}).json()
    assert [each["path"] for each in page["data"]] == ["a"]
    assert occupied(cursor=page["next_cursor"]) == ["a/b"]
    assert me.get("/v1/namespaces", params={"cursor": page["next_cursor"]}).status_code == 422
    assert me.delete(f"/v1/memories/{made['a']}").status_code == 204
    assert occupied() == ["a/b"]
    assert "default" in [each["path"] for each in me.get("/v1/namespaces").json()["data"]]
