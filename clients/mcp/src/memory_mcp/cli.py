"""The console script `memory-mcp`."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence

import anyio

from memory_mcp import __version__
from memory_mcp.http import serve_http
from memory_mcp.scope import Scope
from memory_mcp.settings import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    HttpSettings,
    InvalidSettings,
    Settings,
    Transport,
    from_environment,
    key_from_environment,
)
from memory_mcp.stdio import serve_stdio

LEVELS = ("debug", "info", "warning", "error")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server and return the exit code: 0 when it was told to stop, 2 when it cannot start like this."""
    told = parser().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=told.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # These log every request, the service's address among it.
    for chatty in ("httpx", "httpcore", "uvicorn.error", "mcp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
    try:
        settings = read_settings(told, os.environ)
        anyio.run(serve_http if settings.transport is Transport.HTTP else serve_stdio, settings)
    except InvalidSettings as invalid:
        print(f"memory-mcp: {invalid}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="memory-mcp",
        description="Serve the memory service to agents over the Model Context Protocol.",
        epilog=(
            "The environment says the rest: MEMORY_SERVICE_URL and MEMORY_SERVICE_API_KEY where the service is and the key "
            "(without them the local service and its key are looked for), MEMORY_MCP_NAMESPACE, MEMORY_MCP_USER_ID and "
            "MEMORY_MCP_AGENT_ID the same as the options. A key is never an argument: the list of processes would show it."
        ),
    )
    made.add_argument("--version", action="version", version=f"memory-mcp {__version__}")
    made.add_argument("--transport", choices=[t.value for t in Transport], default=Transport.STDIO.value)
    made.add_argument("--url", help="where the memory service is")
    made.add_argument("--namespace", help="keep to this namespace and what lies below it")
    made.add_argument("--user-id", help="keep to this user's memories")
    made.add_argument("--agent-id", help="written on what this agent remembers")
    made.add_argument(
        "--reference-tools", action="store_true", help="also serve the nine tools of the reference memory server"
    )
    made.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="for one call of the service (default 30)"
    )
    made.add_argument("--log-level", choices=LEVELS, default="info", help="of what goes to stderr")
    http = made.add_argument_group("with --transport http")
    http.add_argument("--host", default=DEFAULT_HOST, help=f"where to listen (default {DEFAULT_HOST})")
    http.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"0 takes a free one (default {DEFAULT_PORT})")
    http.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name that clients call this server",
    )
    http.add_argument(
        "--allowed-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a web page that may call, as https://app.example",
    )
    http.add_argument(
        "--share-key",
        action="store_true",
        help="serve requests without a key with the configured one: everybody on this machine can then use it",
    )
    return made


def read_settings(told: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """Return the settings that arguments and environment say.

    Raises:
        InvalidSettings: when they are not safe, or make no sense.
    """
    if not 0 < told.timeout <= 600:
        raise InvalidSettings("--timeout lies between 0 and 600 seconds.")
    for option in ("namespace", "user_id", "agent_id", "url"):
        value = getattr(told, option)
        if value is not None and not value.strip():
            # Hosts fill arguments from forms and variables; where that failed, nobody has asked for no fence.
            raise InvalidSettings(f"--{option.replace('_', '-')} is empty; leave it out, or give it a value.")
    http = HttpSettings(
        host=told.host,
        port=told.port,
        allowed_hosts=tuple(told.allowed_host),
        allowed_origins=tuple(told.allowed_origin),
        share_key=told.share_key,
    )
    return Settings(
        transport=Transport(told.transport),
        url=told.url or from_environment(environment, "MEMORY_SERVICE_URL"),
        api_key=key_from_environment(environment),
        scope=Scope(
            namespace=told.namespace or from_environment(environment, "MEMORY_MCP_NAMESPACE"),
            user_id=told.user_id or from_environment(environment, "MEMORY_MCP_USER_ID"),
            agent_id=told.agent_id or from_environment(environment, "MEMORY_MCP_AGENT_ID"),
        ),
        reference_tools=told.reference_tools,
        timeout_s=told.timeout,
        http=http.checked() if told.transport == Transport.HTTP.value else http,
    )
