"""One call through all its attempts: decided here, carried out by an executor."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar

from memory_client.errors import Gone, MemoryClientError, NotFound, ServiceError, StillRunning, error_of
from memory_client.flow import Flow, Limits, open_stream, send, sleep
from memory_client.operation import Operation, Reply
from memory_client.retries import Retries, is_transient, may_have_happened
from memory_client.timeouts import Timeout, shorter

T = TypeVar("T")


@dataclass(frozen=True)
class Conduct:
    """How a client behaves: its patience, its persistence, and the clock and dice it uses."""

    timeout: Timeout
    retries: Retries
    clock: Callable[[], float]
    random: Callable[[], float]


def exchange(operation: Operation[T], conduct: Conduct) -> Flow[T]:
    """Carry out one call and return its answer.

    Raises:
        ServiceError: the service refused it.
        ConnectionFailed: no answer came, after all attempts.
        UnexpectedAnswer: what came is not the service's.
    """
    reply = yield from attempts(operation, conduct, streaming=False)
    return operation.read(reply)


def attempts(operation: Operation[Any], conduct: Conduct, *, streaming: bool) -> Flow[Reply]:
    """Repeat a call until it succeeds, fails for good, or its time is up; return the successful reply."""
    timeout, retries = conduct.timeout.within(operation.timeout), conduct.retries
    deadline = None if timeout.total is None else conduct.clock() + timeout.total
    attempt, tried, perhaps_done = 1, 0, False
    while True:
        remaining = None if deadline is None else max(deadline - conduct.clock(), 0.001)
        limits = Limits(shorter(timeout.connect, remaining), shorter(timeout.read, remaining), remaining)
        tried += 1
        try:
            reply = yield from (open_stream if streaming else send)(operation, limits)
            if operation.succeeded(reply.status):
                return reply
            error: MemoryClientError = problem_of(reply)
        except MemoryClientError as failure:
            error = failure
        error.attempts = tried
        if perhaps_done and operation.method == "DELETE" and isinstance(error, NotFound | Gone):
            return Reply(204, {}, b"")  # An attempt whose answer was lost has removed it.
        if not is_transient(error) or not (operation.repeatable or not may_have_happened(error)):
            raise error
        # Who waits for the first request to end is bounded by time alone.
        if not isinstance(error, StillRunning):
            if attempt >= retries.attempts:
                raise error
            attempt += 1
        pause = retries.pause(attempt - 1 or 1, error, random=conduct.random)
        if deadline is not None and conduct.clock() + pause >= deadline:
            raise error
        perhaps_done = perhaps_done or may_have_happened(error)
        yield from sleep(pause)


def problem_of(reply: Reply) -> ServiceError:
    """Return the error that an unsuccessful reply stands for."""
    try:
        document = json.loads(reply.body) if reply.body else {}
    except ValueError:
        document = {}
    return error_of(
        document if isinstance(document, dict) else {},
        status=reply.status,
        request_id=reply.headers.get("x-request-id"),
        retry_after_s=_retry_after(reply.headers),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after")
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max((at - datetime.now(at.tzinfo or timezone.utc)).total_seconds(), 0.0) if at.tzinfo else None
