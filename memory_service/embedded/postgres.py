"""Postgres from a wheel, under our own supervision."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import quote

from memory_service.embedded.binaries import find_postgres
from memory_service.embedded.child import Child
from memory_service.embedded.cluster import CONNECTIONS, SUPERUSER, ensure_cluster, server_environment
from memory_service.embedded.folders import full_disk, make_data_dir, remove_socket_folder
from memory_service.embedded.lock import FolderLock
from memory_service.embedded.logs import BoundedLog
from memory_service.embedded.placement import LASTING_FOLDERS, Placement, place, recorded_cluster
from memory_service.embedded.privileges import Mode
from memory_service.embedded.processes import end, processes_of_cluster, wait_until
from memory_service.errors import Misconfigured, Unavailable
from memory_service.process_identity import ProcessIdentity

DATABASE = "memory_service"
START_TIMEOUT_S = 600  # Crash recovery replays up to max_wal_size.
STOP_TIMEOUT_S = 60  # A fast stop writes a checkpoint.
ORPHAN_GRACE_S = 10  # Backends notice a killed postmaster at their next wait.
_STATUS_LINE = 7  # Index in postmaster.pid of the line that says "ready".


class EmbeddedPostgres:
    """The cluster of one data directory. `with EmbeddedPostgres(folder) as postgres: postgres.url`."""

    name = "postgres"

    def __init__(
        self,
        data_dir: Path,
        *,
        mode: Mode = "auto",
        lasting_folders: Sequence[Path] = LASTING_FOLDERS,
        connections: int = CONNECTIONS,
    ) -> None:
        """Name the cluster; nothing happens yet.

        Args:
            data_dir: the data directory the cluster belongs to.
            mode: how root gets rid of its privileges; of no meaning for other users.
            lasting_folders: where root may make a folder of our own when the data directory cannot be used.
            connections: how many the server accepts at a time.
        """
        self._data_dir = data_dir.absolute()
        self._mode: Mode = mode
        self._lasting_folders = lasting_folders
        self._connections = connections
        self._lock = FolderLock(self._data_dir / "run" / "postgres.lock", data_dir=self._data_dir)
        self._child: Child | None = None
        self._placement: Placement | None = None
        self._password = ""

    def start(
        self,
        *,
        on_wait: Callable[[float], None] = lambda _seconds: None,
        timeout_s: float = START_TIMEOUT_S,
    ) -> str:
        """Start the server, making the cluster if needed, and return the superuser's URL.

        Args:
            on_wait: called with the seconds waited so far, several times a second; may raise to give up.
            timeout_s: how long recovery may take.

        Raises:
            Misconfigured: the cluster cannot be opened by us, with the reason.
            Unavailable: it did not become ready in time.
        """
        make_data_dir(self._data_dir)
        self._lock.acquire()
        try:
            self._end_leftovers()
            self._placement = place(
                self._data_dir, find_postgres(), mode=self._mode, lasting_folders=self._lasting_folders
            )
            self._password = ensure_cluster(self._placement, self._data_dir, connections=self._connections)
            self._child = self._make_child(self._placement)
            self.launch()
            self._wait_ready(on_wait, timeout_s)
            self._ensure_database()
        except BaseException:
            self.stop(hurry=True)
            raise
        return self.url

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the superuser."""
        if self._placement is None:
            raise Unavailable("Postgres has not been started.")
        return (
            f"postgresql+psycopg://{SUPERUSER}:{quote(self._password, safe='')}@/{DATABASE}"
            f"?host={quote(str(self._placement.sockets), safe='')}"
        )

    @property
    def placement(self) -> Placement:
        """Where the server runs from and as whom."""
        if self._placement is None:
            raise Unavailable("Postgres has not been started.")
        return self._placement

    @property
    def child(self) -> Child:
        """The server's process."""
        if self._child is None:
            raise Unavailable("Postgres has not been started.")
        return self._child

    @property
    def identity(self) -> ProcessIdentity | None:
        """The server's process, as of its last start."""
        return self.child.identity

    def launch(self) -> None:
        """Start the server's process without waiting, also after it died."""
        self._end_leftovers()
        self._correct_stale_pid()
        self.child.launch()

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self.child.poll()

    def stop(self, *, hurry: bool = False) -> None:
        """Stop the server: a fast shutdown, in a hurry an immediate one, which costs a recovery but no data."""
        if self._child is not None and self._child.poll() is None and hurry and (identity := self._child.identity):
            end([identity], first=signal.SIGQUIT, grace_s=5)
        if self._child is not None:
            self._child.stop(hurry=hurry)
            self._end_leftovers()
            remove_socket_folder(self.placement.sockets, self._data_dir)
        self._child = None
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _make_child(self, placement: Placement) -> Child:
        return Child(
            self.name,
            [placement.binaries.program("postgres"), "-D", placement.cluster, "-k", placement.sockets],
            log=BoundedLog(self._data_dir / "logs" / "postgres.log"),
            environment=server_environment(),
            privileges=placement.privileges,
            stop_signal=signal.SIGINT,  # "fast": end the sessions, write a checkpoint.
            grace_s=STOP_TIMEOUT_S,
        )

    @property
    def _pid_file(self) -> Path:
        return recorded_cluster(self._data_dir) / "postmaster.pid"

    def _end_leftovers(self) -> None:
        """End processes of this cluster that a killed supervisor or postmaster left; we hold the lock."""
        cluster = recorded_cluster(self._data_dir).resolve()
        if not (left := processes_of_cluster(cluster)):
            return
        # The postmaster understands SIGINT as a fast stop; backends of a dead one are about to go by themselves.
        postmaster = self._recorded_pid()
        end([p for p in left if p.pid == postmaster], first=signal.SIGINT, grace_s=STOP_TIMEOUT_S)
        wait_until(lambda: not processes_of_cluster(cluster), timeout_s=ORPHAN_GRACE_S)
        end(processes_of_cluster(cluster), first=signal.SIGQUIT, grace_s=5)

    def _recorded_pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text(encoding="utf-8").splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def _correct_stale_pid(self) -> None:
        """Keep Postgres from taking a reused process id for a live postmaster.

        No process of the cluster is left. Removing the file would also remove Postgres' check that nobody is attached
        to the old shared memory, so only the id is replaced: by ours, which a postmaster knows as its parent's and
        therefore as stale. The lock beside the socket guards nothing but the socket, so that one goes.
        """
        for left in self.placement.sockets.glob(".s.PGSQL.*"):
            left.unlink()
        try:
            lines = self._pid_file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        if not lines or not lines[0].strip().isdigit():
            self._pid_file.unlink()  # Cut off while it was written; Postgres would refuse it.
            return
        with self._pid_file.open("r+", encoding="utf-8") as file:
            file.write("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
            file.truncate()

    def _wait_ready(self, on_wait: Callable[[float], None], timeout_s: float) -> None:
        started = time.monotonic()
        while not self._is_ready():
            waited = time.monotonic() - started
            on_wait(waited)
            if self.poll() is not None:
                words = self.child.last_words()
                if any("pre-existing shared memory block" in word for word in words) and waited < ORPHAN_GRACE_S * 3:
                    time.sleep(1)
                    self.launch()
                    continue
                reason = full_disk(self._data_dir, words) or _reason(words)
                raise Misconfigured(f"Postgres did not start: {reason} The log is {self.child.log.path}.")
            if waited > timeout_s:
                raise Unavailable(f"Postgres was not ready after {timeout_s:.0f} s. The log is {self.child.log.path}.")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            lines = self._pid_file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        ours = bool(lines) and lines[0].strip() == str(self.child.pid)
        return ours and len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"

    def _ensure_database(self) -> None:
        import psycopg

        try:
            with psycopg.connect(
                host=str(self.placement.sockets),
                user=SUPERUSER,
                password=self._password,
                dbname="postgres",
                connect_timeout=30,
                autocommit=True,
            ) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.Error as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            reason = full_disk(self._data_dir, said) or f"{said[0].rstrip('.')}."
            raise Unavailable(f"Postgres did not start: {reason} The log is {self.child.log.path}.") from error


def _reason(words: list[str]) -> str:
    """Return the line that says why, without its time stamp."""
    telling = [word for word in words if "FATAL" in word or "PANIC" in word] or words[-1:]
    if not telling:
        return "it gave no reason."
    text = telling[0].partition("FATAL:")[2] or telling[0].partition("PANIC:")[2] or telling[0]
    return f"{text.strip().rstrip('.')}."
