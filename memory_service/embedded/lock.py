"""One service per data directory, held by the kernel: the lock is gone when its holder is."""

import fcntl
import os
from pathlib import Path
from typing import Self

from memory_service.errors import Misconfigured


class FolderLock:
    """An exclusive lock on a file; children do not inherit it, so a killed holder never leaves it behind."""

    def __init__(self, path: Path, *, data_dir: Path) -> None:
        self._path = path
        self._data_dir = data_dir
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write our process id into it.

        Raises:
            Misconfigured: another process holds it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise Misconfigured(
                f"Another memory service is running on {self._data_dir} (pid {holder or 'unknown'}). Stop it first, or "
                "set MEMORY_SERVICE_DATA_DIR to another folder."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; the file stays, because removing it would let two holders in."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
