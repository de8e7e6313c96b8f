"""The worker's half: fetches and checks files beside the engine's work, and moves whole blocks in and out between two steps."""

import hashlib
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from memory_vllm.blob import Array
from memory_vllm.checking import Checker
from memory_vllm.counting import Counts
from memory_vllm.errors import BlobRefused, Damaged, MemoryKVError, Unsupported
from memory_vllm.layout import Layout, numpy_of
from memory_vllm.run_file import unpack
from memory_vllm.running import RunningEngine
from memory_vllm.store import Store
from memory_vllm.transfers import Load, LoadPart
from memory_vllm.uploading import Uploader

if TYPE_CHECKING:
    from memory_vllm.metadata import MemoryConnectorMetadata

log = logging.getLogger("vllm.memory_service")

_SAME_SIZE = {2: torch.int16, 1: torch.uint8, 4: torch.int32}
"""Types that both torch and numpy have, by the bytes of a number: bits are moved, never numbers."""

Fetched = list[tuple[LoadPart, list[Array] | None]]


class WorkerSide:
    """The engine's blocks, and what is on its way to them."""

    def __init__(
        self, engine: RunningEngine, store: Store, counts: Counts, *, threads: int, pending_bytes: int, drain_s: float
    ) -> None:
        """Begin with nothing on its way."""
        self._engine, self._store, self._counts, self._drain_s = engine, store, counts, drain_s
        self._pool = ThreadPoolExecutor(threads, "memory-kv-load")
        self._digesting = ThreadPoolExecutor(threads, "memory-kv-digest")
        self._uploader = Uploader(store, engine.layout, counts, most_bytes=pending_bytes)
        self._checker = Checker(store, counts)
        self._caches: list[torch.Tensor] = []
        self._loads: dict[str, Future[Fetched]] = {}
        self._invalid: set[int] = set()

    def register(self, caches: dict[str, torch.Tensor]) -> None:
        """Take the engine's own tensors, layer by layer.

        Raises:
            Unsupported: they are not of the layout that the fingerprint states.
        """
        try:
            self._caches = [caches[name] for name in self._engine.layer_names]
        except KeyError as error:
            raise Unsupported("vLLM has no keys and values for one of its layers") from error
        for cache in self._caches:
            check_cache(cache, self._engine.layout)

    def start(self, told: "MemoryConnectorMetadata") -> None:
        """Begin to fetch what this step's requests wait for."""
        for load in told.loads:
            self._loads[load.request_id] = self._pool.submit(self._fetch, load)

    def _fetch(self, load: Load) -> Fetched:
        """Return blocks that are whole and the ones asked for; None for those that are not."""
        found: Fetched = []
        for part in load.parts:
            try:
                found.append((part, self._fetch_part(load, part)))
            except Exception as error:  # Whatever it is: one tenant's file may not end the engine of all.
                self._failed(error)
                if isinstance(error, Damaged):
                    self._checker.tell(load.grant, part.run)
                found.append((part, None))
        return found

    def _fetch_part(self, load: Load, part: LoadPart) -> list[Array]:
        data = self._store.load(load.grant, part.run)
        self._counts.add("loaded_bytes", len(data))
        # The store's checksum and the file's own beside each other: both read every byte, and somebody waits for an answer.
        digest = self._digesting.submit(hashlib.sha256, data)
        try:
            layers = unpack(
                data, engine=self._engine.digest, layout=self._engine.layout, hashes=part.hashes, offset=part.run.offset
            )
        except BlobRefused:
            _compare(digest, part)  # What another file says of itself is of no interest.
            raise
        _compare(digest, part)
        return layers

    def arrived(self) -> set[str]:
        """Move what has come into the engine's blocks, and return whose loads are over, for good or ill."""
        over = {request_id for request_id, load in self._loads.items() if load.done()}
        for request_id in over:
            for part, layers in self._loads.pop(request_id).result():
                if layers is None or not self._put(part, layers):
                    self._invalid.update(part.block_ids)
                    continue
                self._counts.add("loaded_blocks", len(part.block_ids))
        return over

    def _put(self, part: LoadPart, layers: list[Array]) -> bool:
        """Write blocks into the engine; where that fails they are computed, and what was written is written over."""
        try:
            for cache, array in zip(self._caches, layers, strict=True):
                put(cache, part.block_ids, array)
        except Exception as error:
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        """Count a load that failed; of what we have not foreseen only the type is said, its text could hold a user's."""
        self._counts.add("load_failures")
        foreseen = isinstance(error, MemoryKVError)
        log.warning("Blocks of a memory are computed again: %s", error if foreseen else type(error).__name__)

    def failed(self) -> set[int]:
        """Return the blocks that could not be loaded, once."""
        invalid, self._invalid = self._invalid, set()
        return invalid

    def save(self, told: "MemoryConnectorMetadata") -> None:
        """Copy what was computed, and send it some time."""
        for save in told.saves:
            if self._uploader.wants(save.blocks):
                layers = [take(cache, save.block_ids) for cache in self._caches]
                self._uploader.send(save.grant, save.blocks, layers)

    def close(self) -> None:
        """Send what is left, and stop."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._digesting.shutdown(wait=False, cancel_futures=True)
        self._checker.close()
        self._uploader.close(self._drain_s)


def _compare(digest: "Future[Any]", part: LoadPart) -> None:
    if digest.result().hexdigest() != part.run.checksum:
        raise Damaged("the file is not the one that was stored")


def check_cache(cache: torch.Tensor, layout: Layout) -> None:
    """Check that an engine's tensor of one layer is of the layout.

    Raises:
        Unsupported: it is not.
    """
    wanted = layout.shape(cache.shape[0])
    dtype = str(cache.dtype).removeprefix("torch.")
    if tuple(cache.shape) != wanted or dtype != layout.dtype:
        raise Unsupported(f"vLLM holds a layer as {dtype}{list(cache.shape)}, not as {layout.dtype}{list(wanted)}")


def put(cache: torch.Tensor, block_ids: tuple[int, ...], array: Array) -> None:
    """Write whole blocks into an engine's tensor, bit for bit.

    Raises:
        BlobRefused: they are of another shape.
    """
    if array.shape[1:] != cache.shape[1:]:
        raise BlobRefused(f"blocks of {list(array.shape[1:])} for a layer of {list(cache.shape[1:])}")
    if cache.device.type == "cpu":
        copy_blocks(cache, block_ids, array)
    else:
        index_blocks(cache, block_ids, array)


def copy_blocks(cache: torch.Tensor, block_ids: tuple[int, ...], array: Array) -> None:
    """Write blocks one by one, each as one copy of memory: on a processor an index goes number by number."""
    whole: Any = cache.view(_SAME_SIZE[array.itemsize]).numpy()
    for place, block in zip(block_ids, array.view(whole.dtype), strict=True):
        whole[place] = block


def index_blocks(cache: torch.Tensor, block_ids: tuple[int, ...], array: Array) -> None:
    """Write blocks with one call, as a device wants it."""
    bits = torch.from_numpy(np.array(array)).view(_SAME_SIZE[array.itemsize]).to(cache.device)
    ids = torch.tensor(block_ids, dtype=torch.long, device=cache.device)
    cache.view(bits.dtype).index_copy_(0, ids, bits)


def take(cache: torch.Tensor, block_ids: tuple[int, ...]) -> Array:
    """Return a copy of whole blocks of an engine's tensor, bit for bit."""
    ids = torch.tensor(block_ids, dtype=torch.long, device=cache.device)
    bits = cache.view(_SAME_SIZE[cache.element_size()]).index_select(0, ids).cpu()
    copied: Any = bits.numpy()
    return np.ascontiguousarray(copied).view(numpy_of(str(cache.dtype).removeprefix("torch.")))
