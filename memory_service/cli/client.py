"""One HTTP client for every command, which turns answers into values or into failures with a hint."""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from memory_service.cli.connection import Connection, is_loopback
from memory_service.cli.failures import CommandFailure, KeyRefused, RequestRefused, ServiceUnreachable

LONGEST_WAIT_S = 30.0
"""A Retry-After beyond this is told to the caller instead of slept through."""

LONGEST_RUN_S = 300.0
"""How long a call that is still running is asked after."""

PAUSE_S = 0.2
"""Before a call whose connection broke is repeated; longer each time."""

RETRYABLE = frozenset({429, 503})
HINTS = {
    "namespace_not_found": "`memory-service namespaces` lists those there are.",
    "content_too_large": "`memory-service add --document` cuts a longer text into memories.",
}
"""What to do about a refusal, where the command line knows more than the service."""

STILL_RUNNING = "idempotency_in_progress"

Params = dict[str, str | int]
Chunks = Callable[[], Iterable[bytes]]
"""A long body, from its beginning at every attempt."""

JSON = "application/json"
UPLOAD_S = 900.0
"""What has arrived whole is stored before the answer comes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said: the status, and the decoded body, None when there is none."""

    status: int
    value: Any


class ServiceClient:
    """A connection to a running service; close it, or use it as a context manager.

    A call is repeated when the service says that nothing happened (429 and 503) and when the connection breaks under it.
    A POST or PATCH carries one idempotency key through all its attempts, so that it changes things once.
    """

    def __init__(self, connection: Connection, *, timeout_s: float = 60.0, attempts: int = 4) -> None:
        self.connection = connection
        self._attempts = attempts
        try:
            self._http = httpx.Client(
                base_url=connection.url,
                timeout=httpx.Timeout(timeout_s, connect=5.0),
                # A proxy of the environment cannot reach this machine's own loopback, and is not to see its key.
                trust_env=not is_loopback(connection.url),
            )
        except httpx.InvalidURL as error:
            raise ServiceUnreachable(f"{connection.url} is not a usable address ({error})") from error
        except (
            ImportError,
            ValueError,
        ) as error:  # A scheme that httpx does not know, or knows with another package only.
            raise ServiceUnreachable(
                f"the proxy of the environment cannot be used ({error})",
                hint="Look at HTTP_PROXY, HTTPS_PROXY and ALL_PROXY; NO_PROXY names addresses that are reached without.",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    def get(self, path: str, **params: str | int) -> Any:
        """Return the JSON answer to a GET."""
        return self.call("GET", path, params=params or None).value

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the JSON answer to a POST."""
        return self.call("POST", path, body=body).value

    def delete(self, path: str) -> Any:
        """Return the JSON answer to a DELETE, None when it has no body."""
        return self.call("DELETE", path).value

    def pages(self, path: str, params: Params | None = None, *, limit: int = 200) -> Iterator[dict[str, Any]]:
        """Yield what a list holds, page after page."""
        asked: Params = {**(params or {}), "limit": limit}
        page = self.call("GET", path, params=asked).value
        yield from page["data"]
        while page["has_more"]:
            page = self.call("GET", path, params={**asked, "cursor": page["next_cursor"]}).value
            yield from page["data"]

    def queried(self, path: str, body: dict[str, Any], *, limit: int) -> Iterator[dict[str, Any]]:
        """Yield what a list that takes its filter in a body holds, page after page."""
        page = self.post(path, {**body, "limit": limit})
        yield from page["data"]
        while page["has_more"]:
            page = self.post(path, {**body, "limit": limit, "cursor": page["next_cursor"]})
            yield from page["data"]

    def text(self, path: str) -> str:
        """Return a plain text answer such as ``/metrics``."""
        return self._send("GET", path, None, None, keyed=self.connection.key is not None).text

    def probe(self, path: str) -> tuple[int, Any]:
        """Return status and JSON body of an unauthenticated GET, whatever the status is."""
        answer = self._exchange("GET", path, None, None, {})
        return answer.status_code, _json(answer)

    def call(
        self, method: str, path: str, *, body: dict[str, Any] | None = None, params: Params | None = None
    ) -> Answer:
        """Return status and JSON of an answer.

        Raises:
            ServiceUnreachable, KeyRefused, RequestRefused: there is none, or it is no success.
            CommandFailure: it is not JSON.
        """
        content = None if body is None else _encoded(body)
        return self._answer(path, self._send(method, path, content, params, keyed=True))

    def upload(self, path: str, chunks: Chunks, *, media_type: str, params: Params | None = None) -> Answer:
        """Send a long body piece by piece, and return status and JSON of the answer; raises as ``call``."""
        limits = httpx.Timeout(UPLOAD_S, connect=5.0)
        sent = self._send("POST", path, chunks, params, keyed=True, media_type=media_type, timeout=limits)
        return self._answer(path, sent)

    @contextmanager
    def download(self, path: str, body: dict[str, Any]) -> Iterator[Iterator[bytes]]:
        """Open the answer to a POST that reads, as lines while they arrive; raises as ``call``, in the middle too."""
        answer = self._send("POST", path, _encoded(body), None, keyed=True, stream=True)
        try:
            yield self._lines(answer, path)
        finally:
            answer.close()

    def _lines(self, answer: httpx.Response, path: str) -> Iterator[bytes]:
        rest: list[bytes] = []
        with self._translated("POST", path):
            for chunk in answer.iter_bytes():
                *whole, last = chunk.split(b"\n")
                for line in whole:
                    yield b"".join(rest) + line + b"\n"
                    rest = []
                rest.append(last)
        if any(rest):
            yield b"".join(rest)

    def _answer(self, path: str, answer: httpx.Response) -> Answer:
        if not answer.content:
            return Answer(answer.status_code, None)
        value = _json(answer)
        if value is None:
            raise CommandFailure(
                f"{self.connection.url}{path} answered {answer.status_code} with something that is not JSON",
                hint="Is another program listening at this address?",
            )
        return Answer(answer.status_code, value)

    def _send(
        self,
        method: str,
        path: str,
        content: bytes | Chunks | None,
        params: Params | None,
        *,
        keyed: bool,
        media_type: str = JSON,
        timeout: httpx.Timeout | None = None,
        stream: bool = False,
    ) -> httpx.Response:
        headers = self._credentials() if keyed else {}
        if content is not None:
            headers["Content-Type"] = media_type
        if method in ("POST", "PATCH"):
            headers["Idempotency-Key"] = str(uuid.uuid4())
        attempt, until = 1, time.monotonic() + LONGEST_RUN_S
        while True:
            try:
                answer = self._exchange(method, path, content, params, headers, timeout=timeout, stream=stream)
            except _ConnectionLost:
                if attempt >= self._attempts:
                    raise
                time.sleep(PAUSE_S * attempt)
                attempt += 1
                continue
            pause = _retry_after(answer)
            if _still_runs(answer):
                # It was heard, and its answer will come: that is no attempt which failed.
                pause = max(pause, PAUSE_S)
                if time.monotonic() + pause > until:
                    break
            elif attempt >= self._attempts or pause > LONGEST_WAIT_S or answer.status_code not in RETRYABLE:
                break
            else:
                attempt += 1
            time.sleep(pause)
        if answer.is_success:
            return answer
        raise self._failure(answer)

    def _credentials(self) -> dict[str, str]:
        """Return the header with the key; without a key, say first when there is no service either."""
        if self.connection.key is None:
            self.probe("/healthz")
        return {"Authorization": f"Bearer {self.connection.require_key()}"}

    def _exchange(
        self,
        method: str,
        path: str,
        content: bytes | Chunks | None,
        params: Params | None,
        headers: dict[str, str],
        *,
        timeout: httpx.Timeout | None = None,
        stream: bool = False,
    ) -> httpx.Response:
        with self._translated(method, path):
            request = self._http.build_request(
                method,
                path,
                content=content() if callable(content) else content,
                params=params,
                headers=headers,
                timeout=timeout or httpx.USE_CLIENT_DEFAULT,
            )
            answer = self._http.send(request, stream=stream)
            if stream and not answer.is_success:
                answer.read()
            return answer

    @contextmanager
    def _translated(self, method: str, path: str) -> Iterator[None]:
        """Turn what httpx raises into failures with a hint."""
        try:
            yield
        except httpx.TimeoutException as error:
            raise ServiceUnreachable(
                f"{self.connection.url} did not answer {method} {path} in time",
                hint="Look at its log, or run `memory-service doctor`.",
            ) from error
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            raise _ConnectionLost(
                f"{self.connection.url} broke the connection during {method} {path} ({error})",
                hint="Look at its log, or run `memory-service doctor`.",
            ) from error
        except httpx.UnsupportedProtocol as error:
            raise ServiceUnreachable(
                f"{self.connection.url} is not a usable address",
                hint="It begins with http:// or https://, such as http://127.0.0.1:8000.",
            ) from error
        except httpx.HTTPError as error:
            raise ServiceUnreachable(
                f"nothing answers at {self.connection.url} ({error})",
                hint="Start the service with `make run`, or point MEMORY_SERVICE_URL at a running one.",
            ) from error
        except httpx.InvalidURL as error:
            raise ServiceUnreachable(f"{self.connection.url} is not a usable address ({error})") from error

    def _failure(self, answer: httpx.Response) -> CommandFailure:
        value = _json(answer)
        problem: dict[str, Any] = value if isinstance(value, dict) else {"title": answer.reason_phrase}
        if answer.status_code in (401, 403):
            return KeyRefused(
                f"the service refused the key from {self.connection.key_origin}: "
                f"{problem.get('detail') or problem.get('title')}",
                hint="`memory-service doctor` checks the key; an administrator makes one with "
                "`memory-service keys create`.",
            )
        hint = HINTS.get(str(problem.get("code")), "")
        return RequestRefused(status=answer.status_code, problem=problem, hint=hint)


class _ConnectionLost(ServiceUnreachable):
    """The connection broke under a call; whether it was done is not known."""


def _encoded(body: dict[str, Any]) -> bytes:
    """Return the body as JSON; half a character, which UTF-8 cannot hold, is left to the service to refuse."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(body, allow_nan=False).encode()


def _still_runs(answer: httpx.Response) -> bool:
    """Say whether the same call was heard before, and its first attempt has not ended."""
    problem = _json(answer) if answer.status_code == 409 else None
    return isinstance(problem, dict) and problem.get("code") == STILL_RUNNING


def _json(answer: httpx.Response) -> Any:
    """Return the decoded body, None when it is not JSON."""
    try:
        return answer.json()
    except ValueError:
        return None


def _retry_after(answer: httpx.Response) -> float:
    """Return the seconds that the service asks us to wait, one when it does not say."""
    try:
        return max(0.0, float(answer.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0
