"""Addresses of people and machines: mail, IP, and what stands in a URL to let somebody in. Pure."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from memory_service.redaction.found import Found

MAX_LOCAL: Final = 64  # characters before the @

_LOCAL_SIGNS: Final = frozenset("._%+-'=~#$!&*")
_LATIN: Final = "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
# A domain in Latin letters ends where letters of another script begin; only where there is none, it is read in any script.
_DOMAINS: Final = tuple(
    re.compile(
        rf"(?:[{some}](?:[{some}_-]{{0,61}}[{some}])?\.){{1,8}}(xn--[a-z0-9-]{{2,59}}|[{letters}]{{2,24}})(?![{some}])"
    )
    for some, letters in ((f"0-9{_LATIN}", _LATIN), (r"^\W_", r"^\W\d_"))
)
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
        begin = _begin(text, at, max(last, at - MAX_LOCAL))
        domain = _domain(text, at + 1) if begin < at and text[at - 1] != "." else None
        if domain is not None and domain[1].lower() not in _FILES:
            end = domain.end()
            scp = text[begin:at] == "git" and text[end : end + 1] in {":", "/"}
            if not scp:
                yield Found(begin, end, text[begin:end].lower())
                last = end
        at = text.find("@", at + 1)


def _begin(text: str, at: int, low: int) -> int:
    """Return where the part before an @ begins: its letters are of one script, and digits are of that of the domain."""
    abroad = at + 1 < len(text) and _script(text[at + 1]) != 0
    script, begin = None, at
    while begin > low:
        character = text[begin - 1]
        if character not in _LOCAL_SIGNS:
            if not character.isalnum():
                break
            if not (abroad and character.isdigit()):
                its = _script(character)
                if script is not None and its != script:
                    break
                script = its
        begin -= 1
    while begin < at and text[begin] in ".'-=_*~":
        begin += 1  # what marks up a text rather than what a name begins with
    return begin


def _script(character: str) -> int:
    """Return 0 for Latin letters and digits, 2 for those of East Asia, which stand without spaces, 1 for any other."""
    code = ord(character)
    if code < 0x250 or 0x1E00 <= code < 0x1F00:
        return 0
    return 2 if code >= 0x2E80 else 1


def _domain(text: str, at: int) -> "re.Match[str] | None":
    for looks in _DOMAINS:
        match = looks.match(text, at)
        if match is not None:
            return match
    return None


_IP4: Final = re.compile(
    r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![A-Za-z0-9]|\.[A-Za-z0-9]|-(?i:rc|alpha|beta|dev|pre|post|build|release|snapshot))"
)
_BEFORE_IP4: Final = re.compile(r"(?<![A-Za-z0-9])(?<![0-9]\.)(?<!::ffff:)")
_COLONS: Final = re.compile(r":[0-9A-Fa-f]{0,4}:")
_IP6: Final = re.compile(
    r"(?<![A-Za-z0-9:.])(?:[0-9A-Fa-f]{1,4}:|::)[0-9A-Fa-f:]{1,40}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![A-Za-z0-9:]|\.\d)",
    re.ASCII,
)
_A_VERSION: Final = re.compile(r"(?:version|release|build|ver\.?|\bv\.)\s*[:=]?\s*\Z", re.IGNORECASE)


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


# To the last @ before the path: people forget that one in a password must be written as %40.
_USERINFO: Final = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,15}://([^\s/@:?#\[\]]{0,128}:[^\s/\"<>`\u3000-\u303f\uff00-\uff0f]{1,2048})@"
)
_PARAMETER: Final = re.compile(
    r"[?#&](?:amp;)?(?:access_token|refresh_token|id_token|auth_token|session_token|access_key|api_?key|auth|token|sig|signature"
    r"|password|passwd|pwd|secret|client_secret|x-(?:amz|goog)-(?:signature|security-token|credential))"
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
