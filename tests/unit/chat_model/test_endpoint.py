"""The client over HTTP, against a real server that answers by a script."""

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory_service.chat_model.endpoint import LONGEST_WAIT_S, ChatEndpoint
from memory_service.chat_model.errors import ChatRefused, ChatUnavailable
from memory_service.chat_model.protocol import Message, Reply, Usage

SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}}, "required": ["a"]}


def ask(chat: ChatEndpoint) -> Reply:
    return chat.ask([Message("system", "Be brief."), Message("user", "Say a.")], SCHEMA, max_tokens=50)


def test_a_reply_comes_with_what_it_cost(endpoint: Any, make_chat: Callable[..., ChatEndpoint]) -> None:
    endpoint.will(endpoint.completion({"a": "b"}))
    assert ask(make_chat(api_key="s3cret")) == Reply('{"a": "b"}', Usage(1, 100, 20))
    (body,) = endpoint.asked
    assert body["path"] == "/v1/chat/completions"
    assert (body["model"], body["max_tokens"], body["temperature"], body["stream"]) == ("scripted-1", 50, 0, False)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert endpoint.headers[0]["Authorization"] == "Bearer s3cret"


def test_without_a_key_none_is_sent(endpoint: Any, chat: ChatEndpoint) -> None:
    endpoint.will(endpoint.completion({}))
    ask(chat)
    assert "Authorization" not in endpoint.headers[0]


def test_reasoning_in_a_field_of_its_own_is_no_reply(endpoint: Any, chat: ChatEndpoint) -> None:
    endpoint.will(endpoint.completion(None, reasoning_content='I think {"a": "draft"}', finish="length"))
    assert ask(chat) == Reply("", Usage(1, 100, 20), cut=True)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_endpoint_is_asked_again_when_it_said(
    endpoint: Any, chat: ChatEndpoint, waits: list[float], status: int
) -> None:
    endpoint.will(endpoint.problem(status, Retry_After="7"), endpoint.completion({"a": "b"}))
    assert ask(chat).text
    assert waits == [7.0]


