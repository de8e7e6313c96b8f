"""The stdio transport: a host starts the server and speaks to it over its standard streams."""

import signal

from mcp.server.stdio import stdio_server

from memory_mcp.server import make_server
from memory_mcp.settings import Settings


async def serve_stdio(settings: Settings) -> None:
    """Serve one host until it closes our input.

    While it runs, file descriptor 1 leads to stderr for everybody but the protocol, so nothing that prints can break it.
    """
    # The thread that reads our input cannot be interrupted, so a signal ends the process at once. Nothing is lost by it: every
    # answer was stored before it was sent.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = make_server(settings)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
