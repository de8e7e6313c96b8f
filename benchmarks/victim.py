"""An embedded service of our own, in a folder of its own, that may be killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.process_tree import parts
from benchmarks.provenance import CHECKOUT
from memory_service.cli.connection import Connection
from memory_service.cli.failures import CommandFailure
from memory_service.embedded.services import is_api

START_TIMEOUT_S = 300.0
"""The first start exports the encoder."""

STOP_TIMEOUT_S = 60.0
BOTH = "api and postgres"
OTHER_KINDS = ("api", "postgres", "everything")
"""What else may be killed. "everything" takes the supervisor too, so the service must be started again."""


class Victim:
    """One embedded service; ``start``, ``kill``, ``stop``."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._settings = dict(settings or {})
        self.data_dir = folder / "var"
        self._log = folder / "service.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connection(self) -> Connection:
        """Where it listens, with its first key."""
        key = (self.data_dir / "api-key").read_text(encoding="utf-8").strip()
        return Connection(url=f"http://127.0.0.1:{self._port}", key=key, key_origin="the key file")

    def start(self) -> float:
        """Start it and return the seconds until it was ready."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DATABASE_URL", "BROKER_URL") and not name.startswith("MEMORY_SERVICE_")
        }
        own = {"MEMORY_SERVICE_DATA_DIR": str(self.data_dir), "MEMORY_SERVICE_PORT": str(self._port)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "memory_service.embedded"],
                cwd=CHECKOUT,
                env={**inherited, **own, **self._settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.await_ready()

    def await_ready(self) -> float:
        """Wait until every part is ready and return the seconds.

        Raises:
            CommandFailure: the supervisor ended, or it took too long; the end of its output is in the text.
        """
        assert self._process is not None
        began = time.monotonic()
        while time.monotonic() - began < START_TIMEOUT_S:
            if self._process.poll() is not None:
                raise CommandFailure(f"the service ended with status {self._process.returncode}:\n{self._last_words()}")
            try:
                if httpx.get(f"http://127.0.0.1:{self._port}/readyz", timeout=2).status_code == 200:
                    return time.monotonic() - began
            except httpx.HTTPError:
                pass  # Not up yet: that is what we wait for.
            time.sleep(0.05)
        raise CommandFailure(f"the service was not ready after {START_TIMEOUT_S:.0f} s:\n{self._last_words()}")

    def kill(self, kind: str) -> list[str]:
        """Send SIGKILL to what ``kind`` names, and return the names of the processes."""
        assert self._process is not None
        known = parts(self.data_dir)
        targets: list[psutil.Process] = []
        if "api" in kind:
            targets += [process for name, pid in known.items() if is_api(name) for process in _tree(pid)]
        if "postgres" in kind:
            targets.append(_postmaster(known["postgres"]))
        if kind == "everything":
            targets = [psutil.Process(self._process.pid)]
            targets += [process for pid in known.values() for process in _tree(pid)]
        killed = []
        for process in targets:
            try:
                killed.append(process.name())
                process.kill()
            except psutil.NoSuchProcess:
                continue  # It died of its parent's death first.
        if kind == "everything":
            self._process.wait(timeout=STOP_TIMEOUT_S)
            self._process = None
        return killed

    @property
    def running(self) -> bool:
        """Whether the supervisor runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop it as Ctrl-C does; kill what does not stop."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill("everything")
        self._process = None

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])


def _tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, none when it is gone."""
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _postmaster(pid: int) -> psutil.Process:
    """Return the server process itself: the part's leader may be a program that dropped root for it."""
    servers = [process for process in _tree(pid) if process.name().startswith("postgres")]
    known = {process.pid for process in servers}
    for process in servers:
        if process.ppid() not in known:
            return process
    raise CommandFailure("no Postgres process to kill was found")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address: tuple[str, Any] = probe.getsockname()
        return int(address[1])
