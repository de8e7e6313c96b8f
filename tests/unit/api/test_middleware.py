import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from memory_service.api.metrics import Metrics
from memory_service.api.middleware import AnswerHead, CheckHost, LimitBody, Observe
from memory_service.errors import TooLarge


def scope_of(method: str = "GET", path: str = "/", headers: dict[str, str] | None = None) -> Scope:
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": raw,
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    }


def run(app: Any, scope: Scope, chunks: Iterable[bytes] = (b"",)) -> list[Message]:
    sent: list[Message] = []
    parts = list(chunks)

    async def receive() -> Message:
        body = parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:8000", "memory.internal", "memory.internal:443", "fd00::1"],
)
def test_our_own_names_are_answered(host: str) -> None:
    header = "[fd00::1]:8000" if host == "fd00::1" else host
    app = CheckHost(reading, host="fd00::1", allowed_hosts=["memory.internal", ""])
    assert run(app, scope_of(headers={"host": header}))[0]["status"] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.", "[::2]", "[::1", "a@localhost"]
)
def test_names_that_somebody_else_may_own_are_refused(host: str) -> None:
    app = CheckHost(reading, host="127.0.0.1", allowed_hosts=[])
    assert run(app, scope_of(headers={"host": host} if host else {}))[0]["status"] == 421


def test_a_star_answers_to_every_name() -> None:
    app = CheckHost(reading, host="0.0.0.0", allowed_hosts=["*"])
    assert run(app, scope_of(headers={"host": "evil.example"}))[0]["status"] == 200


def test_a_body_that_announces_too_much_is_not_read() -> None:
    app = LimitBody(reading, max_bytes=10)
    answer = run(app, scope_of("POST", headers={"content-length": "11"}), chunks=())
    assert answer[0]["status"] == 413
    assert b"batch" in answer[1]["body"]


def test_a_body_in_chunks_is_stopped_at_the_limit() -> None:
    app = LimitBody(reading, max_bytes=10)
    assert run(app, scope_of("POST"), chunks=[b"12345", b"67890"])[0]["status"] == 200
    with pytest.raises(TooLarge):
        run(app, scope_of("POST"), chunks=[b"12345", b"67890", b"1"])


def test_head_is_get_without_the_body() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["method"])
        await reading(scope, receive, send)

    answer = run(AnswerHead(app), scope_of("HEAD"))
    assert seen == ["GET"]
    assert answer[0]["status"] == 200
    assert answer[1]["body"] == b""


def observed(app: Any, **headers: str) -> tuple[int, dict[bytes, bytes], bytes]:
    answer = run(Observe(app, metrics=Metrics()), scope_of(headers=headers))
    return answer[0]["status"], dict(answer[0]["headers"]), b"".join(m.get("body", b"") for m in answer[1:])


def test_a_request_id_is_kept_when_it_is_harmless_and_made_otherwise() -> None:
    assert observed(reading, **{"x-request-id": "abc-123"})[1][b"x-request-id"] == b"abc-123"
    for unusable in ("", "x" * 129, "a b", "a\tb", "<script>"):
        made = observed(reading, **{"x-request-id": unusable})[1][b"x-request-id"]
        assert len(made) == 36


def test_what_nobody_foresaw_is_a_500_without_its_cause() -> None:
    async def crashing(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("secret")

    status, headers, body = observed(crashing)
    assert status == 500
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"x-request-id"] in body
    assert b"secret" not in body
    assert b"Traceback" not in body


def test_an_answer_that_has_begun_is_broken_off() -> None:
    async def crashing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        observed(crashing)
