"""Where messages may go: a service that calls whatever URL it is given must not be a way into the network it stands in."""

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL: Final = 2_048
MAX_NAME: Final = 253
MAX_LABEL: Final = 63
# Addresses of IPv6 in whose last 32 bits an IPv4 address stands that a gateway would reach.
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
# What has been given out for use between networks. Everything else is refused, since it is used within one, or will be: the list
# of special networks that Python keeps leaves out site-local and IPv4-compatible addresses, local NAT64 and what is not given out.
_UNICAST: Final = ipaddress.ip_network("2000::/3")
# Public by their number and yet within: Python 3.11 calls most of 192.0.0.0/24 (protocol assignments; a cloud's metadata stand
# there) global, and a cloud answers its machines at one address of a network of its own.
_WITHIN: Final = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("168.63.129.16/32"))


class RefusedUrl(ValueError):
    """A URL that nothing is sent to; the message says why, without the URL: it may hold a password."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be reached beside public addresses."""

    networks: tuple[Network, ...] = ()

    def refuses(self, address: Address) -> bool:
        """Say whether nothing is sent to an address: it is not public, and not of a network that is let in.

        >>> reach = Reach(read_networks("10.1.0.0/16"))
        >>> [reach.refuses(ipaddress.ip_address(a)) for a in ("10.1.2.3", "10.2.0.1", "8.8.8.8", "::ffff:127.0.0.1")]
        [False, True, False, True]
        >>> [reach.refuses(ipaddress.ip_address(a)) for a in ("2606:4700::1111", "fec0::2", "64:ff9b::808:808")]
        [False, True, False]
        """
        if self.lets_in(address):
            return False
        return not all(_is_public(one) for one in _meant(address))

    def lets_in(self, address: Address) -> bool:
        """Say whether an address is of a network that the operator lets in."""
        return any(one in network for one in _meant(address) for network in self.networks)


def read_networks(said: str) -> tuple[Network, ...]:
    """Read networks with commas between them.

    Raises:
        ValueError: one of them is none.
    """
    return tuple(ipaddress.ip_network(part.strip()) for part in said.split(",") if part.strip())


def _meant(address: Address) -> Iterator[Address]:
    """Yield an address and the one of IPv4 that it stands for, if any."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    # A mapped address is the other one, and by itself never public.
    if address.ipv4_mapped is None:
        yield address
    if inner is not None:
        yield inner


def _is_public(address: Address) -> bool:
    """Say whether an address is of the internet; for one that holds another, the other is asked for, too."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in network for network in _WITHIN)
    return address in _NAT64 or (address in _UNICAST and address.is_global)


def check_url(url: str, reach: Reach) -> SplitResult:
    """Return the parts of a URL that messages may be sent to, as far as one can tell without asking for its address.

    Raises:
        RefusedUrl: saying why.
    """
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or any(c in url for c in ' \\<>"'):
        raise RefusedUrl(f"must be a URL of at most {MAX_URL:,} printable ASCII characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise RefusedUrl("is no URL") from error
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise RefusedUrl("must begin with https:// or http:// and name a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise RefusedUrl("must hold neither a user nor a fragment")
    address = literal(host)
    if address is not None and reach.refuses(address):
        raise RefusedUrl("names an address that is not public; MEMORY_SERVICE_WEBHOOK_NETWORKS lets networks in")
    if address is None and not _can_be_named(host):
        raise RefusedUrl(f"must name a host: parts of 1 to {MAX_LABEL} characters with dots between them")
    local = f".{host}".rstrip(".").endswith(".localhost")
    if local and all(reach.refuses(one) for one in LOOPBACK):
        raise RefusedUrl("names this machine; MEMORY_SERVICE_WEBHOOK_NETWORKS lets networks in")
    return parts


LOOPBACK: Final[Sequence[Address]] = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))


def _can_be_named(host: str) -> bool:
    """Say whether a name can be looked up: the library that does so takes offence at empty and long parts.

    >>> [_can_be_named(host) for host in ("a.example", "a.example.", "a..example", "." , "a" * 64)]
    [True, True, False, False, False]
    """
    name = host.removesuffix(".")
    return len(name) <= MAX_NAME and all(1 <= len(label) <= MAX_LABEL for label in name.split("."))


def literal(host: str) -> Address | None:
    """Return the address that a host is written as, None for a name.

    Resolvers take shorter and other forms of IPv4 than the usual one, and look no name up for them.

    >>> [str(literal(host)) for host in ("::1%eth0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "a.example")]
    ['::1', '127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1', 'None']
    """
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
