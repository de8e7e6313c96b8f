"""Where records lie: the scope `/crew/research` is the namespace `ROOT/crew/research`. Both ways.

Every byte of UTF-8 that no path may hold, and the period itself, is written as a period and two hexadecimal digits.
"""

from __future__ import annotations

import re

from memory_crewai.errors import ScopeTooLong

MAX_PATH = 256  # characters, as the service takes them
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@:-")
_ESCAPED = re.compile(r"\.([0-9A-F]{2})")
_ROOT = re.compile(r"[A-Za-z0-9._@:-]+(?:/[A-Za-z0-9._@:-]+)*")


def check_root(root: str) -> str:
    """Return the namespace below which a storage lies.

    Raises:
        ValueError: it is no path of a namespace.
    """
    if not _ROOT.fullmatch(root) or len(root) > MAX_PATH // 2:
        raise ValueError(
            f"{root!r} is no namespace for a storage: segments of letters, digits and . _ @ : - joined by slashes, "
            f"{MAX_PATH // 2} characters at most."
        )
    return root


def path_of(root: str, scope: str | None) -> str:
    """Return the namespace of a scope.

    >>> path_of("crewai", "/crew/Ana Maria/"), path_of("crewai", "/"), path_of("crewai", None)
    ('crewai/crew/Ana.20Maria', 'crewai', 'crewai')

    Raises:
        ScopeTooLong: the service takes no path of this length.
        ValueError: the scope holds half of a surrogate pair.
    """
    path = "/".join([root, *(_escaped(segment) for segment in (scope or "").split("/") if segment)])
    if len(path) > MAX_PATH:
        raise ScopeTooLong(
            f"The scope {scope!r} is {len(path)} characters long as a path, {MAX_PATH} are allowed. Characters outside "
            "A-Z, a-z, 0-9, _, @, : and - take three for each byte."
        )
    return path


def scope_of(root: str, path: str) -> str:
    """Return the scope of a namespace.

    >>> scope_of("crewai", "crewai/crew/Ana.20Maria"), scope_of("crewai", "crewai")
    ('/crew/Ana Maria', '/')
    """
    return "/" + "/".join(map(_plain, path[len(root) + 1 :].split("/")))


def child_of(parent: str, scope: str) -> str | None:
    """Return the scope right below a parent in which a scope lies, None where it does not lie below.

    >>> child_of("/", "/crew/research"), child_of("/crew", "/crew/research/ana"), child_of("/crew", "/crew")
    ('/crew', '/crew/research', None)
    """
    prefix = parent.rstrip("/") + "/"
    if not scope.startswith(prefix) or scope == prefix:
        return None
    return prefix + scope[len(prefix) :].split("/", 1)[0]


def _escaped(segment: str) -> str:
    try:
        encoded = segment.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"The scope {segment!r} holds half of a surrogate pair.") from error
    return "".join(chr(byte) if byte in _PLAIN else f".{byte:02X}" for byte in encoded)


def _plain(segment: str) -> str:
    """Undo `_escaped`; a segment that another client named is shown as it is."""
    parts = _ESCAPED.split(segment)  # Every second one is the hexadecimal form of a byte.
    raw = b"".join(bytes.fromhex(part) if at % 2 else part.encode() for at, part in enumerate(parts))
    return raw.decode("utf-8", "replace")
