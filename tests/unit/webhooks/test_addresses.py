"""Which addresses are the internet's, and which names can be looked up."""

import ipaddress

import pytest

from memory_service.webhooks.addresses import Reach, RefusedUrl, check_url, read_networks


def refused(address: str, networks: str = "") -> bool:
    return Reach(read_networks(networks)).refuses(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "100.100.100.200", "169.254.169.254", "192.0.0.192", "168.63.129.16",
        "224.0.0.1", "255.255.255.255", "0.0.0.0", "::", "::1", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1", "100::1",
        # Of IPv6 outside what has been given out: site-local, IPv4-compatible, translated, local NAT64, reserved.
        "fec0::2", "fe00::1", "::7f00:1", "::10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::a9fe:a9fe",
        "4000::1", "8000::1", "5f00::1",
        # An address of IPv4 inside.
        "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::192.0.0.192",
        "2002:7f00:1::1", "2001:0:808:808::f5ff:fffe",
    ],
)  # fmt: skip
def test_addresses_within(address: str) -> None:
    assert refused(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450::1", "64:ff9b::8.8.8.8", "2002:808:808::1"]
)
def test_addresses_of_the_internet(address: str) -> None:
    assert not refused(address)


def test_what_is_let_in() -> None:
    assert not refused("fec0::2", "fec0::/10")
    assert not refused("::ffff:10.0.0.1", "10.0.0.0/8")
    assert not refused("168.63.129.16", "168.63.129.16")
    assert refused("fec0::2", "10.0.0.0/8")


@pytest.mark.parametrize(
    "host", ["a.example", "a.example.", "localhost.example", "x" * 63, "a_b.example", "[2606:4700::1]"]
)
def test_hosts(host: str) -> None:
    assert check_url(f"https://{host}:8443/p?q", Reach()).port == 8443


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0X7F.1", "127.1", "0177.0.0.1", "017700000001", "10.0.1"]
)
def test_other_ways_to_write_an_address_within(host: str) -> None:
    with pytest.raises(RefusedUrl, match="not public"):
        check_url(f"http://{host}/", Reach())
    assert check_url(f"http://{host}/", Reach(read_networks("127.0.0.0/8,10.0.0.0/8"))).hostname == host.lower()


@pytest.mark.parametrize("host", ["a..b", ".a", "a..", ".", "..", "x" * 64, "a." + "x" * 64, "abc." * 63 + "ab"])
def test_names_that_cannot_be_looked_up(host: str) -> None:
    with pytest.raises(RefusedUrl):
        check_url(f"http://{host}/", Reach())
