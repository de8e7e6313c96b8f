"""Find the service's address and the API key.

Written without the settings class, whose import alone would cost every ``--help`` a third of a second.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from memory_service.cli.failures import CommandFailure, KeyRefused

CHECKOUT = Path(__file__).resolve().parent.parent.parent
KEY = re.compile(r"[\x21-\x7e]+")  # One word of visible ASCII: anything else cannot even be sent.


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the service is and how we show who we are."""

    url: str
    key: str | None = field(repr=False)
    key_origin: str

    def require_key(self) -> str:
        """Return the key.

        Raises:
            KeyRefused: there is none; the hint says where it was looked for.
        """
        if self.key is None:
            raise KeyRefused(
                f"no API key: {self.key_origin}",
                hint="Start the service with `make run` (it writes the first key), set MEMORY_SERVICE_API_KEY, or give --key-file.",
            )
        return self.key


def data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder in which the service keeps its data."""
    return Path(environ.get("MEMORY_SERVICE_DATA_DIR") or CHECKOUT / "var").expanduser().absolute()


def service_url(given: str | None = None, *, environ: Mapping[str, str] = os.environ) -> str:
    """Return the address without a trailing slash: as given, from the environment, or the local default.

    Raises:
        CommandFailure: it is given and empty, or MEMORY_SERVICE_PORT is needed and no port.
    """
    if given is not None and not given.strip():
        raise CommandFailure("--url is empty; leave it out to use MEMORY_SERVICE_URL, else the service of this machine")
    if address := given or environ.get("MEMORY_SERVICE_URL"):
        return address.rstrip("/")
    port = environ.get("MEMORY_SERVICE_PORT") or "8000"
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise CommandFailure(f"MEMORY_SERVICE_PORT is {port!r}, which is no port; write a number from 1 to 65535")
    return f"http://127.0.0.1:{port}"


def is_loopback(url: str) -> bool:
    """Say whether an address means this machine.

    >>> is_loopback("http://127.0.0.1:8000"), is_loopback("http://localhost"), is_loopback("https://memory.example")
    (True, True, False)
    """
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def find_connection(
    *, url: str | None = None, key_file: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Connection:
    """Collect address and key.

    The key comes from ``key_file``, else MEMORY_SERVICE_API_KEY, else, for a service of this machine only, ``api-key`` in
    the data folder: the key of this machine's service must not go to another. A missing key is no error here:
    ``/healthz`` needs none. Nor does a variable that is there and empty stand for the key of this machine: it was emptied on
    purpose, or by a substitution that failed.
    """
    address = service_url(url, environ=environ)
    from_environment = environ.get("MEMORY_SERVICE_API_KEY")
    if key_file is None and from_environment is not None:
        from_environment = from_environment.strip()
        if not from_environment:
            origin = "MEMORY_SERVICE_API_KEY is set and empty; unset it to use the key of this machine's service"
            return Connection(url=address, key=None, key_origin=origin)
        if not KEY.fullmatch(from_environment):
            return Connection(url=address, key=None, key_origin="what MEMORY_SERVICE_API_KEY holds is no key")
        return Connection(url=address, key=from_environment, key_origin="MEMORY_SERVICE_API_KEY")
    if key_file is None and not is_loopback(address):
        origin = (
            f"MEMORY_SERVICE_API_KEY is not set, and {address} is not this machine, whose key is for its own service"
        )
        return Connection(url=address, key=None, key_origin=origin)
    path = key_file or data_dir(environ) / "api-key"
    key, problem = _read_key(path)
    unset = "" if key_file else "MEMORY_SERVICE_API_KEY is not set and "
    return Connection(url=address, key=key, key_origin=f"{unset}{problem}" if problem else str(path))


def _read_key(path: Path) -> tuple[str | None, str]:
    """Return the key in a file, or None and what is wrong with the file."""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None, f"there is no key file {path}"
    except OSError as error:
        return None, f"the key file {path} cannot be read ({error.strerror})"
    except ValueError:
        return None, f"the key file {path} holds no key"
    if not key:
        return None, f"the key file {path} is empty"
    return (key, "") if KEY.fullmatch(key) else (None, f"the key file {path} holds no key")
