from typing import Any

import pytest

from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import Connection
from memory_service.cli.failures import KeyRefused, RequestRefused, ServiceUnreachable

BROKEN = 0  # What the local service takes for: close the connection without an answer.
RUNNING = {"title": "Still running", "code": "idempotency_in_progress"}


def connect(service: Any, key: str | None = "test-key") -> ServiceClient:
    return ServiceClient(Connection(url=service.url, key=key, key_origin="the test"), timeout_s=5)


def test_a_problem_becomes_a_sentence_with_pointers(service: Any) -> None:
    problem = {
        "title": "Invalid",
        "detail": "the query is empty",
        "code": "invalid_request",
        "errors": [{"pointer": "/query", "detail": "must not be blank"}],
        "request_id": "r-1",
    }
    service.answers["/v1/search"] = lambda body: (422, problem)
    with connect(service) as client, pytest.raises(RequestRefused) as refused:
        client.post("/v1/search", {"query": ""})
    assert refused.value.code == "invalid_request"
    assert str(refused.value).splitlines() == [
        "the service answered 422: the query is empty",
        "  /query: must not be blank",
        "  request id r-1",
    ]


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "gopher://127.0.0.1:9"])
def test_this_machine_is_reached_without_the_proxy_of_the_environment(
    service: Any, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The proxy could not reach our loopback, and would be shown the key.
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
        monkeypatch.setenv(name.lower(), proxy)
    service.answers["/v1/search"] = lambda body: (200, {"done": True})
    with connect(service) as client:
        assert client.post("/v1/search", {}) == {"done": True}


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "gopher://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_a_sentence(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(ServiceUnreachable, match="proxy of the environment") as failure:
        ServiceClient(Connection(url="http://memory.example", key="test-key", key_origin="the test"))
    assert "NO_PROXY" in failure.value.hint


def test_unavailable_is_tried_again(service: Any) -> None:
    answers = [(503, {"title": "Unavailable"}), (429, {"title": "Slow down"}), (200, {"done": True})]
    service.answers["/v1/search"] = lambda body: answers.pop(0)
    with connect(service) as client:
        assert client.post("/v1/search", {}) == {"done": True}
    assert len(service.requests) == 3


def test_unavailable_for_ever_is_a_failure(service: Any) -> None:
    service.answers["/v1/search"] = lambda body: (503, {"title": "Unavailable", "detail": "the database is down"})
    with connect(service) as client, pytest.raises(RequestRefused, match="the database is down"):
        client.post("/v1/search", {})
    assert len(service.requests) == 4


def test_other_failures_are_not_repeated(service: Any) -> None:
    service.answers["/v1/search"] = lambda body: (500, {"title": "Internal error"})
    with connect(service) as client, pytest.raises(RequestRefused):
        client.post("/v1/search", {})
    assert len(service.requests) == 1


def test_a_refused_key_is_told_from_a_refused_request(service: Any) -> None:
    with connect(service, key="wrong") as client, pytest.raises(KeyRefused, match="the key is unknown"):
        client.post("/v1/search", {})


def test_without_a_service_that_is_said_before_the_missing_key() -> None:
    # Port 9 (discard) is closed on any machine that runs tests.
    connection = Connection(url="http://127.0.0.1:9", key=None, key_origin="there is no key file")
    with ServiceClient(connection) as client, pytest.raises(ServiceUnreachable, match=r"127\.0\.0\.1:9"):
        client.get("/v1/memories")


def test_without_a_key_nothing_is_sent(service: Any) -> None:
    with connect(service, key=None) as client, pytest.raises(KeyRefused):
        client.post("/v1/memories", {"content": "x"})
    assert [path for _, path, _ in service.requests] == ["/healthz"]


def test_an_empty_answer_is_none(service: Any) -> None:
    service.answers["/v1/api-keys/k1"] = lambda body: (204, None)
    with connect(service) as client:
        assert client.delete("/v1/api-keys/k1") is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "usable address"),
        ("http://[bad", "address|answers"),  # Versions of httpx differ in when they notice.
        ("ftp://127.0.0.1", "usable address"),
        ("127.0.0.1:8000", "usable address"),
    ],
)
def test_an_unusable_address_is_a_failure(url: str, said: str) -> None:
    with (
        pytest.raises(ServiceUnreachable, match=said),
        ServiceClient(Connection(url=url, key="k", key_origin="the test")) as client,
    ):
        client.get("/v1/memories")


def test_all_attempts_of_a_change_carry_one_idempotency_key_and_two_changes_have_two(service: Any) -> None:
    answers = [
        (503, {"title": "Unavailable"}),
        (BROKEN, None),
        (409, RUNNING),
        (201, {"id": "m1"}),
        (201, {"id": "m2"}),
    ]
    service.answers["/v1/memories"] = lambda body: answers.pop(0)
    with connect(service) as client:
        assert client.post("/v1/memories", {"content": "x"}) == {"id": "m1"}
        assert client.post("/v1/memories", {"content": "y"}) == {"id": "m2"}
    first, *more, last = service.idempotency_keys
    assert first
    assert more == [first] * 3
    assert last not in (None, first)


def test_a_call_that_still_runs_is_asked_after_until_it_answers(service: Any) -> None:
    answers = [(409, RUNNING)] * 9 + [(201, {"id": "m1"})]
    service.answers["/v1/memories"] = lambda body: answers.pop(0)
    with connect(service) as client:
        assert client.post("/v1/memories", {"content": "x"}) == {"id": "m1"}
    assert len(set(service.idempotency_keys)) == 1


def test_a_call_that_runs_for_ever_is_given_up(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory_service.cli.client.LONGEST_RUN_S", 0.3)
    service.answers["/v1/memories"] = lambda body: (409, RUNNING)
    with connect(service) as client, pytest.raises(RequestRefused):
        client.post("/v1/memories", {"content": "x"})
    assert len(service.requests) <= 3, "also where Retry-After is 0 it is not asked without a pause"


def test_a_conflict_that_will_not_pass_is_not_repeated(service: Any) -> None:
    service.answers["/v1/memories"] = lambda body: (409, {"title": "Conflict", "code": "external_id_taken"})
    with connect(service) as client, pytest.raises(RequestRefused):
        client.post("/v1/memories", {"content": "x"})
    assert len(service.requests) == 1


def test_a_connection_that_always_breaks_is_no_service(service: Any) -> None:
    service.answers["/v1/memories"] = lambda body: (BROKEN, None)
    with connect(service) as client, pytest.raises(ServiceUnreachable, match="broke the connection"):
        client.get("/v1/memories")
    assert len(service.requests) == 4


def test_half_a_character_reaches_the_service_to_be_refused(service: Any) -> None:
    service.answers["/v1/memories"] = lambda body: (422, {"title": "Invalid", "detail": repr(body["content"])})
    with connect(service) as client, pytest.raises(RequestRefused, match=r"\\ud800 é"):
        client.post("/v1/memories", {"content": "\ud800 é"})


def test_a_list_is_read_page_after_page(service: Any) -> None:
    pages = [{"data": [{"n": 1}], "has_more": True, "next_cursor": "c&1"}, {"data": [{"n": 2}], "has_more": False}]
    service.answers["/v1/namespaces"] = lambda body: (200, pages.pop(0))
    with connect(service) as client:
        assert [one["n"] for one in client.pages("/v1/namespaces", {"prefix": "a/b"}, limit=1)] == [1, 2]
    assert [path for _, path, _ in service.requests] == [
        "/v1/namespaces?prefix=a%2Fb&limit=1",
        "/v1/namespaces?prefix=a%2Fb&limit=1&cursor=c%261",
    ]
