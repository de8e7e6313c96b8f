"""Find the service and the key when the program names neither."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from memory_client.errors import NotConfigured
from memory_client.version import VERSION

DEFAULT_PORT = 8000
KEY_FILE = "api-key"
KEY_VARIABLE = "MEMORY_SERVICE_API_KEY"


@dataclass(frozen=True)
class Endpoint:
    """Where the service is, and the key to it, which no representation shows."""

    url: str
    api_key: str = field(repr=False)

    @property
    def is_local(self) -> bool:
        """Say whether the service runs on this machine."""
        return is_loopback(self.url)

    def headers(self) -> dict[str, str]:
        """Return what stands on every request."""
        return {
            "Authorization": f"Bearer {self.api_key}",
            "Accept": "application/json",
            "User-Agent": f"memory-service-client/{VERSION} python/{sys.version_info.major}.{sys.version_info.minor}",
        }


def find_endpoint(
    url: str | None = None,
    api_key: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    start: Path | None = None,
) -> Endpoint:
    """Return the service that is meant, and the key to it.

    The URL is the argument, ``MEMORY_SERVICE_URL``, or this machine's service on ``MEMORY_SERVICE_PORT`` (8000). The key is
    the argument, ``MEMORY_SERVICE_API_KEY``, or, for a service on this machine only, the file `api-key` in
    ``MEMORY_SERVICE_DATA_DIR``, in `var/` of the checkout this package is installed from, or in `var/` of the working
    directory or one above it.

    Raises:
        NotConfigured: the URL is none, there is no key, or the argument or variable that is to hold it is empty.
    """
    if api_key is not None and not api_key.strip():
        # Whoever looked up a key that is not set must not become the operator of this machine's service.
        raise NotConfigured(
            "The api_key that is given is empty; leave it out, or give None, to have the key looked for in the environment and "
            "on this machine."
        )
    environ = os.environ if environ is None else environ
    found = url or environ.get("MEMORY_SERVICE_URL") or f"http://127.0.0.1:{_port(environ)}"
    where = _checked_url(found)
    key = api_key or _key_of(environ) or _key_on_disk(where, environ, start or Path.cwd())
    return Endpoint(where, _checked_key(key))


def is_loopback(url: str) -> bool:
    """Say whether a URL means this machine.

    >>> is_loopback("http://127.0.0.1:8000"), is_loopback("http://localhost"), is_loopback("https://memory.example")
    (True, True, False)
    """
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _port(environ: Mapping[str, str]) -> int:
    given = environ.get("MEMORY_SERVICE_PORT") or str(DEFAULT_PORT)
    if not (given.isascii() and given.isdigit() and 0 < int(given) < 65536):
        raise NotConfigured(f"MEMORY_SERVICE_PORT is {given!r}, which is no port.")
    return int(given)


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # Reading it is what checks it.
    except ValueError as error:
        raise NotConfigured(f"The URL of the memory service is broken: {error}.") from error
    if parts.username or parts.password:
        raise NotConfigured(
            "The URL of the memory service names a user or a password; give the key as api_key instead."
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise NotConfigured(f"{url!r} is no URL of a memory service; one looks like http://127.0.0.1:8000.")
    if parts.query or parts.fragment:
        raise NotConfigured(f"{url!r} has more than a place in it; a URL of a memory service ends before ? and #.")
    return url.rstrip("/")


def _checked_key(key: str) -> str:
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise NotConfigured("The API key has characters that no key has; was something else pasted?")
    return key


def _key_of(environ: Mapping[str, str]) -> str | None:
    key = environ.get(KEY_VARIABLE)
    if key is not None and not key.strip():
        # Emptied on purpose or by a substitution that failed: neither asks for the key of this machine's operator.
        raise NotConfigured(
            f"{KEY_VARIABLE} is set and empty; unset it to have the key looked for on this machine, or put a key into it."
        )
    return key


def _key_on_disk(url: str, environ: Mapping[str, str], start: Path) -> str:
    if not is_loopback(url):
        # A key of this machine's service must not go to another one.
        raise NotConfigured(f"There is no key for {url}: give api_key=… or set MEMORY_SERVICE_API_KEY.")
    looked = []
    for path in dict.fromkeys(_key_files(environ, start)):
        looked.append(str(path))
        try:
            return path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise NotConfigured(f"The key in {path} cannot be read: {error}.") from error
    raise NotConfigured(
        f"There is no key for the memory service at {url}. Start one with `make run`, give api_key=…, or set "
        f"MEMORY_SERVICE_API_KEY or MEMORY_SERVICE_DATA_DIR. Looked for {', '.join(looked)}."
    )


def _key_files(environ: Mapping[str, str], start: Path) -> Iterator[Path]:
    data_dir = environ.get("MEMORY_SERVICE_DATA_DIR")
    if data_dir:
        yield Path(data_dir).expanduser() / KEY_FILE
        return  # Said so plainly, no other service's key will do.
    here = Path(__file__).resolve()
    if len(here.parents) > 4 and here.parents[1].name == "src":
        yield here.parents[4] / "var" / KEY_FILE
    for folder in [start, *start.parents]:
        yield folder / "var" / KEY_FILE
