"""Attempts as a pure flow: no service, no sleeping, a clock that is told the time."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from memory_client import (
    Conflict,
    ConnectionFailed,
    MemoryClientError,
    NotFound,
    RateLimited,
    Retries,
    ServiceError,
    ServiceUnavailable,
    TimedOut,
    Timeout,
)
from memory_client.errors import error_of
from memory_client.exchange import Conduct, exchange, problem_of
from memory_client.flow import Send, Sleep
from memory_client.operation import Ask, Operation, Reply, Route, operation_of
from memory_client.retries import may_have_happened

LOST = ConnectionFailed("broken off", sent=True)
REFUSED = ConnectionFailed("refused", sent=False)
DONE = Reply(200, {}, b"done")


def problem(status: int, code: str, **headers: str) -> Reply:
    return Reply(status, headers, json.dumps({"code": code, "status": status, "detail": code}).encode())


def operation(method: str = "POST", *, keyed: bool = True, **options: Any) -> Operation[str]:
    return operation_of(Route(method, "/v1/x", keyed=keyed), Ask(bytes.decode), options)


def play(
    operation: Operation[str],
    outcomes: Iterable[Reply | MemoryClientError],
    *,
    timeout: Timeout = Timeout(),  # noqa: B008
    takes_s: float = 0.0,
) -> tuple[str | None, list[float]]:
    """Carry out a call against outcomes that were written down; return its answer and the pauses it made."""
    now, pauses, sent = [100.0], [], []
    conduct = Conduct(timeout, Retries(), lambda: now[0], lambda: 1.0)
    flow, left = exchange(operation, conduct), iter(outcomes)
    try:
        effect = next(flow)
        while True:
            if isinstance(effect, Sleep):
                pauses.append(effect.seconds)
                now[0] += effect.seconds
                effect = flow.send(None)
                continue
            assert isinstance(effect, Send)
            sent.append(effect.operation)
            now[0] += takes_s
            outcome = next(left)
            effect = flow.throw(outcome) if isinstance(outcome, MemoryClientError) else flow.send(outcome)
    except StopIteration as done:
        assert all(one is operation for one in sent)  # Every attempt is the same, its key included.
        return done.value, pauses


def test_pauses_double() -> None:
    assert play(operation(), [LOST, LOST, LOST, DONE]) == ("done", [0.2, 0.4, 0.8])


def test_attempts_end() -> None:
    with pytest.raises(ConnectionFailed) as caught:
        play(operation(), [REFUSED] * 9)
    assert caught.value.attempts == 5


def test_retry_after_comes_on_top() -> None:
    slow_down = problem(429, "rate_limited", **{"retry-after": "3"})
    assert play(operation(), [slow_down, DONE]) == ("done", [3.2])
    with pytest.raises(RateLimited) as caught:
        play(operation(timeout=3), [slow_down, DONE])
    assert caught.value.retry_after_s == 3


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7), ("0", 0), ("nan", None), ("-1", None), ("soon", None), ("1e9", None), ("²", None)]
)
def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    assert problem_of(problem(503, "unavailable", **{"retry-after": value})).retry_after_s == seconds


def test_retry_after_may_be_a_date() -> None:
    at = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=30), usegmt=True)
    asked = problem_of(problem(503, "unavailable", **{"retry-after": at})).retry_after_s
    assert asked is not None
    assert 28 <= asked <= 30


def test_the_deadline_ends_attempts() -> None:
    with pytest.raises(TimedOut):
        play(operation(timeout=2), [TimedOut("slow", sent=True)] * 9, takes_s=0.9)


@pytest.mark.parametrize(
    "outcome", [problem(422, "invalid_request"), problem(500, "internal_error"), problem(409, "conflict")]
)
def test_what_will_not_pass_is_not_repeated(outcome: Reply) -> None:
    with pytest.raises(ServiceError) as caught:
        play(operation(), [outcome, DONE])
    assert caught.value.attempts == 1


@pytest.mark.parametrize(
    "outcome", [LOST, problem(503, "outcome_unknown"), Reply(502, {}, b"<html>"), Reply(504, {}, b"")]
)
def test_what_may_have_happened_is_repeated_under_its_key_only(outcome: Reply | MemoryClientError) -> None:
    assert play(operation(if_match=3), [outcome, DONE])[0] == "done"
    unkeyed = operation("PATCH", keyed=False, if_match=3)
    assert "Idempotency-Key" not in unkeyed.headers
    with pytest.raises(MemoryClientError) as caught:
        play(unkeyed, [outcome, DONE])
    assert may_have_happened(caught.value)
    assert play(operation("PATCH", keyed=False), [outcome, DONE])[0] == "done"


@pytest.mark.parametrize("outcome", [REFUSED, problem(503, "unavailable"), problem(429, "rate_limited")])
def test_what_cannot_have_happened_is_always_repeated(outcome: Reply | MemoryClientError) -> None:
    assert play(operation("DELETE", keyed=False, if_match=3), [outcome, DONE])[0] == "done"


def test_what_a_lost_attempt_removed_is_gone() -> None:
    gone = problem(404, "memory_not_found")
    assert play(operation("DELETE", keyed=False), [LOST, gone])[0] is None
    with pytest.raises(NotFound):
        play(operation("DELETE", keyed=False), [gone])
    with pytest.raises(NotFound):  # The first attempt is known to have done nothing.
        play(operation("DELETE", keyed=False), [problem(503, "unavailable"), gone])


def test_codes_and_states_that_are_new_have_a_type() -> None:
    assert type(error_of({"code": "brand_new"}, status=409)) is Conflict
    assert type(error_of({"code": "brand_new"}, status=418)) is ServiceError
    bare = error_of({}, status=503)
    assert (type(bare), bare.code, bare.retryable) == (ServiceUnavailable, "http_503", True)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'"x"', b'{"errors": "many"}', b'{"errors": [1, {}]}', b"\xff"]
)
def test_problems_need_not_be_problem_documents(body: bytes) -> None:
    error = problem_of(Reply(404, {"x-request-id": "r-1"}, body))
    assert (type(error), error.request_id) == (NotFound, "r-1")


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_timeout_is_some_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Timeout(read=seconds)
    with pytest.raises(ValueError, match="at least 1"):
        Retries(attempts=0)
