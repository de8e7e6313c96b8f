"""Tells the store of files that are not what was stored, one after another, beside the engine's work."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from memory_vllm.counting import Counts
from memory_vllm.errors import MemoryKVError
from memory_vllm.store import Grant, Store, StoredRun

log = logging.getLogger("vllm.memory_service")

MOST: Final = 64
"""Files that wait to be told: a store of which everything is damaged is told so by the next requests, too."""


class Checker:
    """A thread, and the files that it has yet to tell of."""

    def __init__(self, store: Store, counts: Counts) -> None:
        """Tell of nothing yet."""
        self._store, self._counts = store, counts
        self._pool = ThreadPoolExecutor(1, "memory-kv-check")
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._closed = False

    def tell(self, grant: Grant, run: StoredRun) -> None:
        """Have the store look at a file, some time; once while it waits, however many requests met it."""
        with self._lock:
            if self._closed or run.id in self._waiting or len(self._waiting) >= MOST:
                return
            self._waiting.add(run.id)
            self._pool.submit(self._tell, grant, run)

    def _tell(self, grant: Grant, run: StoredRun) -> None:
        try:
            self._store.check(grant, run)
            self._counts.add("checks")
        except Exception as error:  # Whatever it is: the next request that meets the file tells of it again.
            said = error if isinstance(error, MemoryKVError) else type(error).__name__
            log.warning("The store was not told of a damaged file: %s", said)
        finally:
            with self._lock:
                self._waiting.discard(run.id)

    def close(self) -> None:
        """Tell of nothing more."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
