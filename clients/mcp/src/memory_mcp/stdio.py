"""The stdio transport: a host starts the server and speaks to it over its standard streams."""

import logging
import signal
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from memory_mcp.server import make_server
from memory_mcp.settings import Settings
from memory_mcp.unreadable import answer_to

log = logging.getLogger("memory_mcp")


async def serve_stdio(settings: Settings) -> None:
    """Serve one host until it closes our input.

    While it runs, file descriptor 1 leads to stderr for everybody but the protocol, so nothing that prints can break it.
    """
    # The thread that reads our input cannot be interrupted, so a signal ends the process at once. Nothing is lost by it: every
    # answer was stored before it was sent.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = make_server(settings)
    async with stdio_server() as (incoming, outgoing), incoming, anyio.create_task_group() as tasks:
        passed_on, readable = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        tasks.start_soon(_answer_the_unreadable, incoming, passed_on, outgoing.send)
        await server.run(readable, outgoing, server.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _answer_the_unreadable(
    incoming: AsyncIterable[SessionMessage | Exception],
    passed_on: MemoryObjectSendStream[SessionMessage | Exception],
    answer: Callable[[SessionMessage], Awaitable[None]],
) -> None:
    """Pass messages on to the server, which hears nothing of those that could not be read."""
    # Whoever was to hear of it may be gone.
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with passed_on:
            async for message in incoming:
                said = answer_to(message) if isinstance(message, Exception) else None
                if said is None:
                    await passed_on.send(message)
                else:
                    log.warning("a request could not be read")
                    await answer(SessionMessage(said))
