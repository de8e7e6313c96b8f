"""What a store of blobs does, and how blobs are named."""

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final, Protocol
from uuid import UUID

CHUNK: Final = 1 << 20
"""How much is read and sent at a time."""
PART: Final = ".part"
"""Ends the names of files that are being written."""

_NAME: Final = re.compile(
    r"(?P<tenant>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})/(?P<id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\.safetensors"
)


class BlobMissing(LookupError):
    """There is no blob of this name."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob as a listing tells of it; `name` may be that of an upload which never became whole."""

    name: str
    bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A blob that is open: how many bytes it has in the store, and its parts, which are read once."""

    size: int
    parts: Iterator[bytes]


class BlobStore(Protocol):
    """Keeps files under names; a name is written once and never over.

    Raises:
        Unavailable: by every method, when the store does not answer or has no room.
    """

    def put(self, name: str, file: BinaryIO) -> None:
        """Keep all that is left of a file; it is there, whole and durable, when this returns, and not at all before."""

    def open(self, name: str) -> AbstractContextManager[Opened]:
        """Open a blob; one that is open stays readable where it is removed meanwhile.

        Raises:
            BlobMissing: there is none.
        """

    def remove(self, names: Iterable[str]) -> None:
        """Remove blobs; those that are not there are as good as removed."""

    def listing(self) -> Iterator[Stored]:
        """Yield everything in the store, uploads that never became whole too."""


def blob_name(tenant_id: UUID, kv_memory_id: UUID) -> str:
    """Return the name of the blob of a KV memory: ids alone, nothing of a user.

    >>> blob_name(UUID(int=1), UUID(int=2))
    '00000000-0000-0000-0000-000000000001/00000000-0000-0000-0000-000000000002.safetensors'
    """
    return f"{tenant_id}/{kv_memory_id}.safetensors"


def named_by(name: str) -> tuple[UUID, UUID] | None:
    """Return tenant and KV memory of a blob's name; None for a name that no record has.

    >>> named_by(blob_name(UUID(int=1), UUID(int=2))) == (UUID(int=1), UUID(int=2))
    True
    >>> named_by("readme.txt") is None
    True
    """
    found = _NAME.fullmatch(name)
    return (UUID(found["tenant"]), UUID(found["id"])) if found else None
