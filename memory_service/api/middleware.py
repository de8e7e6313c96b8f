"""What every request passes through, as plain ASGI: a name, a clock, a host check, a bound on its size."""

import re
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memory_service.api.metrics import Metrics
from memory_service.api.problems import internal_error, problem_of
from memory_service.errors import HostRefused, TooLarge
from memory_service.storage.ids import new_id

log = structlog.get_logger("memory_service.access")

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
MAX_BODY = 8 * 1024 * 1024
BODY_TOO_LARGE = (
    f"The request is larger than {MAX_BODY // 2**20} MiB. Send fewer items at a time: POST /v1/memories/batch takes up "
    "to 1,000 memories and 2 MiB of content in one call, and a long document can be posted in parts to /v1/documents."
)
NO_UPLOADS: Mapping[str, tuple[int, str]] = MappingProxyType({})
NOT_SHORT: Mapping[str, int] = MappingProxyType({})
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
UNMATCHED = "unmatched"  # One label for every path that no route knows: strangers must not make series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})


class Observe:
    """Outermost: gives the request its id, logs and counts it, and answers 500 to what nobody foresaw."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        """Wrap ``app``."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.match(given) else str(new_id())
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            except Exception:
                log.exception("request_crashed", method=scope["method"], route=route_of(scope))
                if status:
                    raise  # The answer has begun: only a broken connection can still say that it is not whole.
                await internal_error(scope)(scope, receive, answer)
            finally:
                self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.request(method=method, route=route, status=status, seconds=seconds)
        if route in QUIET_ROUTES and status < 400:
            return
        tenant_id = scope["state"].get("tenant_id")
        log.info(
            "request",
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            tenant_id=str(tenant_id) if tenant_id else None,
        )


def route_of(scope: Scope) -> str:
    """Return the template of the route that took the request."""
    template: str = getattr(scope.get("route"), "path_format", UNMATCHED)
    return template


class CheckHost:
    """Refuses Host headers that are not ours: a web page must not reach us through a name that it rebinds."""

    def __init__(self, app: ASGIApp, *, host: str, allowed_hosts: Iterable[str]) -> None:
        """Answer to loopback names, ``host`` and ``allowed_hosts``, on any port; ``*`` answers to all."""
        self._app = app
        names = {*LOOPBACK, host, *(name.strip() for name in allowed_hosts)}
        self._any = "*" in names
        self._names = frozenset(_bracketed(name.lower()) for name in names if name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and not self._any:
            header = Headers(scope=scope).get("host", "")
            if host_name(header) not in self._names:
                error = HostRefused(
                    f"This service does not answer to the Host {header[:200]!r}. Use 127.0.0.1 or localhost, or add "
                    "the name to MEMORY_SERVICE_ALLOWED_HOSTS."
                )
                await problem_of(scope, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name and not name.startswith("[") else name


_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:]*)(?::\d*)?")


def host_name(header: str) -> str:
    """Return the name in a Host header, without the port; nothing when it is not a name and a port.

    >>> host_name("LocalHost:8000"), host_name("[::1]:8000"), host_name("127.0.0.1"), host_name("[::1].example.org")
    ('localhost', '[::1]', '127.0.0.1', '')
    """
    match = _HOST.fullmatch(header.lower())
    return match[1] if match else ""


class LimitBody:
    """Stops reading a body that is too large, whether or not it said so beforehand."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int = MAX_BODY,
        uploads: Mapping[str, tuple[int, str]] = NO_UPLOADS,
        short: Mapping[str, int] = NOT_SHORT,
    ) -> None:
        """Allow ``max_bytes``; more on the paths of ``uploads``, each with what to do where that is too little.

        On the paths of ``short``, which ask for no key, less is allowed.
        """
        self._app = app
        self._max = max_bytes
        self._uploads = uploads
        self._short = short

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] == "GET":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        upload = self._uploads.get(scope["path"]) if scope["method"] == "POST" else None
        most, detail = (self._max, BODY_TOO_LARGE) if upload is None else (upload[0], _file_too_large(*upload))
        if (short := self._short.get(scope["path"])) is not None:
            most, detail = short, f"The body of this call is {short:,} bytes at most."
        if length.isdecimal() and int(length) > most:
            await problem_of(scope, TooLarge(detail))(scope, receive, send)
            return
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise TooLarge(detail)
            return message

        await self._app(scope, bounded, send)


def _file_too_large(most: int, way_out: str) -> str:
    return f"The file is larger than {most // 2**20:,} MiB. {way_out}"


class AnswerHead:
    """Answers HEAD as GET without the body, wherever there is a GET."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive, without_body)
        finally:
            scope["route"] = inner.get("route")
