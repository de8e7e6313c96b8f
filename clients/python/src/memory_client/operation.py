"""A call as a value: what is asked of the service and how its answer is read. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from memory_client.encoding import header_of, path_of, query_of, to_json
from memory_client.errors import UnexpectedAnswer

if TYPE_CHECKING:
    from memory_client.timeouts import Timeout

T = TypeVar("T")

IDEMPOTENCY_KEY = "Idempotency-Key"


class Reading(TypedDict, total=False):
    """What every call takes: ``timeout`` as a :class:`Timeout` or as seconds in total."""

    timeout: Timeout | float | None


class Writing(Reading, total=False):
    """What a call that changes data takes: a key of your own instead of a new one, to repeat it across restarts."""

    idempotency_key: str | None


class Versioned(Writing, total=False):
    """What a call about one version takes: the version (or ETag) that must be the present one."""

    if_match: int | str | None


OPTIONS = ("timeout", "idempotency_key", "if_match")


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Route:
    """A method, the template of a path, and whether the service keeps answers under an Idempotency-Key there."""

    method: str
    path: str
    keyed: bool = False


class Ask(Generic[T]):
    """What one call fills its route with, and the type of its answer.

    The body is JSON, or a ``file``: bytes and their media type. ``accepted`` is the type of a 202 where that differs, ``also``
    names a status beyond 2xx that is an answer and no error; an answer without a body is None.
    """

    __slots__ = ("accepted", "also", "answer", "body", "file", "path", "query")

    def __init__(
        self,
        answer: type[T] | Callable[[Any], T],
        *path: Any,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        file: tuple[bytes, str] | None = None,
        accepted: type[Any] | None = None,
        also: int | None = None,
    ) -> None:
        self.answer = answer
        self.path = path
        self.query = query
        self.body = body
        self.file = file
        self.accepted = accepted
        self.also = also


@dataclass(frozen=True)
class Operation(Generic[T]):
    """One call, ready to be sent any number of times: each attempt is the same, its Idempotency-Key included."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes | None
    answer: Any
    accepted: Any = None
    also: int | None = None
    timeout: Timeout | float | None = None
    repeatable: bool = True

    def succeeded(self, status: int) -> bool:
        """Say whether a status is an answer and no error."""
        return 200 <= status < 300 or status == self.also

    def read(self, reply: Reply) -> T:
        """Read the answer of a call that succeeded.

        Raises:
            UnexpectedAnswer: it is not what the contract says.
        """
        wanted = self.accepted if reply.status == 202 and self.accepted is not None else self.answer
        if not reply.body or wanted is type(None):
            return None  # type: ignore[return-value]  # T is then None, or has None in it.
        try:
            if isinstance(wanted, type) and issubclass(wanted, BaseModel):
                return wanted.model_validate_json(reply.body)  # type: ignore[return-value]  # `wanted` is the type T.
            return wanted(reply.body)  # type: ignore[no-any-return]
        except (ValidationError, ValueError) as error:
            count = f"{error.error_count()} fields differ" if isinstance(error, ValidationError) else "it is unreadable"
            raise UnexpectedAnswer(
                f"{self.method} {self.target.partition('?')[0]} answered {reply.status} with what is no "
                f"{getattr(wanted, '__name__', 'text')} ({count}): is this the memory service, and as new as this client?",
                status=reply.status,
            ) from error


def operation_of(route: Route, ask: Ask[T], options: Mapping[str, Any]) -> Operation[T]:
    """Return the call of a filled route.

    A call that changes data carries one Idempotency-Key over all its attempts, so it may be repeated at any time. Where
    the service keeps no key, the change of a state is repeatable by itself, unless If-Match binds it to a version: the
    second attempt would stumble over the success of the first.

    Raises:
        ValidationFailed: an argument cannot be sent.
    """
    headers = {}
    query = query_of(ask.query) if ask.query else ""
    content = None
    if ask.body is not None:
        content = to_json(ask.body)
        headers["Content-Type"] = "application/json"
    elif ask.file is not None:
        content, headers["Content-Type"] = ask.file
    if route.keyed:
        key = options.get("idempotency_key") or str(uuid4())
        headers[IDEMPOTENCY_KEY] = header_of(key, IDEMPOTENCY_KEY, code="invalid_idempotency_key")
    match = options.get("if_match")
    if match is not None:
        headers["If-Match"] = f'"{match}"' if isinstance(match, int) else header_of(match, "If-Match")
    target = path_of(route.path, ask.path)
    return Operation(
        route.method,
        f"{target}?{query}" if query else target,
        headers,
        content,
        ask.answer,
        ask.accepted,
        ask.also,
        options.get("timeout"),
        route.keyed or match is None,
    )
