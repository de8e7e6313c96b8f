"""Bad input gets a clear answer and loses nothing."""

# ruff: noqa: E501 (tables of cases are read by column)

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory_service.types import KeyScope

JSON = {"Content-Type": "application/json"}
WRITES = [
    "/v1/memories",
    "/v1/messages",
    "/v1/memories/batch",
    "/v1/search",
    "/v1/context",
    "/v1/memories/query",
    "/v1/memories/archive",
]


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


BODIES: list[tuple[Any, str]] = [
    ({}, "/content"), ({"content": None}, "/content"), ({"content": ""}, "/content"), ({"content": " \n\t\u3000"}, "/content"), ({"content": 5}, "/content"),
    ({"content": ["a"]}, "/content"), ({"content": {"text": "a"}}, "/content"), ({"content": True}, "/content"),
    ({"content": "a\0b"}, "/content"), ({"content": "\ud800"}, "/content"), ({"content": "ok", "tags": ["\udfff"]}, "/tags/0"),
    ({"content": "ok", "metadata": {"\ud800": 1}}, "/metadata/\ud800"), ({"content": "ok", "metadata": {"a": {"b": ["\0"]}}}, "/metadata/a/b/0"),
    ({"content": "ok", "colour": 1}, "/colour"), ({"content": "ok", "id": "x"}, "/id"), ({"content": "ok", "tenant_id": "x"}, "/tenant_id"),
    ({"content": "ok", "namespace": None}, "/namespace"), ({"content": "ok", "namespace": 3}, "/namespace"), ({"content": "ok", "memory_type": "nice"}, "/memory_type"),
    ({"content": "ok", "payload_type": "activation"}, "/payload_type"), ({"content": "ok", "user_id": 3}, "/user_id"), ({"content": "ok", "user_id": ""}, "/user_id"),
    ({"content": "ok", "user_id": "u" * 257}, "/user_id"), ({"content": "ok", "tags": "a"}, "/tags"), ({"content": "ok", "tags": [1]}, "/tags/0"),
    ({"content": "ok", "tags": [""]}, "/tags/0"), ({"content": "ok", "tags": ["t"] * 1000}, "/tags"), ({"content": "ok", "metadata": []}, "/metadata"),
    ({"content": "ok", "metadata": None}, "/metadata"), ({"content": "ok", "metadata": deep(20)}, "/metadata"), ({"content": "ok", "value": deep(20)}, "/value"),
    ({"content": "ok", "importance": 1.01}, "/importance"), ({"content": "ok", "importance": -0.01}, "/importance"), ({"content": "ok", "importance": "0.5"}, "/importance"),
    ({"content": "ok", "importance": True}, "/importance"), ({"content": "ok", "importance": None}, "/importance"), ({"content": "ok", "confidence": [1]}, "/confidence"),
    ({"content": "ok", "pinned": "yes"}, "/pinned"), ({"content": "ok", "pinned": 1}, "/pinned"), ({"content": "ok", "pinned": None}, "/pinned"),
    ({"content": "ok", "language": "no language"}, "/language"), ({"content": "ok", "on_conflict": "merge"}, "/on_conflict"), ({"content": "ok", "extract": "all"}, "/extract"),
    ({"content": "ok", "wait": "forever"}, "/wait"), ({"content": "ok", "timeout_s": 31}, "/timeout_s"), ({"content": "ok", "timeout_s": 0}, "/timeout_s"),
    ({"content": "ok", "source": {"kind": "rumour"}}, "/source/kind"), ({"content": "ok", "source": {"span": [3]}}, "/source/span"), ({"content": "ok", "source": {"span": [5, 3]}}, "/source/span"),
    ({"content": "ok", "source": {"span": [-1, 3]}}, "/source/span/0"), ({"content": "ok", "source": {"author": "x"}}, "/source/author"), ({"content": "ok", "source": "x"}, "/source"),
    ({"content": "ok", "metadata": {"n": 2**63}}, "/metadata/n"), ({"content": "ok", "metadata": {"n": -(2**63) - 1}}, "/metadata/n"), ({"content": "ok", "value": 10**400}, "/value"),
    *[({"content": "ok", name: when}, f"/{name}") for name in ("observed_at", "valid_from", "valid_to", "expires_at") for when in (
        "2024-01-01T00:00:00", "2024-01-01", "yesterday", "", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2024-02-30T00:00:00Z", "2024-01-01T25:00:00Z",
        "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "infinity", "now", 1700000000, 1.5, True, "1700000000", "2024-01-01T00:00:00 Europe/Rome")],
]  # fmt: skip


@pytest.mark.parametrize(("body", "pointer"), BODIES, ids=[str(number) for number in range(len(BODIES))])
def test_a_memory_that_cannot_be(me: Any, api: Any, problem: Any, body: Any, pointer: str) -> None:
    answer = me.post("/v1/memories", content=json.dumps(body).encode(), headers=JSON)
    problem(answer, 422, pointer=pointer)
    assert api.query({}) == []


@pytest.mark.parametrize("name", ["observed_at", "valid_from", "valid_to", "expires_at"])
@pytest.mark.parametrize("when", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_the_first_and_the_last_moment_are_times(me: Any, name: str, when: str) -> None:
    body = {"content": "Tomorrow Ana moves, as she did last year.", name: when, "extract": "none"}
    made = me.post("/v1/memories", json=body)
    assert made.status_code == 201, made.text
    assert made.json()[name] == when
    for bucket in ("auto", "hour", "day", "week", "month", "year"):
        assert me.get("/v1/timeline", params={"namespace": "default", "bucket": bucket}).status_code == 200
    asked = {"query": "When did Ana move last year?", "as_of": {"valid": when}, "now": when, "neighbours": 2}
    assert me.post("/v1/search", json=asked).status_code == 200


def test_two_ends_of_a_validity(me: Any, problem: Any) -> None:
    body = {"content": "ok", "valid_from": "2024-01-02T00:00:00Z", "valid_to": "2024-01-01T00:00:00Z"}
    problem(me.post("/v1/memories", json=body), 422, pointer="/valid_to")
    (result,) = me.post("/v1/memories/batch", json={"items": [body]}).json()["results"]
    assert [error["pointer"] for error in result["problem"]["errors"]] == ["/items/0/valid_to"]


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"nonsense", b"\xff\xfe", b'{"content": "\xed\xa0\x80"}', b'{"content": "\xc3"}', b'\xef\xbb\xbf{"content": "a"}', '{"content": "a"}'.encode("utf-16"), b'{"content": "a",}',
     b"{'content': 'a'}", b'{"content": "a"} x', b'{"content": "a\nb"}', b"[" * 100_000, b'{"a":' * 100_000, b"null", b"1", b"[]", b'"x"', b'{"content": "a", "content": "b"}',
     b'{"content": "a", "value": {"k": 1, "k": 2}}', b"\x00", b'{"content": "a\x00"}'],
)  # fmt: skip
def test_bodies_that_are_no_json_object(me: Any, api: Any, problem: Any, path: str, raw: bytes) -> None:
    if (path, raw) == ("/v1/memories/query", b""):
        assert me.post(path, content=raw, headers=JSON).status_code == 200  # It has no field that must be there.
    else:
        problem(me.post(path, content=raw, headers=JSON), 422)
    assert api.query({}) == []


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400, "9" * 6000, "1" + "0" * 30]
)
def test_numbers_that_are_none(me: Any, api: Any, problem: Any, number: str) -> None:
    for field in ("importance", "confidence", "value", "metadata"):
        inner = f'{{"n": {number}}}' if field == "metadata" else number
        answer = me.post("/v1/memories", content=f'{{"content": "ok", "{field}": {inner}}}'.encode(), headers=JSON)
        problem(answer, 422, pointer=f"/{field}/n" if field == "metadata" else f"/{field}")
    for field in ("top_k", "min_confidence", "diversity", "neighbours", "token_budget"):
        problem(me.post("/v1/search", content=f'{{"query": "x", "{field}": {number}}}'.encode(), headers=JSON), 422)
    assert api.query({}) == []


