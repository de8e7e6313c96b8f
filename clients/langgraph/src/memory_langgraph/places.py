"""Where items lie: a namespace tuple is a path below the root of the store, a key is an external id. Both are reversible.

A label of LangGraph holds no period, so the period can begin an escape: every byte of UTF-8 that no path may hold is written
as a period and two hexadecimal digits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from langgraph.store.base import InvalidNamespaceError

from memory_langgraph.errors import InvalidKey, NamespaceTooLong

MAX_PATH = 256  # characters, as the service takes them
MAX_KEY = 256

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@:-")
_ESCAPED = re.compile(r"\.([0-9A-F]{2})")
_ROOT = re.compile(r"[A-Za-z0-9._@:-]+(?:/[A-Za-z0-9._@:-]+)*")


def check_root(root: str) -> str:
    """Return the root of a store.

    Raises:
        ValueError: it is no path of a namespace.
    """
    if not _ROOT.fullmatch(root) or len(root) > MAX_PATH // 2:
        raise ValueError(
            f"{root!r} is no root for a store: segments of letters, digits and . _ @ : - joined by slashes, "
            f"{MAX_PATH // 2} characters at most."
        )
    return root


def path_of(root: str, namespace: Sequence[str]) -> str:
    """Return the path of a namespace.

    >>> path_of("langgraph", ("users", "ana maria"))
    'langgraph/users/ana.20maria'

    Raises:
        InvalidNamespaceError: a label is no text.
        NamespaceTooLong: the service takes no path of this length.
    """
    path = "/".join([root, *map(_escaped, namespace)])
    if len(path) > MAX_PATH:
        raise NamespaceTooLong(
            f"The namespace {tuple(namespace)!r} is {len(path)} characters long as a path, {MAX_PATH} are allowed: "
            "shorten its labels. Characters outside A-Z, a-z, 0-9, _, @, : and - take three for each byte."
        )
    return path


def namespace_of(root: str, path: str) -> tuple[str, ...]:
    """Return the namespace of a path.

    >>> namespace_of("langgraph", "langgraph/users/ana.20maria")
    ('users', 'ana maria')
    """
    below = path[len(root) + 1 :]
    return tuple(map(_plain, below.split("/"))) if below else ()


def _escaped(label: str) -> str:
    try:
        encoded = label.encode()
    except UnicodeEncodeError as error:
        raise InvalidNamespaceError(f"The namespace label {label!r} holds half of a surrogate pair.") from error
    return "".join(chr(byte) if byte in _PLAIN else f".{byte:02X}" for byte in encoded)


def _plain(segment: str) -> str:
    parts = _ESCAPED.split(segment)  # Every second one is the hexadecimal form of a byte.
    return b"".join(bytes.fromhex(p) if at % 2 else p.encode() for at, p in enumerate(parts)).decode()


def external_id_of(key: str) -> str:
    """Return the external id of a key: the key itself, but for the empty one, which an external id may not be.

    >>> external_id_of("report"), external_id_of("100%"), external_id_of("")
    ('report', '100%25', '%')

    Raises:
        InvalidKey: the key is too long, or is text that no memory can hold.
    """
    if "\x00" in key or any("\ud800" <= character <= "\udfff" for character in key):
        raise InvalidKey(f"The key {key!r} holds a NUL character or half of a surrogate pair.")
    external_id = key.replace("%", "%25") or "%"
    if len(external_id) > MAX_KEY:
        raise InvalidKey(f"The key {key[:40]!r}… has {len(external_id)} characters, {MAX_KEY} are allowed.")
    return external_id


def key_of(external_id: str) -> str:
    """Return the key of an external id."""
    return "" if external_id == "%" else external_id.replace("%25", "%")
