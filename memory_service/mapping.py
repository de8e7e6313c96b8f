"""Files that several processes have in their memory."""

import mmap
import os
from pathlib import Path


def fill(file: Path, size: int) -> None:
    """Make a file at least so many bytes long, with zeros at its end.

    They are written, not left out: who maps a file that has room only by name is killed by a signal once the disk is full.

    Raises:
        OSError: the disk is full now.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        missing = size - os.fstat(descriptor).st_size
        if missing > 0:
            os.pwrite(descriptor, bytes(missing), size - missing)
    finally:
        os.close(descriptor)


def mapped(file: Path | None, size: int) -> mmap.mmap:
    """Return the memory of a file that is made if need be; without one, memory of this process."""
    if file is None:
        return mmap.mmap(-1, size)
    fill(file, size)
    with file.open("r+b") as opened:
        return mmap.mmap(opened.fileno(), size)
