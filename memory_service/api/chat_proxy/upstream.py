"""The model's server: what is sent there, and what becomes of it when it does not answer."""

from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx

from memory_service.errors import NotFound, UpstreamFailed, UpstreamTimeout
from memory_service.settings import Settings

CONNECT_S: Final = 5.0
LONGEST_ANSWER: Final = 64 << 20  # bytes, of one that is not streamed


@dataclass(frozen=True, slots=True)
class Address:
    """Where the model is, as the operator says."""

    url: str
    api_key: str
    model: str  # for clients that name none
    timeout_s: float  # until the first byte, and between two


def address_of(settings: Settings) -> Address | None:
    """Return the upstream of the settings, the model of the background where they name no other, None where there is none."""
    if settings.upstream_url:
        key, model = settings.upstream_api_key, ""
        return Address(settings.upstream_url, key.get_secret_value(), model, settings.upstream_timeout_s)
    if settings.llm_base_url:
        key = settings.upstream_api_key if settings.upstream_api_key.get_secret_value() else settings.llm_api_key
        return Address(settings.llm_base_url, key.get_secret_value(), settings.llm_model, settings.upstream_timeout_s)
    return None


class Upstream:
    """One server of models; used from the event loop only, so that a slow answer holds no thread."""

    def __init__(self, address: Address | None) -> None:
        """Connect to nothing yet."""
        self._address = address
        self._client: httpx.AsyncClient | None = None

    @property
    def address(self) -> Address:
        """Return where it is.

        Raises:
            NotFound: no server is configured.
        """
        if self._address is None:
            raise NotFound(
                "No model is configured to send chats to: set MEMORY_SERVICE_UPSTREAM_URL, or LLM_BASE_URL.",
                code="upstream_not_configured",
            )
        return self._address

    async def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Send a request and return its answer as soon as it begins; whoever gets it closes it.

        Nothing of the client's own headers is passed on: its key is ours, and names of requests and routes are the server's.

        Raises:
            UpstreamFailed: it cannot be reached, refuses our key or answers with a redirection.
            UpstreamTimeout: it does not begin to answer in time.
        """
        client, address = self._opened(), self.address
        # Uncompressed: a compressed stream is held back until a block of it is full.
        headers = {"Accept-Encoding": "identity"}
        if address.api_key:
            headers["Authorization"] = f"Bearer {address.api_key}"
        try:
            request = client.build_request(method, f"{address.url.rstrip('/')}{path}", json=body, headers=headers)
            answer = await client.send(request, stream=True)
        except httpx.ConnectTimeout:
            raise _unreachable("ConnectTimeout") from None
        except httpx.TimeoutException:
            raise UpstreamTimeout(f"The model's server did not answer in {address.timeout_s:g} s.") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreachable(type(error).__name__) from None
        if answer.status_code in {401, 403}:
            await answer.aclose()
            # Passed on, it would tell the client that its key of this service is wrong.
            raise UpstreamFailed(
                "The model's server refuses this service's key; see MEMORY_SERVICE_UPSTREAM_API_KEY.",
                code="upstream_refused_key",
            )
        if answer.is_redirect:
            await answer.aclose()
            raise UpstreamFailed("The model's server answered with a redirection; set the address it leads to.")
        return answer

    async def read(self, answer: httpx.Response) -> bytes:
        """Read an answer to its end and close it.

        Raises:
            UpstreamFailed: it breaks off, or is longer than 64 MiB.
            UpstreamTimeout: it pauses too long.
        """
        received = bytearray()
        try:
            async for piece in answer.aiter_bytes():
                received += piece
                if len(received) > LONGEST_ANSWER:
                    raise UpstreamFailed(f"The answer of the model's server is longer than {LONGEST_ANSWER >> 20} MiB.")
        except httpx.TimeoutException:
            raise UpstreamTimeout(f"The model's server paused for {self.address.timeout_s:g} s.") from None
        except httpx.HTTPError as error:
            raise UpstreamFailed(f"The answer of the model's server broke off ({type(error).__name__}).") from None
        finally:
            await answer.aclose()
        return bytes(received)

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            address = self.address
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(address.timeout_s, connect=min(CONNECT_S, address.timeout_s), pool=None),
                # As many as there are chats: what bounds them is the rate of the keys.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
                follow_redirects=False,
                # One client serves every tenant: a cookie that was set for one must not come along with another's chat.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        return self._client

    async def close(self) -> None:
        """Close connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _unreachable(reason: str) -> UpstreamFailed:
    return UpstreamFailed(f"The model's server cannot be reached ({reason}).", code="upstream_unreachable")
