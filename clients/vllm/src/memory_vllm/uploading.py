"""Sends files to the store, one after another, beside the engine's work. What is too much is not sent, and counted."""

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from memory_vllm.blob import Array
from memory_vllm.counting import Counts
from memory_vllm.errors import MemoryKVError
from memory_vllm.layout import Layout
from memory_vllm.run_file import Blocks, pack
from memory_vllm.store import Grant, Store

log = logging.getLogger("vllm.memory_service")


@dataclass(frozen=True, slots=True, eq=False)
class _Parcel:
    grant: Grant
    blocks: Blocks
    layers: Sequence[Array]
    bytes: int


class Uploader:
    """A thread with a bounded queue."""

    def __init__(self, store: Store, layout: Layout, counts: Counts, *, most_bytes: int) -> None:
        """Start the thread."""
        self._store, self._layout, self._counts, self._most = store, layout, counts, most_bytes
        self._changed = threading.Condition()
        self._queue: deque[_Parcel] = deque()
        self._pending: dict[str, int] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="memory-kv-upload", daemon=True)
        self._thread.start()

    def wants(self, blocks: Blocks) -> bool:
        """Return whether to copy these blocks: there is room, and they do not wait already."""
        size = len(blocks.hashes) * self._layout.block * self._layout.bytes_per_token
        with self._changed:
            if blocks.hashes[-1] in self._pending or self._closing:
                return False
            if sum(self._pending.values()) + size <= self._most:
                return True
        self._counts.add("save_dropped")
        return False

    def send(self, grant: Grant, blocks: Blocks, layers: Sequence[Array]) -> None:
        """Send blocks, some time."""
        size = sum(array.nbytes for array in layers)
        with self._changed:
            self._pending[blocks.hashes[-1]] = size
            self._queue.append(_Parcel(grant, blocks, layers, size))
            self._changed.notify_all()

    def close(self, wait_s: float) -> None:
        """Take nothing more, and wait some time for what is left."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(wait_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    if self._closing:
                        return
                    self._changed.wait()
                parcel = self._queue.popleft()
            try:
                self._send(parcel)
            except Exception as error:  # Whatever it is: without this thread every later file would be dropped.
                self._counts.add("save_failures")
                if not isinstance(error, MemoryKVError):
                    log.warning("Blocks of a memory were not saved: %s", type(error).__name__)
            finally:
                with self._changed:
                    self._pending.pop(parcel.blocks.hashes[-1], None)

    def _send(self, parcel: _Parcel) -> None:
        blocks = parcel.blocks
        data = pack(blocks, self._layout, parcel.layers)
        checksum = hashlib.sha256(data).hexdigest()
        self._store.save(
            parcel.grant, engine=blocks.engine, first=blocks.first, hashes=blocks.hashes, checksum=checksum, data=data
        )
        self._counts.add("saved_blocks", len(blocks.hashes))
        self._counts.add("saved_bytes", len(data))
