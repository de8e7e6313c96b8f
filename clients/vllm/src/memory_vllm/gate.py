"""Which requests may use tensors that somebody else keeps, and how many of their blocks: what the service says. No vLLM here."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from memory_vllm.chain import block_hashes
from memory_vllm.errors import MemoryKVError
from memory_vllm.store import Grant
from memory_vllm.tracking import common, read_parameters

log = logging.getLogger("vllm.memory_service")


class Asks(Protocol):
    """Whoever knows what a plan admits."""

    def admitted(self, grant: Grant, engine: str, hashes: "tuple[str, ...]") -> int:
        """Return how many leading blocks the plan of a grant still admits."""
        ...


@dataclass(frozen=True, slots=True)
class EngineBlocks:
    """The engine's digest, and how many tokens its blocks hold."""

    digest: str
    block: int


class Gate:
    """Asks the service, once for each request, and answers for it until the request is forgotten."""

    def __init__(self, engine: EngineBlocks, service: Asks, *, threads: int = 2) -> None:
        """Begin with no request."""
        self._engine, self._service = engine, service
        self._pool = ThreadPoolExecutor(threads, "memory-kv-gate")
        self._asked: dict[str, Future[int]] = {}

    def admitted(self, request: Any) -> int | None:
        """Return how many leading blocks of a request may be loaded and saved; None: not known yet, ask again.

        None of them where it carries no grant, a grant for other tokens, no salt, or where the service does not answer.
        """
        answer = self._asked.get(request.request_id)
        if answer is None:
            asked = self.hashes_of(request)
            if asked is None:
                return 0
            grant, hashes = asked
            answer = self._pool.submit(self._service.admitted, grant, self._engine.digest, hashes)
            self._asked[request.request_id] = answer
        if not answer.done():
            return None
        error = answer.exception()
        if error is None:
            return answer.result()
        if not isinstance(error, MemoryKVError):
            log.warning("The memory service was not asked about a request: %s", type(error).__name__)
        return 0

    def hashes_of(self, request: Any) -> tuple[Grant, tuple[str, ...]] | None:
        """Return the grant of a request and the names of its planned blocks, None where it has none."""
        asked = read_parameters(request.kv_transfer_params)
        tokens, salt = request.prompt_token_ids, request.cache_salt
        plain = not request.mm_features and request.lora_request is None and request.prompt_embeds is None
        if asked is None or not tokens or not salt or not plain:
            return None
        own = block_hashes(tokens, block_size=self._engine.block, engine=self._engine.digest, salt=salt)
        hashes = common(own, asked.block_hashes)
        return (asked.grant, hashes) if hashes else None

    def forget(self, request_id: str) -> None:
        """Forget a request."""
        if answer := self._asked.pop(request_id, None):
            answer.cancel()

    def close(self) -> None:
        """Stop asking."""
        self._pool.shutdown(wait=False, cancel_futures=True)
