"""Addresses of people and machines: mail, IP, and what stands in a URL to let somebody in. Pure."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from memory_service.redaction.found import Found

MAX_LOCAL: Final = 64  # characters before the @

_LOCAL_SIGNS: Final = frozenset("._%+-'=~#$!&*")
_DOMAIN: Final = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}([^\W\d_]{2,24})(?![\w-])")
# What stands after the last dot of a file's name: logo@2x.png is no address.
_FILES: Final = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "webp", "js", "jsx", "ts", "tsx", "css", "html", "json", "pdf"}
)


def find_emails(text: str) -> Iterator[Found]:
    """Yield addresses of mail.

    >>> [f.value for f in find_emails("Ana.B+x@Example.co.uk, git@github.com:a/b, @ana, a@b, pkg@1.2.3, logo@2x.png, ü@müller.de")]
    ['ana.b+x@example.co.uk', 'ü@müller.de']
    """
    at, last = text.find("@"), 0
    while at >= 0:
        begin = at
        low = max(last, at - MAX_LOCAL)
        while begin > low and (text[begin - 1].isalnum() or text[begin - 1] in _LOCAL_SIGNS):
            begin -= 1
        while begin < at and text[begin] in ".'-=":
            begin += 1
        domain = _DOMAIN.match(text, at + 1) if begin < at and text[at - 1] != "." else None
        if domain is not None and domain[1].lower() not in _FILES:
            end = domain.end()
            scp = text[begin:at] == "git" and text[end : end + 1] in {":", "/"}
            if not scp:
                yield Found(begin, end, text[begin:end].lower())
                last = end
        at = text.find("@", at + 1)


_IP4: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\w)")
_BEFORE_IP4: Final = re.compile(r"(?<![\w.-])(?<!::ffff:)")
_COLONS: Final = re.compile(r":[0-9A-Fa-f]{0,4}:")
_IP6: Final = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:|::)[0-9A-Fa-f:]{1,40}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:]|\.\d)"
)
_A_VERSION: Final = re.compile(r"(?:version|release|build|ver\.?)\s*[:=]?\s*\Z", re.IGNORECASE)


def find_ips(text: str) -> Iterator[Found]:
    """Yield IP addresses of both kinds; those that mean the machine itself, or none, name nobody and stay.

    >>> [f.value for f in find_ips("10.0.0.7 and [2001:DB8::1]; 127.0.0.1, 256.1.1.1, 12:30:45, std::vector")]
    ['10.0.0.7', '2001:db8::1']
    >>> list(find_ips("version 1.2.3.4, 1.2.3.4.5, v1.2.3.4"))
    []
    """
    if "." in text:
        for match in _IP4.finditer(text):
            if _BEFORE_IP4.match(text, match.start()) and not _A_VERSION.search(
                text, max(0, match.start() - 12), match.start()
            ):
                yield from _address(match)
    if _COLONS.search(text):
        for match in _IP6.finditer(text):
            said = match.group()
            # Three parts at least, or one of four digits, or an old address within: a::b is a name in a program.
            parts = sum(map(bool, said.split(":")))
            if said.count(":") >= 2 and (parts >= 3 or "." in said or re.match(r"[0-9A-Fa-f]{4}::?", said)):
                yield from _address(match)


def _address(match: "re.Match[str]") -> Iterator[Found]:
    try:
        address = ipaddress.ip_address(match.group())
    except ValueError:
        return  # It only looks like one.
    if not (address.is_loopback or address.is_unspecified):
        yield Found(match.start(), match.end(), str(address))


_USERINFO: Final = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,15}://([^\s/@:?#\[\]]{0,128}:[^\s/@\[\]]{1,256})@"
)
_PARAMETER: Final = re.compile(
    r"[?&](?:access_token|refresh_token|id_token|api_?key|auth|token|sig|signature|password|passwd|pwd|secret|client_secret)"
    r"=([^&\s#\"'<>\[\]]{4,2048})",
    re.IGNORECASE,
)


def find_url_credentials(text: str) -> Iterator[Found]:
    """Yield what lets somebody in: name and password before a host, and keys among the parameters of a URL.

    >>> text = "postgres://ana:pw@db/x https://api.test/v1?token=abcd1234&page=2 https://example.com:8080/a@b"
    >>> [text[f.start:f.end] for f in find_url_credentials(text)]
    ['ana:pw', 'abcd1234']
    """
    if "://" in text:
        yield from (Found(*match.span(1), match[1]) for match in _USERINFO.finditer(text))
    if "=" in text:
        yield from (Found(*match.span(1), match[1]) for match in _PARAMETER.finditer(text))
