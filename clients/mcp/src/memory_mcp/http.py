"""The HTTP transport: one server for many clients, each with a key of its own."""

import logging
import socket
from contextlib import ExitStack

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from memory_mcp.server import make_server
from memory_mcp.settings import HttpSettings, InvalidSettings, Settings

PATH = "/mcp"
SCHEMES = ("bearer", "token")  # as the service takes them
GRACE_S = 5  # for calls that are running when the server is told to stop
KEEP_ALIVE_S = 75  # of a connection between two calls: longer than most clients keep one
BACKLOG = 128

log = logging.getLogger("memory_mcp")


class RequireKey:
    """Let a request pass with its key, or with the shared one where the operator said so."""

    def __init__(self, app: ASGIApp, *, share_key: bool) -> None:
        self.app = app
        self.share_key = share_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 to a request without a key."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        key = key_in(Headers(scope=scope))
        if key is None and not self.share_key:
            refusal = JSONResponse(
                {
                    "error": "unauthenticated",
                    "detail": "Send a key of the memory service as Authorization: Bearer <key>.",
                },
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {})["api_key"] = key
        await self.app(scope, receive, send)


def key_in(headers: Headers) -> str | None:
    """Return the key that a request brings, as the service reads it.

    >>> key_in(Headers({"authorization": "Bearer abc"})), key_in(Headers({"authorization": "Bearer "}))
    ('abc', None)
    """
    scheme, _, key = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() in SCHEMES and key.strip():
        return key.strip()
    return headers.get("x-api-key", "").strip() or None


def make_app(settings: Settings) -> ASGIApp:
    """Return the application.

    It keeps no sessions: each request brings its key and is answered by itself, so no session can be taken over and any number of
    these servers can stand behind one address.
    """
    http = settings.http
    app = make_server(settings).streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True, allowed_hosts=http.host_headers, allowed_origins=http.origins
        ),
    )
    return RequireKey(app, share_key=http.share_key)


async def serve_http(settings: Settings) -> None:
    """Serve until a signal comes; calls that are running may end.

    Raises:
        InvalidSettings: when the address cannot be used.
    """
    listening = _listen(settings.http)
    port = listening.getsockname()[1]
    log.info("listening on http://%s:%d%s", settings.http.host, port, PATH)
    config = uvicorn.Config(
        make_app(settings),
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
    )
    await uvicorn.Server(config).serve(sockets=[listening])


def _listen(http: HttpSettings) -> socket.socket:
    """Return a socket that listens, so that the port is known and a taken one is said plainly."""
    with ExitStack() as unless_it_listens:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                http.host.strip("[]"), http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listening = unless_it_listens.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError as error:
            raise InvalidSettings(
                f"Cannot listen on {http.host} port {http.port}: {error.strerror or error}."
            ) from error
        unless_it_listens.pop_all()
    return listening
