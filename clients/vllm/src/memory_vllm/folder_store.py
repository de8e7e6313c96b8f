"""Blocks in a folder, without a service: for development, and for one tenant alone.

There is nobody who checks a grant here: whoever reaches the engine reaches what lies in the folder, as far as the salt of a
request lets it. Nothing is ever evicted and no memory's erasure arrives. Use the service for anything that matters.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from memory_vllm.chain import is_digest
from memory_vllm.errors import MemoryKVError, NotThere, StoreFailed
from memory_vllm.store import Grant, StoredRun


class FolderStore:
    """Files named by their content, and one small file per block that says where it lies."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, made where there is none.

        Raises:
            MemoryKVError: it cannot be made.
        """
        self._files, self._blocks = folder / "files", folder / "blocks"
        try:
            for one in (self._files, self._blocks):
                one.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise MemoryKVError(f"the folder for blocks cannot be made ({error.strerror})") from error

    def lookup(self, grant: Grant, engine: str, hashes: Sequence[str]) -> list[StoredRun]:
        """Return the runs that hold the longest stored beginning of `hashes`."""
        runs: list[StoredRun] = []
        for at, name in enumerate(hashes):
            place = self._place(name)
            if place is None or not (self._files / place[0]).exists():
                break
            checksum, offset, size = place
            last = runs[-1] if runs else None
            if last and last.id == checksum and last.offset + last.count == offset:
                runs[-1] = StoredRun(last.id, last.first, last.count + 1, last.offset, size, checksum)
            else:
                runs.append(StoredRun(checksum, at, 1, offset, size, checksum))
        return runs

    def load(self, grant: Grant, run: StoredRun) -> bytes:
        """Return a file."""
        if not is_digest(run.id):
            raise NotThere("a file is named by its checksum")
        try:
            return (self._files / run.id).read_bytes()
        except FileNotFoundError as error:
            raise NotThere("the file is gone") from error
        except OSError as error:
            raise StoreFailed(f"the file cannot be read ({error.strerror})") from error

    def save(self, grant: Grant, *, engine: str, first: int, hashes: Sequence[str], checksum: str, data: bytes) -> bool:
        """Keep a file; what is written later under a block's name takes the place of what lay there."""
        if hashlib.sha256(data).hexdigest() != checksum:
            raise StoreFailed("the checksum does not fit the file")
        file = self._files / checksum
        new = not file.exists()
        try:
            _write(file, data)  # Also over one that was damaged, which is why it is saved again.
            for offset, name in enumerate(hashes):
                _write(self._blocks / name, json.dumps([checksum, offset, len(data)]).encode())
        except OSError as error:
            raise StoreFailed(f"the file cannot be written ({error.strerror})") from error
        return new

    def check(self, grant: Grant, run: StoredRun) -> None:
        """Do nothing: blocks that could not be used are saved anew, over the file."""

    def close(self) -> None:
        """Do nothing: files are closed after each use."""

    def _place(self, name: str) -> tuple[str, int, int] | None:
        if not is_digest(name):
            return None
        try:
            checksum, offset, size = json.loads((self._blocks / name).read_bytes())
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        numbers = all(type(one) is int and one >= 0 for one in (offset, size))
        return (checksum, offset, size) if numbers and is_digest(checksum) else None


def _write(file: Path, data: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    drawn = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with drawn.open("xb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        drawn.replace(file)
    finally:
        with suppress(FileNotFoundError):
            drawn.unlink()
