"""One HTTP client for every command, which turns answers into values or into failures with a hint."""

import time
from types import TracebackType
from typing import Any, Self

import httpx

from memory_service.cli.connection import Connection
from memory_service.cli.failures import CommandFailure, KeyRefused, RequestRefused, ServiceUnreachable

LONGEST_WAIT_S = 30.0
"""A Retry-After beyond this is told to the caller instead of slept through."""

RETRYABLE = frozenset({429, 503})


class ServiceClient:
    """A connection to a running service; close it, or use it as a context manager.

    Reads and writes are retried only when the service itself said that nothing happened (429 and 503).
    """

    def __init__(self, connection: Connection, *, timeout_s: float = 60.0, attempts: int = 4) -> None:
        self.connection = connection
        self._attempts = attempts
        try:
            self._http = httpx.Client(base_url=connection.url, timeout=httpx.Timeout(timeout_s, connect=5.0))
        except httpx.InvalidURL as error:
            raise ServiceUnreachable(f"{connection.url} is not a usable address ({error})") from error

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
        return self._call("GET", path, params=params or None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the JSON answer to a POST."""
        return self._call("POST", path, body=body)

    def delete(self, path: str) -> Any:
        """Return the JSON answer to a DELETE, None when it has no body."""
        return self._call("DELETE", path)

    def text(self, path: str) -> str:
        """Return a plain text answer such as ``/metrics``."""
        return self._send("GET", path, None, None, keyed=self.connection.key is not None).text

    def probe(self, path: str) -> tuple[int, Any]:
        """Return status and JSON body of an unauthenticated GET, whatever the status is."""
        answer = self._exchange("GET", path, None, None, {})
        return answer.status_code, _json(answer)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        params: dict[str, str | int] | None = None,
    ) -> Any:
        answer = self._send(method, path, body, params, keyed=True)
        if not answer.content:
            return None
        value = _json(answer)
        if value is None:
            raise CommandFailure(
                f"{self.connection.url}{path} answered {answer.status_code} with something that is not JSON",
                hint="Is another program listening at this address?",
            )
        return value

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None, params: dict[str, str | int] | None, *, keyed: bool
    ) -> httpx.Response:
        headers = self._credentials() if keyed else {}
        for attempt in range(1, self._attempts + 1):
            answer = self._exchange(method, path, body, params, headers)
            pause = _retry_after(answer)
            if answer.status_code not in RETRYABLE or attempt == self._attempts or pause > LONGEST_WAIT_S:
                break
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
        body: dict[str, Any] | None,
        params: dict[str, str | int] | None,
        headers: dict[str, str],
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body, params=params, headers=headers)
        except httpx.TimeoutException as error:
            raise ServiceUnreachable(
                f"{self.connection.url} did not answer {method} {path} in time",
                hint="Look at its log, or run `memory-service doctor`.",
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
        return RequestRefused(status=answer.status_code, problem=problem)


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
