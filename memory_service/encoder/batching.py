"""Share one encoder between all threads of a process: concurrent queries in one batch, queries before passages."""

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memory_service.encoder.errors import EncoderClosed, EncoderTimeout
from memory_service.encoder.protocol import Encoder, MeasuresTexts

Kind = Literal["query", "passage"]

TOKENS_PER_BATCH = 192
"""Padded tokens of one batch, about 45 ms of MiniLM on one core: the longest that a query waits for a passage."""

MAX_BATCH = 32
"""Texts of one batch; very short texts would otherwise make long lists of futures for no gain in speed."""

LENGTH_TOLERANCE = 16
"""Tokens by which texts of one batch may differ: one run costs about as much as 10 to 20 tokens of padding."""

QUERY_BATCHES_IN_A_ROW = 8
"""After so many a waiting passage batch runs, so that ingest goes on under a flood of queries."""

COMPANY_S = 0.015
"""The longest that queries wait for others while many callers are under way, who then wait for the interpreter anyway."""

CALLERS_PER_QUERY = 4
"""Of so many callers under way one query is waited for: 16 callers make batches of 4, fewer than 8 never wait."""

WINDOW = 512
"""Texts are cut at the model's window, so a longer one costs no more than this."""


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of `text` from its bytes in UTF-8, for encoders that cannot measure it.

    >>> estimated_tokens("Where did we meet?")
    6
    """
    return min(WINDOW, len(text.encode("utf-8", "surrogatepass")) // 4 + 2)


@dataclass(slots=True, eq=False)
class _Request:
    """The texts of one caller; `pending` holds positions, shortest text last, so that batches pad little."""

    kind: Kind
    texts: Sequence[str]
    costs: list[int]
    pending: list[int]
    missing: int
    vectors: NDArray[np.float32] | None = None
    done: Future[NDArray[np.float32]] = field(default_factory=Future)

    def next_cost(self) -> int:
        return self.costs[self.pending[-1]]

    def fill(self, positions: list[int], vectors: NDArray[np.float32]) -> None:
        if self.vectors is None:
            self.vectors = np.empty((len(self.texts), vectors.shape[1]), dtype=np.float32)
        self.vectors[positions] = vectors
        self.missing -= len(positions)
        if self.missing == 0 and not self.done.done():
            self.done.set_result(self.vectors)

    def fail(self, error: Exception) -> None:
        self.pending.clear()
        if not self.done.done():
            self.done.set_exception(error)


_Batch = list[tuple[_Request, int]]


class BatchingEncoder:
    """Run an encoder in one daemon thread that takes what is queued; a query that is alone runs where it is asked.

    It waits for more queries only while many callers are `under_way`, and for milliseconds: a batch of four costs a third
    less per query than four batches, and whoever is alone never waits.

    Passages run in micro-batches, callers in turn, and queries overtake them between two micro-batches. A batch holds
    texts of similar length only. An exception reaches the caller whose text caused it and nobody else. After a fork
    the child starts with empty queues and its own thread; the inner encoder must survive the fork (ONNX Runtime with
    one thread does, and takes over from OpenVINO).
    """

    def __init__(
        self,
        inner: Encoder,
        *,
        max_batch: int = MAX_BATCH,
        observer: Callable[[Kind, int], None] | None = None,
    ) -> None:
        """Wrap `inner`; `observer(kind, size)` hears of every batch, from the encoder's thread."""
        self._inner = inner
        self._max_batch = max_batch
        self._observer = observer
        self._closed = False
        self._reset()
        _instances.add(self)

    def encode_query(self, text: str, *, timeout_s: float | None = None) -> NDArray[np.float32]:
        """Return the float32[d] embedding of one query; see `encode_queries`."""
        vector: NDArray[np.float32] = self.encode_queries([text], timeout_s=timeout_s)[0]
        return vector

    def encode_queries(self, texts: Sequence[str], *, timeout_s: float | None = None) -> NDArray[np.float32]:
        """Return float32[n, d], before any waiting passage and together with other callers' queries.

        Raises:
            UnencodableText: A text holds a lone surrogate.
            EncoderTimeout: `timeout_s` seconds passed; what had not run by then is dropped.
            EncoderClosed: The encoder is closed.
        """
        return self._run("query", texts, timeout_s)

    def encode_passages(self, texts: Sequence[str], *, timeout_s: float | None = None) -> NDArray[np.float32]:
        """Return float32[n, d], in micro-batches that let queries and other callers in between.

        Raises:
            UnencodableText: A text holds a lone surrogate.
            EncoderTimeout: `timeout_s` seconds passed; what had not run by then is dropped.
            EncoderClosed: The encoder is closed.
        """
        return self._run("passage", texts, timeout_s)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a caller who is going to ask for a query, or has and works on: who comes next may wait for such."""
        with self._changed:
            self._callers += 1
        try:
            yield
        finally:
            with self._changed:
                self._callers -= 1
                if self._queues["query"] and self._patience() is None:
                    self._changed.notify_all()

    def is_quiet(self) -> bool:
        """Say whether nothing is encoded and one caller at most is under way, who would not wait for anybody."""
        with self._changed:
            return self._callers <= 1 and self._is_idle()

    def close(self, *, timeout_s: float = 10.0) -> None:
        """Let the running batch finish, refuse what waits, and join the thread. Calling it again does nothing."""
        with self._changed:
            self._closed = True
            waiting = [*self._queues["query"], *self._queues["passage"]]
            for queue in self._queues.values():
                queue.clear()
            self._changed.notify_all()
            thread = self._thread
        for request in waiting:
            request.fail(EncoderClosed("The encoder was closed before it got to this text."))
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, timeout_s)
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _reset(self) -> None:
        """Start with empty queues and no thread; also in the child of a fork, where the parent's thread is not."""
        self._changed = threading.Condition()
        self._queues: dict[Kind, deque[_Request]] = {"query": deque(), "passage": deque()}
        self._query_batches = 0
        self._callers = 0
        self._busy = False  # a batch runs, in the encoder's thread or in that of a caller who was alone
        self._waiting_since = 0.0  # when the first of the waiting queries came
        self._thread: threading.Thread | None = None

    def _run(self, kind: Kind, texts: Sequence[str], timeout_s: float | None) -> NDArray[np.float32]:
        if not texts:
            return self._inner.encode([])
        # Exact lengths pad 1% instead of 9% (LoCoMo turns) and cost 0.3% of encoding, in the caller's thread.
        costs = (
            self._inner.lengths(texts) if isinstance(self._inner, MeasuresTexts) else list(map(estimated_tokens, texts))
        )
        order = sorted(range(len(texts)), key=costs.__getitem__, reverse=True)
        request = _Request(kind=kind, texts=texts, costs=costs, pending=order, missing=len(texts))
        with self._changed:
            if self._closed:
                raise EncoderClosed("The encoder is closed.")
            here = kind == "query" and timeout_s is None and len(texts) == 1 and self._is_idle()
            if here:
                self._busy = True
            else:
                self._queue(request)
        if here:
            return self._encode_here(request)
        try:
            return request.done.result(timeout_s)
        except FutureTimeoutError:
            with self._changed:
                request.pending.clear()
            raise EncoderTimeout(
                f"The encoder did not finish {len(texts)} text(s) within {timeout_s} s.", retry_after_s=1
            ) from None

    def _is_idle(self) -> bool:
        """Say whether there is nobody to share with or to wait for: then changing threads twice would only cost."""
        return not self._busy and not any(self._queues.values()) and self._callers < 2 * CALLERS_PER_QUERY

    def _encode_here(self, request: _Request) -> NDArray[np.float32]:
        """Encode the one text of a request in the thread of its caller; who comes meanwhile is queued."""
        try:
            self._encode([(request, request.pending.pop())])
        finally:
            self._rest()
        return request.done.result()

    def _queue(self, request: _Request) -> None:
        if request.kind == "query" and not self._queues["query"]:
            self._waiting_since = time.monotonic()
        self._queues[request.kind].append(request)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
            self._thread.start()
        # The first sets the encoder's clock; those after it wake it when they are enough.
        if len(self._queues[request.kind]) == 1 or self._patience() is None:
            self._changed.notify_all()

    def _rest(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (batch := self._next()):
                    if self._closed and not self._busy:
                        return
                    self._changed.wait(None if self._busy else self._patience())
                self._busy = True
            try:
                self._encode(batch)
            finally:
                self._rest()
            del batch  # Do not keep the last caller's texts alive while idle.

    def _next(self) -> _Batch:
        """Take the next batch, an empty one while another runs, queries wait for company, or nothing waits."""
        return [] if self._busy or self._patience() is not None else self._take()

    def _patience(self) -> float | None:
        """Return for how many seconds more the waiting queries wait for company; None when they do not."""
        queries = sum(bool(request.pending) for request in self._queues["query"])
        if not queries or self._queues["passage"] or self._closed:
            return None
        if queries >= min(self._callers // CALLERS_PER_QUERY, self._max_batch):
            return None
        left = self._waiting_since + COMPANY_S - time.monotonic()
        return left if left > 0 else None

    def _take(self) -> _Batch:
        """Take the next batch off the queues, an empty one when nothing waits."""
        for queue in self._queues.values():
            while queue and not queue[0].pending:
                queue.popleft()
        queries, passages = self._queues["query"], self._queues["passage"]
        if queries and (not passages or self._query_batches < QUERY_BATCHES_IN_A_ROW):
            self._query_batches += 1
            return self._take_from(queries)
        self._query_batches = 0
        return self._take_from(passages)

    def _take_from(self, queue: deque[_Request]) -> _Batch:
        """Fill a batch with the oldest caller's shortest text and what is about as long, oldest callers first."""
        batch: _Batch = []
        if not queue:
            return batch
        head = longest = queue[0].next_cost()
        tolerance = max(LENGTH_TOLERANCE, head // 2)
        for request in queue:
            while request.pending and len(batch) < self._max_batch:
                cost = request.next_cost()
                if abs(cost - head) > tolerance or (batch and (len(batch) + 1) * max(longest, cost) > TOKENS_PER_BATCH):
                    break
                longest = max(longest, cost)
                batch.append((request, request.pending.pop()))
        first = queue.popleft()
        left = [request for request in queue if request.pending]
        queue.clear()
        queue.extend(left)
        if first.pending:
            queue.append(first)  # Callers take turns: a single text does not wait for somebody's thousand.
        return batch

    def _encode(self, batch: _Batch) -> None:
        try:
            if self._observer is not None:
                self._observer(batch[0][0].kind, len(batch))
            vectors = self._inner.encode([request.texts[position] for request, position in batch])
        except Exception as error:
            self._blame(batch, error)
            return
        for request, rows, positions in _by_request(batch):
            request.fill(positions, vectors[rows])

    def _blame(self, batch: _Batch, error: Exception) -> None:
        """Hand an error to its caller; with several callers in the batch, encode for each alone to find out whose."""
        shares = _by_request(batch)
        if len(shares) == 1:
            shares[0][0].fail(error)
            return
        for request, _, positions in shares:
            try:
                request.fill(positions, self._inner.encode([request.texts[position] for position in positions]))
            except Exception as own_error:
                request.fail(own_error)


def _by_request(batch: _Batch) -> list[tuple[_Request, list[int], list[int]]]:
    """Return per caller the rows of the batch and the positions in its own texts."""
    shares: dict[int, tuple[_Request, list[int], list[int]]] = {}
    for row, (request, position) in enumerate(batch):
        _, rows, positions = shares.setdefault(id(request), (request, [], []))
        rows.append(row)
        positions.append(position)
    return list(shares.values())


_instances: "weakref.WeakSet[BatchingEncoder]" = weakref.WeakSet()


def _reset_after_fork() -> None:
    # Locks may be held and threads are gone in the child; Celery's prefork pool forks after imports.
    for instance in _instances:
        instance._reset()


os.register_at_fork(after_in_child=_reset_after_fork)
