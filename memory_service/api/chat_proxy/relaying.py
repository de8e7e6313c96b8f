"""Pass a stream of events on as it comes: piece by piece, no thread and no connection to the database held meanwhile."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import structlog
from anyio import CancelScope, create_task_group
from fastapi import Response
from starlette.types import Receive, Scope, Send

from memory_service.api.chat_proxy.events import Reply, Splitter, data_of, event_of, object_in

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "text/event-stream"
DONE: Final = "[DONE]"


class RelayedStream(Response):
    """An answer whose events are those of the model's server; the first carries which memories were used."""

    def __init__(
        self,
        upstream: httpx.Response,
        *,
        memory: Mapping[str, Any],
        headers: Mapping[str, str],
        ended: Callable[[str, Reply], None],
        first: Callable[[], None],
    ) -> None:
        """Take over an answer that has begun.

        Args:
            upstream: is closed at the end, also when the client hangs up: nobody pays for words that nobody reads.
            memory: what the first event is given.
            headers: of the answer.
            ended: called once with how it ended (answered, broken, hung_up) and what was said.
            first: called when the first bytes are there.
        """
        super().__init__(status_code=upstream.status_code, headers=dict(headers), media_type=MEDIA_TYPE)
        # The length is not known.
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-cache"
        # Asks reverse proxies not to gather it.
        self.headers["x-accel-buffering"] = "no"
        self._upstream = upstream
        self._memory: Mapping[str, Any] | None = memory
        self._ended = ended
        self._first = first
        self._reply = Reply()
        self._outcome = "hung_up"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer until it ends, the upstream breaks or the client hangs up."""
        try:
            async with create_task_group() as group:
                group.start_soon(self._watch, receive, group.cancel_scope)
                await self._send(send)
                group.cancel_scope.cancel()
        finally:
            with CancelScope(shield=True):
                await self._upstream.aclose()
            self._ended(self._outcome, self._reply)

    async def _watch(self, receive: Receive, scope: CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _send(self, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            splitter, done = Splitter(), False
            try:
                async for data in self._upstream.aiter_bytes():
                    if self._first is not None:
                        self._first()
                        self._first = None  # type: ignore[assignment]
                    for event in splitter.feed(data):
                        passed, last = self._passed(event)
                        done = done or last
                        await send({"type": "http.response.body", "body": passed, "more_body": True})
                if rest := splitter.rest():
                    passed, last = self._passed(rest)
                    done = done or last
                    await send({"type": "http.response.body", "body": passed, "more_body": True})
                self._outcome = "answered" if done or self._reply.ended else "broken"
                reason = "it ended before it was done"
            except httpx.HTTPError as error:
                self._outcome, reason = "broken", type(error).__name__
            closing = b"" if self._outcome == "answered" else _broken(reason)
            await send({"type": "http.response.body", "body": closing, "more_body": False})
        except OSError:
            # The client is gone, as newer servers say it.
            self._outcome = "hung_up"

    def _passed(self, event: bytes) -> tuple[bytes, bool]:
        """Return an event as it is passed on, and whether it says that there are no more."""
        data = data_of(event)
        if data.strip() == DONE:
            return event, True
        document = object_in(data)
        if document is None:
            if data.startswith("{"):
                # Half an object, or one that is too long to be read; what the client makes of it is its own matter.
                self._reply.miss()
            return event, False
        self._reply.add(document)
        if self._memory is None:
            return event, False
        document["memory"] = dict(self._memory)
        self._memory = None
        return event_of(document), False


def _broken(reason: str) -> bytes:
    """Return an event that OpenAI's clients raise: half an answer must not be taken for a whole one."""
    log.warning("chat_stream_broken", reason=reason)
    message = f"The answer of the model's server broke off ({reason})."
    return b"\n\n" + event_of(
        {"error": {"message": message, "type": "upstream_failed", "param": None, "code": "upstream_failed"}}
    )
