"""Files are sent beside the work, within bounds, and what goes wrong is counted."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from memory_vllm.counting import Counts
from memory_vllm.errors import StoreFailed
from memory_vllm.layout import Layout
from memory_vllm.run_file import Blocks, unpack
from memory_vllm.store import Grant, StoredRun
from memory_vllm.uploading import Uploader

LAYOUT = Layout("cpu-vec", layers=2, heads=1, block=4, dim=8, content=16, dtype="bfloat16")
SIZE = 2 * 1 * 4 * 16 * 2  # bytes of a block in all layers
ENGINE = "ab" * 32


class Held:
    """A store that takes a file when a test lets it."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.go = threading.Event()
        self.saved: list[tuple[Sequence[str], bytes]] = []
        self._refuses = refuses

    def lookup(self, grant: Grant, engine: str, hashes: Sequence[str]) -> list[StoredRun]:
        raise NotImplementedError

    def load(self, grant: Grant, run: StoredRun) -> bytes:
        raise NotImplementedError

    def save(self, grant: Grant, *, engine: str, first: int, hashes: Sequence[str], checksum: str, data: bytes) -> bool:
        assert self.go.wait(10)
        if self._refuses:
            raise StoreFailed("no")
        self.saved.append((hashes, data))
        return True

    def check(self, grant: Grant, run: StoredRun) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


def blocks(number: int) -> Blocks:
    return Blocks(ENGINE, 0, (f"{number:064x}",), "0" * 64)


def layers() -> list[Any]:
    return [np.full(LAYOUT.shape(1), at, np.uint16) for at in range(2)]


def test_what_is_too_much_or_waits_already_is_not_copied() -> None:
    store, counts = Held(), Counts()
    uploader = Uploader(store, LAYOUT, counts, most_bytes=2 * SIZE)
    for number in range(2):
        assert uploader.wants(blocks(number))
        uploader.send(Grant("g"), blocks(number), layers())
    assert not uploader.wants(blocks(1))
    assert counts.take() == {}
    assert not uploader.wants(blocks(2))
    assert counts.take() == {"save_dropped": 1}
    store.go.set()
    uploader.close(10)
    assert [hashes for hashes, _ in store.saved] == [blocks(0).hashes, blocks(1).hashes]
    data = store.saved[0][1]
    assert counts.take() == {"saved_blocks": 2, "saved_bytes": 2 * len(data)}
    back = unpack(data, engine=ENGINE, layout=LAYOUT, hashes=blocks(0).hashes, offset=0)
    assert all(np.array_equal(one, two) for one, two in zip(back, layers(), strict=True))
    assert not uploader.wants(blocks(3))  # closed


def test_a_refusal_is_counted_and_the_next_one_is_sent() -> None:
    store, counts = Held(refuses=True), Counts()
    uploader = Uploader(store, LAYOUT, counts, most_bytes=10 * SIZE)
    store.go.set()
    for number in range(3):
        uploader.send(Grant("g"), blocks(number), layers())
    uploader.close(10)
    assert counts.take() == {"save_failures": 3}


def test_closing_does_not_wait_for_ever() -> None:
    store, counts = Held(), Counts()
    uploader = Uploader(store, LAYOUT, counts, most_bytes=10 * SIZE)
    uploader.send(Grant("g"), blocks(0), layers())
    uploader.close(0.05)
    assert store.saved == []
    store.go.set()
    uploader.close(10)
    assert len(store.saved) == 1


def test_what_nobody_foresaw_ends_no_thread() -> None:
    """An ended thread would drop every later file without a word."""

    class Broken(Held):
        def save(self, grant: Grant, **other: Any) -> bool:
            if not self.go.is_set():
                self.go.set()
                raise RuntimeError("a fault of the store")
            return super().save(grant, **other)

    store, counts = Broken(), Counts()
    uploader = Uploader(store, LAYOUT, counts, most_bytes=2 * SIZE)
    for number in range(2):
        uploader.send(Grant("g"), blocks(number), layers())
    uploader.close(10)
    assert [hashes for hashes, _ in store.saved] == [blocks(1).hashes]
    assert counts.take()["save_failures"] == 1
