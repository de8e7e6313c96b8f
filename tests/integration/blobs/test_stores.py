"""Both stores do the same: a folder, and a server that speaks S3 in a process of its own."""

import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from memory_service.blobs.folder import FolderStore
from memory_service.blobs.protocol import BlobMissing, BlobStore, blob_name
from memory_service.blobs.s3 import S3Blobs, open_bucket
from memory_service.errors import Misconfigured, Unavailable


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return FolderStore(tmp_path / "kv")
    return S3Blobs(request.getfixturevalue("s3_url"))


def name() -> str:
    return blob_name(UUID(int=1), uuid4())


def read(store: BlobStore, blob: str) -> bytes:
    with store.open(blob) as opened:
        data = b"".join(opened.parts)
    assert opened.size == len(data)
    return data


@pytest.mark.parametrize("size", [1, 3 << 20, 20 << 20])
def test_what_was_put_is_read_back(store: BlobStore, size: int) -> None:
    blob, data = name(), os.urandom(1 << 16) * (size >> 16) + b"end"
    store.put(blob, io.BytesIO(data))
    assert read(store, blob) == data
    (listed,) = store.listing()
    assert (listed.name, listed.bytes) == (blob, len(data))
    assert abs(listed.modified_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_only_what_is_left_of_a_file_is_kept(store: BlobStore) -> None:
    blob, file = name(), io.BytesIO(b"read already, kept")
    file.read(14)
    store.put(blob, file)
    assert read(store, blob) == b"kept"


def test_removing(store: BlobStore) -> None:
    blobs = [name() for _ in range(3)]
    for blob in blobs:
        store.put(blob, io.BytesIO(b"x"))
    store.remove([*blobs[:2], name()])
    store.remove([])
    assert [one.name for one in store.listing()] == blobs[2:]
    with pytest.raises(BlobMissing):
        read(store, blobs[0])


def test_an_empty_store(store: BlobStore) -> None:
    assert list(store.listing()) == []
    with pytest.raises(BlobMissing):
        read(store, name())


class Breaking(io.BytesIO):
    """A file whose source breaks off in the middle."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 9 << 20:
            raise OSError("broken off")
        return super().read(size)


def test_what_breaks_off_is_not_there(store: BlobStore) -> None:
    blob = name()
    with pytest.raises((Unavailable, OSError)):
        store.put(blob, Breaking(bytes(20 << 20)))
    assert list(store.listing()) == []
    with pytest.raises(BlobMissing):
        read(store, blob)


def test_an_open_blob_stays_readable_in_a_folder(tmp_path: Path) -> None:
    store, blob = FolderStore(tmp_path), name()
    store.put(blob, io.BytesIO(bytes(3 << 20)))
    with store.open(blob) as opened:
        first = next(opened.parts)
        store.remove([blob])
        assert len(first) + sum(map(len, opened.parts)) == opened.size == 3 << 20


def test_nobody_else_reads_the_folder(tmp_path: Path) -> None:
    store, blob = FolderStore(tmp_path / "kv"), name()
    store.put(blob, io.BytesIO(b"x"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "kv").rglob("*")}
    assert {0o700, 0o600} == set(modes.values())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured):
        FolderStore(tmp_path / "file" / "kv")


@pytest.mark.parametrize(
    "url", ["s3://", "s3://user:secret@bucket/x", "s3://bucket?secret_key=hunter2", "file:///tmp", "s3:bucket"]
)
def test_urls_of_another_form(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        open_bucket(url)
    assert "secret@" not in caught.value.detail
    assert "hunter2" not in caught.value.detail


def test_a_server_that_is_down(s3_keys: None) -> None:
    store = S3Blobs("s3://bucket/x?endpoint=http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        store.put(name(), io.BytesIO(b"x"))
