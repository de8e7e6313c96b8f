"""Log files that cannot fill the disk."""

import contextlib
import os
import shutil
from pathlib import Path

LARGEST_LOG = 10 * 1024 * 1024  # Bytes; a file and its predecessor are kept per part.


class BoundedLog:
    """A file that programs append to and that is set back when it grows too long.

    The programs hold the file open, so it is copied and truncated in place; they append, so nothing is overwritten.
    A line written between copy and truncation is lost, which a log may do and a database may not.
    """

    def __init__(self, path: Path, *, largest: int = LARGEST_LOG) -> None:
        self.path = path
        self._largest = largest

    def open(self) -> int:
        """Return a descriptor for a program's output; the caller closes it."""
        self.trim()
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def size(self) -> int:
        """Return the length in bytes."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def trim(self) -> None:
        """Keep the file below its bound by moving its content to a predecessor."""
        if self.size() <= self._largest:
            return
        with contextlib.suppress(OSError):  # A full disk: truncating still helps.
            shutil.copyfile(self.path, self.path.with_name(f"{self.path.name}.1"))
        with contextlib.suppress(OSError):
            os.truncate(self.path, 0)

    def tail(self, *, since: int = 0, lines: int = 5) -> list[str]:
        """Return the last lines written after byte `since`."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(since if since <= self.size() else 0, self.size() - 65536))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return []
        return [line for line in text.splitlines() if line.strip()][-lines:]