@pytest.mark.parametrize(
    "value",
    [
        0,
        -0.0,
        1e15,
        5e-324,
        2**63 - 1,
        -(2**63),
        "",
        "\u2028",
        "\U0010ffff",
        [],
        {},
        [None],
        False,
        {"": {"": ""}},
        "a" * 60_000,
        0.1 + 0.2,
        12345678901234567,
    ],
)
def test_values_that_can_be_come_back_as_they_were(api: Any, value: Any) -> None:
    made = api.remember("Kept.", value=value)
    assert made["value"] == value
    assert type(api.read(made["id"])["value"]) is type(value) or isinstance(value, float)


@pytest.mark.parametrize(
    "content",
    [
        "x",
        "🐝",
        "a" * 65_536,
        "é" * 32_768,
        "\u200bx",
        "<script>alert(1)</script>",
        "{}",
        "null",
        "\ufeffbom",
        "a\r\n\tb",
        "ﷺ" * 100,
        "word " * 2_000,
    ],
)
def test_contents_that_can_be(api: Any, content: str) -> None:
    made = api.remember(content)
    assert api.read(made["id"])["content"] == content
    assert api.found(content[:200]) == [made["id"]]


def test_escaped_pairs_are_characters(me: Any, api: Any) -> None:
    answer = me.post(
        "/v1/memories", content=rb'{"content": "\ud83d\udc1d \u00e9", "tags": ["\ud83d\udc1d"]}', headers=JSON
    )
    assert answer.status_code == 201
    assert api.read(answer.json()["id"])["content"] == "🐝 é"
    assert api.query({"tags": "🐝"}) == [answer.json()["id"]]


