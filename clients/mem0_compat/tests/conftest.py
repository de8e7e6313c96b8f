"""The real mem0ai package against the real service, and no other host."""

import os
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

# Before mem0 is imported, which reads them then: no telemetry, and nothing written into the home of who runs the tests.
os.environ["MEM0_TELEMETRY"] = "False"
os.environ["MEM0_DIR"] = tempfile.mkdtemp(prefix="mem0-")

import pytest

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@pytest.fixture(scope="session", autouse=True)
def nothing_leaves_this_machine() -> Iterator[list[str]]:
    """Refuse every connection and every look-up of a name but those of this machine, and remember that one was tried."""
    tried: list[str] = []
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(host: Any) -> None:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name not in LOOPBACK:
            tried.append(str(name))
            raise PermissionError(f"a test tried to reach {name}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            check(address[0])
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            check(address[0])
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *args: Any, **options: Any) -> Any:
        check(host)
        return look_up(host, *args, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket.socket, "connect", guarded_connect)
        patched.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patched.setattr(socket, "getaddrinfo", guarded_look_up)
        yield tried
    assert tried == [], "mem0 tried to reach other hosts"
