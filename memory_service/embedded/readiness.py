"""Ask the network: is the port free, is the API ready, does the broker answer."""

import errno
import http.client
import ipaddress
import json
import socket
from typing import Any
from urllib.parse import urlsplit

from memory_service.errors import Misconfigured

_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
READY_ANSWER_S = 12  # /readyz gives each of its parts two seconds; who asks must wait longer than that.
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def reachable_host(host: str) -> str:
    """Return the address under which this machine reaches a server bound to `host`."""
    return _ANY_ADDRESS.get(host, host)


def base_url(host: str, port: int) -> str:
    """Return the URL of the API as this machine sees it."""
    name = reachable_host(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def only_this_machine(host: str) -> bool:
    """Tell whether a server bound to `host` is out of reach for other machines.

    >>> only_this_machine("localhost"), only_this_machine("::1"), only_this_machine("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Return sockets bound to the port, one for each address of the host; until whoever gets them listens, connections are refused.

    Raises:
        Misconfigured: somebody else listens there, or it is not ours to use; the sentence names the way out.
    """
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                bound.append(_bound(family, kind, protocol, address))
            except OSError as error:
                # A name may have an address that this machine has not, such as ::1 where there is no IPv6.
                if error.errno not in _NOT_HERE or (not bound and address[0] == host):
                    raise
    except socket.gaierror as error:
        raise Misconfigured(f"MEMORY_SERVICE_HOST {host} is not an address of this machine.") from error
    except OSError as error:
        for one in bound:
            one.close()
        raise Misconfigured(
            f"Port {port} on {host} cannot be used ({error.strerror}). Stop what listens there, or set "
            "MEMORY_SERVICE_PORT to another port."
        ) from error
    if not bound:
        raise Misconfigured(f"MEMORY_SERVICE_HOST {host} is not an address of this machine.")
    return bound


def _bound(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def get(host: str, port: int, path: str, *, timeout_s: float = 5) -> tuple[int, str] | None:
    """Return status and body of a GET, None when nobody answers."""
    connection = http.client.HTTPConnection(reachable_host(host), port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(65536).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def why_not_ready(answer: tuple[int, str] | None) -> str:
    """Return what /readyz names as missing, for a person."""
    if answer is None:
        return "the API does not answer"
    status, body = answer
    try:
        document = json.loads(body)
    except ValueError:
        return f"/readyz answered {status}"
    return str(document.get("detail") or f"/readyz answered {status}: {body[:300]}")


def broker_answers(url: str) -> bool:
    """Tell whether somebody listens where an external broker should be."""
    parts = urlsplit(url)
    try:
        if parts.hostname is None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(5)
                connection.connect(parts.path)
            return True
        with socket.create_connection((parts.hostname, parts.port or 6379), timeout=5):
            return True
    except OSError:
        return False
