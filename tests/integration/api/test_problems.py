from typing import Any

import pytest
from starlette.testclient import TestClient

from memory_service.api.middleware import MAX_BODY

FIELDS = {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"}


def check(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) >= FIELDS
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


def pointers(problem: dict[str, Any]) -> list[str]:
    return [error["pointer"] for error in problem["errors"]]


def test_an_unknown_route(client: TestClient) -> None:
    problem = check(client.get("/v1/nothing?secret=1"), 404, "route_not_found")
    assert "secret" not in str(problem)


@pytest.mark.parametrize(
    "path", ["/v1/api-keys/", "/v2/memories", "/docs/assets/nothing.js", "/docs/assets/../__init__.py"]
)
def test_no_path_is_guessed(client: TestClient, path: str) -> None:
    check(client.get(path), 404, "route_not_found")


def test_a_method_that_a_path_does_not_answer(client: TestClient) -> None:
    answer = client.put("/v1/api-keys")
    check(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_options_says_what_a_path_answers(client: TestClient) -> None:
    answer = client.options("/v1/api-keys/01a1f894-4555-7047-b33a-4759c6eb97fb")
    assert answer.status_code == 204
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS"
    check(client.options("/v1/nothing"), 404, "route_not_found")


def test_head(client: TestClient, me: Any) -> None:
    answer = me.request("HEAD", "/v1/jobs")
    assert answer.status_code == 200
    assert answer.content == b""
    assert client.head("/v1/jobs").status_code == 401


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_a_body_that_is_not_said_to_be_json(me: Any, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = me.post("/v1/api-keys", content=b'{"name": "a", "scopes": ["memories:read"]}', headers=headers)
    assert "application/json" in check(answer, 415, "unsupported_media_type")["detail"]


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=UTF-8", "application/problem+json"]
)
def test_a_body_that_is(me: Any, content_type: str) -> None:
    body = b'{"name": "a", "scopes": ["memories:read"]}'
    assert me.post("/v1/api-keys", content=body, headers={"Content-Type": content_type}).status_code == 201


def send(me: Any, body: bytes) -> Any:
    return me.post("/v1/api-keys", content=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("body", [b"{", b"nope", b"\xff", b'{"name": "\x00"}', b"[" * 100_000])
def test_a_body_that_is_no_json(me: Any, body: bytes) -> None:
    check(send(me, body), 422, "invalid_json")


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b'"x"', b"null"])
def test_a_body_that_is_no_object(me: Any, body: bytes) -> None:
    check(send(me, body), 422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"name": "a"}', "/scopes"),
        (b'{"name": "a", "scopes": ["memories:read"], "color": 1}', "/color"),
        (b'{"name": "a", "scopes": ["fly"]}', "/scopes/0"),
        (b'{"name": "a", "scopes": "memories:read"}', "/scopes"),
        (b'{"name": "  ", "scopes": ["memories:read"]}', "/name"),
        (b'{"name": 7, "scopes": ["memories:read"]}', "/name"),
        (b'{"name": "a\\u0000", "scopes": ["memories:read"]}', "/name"),
        (b'{"name": "\\udc00", "scopes": ["memories:read"]}', "/name"),
        (b'{"name": "a", "scopes": ["memories:read"], "x\\udc00": 1}', "/x\\udc00"),
        (b'{"name": "a", "scopes": ["memories:read"], "expires_at": "2030-01-01T00:00:00"}', "/expires_at"),
        (b'{"name": "a", "scopes": ["memories:read"], "expires_at": NaN}', "/expires_at"),
        (b'{"name": "a", "scopes": ["memories:read"], "expires_at": 1e400}', "/expires_at"),
    ],
)
def test_a_wrong_field_is_named_by_its_place(me: Any, body: bytes, pointer: str) -> None:
    problem = check(send(me, body), 422, "invalid_request")
    assert pointers(problem)[0].encode("ascii", "backslashreplace").decode() == pointer


def test_a_complaint_does_not_repeat_a_huge_input(me: Any) -> None:
    answer = send(
        me, b'{"name": "' + b"y" * 100_000 + b'", "scopes": ["' + b"z" * 100_000 + b'"], "' + b"w" * 50_000 + b'": 1}'
    )
    check(answer, 422, "invalid_request")
    assert len(answer.content) < 5_000


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"), ("limit=201", "?limit"), ("limit=x", "?limit"), ("limit=1&page=2", "?page"),
        ("cursor=abc", "?cursor"), ("cursor=%00", "?cursor"), ("cursor=%ff%fe", "?cursor"), ("%00=1", "?\0"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(me: Any, query: str, pointer: str) -> None:
    answer = me.get(f"/v1/api-keys?{query}")
    assert answer.status_code == 422, answer.text
    assert pointers(answer.json()) == [pointer]


def test_wrong_ids_in_paths(me: Any) -> None:
    check(me.get("/v1/jobs/not-an-id"), 404, "not_found")
    check(me.get("/v1/jobs/%00"), 422, "invalid_request")
    check(me.get("/v1/jobs/01a1f894-4555-7047-b33a-4759c6eb97fb"), 404, "not_found")


def test_a_request_that_is_too_large(me: Any) -> None:
    body = b'{"name": "' + b"y" * MAX_BODY + b'"}'
    headers = {"Content-Type": "application/json"}
    problem = check(me.post("/v1/api-keys", content=body, headers=headers), 413, "too_large")
    assert "batch" in problem["detail"]
    chunks = (body[start : start + 65536] for start in range(0, len(body), 65536))
    check(me.post("/v1/api-keys", content=chunks, headers=headers), 413, "too_large")


def test_a_host_that_is_not_ours(client: TestClient) -> None:
    for path in ("/healthz", "/v1/jobs", "/docs"):
        problem = check(client.get(path, headers={"Host": "evil.example"}), 421, "host_refused")
        assert "MEMORY_SERVICE_ALLOWED_HOSTS" in problem["detail"]


def test_a_request_id_is_given_and_kept(client: TestClient) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert len(client.get("/healthz", headers={"X-Request-ID": "a b"}).headers["x-request-id"]) == 36
