import socket
from typing import Any

import pytest

from memory_service.embedded import readiness
from memory_service.embedded.readiness import bound_sockets
from memory_service.errors import Misconfigured


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_until_somebody_listens_connections_are_refused() -> None:
    port = free_port()
    (bound,) = bound_sockets("127.0.0.1", port)
    with bound, socket.socket() as guest:
        with pytest.raises(ConnectionRefusedError):
            guest.connect(("127.0.0.1", port))
        bound.listen()
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


def test_a_port_on_which_somebody_listens_is_refused() -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"Port {port} on 127.0.0.1 cannot be used"):
            bound_sockets("127.0.0.1", port)


def test_every_address_of_a_name_is_bound_once(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    one = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
    other = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))
    elsewhere = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", port))

    def found(*_: Any, **__: Any) -> list[Any]:
        return [one, other, one, elsewhere]

    monkeypatch.setattr(readiness.socket, "getaddrinfo", found)
    bound = bound_sockets("a-name", port)
    assert [each.getsockname()[0] for each in bound] == ["127.0.0.1", "127.0.0.2"]
    for each in bound:
        each.listen()
        each.close()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(Misconfigured, match="cannot be used"):
        bound_sockets("192.0.2.7", free_port())
