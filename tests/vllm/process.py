"""A server as a process of its own, for as long as a test needs it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

START_S: Final = 420  # importing torch and transformers on a busy machine


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def answering(
    command: Sequence[str], url: str, log: Path, *, environment: Mapping[str, str], folder: Path | None = None
) -> Iterator[int]:
    """Run a server from when it answers at an address with 200 to the end of the block, and give its process id."""
    with log.open("w") as lines:
        server = subprocess.Popen(
            command, stdout=lines, stderr=subprocess.STDOUT, env=environment, start_new_session=True, cwd=folder
        )
    try:
        _wait(server, url, log)
        yield server.pid
    finally:
        _stop(server)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass  # It does not listen yet.
        time.sleep(0.2)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    pytest.fail(f"{url} does not answer after {START_S} s:\n{tail}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server with what it started: they are one process group."""
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=30)
