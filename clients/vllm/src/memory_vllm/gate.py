"""Which requests may use tensors that somebody else keeps, and how many of their blocks: what the service says. No vLLM here."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol

from memory_vllm.chain import block_hashes
from memory_vllm.errors import MemoryKVError
from memory_vllm.store import Grant
from memory_vllm.tracking import common, read_parameters

log = logging.getLogger("vllm.memory_service")

FRESH_S: Final = 1.0
"""How long an answer counts: requests wait in the engine's queue for minutes, and memories are erased meanwhile."""


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


@dataclass(slots=True)
class _Question:
    """What is asked of the service about a request, and what it said last."""

    grant: Grant
    hashes: tuple[str, ...]
    answer: Future[int]
    asked_at: float
    fresh_s: float = FRESH_S

    def is_old(self, now: float) -> bool:
        """Say whether blocks were admitted, and too long ago to go by; what was refused stays so."""
        if not self.answer.done() or now - self.asked_at <= self.fresh_s:
            return False
        return self.answer.exception() is None and self.answer.result() > 0


class Gate:
    """Asks the service about each request, when it comes and again whenever the answer is old, until it is forgotten."""

    def __init__(
        self, engine: EngineBlocks, service: Asks, *, threads: int = 2, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with no request."""
        self._engine, self._service, self._clock = engine, service, clock
        self._pool = ThreadPoolExecutor(threads, "memory-kv-gate")
        self._asked: dict[str, _Question] = {}

    def admitted(self, request: Any) -> int | None:
        """Return how many leading blocks of a request may be loaded and saved; None: not known yet, ask again.

        None of them where it carries no grant, a grant for other tokens, no salt, or where the service does not answer. To be
        asked before anything is loaded: an answer older than `FRESH_S` is asked for anew, so that a memory which was erased while
        the request waited is noticed.
        """
        now, question = self._clock(), self._asked.get(request.request_id)
        if question is None:
            asked = self.hashes_of(request)
            if asked is None:
                return 0
            grant, hashes = asked
            question = _Question(grant, hashes, self._ask(grant, hashes), now)
            self._asked[request.request_id] = question
        elif question.is_old(now):
            question.answer, question.asked_at = self._ask(question.grant, question.hashes), now
            # An engine that comes back more seldom than answers stay fresh would ask for ever.
            question.fresh_s *= 2
        if not question.answer.done():
            return None
        error = question.answer.exception()
        if error is None:
            question.fresh_s = FRESH_S
            return question.answer.result()
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

    def _ask(self, grant: Grant, hashes: tuple[str, ...]) -> "Future[int]":
        return self._pool.submit(self._service.admitted, grant, self._engine.digest, hashes)

    def forget(self, request_id: str) -> None:
        """Forget a request."""
        if question := self._asked.pop(request_id, None):
            question.answer.cancel()

    def close(self) -> None:
        """Stop asking."""
        self._pool.shutdown(wait=False, cancel_futures=True)
