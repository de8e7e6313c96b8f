"""What goes wrong behind the proxy or in front of it: told so that OpenAI's clients understand, and nothing lost."""

import json
from typing import Any

import httpx
import pytest

CHAT = "/openai/v1/chat/completions"


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    assert found["code"] == code
    assert found["error"] == {
        "message": found["detail"],
        "type": code,
        "param": found["errors"][0]["pointer"] if found["errors"] else None,
        "code": code,
    }
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_hangs_up(chats: Any, model: Any, stream: bool) -> None:
    model.behaviour.drop = True
    assert problem(chats.post("Hello there", stream=stream), 502, "upstream_unreachable")["retryable"]


def test_a_server_that_does_not_answer_in_time(chats: Any, model: Any) -> None:
    model.behaviour.pause_s = 4
    problem(chats.post("Hello there"), 504, "upstream_timeout")


def test_a_server_that_is_not_there(serve_app: Any, proxy_settings: Any, chats: Any) -> None:
    with serve_app(proxy_settings.model_copy(update={"upstream_url": "http://127.0.0.1:9/v1"})) as (url, _):
        headers = dict(chats.http.headers)
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        problem(httpx.post(url + CHAT, json=body, headers=headers, timeout=20), 502, "upstream_unreachable")
        problem(httpx.get(url + "/openai/v1/models", headers=headers, timeout=20), 502, "upstream_unreachable")


def test_no_server_is_configured(client: Any, me: Any) -> None:
    answer = me.post(CHAT, json={"messages": [{"role": "user", "content": "Hi"}]})
    problem(answer, 404, "upstream_not_configured")
    problem(me.get("/openai/v1/models"), 404, "upstream_not_configured")


@pytest.mark.parametrize("status", [400, 404, 413, 422, 429, 500, 503])
@pytest.mark.parametrize("stream", [False, True])
def test_what_the_server_refuses_is_passed_on(chats: Any, model: Any, status: int, stream: bool) -> None:
    refusal = {"error": {"message": "No.", "type": "x", "param": "model", "code": "model_not_found"}}
    model.behaviour.status, model.behaviour.raw = status, json.dumps(refusal).encode()
    model.behaviour.headers = {"Retry-After": "7", "X-Should-Retry": "false", "X-Internal": "secret"}
    answer = chats.post("Hello there", stream=stream)
    assert (answer.status_code, answer.json()) == (status, refusal)
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-should-retry"] == "false"
    assert "x-internal" not in answer.headers


@pytest.mark.parametrize("status", [401, 403])
def test_our_key_refused_is_not_the_clients_fault(chats: Any, model: Any, status: int) -> None:
    model.behaviour.status, model.behaviour.raw = status, b'{"error": {"message": "bad key upstream-key"}}'
    found = problem(chats.post("Hello there"), 502, "upstream_refused_key")
    assert "upstream-key" not in str(found)


@pytest.mark.parametrize(
    ("status", "raw"),
    [(200, b"<html>welcome</html>"), (502, b"<html>bad gateway</html>"), (200, b"[1]"), (200, b""), (500, b"\xff")],
)
def test_what_is_no_object_is_not_passed_on(chats: Any, model: Any, status: int, raw: bytes) -> None:
    model.behaviour.status, model.behaviour.raw = status, raw
    problem(chats.post("Hello there"), 502, "upstream_failed")


def test_a_redirection_is_not_followed(chats: Any, model: Any) -> None:
    model.behaviour.status, model.behaviour.raw = 307, b"{}"
    model.behaviour.headers = {"Location": "http://127.0.0.1:9/elsewhere"}
    problem(chats.post("Hello there"), 502, "upstream_failed")
    assert len(model.sent) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/messages"),
        ({"messages": []}, "/messages"),
        ({"messages": "Hi"}, "/messages"),
        ({"messages": ["Hi"]}, "/messages/0"),
        ({"messages": [{"role": "user", "content": "a\0b"}]}, "/messages/0/content"),
        ({"messages": [{"role": "user", "content": "Hi"}], "stream": "yes"}, "/stream"),
        ({"messages": [{"role": "user", "content": "Hi"}], "memory": 7}, "/memory"),
        ({"messages": [{"role": "user", "content": "Hi"}], "memory": {"userid": "x"}}, "/memory/userid"),
        ({"messages": [{"role": "user", "content": "Hi"}], "memory": {"top_k": 0}}, "/memory/top_k"),
        ({"messages": [{"role": "user", "content": "Hi"}], "memory": {"top_k": 101}}, "/memory/top_k"),
        ({"messages": [{"role": "user", "content": "Hi"}], "memory": {"token_budget": True}}, "/memory/token_budget"),
        ({"messages": [{"role": "user", "content": "Hi"}], "memory": {"namespace": "/a//b"}}, "/memory/namespace"),
        ({"messages": [{"role": "user", "content": "Hi"}], "memory": {"remember": 1}}, "/memory/remember"),
    ],
)
def test_bad_bodies(chats: Any, model: Any, body: Any, pointer: str) -> None:
    answer = chats.http.post(CHAT, json=body)
    assert answer.status_code == 422, answer.text
    found = answer.json()
    assert pointer in [one["pointer"] for one in found["errors"]], found["errors"]
    assert found["error"]["message"] == found["detail"]
    assert model.sent == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Memory-Top-K", "many"),
        ("X-Memory-Top-K", "0"),
        ("X-Memory-Remember", "1"),
        ("X-Memory-Namespace", "%2Fa"),
        ("X-Memory-Namespace", "a%00b"),
        ("X-Memory-User-Id", "%ff"),
        ("X-Memory-User-Id", ""),
    ],
)
def test_bad_headers(chats: Any, model: Any, name: str, value: str) -> None:
    answer = chats.post("Hello there", headers={name: value})
    assert answer.status_code == 422, answer.text
    assert [one["pointer"] for one in answer.json()["errors"]] == [name]
    assert model.sent == []


def test_a_lone_surrogate_is_refused(chats: Any, model: Any) -> None:
    raw = b'{"messages": [{"role": "user", "content": "a \\ud800 b"}]}'
    answer = chats.http.post(CHAT, content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert model.sent == []


def test_strange_messages_are_the_models_to_judge(chats: Any, model: Any) -> None:
    chats.remember("Ana likes tea.")
    for message in (
        {"role": 7, "content": 8},
        {"role": "system"},
        {"role": "system", "content": {"a": 1}},
        {"role": "developer", "content": [{"type": "text", "text": 7}, 8]},
        {"content": [[["x"]]]},
        {},
    ):
        chats.ask([message, {"role": "user", "content": "What does Ana like?"}], memory={"remember": True})
        assert "Ana likes tea." in str(model.last.body["messages"])
        assert message in model.last.body["messages"] or message["role"] == "developer"


def test_large_conversations_pass(chats: Any, model: Any) -> None:
    chats.remember("Ana likes tea.")
    long = "word " * 200_000
    answer = chats.ask([{"role": "user", "content": long + "What does Ana like?"}])
    assert model.last.body["messages"][-1]["content"].startswith(long)
    assert len(answer["memory"]["memories"]) == 1
    too_long = chats.post("x" * (9 << 20))
    assert too_long.status_code == 413
    assert too_long.json()["error"]["code"] == "too_large"


def test_a_model_that_says_half_a_character(chats: Any, model: Any) -> None:
    model.behaviour.raw = (
        b'{"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "half \\ud83d here \\u0000."}}]}'
    )
    answer = chats.post("Remember half of it", memory={"remember": True})
    assert answer.status_code == 200
    assert chats.wait_for(2)[1]["content"] == "half ? here ."