def test_retry_after_may_be_a_date(endpoint: Any, make_chat: Callable[..., ChatEndpoint], waits: list[float]) -> None:
    moment = datetime(2026, 11, 26, 12, tzinfo=UTC)
    later = (moment + timedelta(seconds=11)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    endpoint.will(endpoint.problem(429, Retry_After=later), endpoint.completion({"a": "b"}))
    ask(make_chat(now=lambda: moment))
    assert waits == [11.0]


def test_a_long_pause_is_not_waited_for_but_handed_on(endpoint: Any, chat: ChatEndpoint, waits: list[float]) -> None:
    endpoint.will(endpoint.problem(429, Retry_After=str(int(LONGEST_WAIT_S) + 1)))
    with pytest.raises(ChatUnavailable, match="answered 429") as caught:
        ask(chat)
    assert caught.value.retry_after_s == LONGEST_WAIT_S + 1
    assert waits == []


def test_errors_of_the_endpoint_are_tried_again_and_then_given_up(
    endpoint: Any, chat: ChatEndpoint, waits: list[float]
) -> None:
    endpoint.will(endpoint.problem(500, "the user said: my safe opens with 4711"))
    with pytest.raises(ChatUnavailable, match="answered 500") as caught:
        ask(chat)
    assert len(endpoint.asked) == 3
    assert waits == [0.5, 1.0]
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize(("status", "said"), [(401, "LLM_API_KEY"), (404, "LLM_MODEL"), (302, "302")])
def test_what_the_next_attempt_would_only_find_again_is_not_tried_again(
    endpoint: Any, chat: ChatEndpoint, status: int, said: str
) -> None:
    endpoint.will(endpoint.problem(status, Location="http://127.0.0.1:1/elsewhere"))
    with pytest.raises(ChatUnavailable, match=said):
        ask(chat)
    assert len(endpoint.asked) == 1


def test_who_does_not_answer_in_time_is_given_up(endpoint: Any, make_chat: Callable[..., ChatEndpoint]) -> None:
    endpoint.will(endpoint.say(b"{}", delay_s=0.6))
    with pytest.raises(ChatUnavailable, match=r"no answer in 0\.1 s"):
        ask(make_chat(timeout_s=0.1, attempts=5))
    assert len(endpoint.asked) == 1, "who was waited for once is not waited for again"


def test_slow_failures_are_not_tried_for_ever(endpoint: Any, make_chat: Callable[..., ChatEndpoint]) -> None:
    clock = [0.0]

    def slowly(_: dict[str, Any]) -> Any:
        clock[0] += 30
        return endpoint.problem(500)

    endpoint.will(slowly)
    with pytest.raises(ChatUnavailable, match="answered 500"):
        ask(make_chat(timeout_s=50, attempts=10, clock=lambda: clock[0]))
    assert len(endpoint.asked) == 2


def test_who_answers_byte_by_byte_is_given_up_as_well(endpoint: Any, make_chat: Callable[..., ChatEndpoint]) -> None:
    answer = endpoint.completion({"a": "b" * 400})
    endpoint.will(endpoint.say(answer.body, drip_s=0.02))
    began = time.monotonic()
    with pytest.raises(ChatUnavailable, match=r"no (whole )?answer in 0\.3 s"):
        ask(make_chat(timeout_s=0.3, attempts=1))
    assert time.monotonic() - began < 8, "all of its bytes take longer"


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chat = ChatEndpoint(f"http://127.0.0.1:{port}/v1", "m", attempts=2, sleep=lambda _: None)
    with pytest.raises(ChatUnavailable, match="cannot be reached"):
        ask(chat)
    chat.close()


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": 7}}]}', b"\xff", b"[" * 100_000],
    ids=["html", "a list", "no choice", "a number", "no text", "deep"],
)
def test_what_is_no_completion_is_no_reply(endpoint: Any, chat: ChatEndpoint, body: bytes) -> None:
    endpoint.will(endpoint.say(body))
    with pytest.raises(ChatUnavailable, match="no chat completion"):
        ask(chat)


def test_an_answer_without_end_is_cut_off(endpoint: Any, chat: ChatEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory_service.chat_model.endpoint.LONGEST_ANSWER", 1000)
    endpoint.will(endpoint.completion("x" * 2000))
    with pytest.raises(ChatUnavailable, match="longer than 1000 bytes"):
        ask(chat)


def test_what_an_endpoint_does_not_know_is_left_out_from_then_on(endpoint: Any, chat: ChatEndpoint) -> None:
    def picky(body: dict[str, Any]) -> Any:
        if "max_tokens" in body:
            return endpoint.problem(400, "Unsupported parameter: 'max_tokens'; use 'max_completion_tokens' instead.")
        if "temperature" in body:
            return endpoint.problem(400, "'temperature' does not support 0 with this model.")
        kind = body.get("response_format", {}).get("type")
        if kind is not None:
            return endpoint.problem(422, f"response_format of type {kind} is not supported")
        return endpoint.completion({"a": "b"})

    endpoint.will(picky)
    assert ask(chat).text == '{"a": "b"}'
    assert "JSON schema" in endpoint.said()
    asked = len(endpoint.asked)
    assert ask(chat).text == '{"a": "b"}'
    assert len(endpoint.asked) == asked + 1


def test_bounds_are_left_out_before_the_schema_is(endpoint: Any, chat: ChatEndpoint) -> None:
    def strict(body: dict[str, Any]) -> Any:
        if "maxLength" in str(body["response_format"]):
            return endpoint.problem(400, "Invalid schema for response_format: 'maxLength' is not permitted.")
        return endpoint.completion({"a": "b"})

    endpoint.will(strict)
    ask(chat)
    schema = endpoint.asked[-1]["response_format"]["json_schema"]["schema"]
    assert schema == {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def test_a_request_that_is_refused_for_itself_is_not_sent_again(endpoint: Any, chat: ChatEndpoint) -> None:
    endpoint.will(endpoint.problem(400, "This model's maximum context length is 4096 tokens."))
    with pytest.raises(ChatRefused, match="refused the request with 400"):
        ask(chat)
    assert len(endpoint.asked) == 1


def test_connections_are_closed_and_opened_again(endpoint: Any, chat: ChatEndpoint) -> None:
    endpoint.will(endpoint.completion({"a": "b"}))
    ask(chat)
    chat.close()
    assert ask(chat).text