def test_what_is_too_large_names_the_way_out(me: Any, api: Any, problem: Any) -> None:
    for content in ("a" * 65_537, "é" * 32_769, "x" * 2**20):
        assert "64 KiB" in problem(me.post("/v1/memories", json={"content": content}), 413)["detail"]
    assert (
        "16 KiB"
        in problem(me.post("/v1/memories", json={"content": "a", "metadata": {"k": "x" * 17_000}}), 413)["detail"]
    )
    assert "64 KiB" in problem(me.post("/v1/memories", json={"content": "a", "value": "x" * 66_000}), 413)["detail"]
    assert "MiB" in problem(me.post("/v1/memories", json={"content": "a" * 9_000_000}), 413)["detail"]
    made = api.remember("Small.")
    problem(me.patch(f"/v1/memories/{made['id']}", json={"content": "x" * 2**17}), 413)
    problem(me.post(f"/v1/memories/{made['id']}/supersede", json={"content": "x" * 2**17}), 413)
    assert api.query({}) == [made["id"]]


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    "media",
    [
        None,
        "text/plain",
        "text/json",
        "application/x-ndjson",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "garbage",
        ";",
    ],
)
def test_bodies_of_another_media_type(me: Any, problem: Any, path: str, media: str | None) -> None:
    problem(me.post(path, content=b'{"content": "a"}', headers={"Content-Type": media} if media else {}), 415)


def test_routes_and_methods(me: Any, client: Any, problem: Any) -> None:
    for path in (
        "/",
        "/v1",
        "/v1/memory",
        "/v1/memories/",
        "/v2/memories",
        "/v1/memories/a/b/c",
        "/v1//memories",
        "/%00",
        "/v1/" + "x" * 5000,
        "/.env",
        "/v1/memories/../../etc",
    ):
        answer = me.get(path)
        assert answer.status_code in {404, 422}, path
        problem(answer, answer.status_code)
    for method, path in [
        ("PUT", "/v1/memories"),
        ("DELETE", "/v1/memories"),
        ("GET", "/v1/search"),
        ("PATCH", "/v1/search"),
        ("PUT", "/v1/memories/x"),
        ("TRACE", "/v1/jobs"),
        ("FOO", "/v1/jobs"),
    ]:
        answer = me.request(method, path)
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"]
    problem(client.get("/v1/unknown"), 404)


@pytest.mark.parametrize("path", ["/v1/memories", "/v1/users", "/v1/jobs", "/v1/namespaces"])
def test_keys_that_open_nothing(client: Any, make_tenant: Any, problem: Any, path: str) -> None:
    _, expired = make_tenant(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"X-API-Key": expired},
        {"Authorization": f"Bearer {expired}"},
        {"Authorization": "Basic eA=="},
    ):
        answer = client.get(path, headers=headers)
        assert "www-authenticate" in answer.headers
        problem(answer, 401, "unauthenticated")


def test_no_key_is_answered_before_the_body_is_read(client: Any, problem: Any) -> None:
    for body in (b"", b"{", b'{"content": "a"}'):
        answer = client.post("/v1/memories", content=body, headers=JSON)
        assert answer.status_code in {401, 422}
        problem(answer, answer.status_code)


@pytest.mark.parametrize(
    ("scopes", "method", "path", "body"),
    [
        ((KeyScope.READ,), "POST", "/v1/memories", {"content": "a"}), ((KeyScope.READ,), "POST", "/v1/messages", {"messages": [{"content": "a"}]}),
        ((KeyScope.READ,), "POST", "/v1/memories/batch", {"items": [{"content": "a"}]}), ((KeyScope.READ,), "POST", "/v1/memories/archive", {"filter": {}}),
        ((KeyScope.READ,), "POST", "/v1/memories/restore", {"filter": {}}), ((KeyScope.WRITE,), "POST", "/v1/search", {"query": "a"}),
        ((KeyScope.WRITE,), "POST", "/v1/context", {"query": "a"}), ((KeyScope.WRITE,), "GET", "/v1/memories", None), ((KeyScope.WRITE,), "POST", "/v1/memories/query", {"filter": {}}),
        ((KeyScope.READ, KeyScope.WRITE), "GET", "/v1/api-keys", None), ((KeyScope.ERASE,), "POST", "/v1/memories", {"content": "a"}), ((KeyScope.READ,), "GET", "/v1/tenants", None),
    ],
)  # fmt: skip
def test_keys_without_the_scope(
    make_tenant: Any, as_tenant: Callable[..., Any], problem: Any, scopes: Any, method: str, path: str, body: Any
) -> None:
    problem(as_tenant(make_tenant(scopes=scopes)).request(method, path, json=body), 403, "forbidden")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example", "[::2]", "0.0.0.0:8000"]
)
def test_hosts_that_are_not_ours(me: Any, problem: Any, host: str) -> None:
    problem(me.get("/v1/memories", headers={"Host": host}), 421, "host_refused")


