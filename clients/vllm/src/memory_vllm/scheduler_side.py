"""The scheduler's half: asks the store what it has, and decides what is loaded and saved in a step. It never waits."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from memory_vllm.chain import block_hashes, tokens_digest
from memory_vllm.counting import Counts
from memory_vllm.errors import MemoryKVError
from memory_vllm.metadata import MemoryConnectorMetadata
from memory_vllm.run_file import Blocks
from memory_vllm.running import RunningEngine
from memory_vllm.store import Grant, Store, StoredRun
from memory_vllm.tracking import Tracked, common, read_parameters
from memory_vllm.transfers import Load, LoadPart, Save


class SchedulerSide:
    """Requests of which blocks may be loaded or saved."""

    def __init__(self, engine: RunningEngine, store: Store, counts: Counts, *, threads: int, save: bool) -> None:
        """Begin with no request."""
        self._engine, self._store, self._counts, self._save = engine, store, counts, save
        self._block = engine.layout.block
        self._pool = ThreadPoolExecutor(threads, "memory-kv-lookup")
        self._tracked: dict[str, Tracked] = {}

    def new_request(self, request: Any) -> None:
        """Begin to look up a request's blocks, where it carries a grant."""
        asked = read_parameters(request.kv_transfer_params)
        if asked is None:
            return
        tokens = request.prompt_token_ids
        salt = request.cache_salt
        hashes: tuple[str, ...] = ()
        # Pictures, adapters and embeddings change the numbers, and no hash says so. Without a salt every tenant is one.
        if (
            tokens
            and salt
            and not request.mm_features
            and request.lora_request is None
            and request.prompt_embeds is None
        ):
            own = block_hashes(tokens, block_size=self._block, engine=self._engine.digest, salt=salt)
            hashes = common(own, asked.block_hashes)
        if not hashes:
            self._counts.add("rejected")
            return
        self._counts.add("queries")
        lookup = self._pool.submit(self._lookup, asked.grant, hashes)
        admitted = len(hashes) if asked.admitted is None else min(asked.admitted, len(hashes))
        self._tracked[request.request_id] = Tracked(asked.grant, hashes, tokens, lookup, admitted)

    def _lookup(self, grant: Grant, hashes: tuple[str, ...]) -> list[StoredRun]:
        try:
            return self._store.lookup(grant, self._engine.digest, hashes)
        except MemoryKVError:
            self._counts.add("query_failures")
            raise

    def matched(self, request: Any, computed_tokens: int) -> tuple[int | None, bool]:
        """Return how many tokens can be loaded beyond those computed, and that they come later."""
        tracked = self._tracked.get(request.request_id)
        if tracked is None:
            return 0, False
        # One token at least is computed, or there is nothing to sample from.
        most = (request.num_tokens - 1) // self._block
        blocks = tracked.loadable(computed=computed_tokens // self._block, most=most)
        if blocks is None:
            return None, False
        return blocks * self._block, blocks > 0

    def allocated(self, request: Any, block_ids: list[int], external_tokens: int, computed_tokens: int) -> None:
        """Take down where a request's blocks lie, and what is to be loaded into them."""
        tracked = self._tracked.get(request.request_id)
        if tracked is None:
            return
        tracked.block_ids = list(block_ids)
        if external_tokens > 0:
            first = computed_tokens // self._block
            tracked.waiting = (first, first + external_tokens // self._block)
            self._counts.add("hit_tokens", external_tokens)

    def step(self, scheduled: Any) -> MemoryConnectorMetadata:
        """Return what is loaded and saved around a step."""
        told = MemoryConnectorMetadata()
        for request_id, tracked in self._tracked.items():
            if tracked.waiting is not None:
                tracked.loading, tracked.waiting = tracked.waiting, None
                told.loads.append(self._load(request_id, tracked, *tracked.loading))
        for new in scheduled.scheduled_new_reqs:
            self._progress(told, new.req_id, list(new.block_ids[0]), True, new.num_computed_tokens, scheduled)
        cached = scheduled.scheduled_cached_reqs
        for at, request_id in enumerate(cached.req_ids):
            added = cached.new_block_ids[at]
            # A request that was preempted and goes on has new blocks from its first token on.
            resumed = request_id in cached.resumed_req_ids
            ids = list(added[0]) if added else []
            self._progress(told, request_id, ids, resumed, cached.num_computed_tokens[at], scheduled)
        return told

    def _progress(
        self,
        told: MemoryConnectorMetadata,
        request_id: str,
        block_ids: list[int],
        anew: bool,
        computed_tokens: int,
        scheduled: Any,
    ) -> None:
        """Follow a request through a step, and save its blocks after the one that completes them."""
        tracked = self._tracked.get(request_id)
        if tracked is None:
            return
        tracked.block_ids = block_ids if anew else tracked.block_ids + block_ids
        if not self._save:
            return
        computed = (computed_tokens + scheduled.num_scheduled_tokens[request_id]) // self._block
        span = tracked.unsaved(computed)
        if span is None:
            return
        first, end = span
        tokens = tokens_digest(tracked.token_ids[: end * self._block])
        blocks = Blocks(self._engine.digest, first, tracked.hashes[first:end], tokens)
        told.saves.append(Save(tracked.grant, blocks, tuple(tracked.block_ids[first:end])))

    def _load(self, request_id: str, tracked: Tracked, first: int, end: int) -> Load:
        parts = []
        for run in tracked.runs() or ():
            start, stop = max(run.first, first), min(run.first + run.count, end)
            if start < stop:
                offset = run.offset + start - run.first
                place = StoredRun(run.id, start, stop - start, offset, run.bytes, run.checksum)
                parts.append(LoadPart(place, tracked.hashes[start:stop], tuple(tracked.block_ids[start:stop])))
        return Load(request_id, tracked.grant, tuple(parts))

    def loaded(self, finished: set[str], invalid: set[int]) -> None:
        """Learn from the worker which loads are over, and which blocks did not come."""
        for tracked in self._tracked.values() if invalid else ():
            if lost := tracked.lost(invalid):
                self._counts.add("recomputed_tokens", lost * self._block)
        for request_id in finished:
            if over := self._tracked.get(request_id):
                over.loading = None

    def finished(self, request_id: str) -> None:
        """Forget a request."""
        if tracked := self._tracked.pop(request_id, None):
            tracked.lookup.cancel()

    def close(self) -> None:
        """Stop looking up."""
        self._pool.shutdown(wait=False, cancel_futures=True)
