"""What the server is told when it starts: arguments first, then the environment."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from memory_mcp.scope import Scope

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
KEY_VARIABLE = "MEMORY_SERVICE_API_KEY"
# Further names of the loopback interface that a browser or a client may send as Host.
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class InvalidSettings(Exception):
    """The server cannot start like this."""


class Transport(str, Enum):
    """How a host speaks to the server."""

    STDIO = "stdio"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where the HTTP transport listens and whom it answers."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    share_key: bool = False

    @property
    def loopback(self) -> bool:
        """Say whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    def checked(self) -> "HttpSettings":
        """Return these settings if they are safe.

        Raises:
            InvalidSettings: when the port is none, when a key would be shared beyond this machine, or when the server would answer
                under any name.
        """
        if not 0 <= self.port <= 65535:
            raise InvalidSettings(f"--port {self.port} is no port; it lies between 0 and 65535.")
        if self.loopback:
            return self
        if self.share_key:
            raise InvalidSettings(
                f"--share-key lends the configured key to whoever connects, so it needs a loopback --host, not {self.host}."
            )
        if not self.allowed_hosts:
            raise InvalidSettings(
                f"--host {self.host} is reachable from other machines: name what clients call it with --allowed-host "
                "(for instance --allowed-host memory.example.com), so that no other name leads here."
            )
        return self

    @property
    def host_headers(self) -> list[str]:
        """Return the Host headers that are answered, with and without a port."""
        names = (*(LOOPBACK_NAMES if self.loopback else ()), *self.allowed_hosts)
        return [header for name in names for header in (name, f"{name}:*")]

    @property
    def origins(self) -> list[str]:
        """Return the Origin headers that are answered; a client that is no browser sends none."""
        local = [f"http://{name}" for name in LOOPBACK_NAMES] if self.loopback else []
        return [origin for name in local for origin in (name, f"{name}:*")] + list(self.allowed_origins)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server is told when it starts.

    `url` and `api_key` stay null where nothing is said: the SDK then looks for the local service and its key.
    """

    transport: Transport = Transport.STDIO
    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    scope: Scope = field(default_factory=Scope)
    reference_tools: bool = False
    timeout_s: float = 30.0
    http: HttpSettings = field(default_factory=HttpSettings)


def from_environment(environment: Mapping[str, str], name: str) -> str | None:
    """Return a variable; an empty one counts as not set, as in the service."""
    return environment.get(name, "").strip() or None


def key_from_environment(environment: Mapping[str, str]) -> str | None:
    """Return the key that the environment holds, null where it says nothing of one.

    Raises:
        InvalidSettings: the variable is there and empty. Hosts fill it from forms and other variables; where that failed, nobody
            has asked for the key of this machine's operator.
    """
    key = from_environment(environment, KEY_VARIABLE)
    if key is None and KEY_VARIABLE in environment:
        raise InvalidSettings(
            f"{KEY_VARIABLE} is set and empty; leave it out to have the key looked for on this machine, or put a key into it."
        )
    return key
