"""Send one message: to the address that was checked and to no other, in bounded time, following nothing."""

import asyncio
import socket
import ssl
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult

import httpx
import structlog

from memory_service import __version__
from memory_service.webhooks.addresses import Address, Reach, RefusedUrl, check_url, literal
from memory_service.webhooks.message import Message, render
from memory_service.webhooks.names import NoTurn, names
from memory_service.webhooks.schedule import MESSAGE_OK
from memory_service.webhooks.signing import sign

log = structlog.get_logger(__name__)

READ_AT_MOST: Final = 64 << 10  # bytes of an answer, so that its connection can be used again; nothing of it is kept
CONNECTIONS_KEPT: Final = 1
PATIENCE: Final = 0.5  # of the time of an attempt may be spent on waiting for a turn to look a name up


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt; `error` is a word of ours, never the receiver's."""

    status: int | None
    error: str | None
    duration_ms: int
    wish: timedelta | None = None  # Retry-After
    tried: bool = True  # False: its name had no turn to be looked up, which says nothing of the receiver

    @property
    def delivered(self) -> bool:
        """Say whether the receiver has taken the message."""
        return self.error is None


class Courier:
    """A receiver's connection: one URL, its secrets, what may be reached."""

    def __init__(
        self, url: str, secrets: Sequence[bytes], *, reach: Reach, timeout_s: float, tenant: Hashable = None
    ) -> None:
        """Prepare; connects when a message is sent.

        Args:
            url: where messages go.
            secrets: what they are signed with.
            reach: what may be reached beside public addresses.
            timeout_s: for one attempt, from the look-up of the name to the end of the answer.
            tenant: whose receiver it is: few names of one tenant are looked up at a time. Without it, few of one URL.
        """
        self._url, self._secrets, self._reach, self._timeout_s = url, secrets, reach, timeout_s
        self._whose = url if tenant is None else tenant
        self._client = httpx.AsyncClient(
            # A proxy of the environment would look names up by itself, past the check.
            trust_env=False,
            follow_redirects=False,
            # Whatever the URL looks like: HTTPS:// is https, too.
            verify=_tls(),
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=CONNECTIONS_KEPT, max_keepalive_connections=CONNECTIONS_KEPT),
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def send(self, message: Message, *, timestamp: int) -> Outcome:
        """Send a message once.

        Whatever goes wrong is an outcome: a name that leads nowhere or inside, a refused connection, bad TLS, silence, a
        receiver that sends an answer byte by byte. One with `tried` false is to be given back: no attempt was made.
        """
        began = time.perf_counter()
        status, error, wish, tried = None, None, None, True
        late = "name_timeout"  # What is late as long as there is no address is not the receiver.
        try:
            async with asyncio.timeout(self._timeout_s):
                parts = check_url(self._url, self._reach)
                addresses = await self._resolve(parts)
                late = "timeout"
                body = render(message)
                status, wish = await self._post(parts, addresses, body, str(message.event_id), timestamp)
            error = None if status in MESSAGE_OK else ("redirect" if 300 <= status < 400 else "status")
        except RefusedUrl:
            error = "address_refused"
        except NoTurn:
            error, tried = late, False
        except (TimeoutError, httpx.TimeoutException):
            error = late
        except socket.gaierror:
            error = "name_not_found"
        except httpx.ConnectError as problem:
            error = "tls" if _of_tls(problem) else "connection"
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            error = "connection"
        except Exception as problem:
            # One message that nobody foresaw fails by itself, with an end to its attempts. The problem may quote it.
            log.error("webhook_unforeseen", delivery_id=str(message.delivery_id), problem=type(problem).__name__)
            error = "connection"
        return Outcome(status, error, round((time.perf_counter() - began) * 1000), wish, tried)

    async def _post(
        self, parts: SplitResult, addresses: Sequence[Address], body: bytes, message_id: str, timestamp: int
    ) -> tuple[int, timedelta | None]:
        host = parts.hostname or ""
        headers = {
            "host": parts.netloc,
            "content-type": "application/json",
            "user-agent": f"memory-service/{__version__}",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._secrets, message_id=message_id, timestamp=timestamp, body=body),
        }
        # The connection goes to an address that was looked at; the name is what the certificate must be of.
        named = {} if literal(host) is not None else {"sni_hostname": host}
        for at, address in enumerate(addresses):
            url = httpx.URL(self._url).copy_with(host=str(address))
            try:
                async with self._client.stream("POST", url, content=body, headers=headers, extensions=named) as answer:
                    await _read_away(answer)
                    return answer.status_code, _wish(answer.headers.get("retry-after"))
            except httpx.ConnectError as problem:
                if _of_tls(problem) or at == len(addresses) - 1:
                    raise
        raise socket.gaierror(socket.EAI_NONAME, "no address")

    async def _resolve(self, parts: SplitResult) -> list[Address]:
        """Return the addresses of the host of a URL.

        Raises:
            RefusedUrl: one of them may not be reached; a name that leads inside as well as outside leads inside.
            NoTurn: other names of the tenant are still being looked up.
            socket.gaierror: there is no such host.
        """
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        said = literal(host)
        if said is not None:
            return [said]  # `check_url` has looked at it
        patience_s = self._timeout_s * PATIENCE
        addresses = await names().look_up(host, port, whose=self._whose, patience_s=patience_s)
        if any(self._reach.refuses(address) for address in addresses):
            raise RefusedUrl("leads to an address that is not public")
        return addresses


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Return what certificates are checked by: reading the authorities takes longer than most deliveries."""
    return httpx.create_ssl_context(trust_env=False)


async def _read_away(answer: httpx.Response) -> None:
    """Read an answer, up to a length; as it came, since a few bytes may unpack to gigabytes."""
    read = 0
    async for piece in answer.aiter_raw():
        read += len(piece)
        if read > READ_AT_MOST:
            return


def _wish(said: str | None) -> timedelta | None:
    """Return what Retry-After asks for, in seconds; its dates are rare, and a clock of others.

    >>> _wish("120"), _wish("Fri, 31 Dec 1999 23:59:59 GMT")
    (datetime.timedelta(seconds=120), None)
    """
    return timedelta(seconds=int(said)) if said and said.isascii() and said.isdigit() and len(said) < 9 else None


def _of_tls(problem: BaseException) -> bool:
    seen: BaseException | None = problem
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