@pytest.mark.parametrize(
    "body",
    [{"query": None}, {"query": 5}, {"query": "a\0"}, {"query": "\ud800"}, {"query": ["a"]}, {}, {"query": "a", "top_k": 0}, {"query": "a", "top_k": -1}, {"query": "a", "top_k": "10"},
     {"query": "a", "top_k": 1.5}, {"query": "a", "top_k": None}, {"query": "a", "preset": "slow"}, {"query": "a", "explain": "yes"}, {"query": "a", "diversity": 2}, {"query": "a", "user_id": ""},
     {"query": "a", "limit": 5}, {"query": "a", "filter": "x"}, {"query": "a", "token_budget": 0}, {"query": "a", "namespaces": [3]}, {"query": "a", "namespaces": ["a", "b//c"]}, {"query": "a", "channels": "vector"}],
)  # fmt: skip
def test_searches_that_cannot_be(me: Any, problem: Any, body: Any) -> None:
    problem(me.post("/v1/search", content=json.dumps(body).encode(), headers=JSON), 422)


@pytest.mark.parametrize("query", ["", " ", "\u200b\n"])
def test_an_empty_query_is_pointed_at(me: Any, problem: Any, query: str) -> None:
    saved = {"query": query, "relevant": ["018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f"]}
    for path, body in (("search", {}), ("context", {}), ("kv/plan", {}), ("saved-queries", saved)):
        problem(me.post(f"/v1/{path}", json={"query": query, **body}), 422, pointer="/query")


def test_what_two_fields_say_together_is_pointed_at(me: Any, api: Any, problem: Any) -> None:
    window = {"from": "2024-01-02T00:00:00Z", "to": "2024-01-01T00:00:00Z"}
    problem(me.post("/v1/search", json={"query": "a", "window": window}), 422, pointer="/window/to")
    made = api.remember("ok")["id"]
    problem(me.patch(f"/v1/memories/{made}", json={"observed_at": None}), 422, pointer="/observed_at")
    twice = {"ids": [made, made], "name": "both"}
    problem(me.post("/v1/parametric/merge", json=twice), 422, pointer="/ids")
    me.put("/v1/blocks/person", json={"value": "Ana"})
    problem(me.patch("/v1/blocks/person", json={"replace": None}), 422, pointer="/replace")


def test_null_is_no_filter(me: Any, api: Any) -> None:
    made = api.remember("A kiln.")["id"]
    assert api.query(None) == [made]
    assert api.found("kiln", filter=None) == [made]
    assert me.post("/v1/context", json={"query": "kiln", "filter": None}).status_code == 200
    assert made in me.post("/v1/exports", json={"filter": None}).text
    first = me.post("/v1/memories/query", json={"filter": None, "limit": 1}).json()
    assert first["next_cursor"] is None


@pytest.mark.parametrize("path", ["/v1/memories/archive", "/v1/memories/restore", "/v1/erasures"])
def test_null_selects_nothing_where_something_is_changed(me: Any, problem: Any, path: str) -> None:
    problem(me.post(path, json={"filter": None}), 422, "invalid_request")


def test_a_problem_names_no_class_of_ours(me: Any, problem: Any) -> None:
    task = me.post("/v1/tasks", json={"title": "Bake."}).json()["id"]
    for method, path, body in (
        ("PATCH", f"/v1/tasks/{task}", {"status": "failed"}),
        ("POST", f"/v1/tasks/{task}/close", {"status": "open"}),
        ("POST", "/v1/memories", {"content": "ok", "payload_type": "activation"}),
    ):
        answer = me.request(method, path, json=body)
        problem(answer, 422)
        assert "<" not in answer.text, answer.text
        assert "Type." not in answer.text, answer.text
        assert "Status" not in answer.text, answer.text


def test_a_problem_never_quotes_a_secret(me: Any) -> None:
    answer = me.post("/v1/memories", json={"content": "ok", "colour": "top-secret-value"})
    assert "top-secret-value" not in answer.text
    assert me.key not in answer.text


def test_odd_headers(me: Any) -> None:
    for headers in (
        {"Accept": "text/html"},
        {"Accept-Encoding": "br;q=oops"},
        {"X-Request-ID": "x" * 5000},
        {"Cookie": "a=b"},
        {"Range": "bytes=0-1"},
        {"If-None-Match": "*"},
    ):
        assert me.get("/v1/memories", headers=headers).status_code == 200
