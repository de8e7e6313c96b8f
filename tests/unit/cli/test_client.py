from typing import Any

import pytest

from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import Connection
from memory_service.cli.failures import KeyRefused, RequestRefused, ServiceUnreachable


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


@pytest.mark.parametrize("url", ["nonsense", "http://[bad", "ftp://127.0.0.1"])
def test_an_unusable_address_is_a_failure(url: str) -> None:
    with (
        pytest.raises(ServiceUnreachable, match=r"address|answers"),
        ServiceClient(Connection(url=url, key="k", key_origin="the test")) as client,
    ):
        client.get("/v1/memories")
