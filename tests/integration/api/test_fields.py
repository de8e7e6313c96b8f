"""Fields that mean the same on every route, and pointers that say where they stood."""

from typing import Any

import pytest

INVISIBLE = ["\u200b", "\u200b\u200c\ufeff", " \u2060\n", "\u2028", "\u3000\u00a0", "\u00ad", "\u0007"]


@pytest.mark.parametrize("text", INVISIBLE)
def test_what_shows_nothing_is_no_text(me: Any, text: str) -> None:
    for path, body in (
        ("/v1/memories", {"content": text}),
        ("/v1/messages", {"messages": [{"content": text}]}),
        ("/v1/search", {"query": text}),
        ("/v1/context", {"query": text}),
        ("/v1/api-keys", {"name": text, "scopes": ["memories:read"]}),
    ):
        assert me.post(path, json=body).status_code == 422, path
    made = me.post("/v1/memories", json={"content": f"{text}seen"})
    assert made.status_code == 201
    assert made.json()["content"] == f"{text}seen"


@pytest.mark.parametrize("path", ["/v1/search", "/v1/context"])
@pytest.mark.parametrize(
    ("top_k", "status"), [(201, 413), (10**12, 413), (0, 422), (True, 422), ("5", 422), (1.5, 422), (200, 200)]
)
def test_top_k_is_the_same_everywhere(me: Any, path: str, top_k: Any, status: int) -> None:
    assert me.post(path, json={"query": "x", "top_k": top_k}).status_code == status


@pytest.mark.parametrize("path", ["/v1/memories", "/v1/sessions/s/messages", "/v1/jobs", "/v1/users", "/v1/webhooks"])
def test_a_namespace_in_the_address(me: Any, path: str) -> None:
    refused = me.get(path, params={"namespace": "a//b"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_namespace")
    assert [e["pointer"] for e in refused.json()["errors"]] == ["?namespace"]
    unknown = me.get(path, params={"namespace": "nowhere"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "namespace_not_found")
    assert me.get(path, params={"namespace": "default"}).json()["data"] == []


@pytest.mark.parametrize("path", ["/v1/memories/query", "/v1/memories/archive", "/v1/memories/restore"])
def test_a_namespace_in_the_body(me: Any, path: str) -> None:
    refused = me.post(path, json={"filter": {"tags": "a"}, "namespace": "a//b"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_namespace")
    assert [e["pointer"] for e in refused.json()["errors"]] == ["/namespace"]
    unknown = me.post(path, json={"filter": {"tags": "a"}, "namespace": "nowhere"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "namespace_not_found")
    assert me.post(path, json={"filter": {"tags": "a"}, "namespace": "default"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/search", {"query": "x", "filter": ["a"]}, "/filter"),
        ("/v1/context", {"query": "x", "channels": ["a"]}, "/channels"),
        ("/v1/memories/query", {"filter": ["a"]}, "/filter"),
        ("/v1/memories", {"content": "x", "metadata": ["a"]}, "/metadata"),
        ("/v1/erasures", {"filter": ["a"]}, "/filter"),
    ],
)
def test_an_object_is_asked_for_in_the_same_words_everywhere(
    me: Any, path: str, body: dict[str, Any], pointer: str
) -> None:
    refused = me.post(path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert refused.json()["errors"] == [{"pointer": pointer, "detail": "is an array; expected is an object"}]


def test_if_match_may_name_several_versions(me: Any) -> None:
    path = me.post("/v1/memories", json={"content": "Guarded."}).headers["location"]

    def change(tags: str, wanted: str) -> int:
        status: int = me.patch(path, json={"tags": [tags]}, headers={"If-Match": wanted}).status_code
        return status

    assert change("a", '"7", "1"') == 200
    assert change("b", '"1","3"') == 412
    assert change("b", 'W/"2", "9"') == 412
    assert change("b", '"x,y", "2" ,') == 200
    assert change("c", '"3" "3"') == 422
    assert change("c", f'"{"9" * 5000}"') == 412
    assert me.post(f"{path}/pin", headers={"If-Match": '"2", "3"'}).status_code == 200
    assert me.post(f"{path}/supersede", json={"content": "x"}, headers={"If-Match": '"2", "3"'}).status_code == 412
    assert me.delete(path, headers={"If-Match": '"3", "4"'}).status_code == 204
