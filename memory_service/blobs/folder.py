"""Blobs in a folder: written under another name, forced to the disk, renamed."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO
from uuid import uuid4

from memory_service.blobs.protocol import CHUNK, PART, BlobMissing, Opened, Stored
from memory_service.errors import Misconfigured, Unavailable


class FolderStore:
    """Keeps blobs as files of one folder, a folder in it per tenant; nobody else may read them."""

    def __init__(self, root: Path) -> None:
        """Make the folder where it is not there.

        Raises:
            Misconfigured: it cannot be made.
        """
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"The folder of KV memories cannot be made ({error.strerror}): {root}. Set MEMORY_SERVICE_KV_DIR."
            ) from error
        self._root = root

    def put(self, name: str, file: BinaryIO) -> None:
        """Keep a file; a crash leaves all of it under its name, or a part under another that the sweep removes."""
        path = self._root / name
        part = path.with_name(f"{path.stem}.{uuid4().hex[:8]}{PART}")
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                    copyfileobj(file, out, CHUNK)
                    out.flush()
                    os.fsync(out.fileno())
                part.rename(path)
            except OSError:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
                raise
            # The name, too, has to reach the disk, and that of a new tenant's folder.
            _sync(path.parent)
            _sync(self._root)
        except OSError as error:
            raise _unavailable(error) from error

    @contextmanager
    def open(self, name: str) -> Iterator[Opened]:
        """Open a blob."""
        try:
            file = (self._root / name).open("rb")
        except FileNotFoundError:
            raise BlobMissing(name) from None
        except OSError as error:
            raise _unavailable(error) from error
        with file:
            yield Opened(os.fstat(file.fileno()).st_size, _parts(file))

    def remove(self, names: Iterable[str]) -> None:
        """Remove blobs."""
        try:
            for name in names:
                (self._root / name).unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable(error) from error

    def listing(self) -> Iterator[Stored]:
        """Yield every file, in no order."""
        try:
            with os.scandir(self._root) as folders:
                for folder in folders:
                    if folder.is_dir(follow_symlinks=False):
                        yield from _files(folder)
        except OSError as error:
            raise _unavailable(error) from error


def _parts(file: BinaryIO) -> Iterator[bytes]:
    try:
        while part := file.read(CHUNK):
            yield part
    except OSError as error:  # A disk that cannot read what it has: not the reader's fault.
        raise _unavailable(error) from error


def _files(folder: os.DirEntry[str]) -> Iterator[Stored]:
    with os.scandir(folder.path) as entries:
        for entry in entries:
            # What was removed since the folder was read is not there.
            with suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                modified_at = datetime.fromtimestamp(found.st_mtime, UTC)
                yield Stored(f"{folder.name}/{entry.name}", found.st_size, modified_at)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(error: OSError) -> Unavailable:
    # The path stays out of the sentence: it is the operator's, and the error is told to a tenant.
    return Unavailable(f"The folder of KV memories cannot be used: {error.strerror or type(error).__name__}.")
