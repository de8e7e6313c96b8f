"""Share one encoder between all threads of a process: concurrent queries in one batch, queries before passages."""

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory_service.encoder.errors import EncoderClosed, EncoderTimeout
from memory_service.encoder.protocol import Encoder, TokenizesTexts
from memory_service.encoder.queued import Batch, Kind, Request, by_request, estimated_tokens, take_batch

MAX_BATCH: Final = 32
"""Texts of one batch; very short texts would otherwise make long lists of futures for no gain in speed."""

QUERY_BATCHES_IN_A_ROW: Final = 8
"""After so many a waiting passage batch runs where both share one thread, so that ingest goes on under a flood of queries."""

COMPANY_S = 0.015
"""The longest that queries wait for others while many callers are under way, who then wait for the interpreter anyway."""

CALLERS_PER_QUERY: Final = 4
"""Of so many callers under way one query is waited for: 16 callers make batches of 4, fewer than 8 never wait."""


class BatchingEncoder:
    """Run an encoder in daemon threads that take what is queued; a text that is alone runs where it is asked.

    Queries wait for more of them only while many callers are `under_way`, and for milliseconds: a batch of four costs a third
    less per query than four batches, and whoever is alone never waits.

    Passages run in micro-batches, callers in turn. With one thread queries overtake them between two micro-batches. With
    several, as many micro-batches of passages run at a time, and queries have a thread of their own beside them: they
    queue behind no passage. A batch holds texts of similar length only. An exception reaches the caller whose text
    caused it and nobody else. After a fork the child starts with empty queues and its own threads; the inner encoder must
    survive the fork (ONNX Runtime with one thread does where nothing is encoded at that moment, and takes over from OpenVINO).
    """

    def __init__(
        self,
        inner: Encoder,
        *,
        threads: int = 1,
        max_batch: int = MAX_BATCH,
        observer: Callable[[Kind, int], None] | None = None,
    ) -> None:
        """Wrap an encoder.

        Args:
            inner: What encodes.
            threads: How many batches of passages may run at a time; above 1 only where `inner` computes in the thread of
                its caller and several may be in it.
            max_batch: Texts of one batch.
            observer: Hears of the kind and the size of every batch, in the thread that runs it.
        """
        self._inner = inner
        self._in_two_steps = inner if isinstance(inner, TokenizesTexts) else None
        self._threads_of_passages = threads
        self._apart = threads > 1  # queries run beside passages
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
        """Say whether a query would be encoded at once and one caller at most is under way, who would not wait for anybody."""
        with self._changed:
            return self._callers <= 1 and self._runs_here("query")

    def close(self, *, timeout_s: float = 10.0) -> None:
        """Let the running batches finish, refuse what waits, and join the threads. Calling it again does nothing."""
        with self._changed:
            self._closed = True
            waiting = [*self._queues["query"], *self._queues["passage"]]
            for queue in self._queues.values():
                queue.clear()
            for request in waiting:
                request.fail(EncoderClosed("The encoder was closed before it got to this text."))
            self._changed.notify_all()
            threads = list(self._threads)
            until = time.monotonic() + timeout_s
            self._changed.wait_for(lambda: not any(self._running.values()), timeout_s)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def _reset(self) -> None:
        """Start with empty queues and no thread; also in the child of a fork, where the parent's threads are not."""
        self._changed = threading.Condition()
        self._queues: dict[Kind, deque[Request]] = {"query": deque(), "passage": deque()}
        self._running: dict[Kind, int] = {"query": 0, "passage": 0}  # batches, in our threads and in those of callers
        self._query_batches = 0
        self._callers = 0
        self._waiting_since = 0.0  # when the first of the waiting queries came
        self._threads: list[threading.Thread] = []

    def _run(self, kind: Kind, texts: Sequence[str], timeout_s: float | None) -> NDArray[np.float32]:
        if not texts:
            return self._inner.encode([])
        with self._changed:
            if self._closed:
                raise EncoderClosed("The encoder is closed.")
            here = timeout_s is None and len(texts) == 1 and self._runs_here(kind)
            if here:
                self._running[kind] += 1
        if here:
            return self._encode_here(kind, texts)
        request = self._request(kind, texts)
        with self._changed:
            if self._closed:
                raise EncoderClosed("The encoder is closed.")
            self._queue(request)
        try:
            return request.done.result(timeout_s)
        except FutureTimeoutError:
            with self._changed:
                request.pending.clear()
                self._forget_done()
            raise EncoderTimeout(
                f"The encoder did not finish {len(texts)} text(s) within {timeout_s} s.", retry_after_s=1
            ) from None

    def _request(self, kind: Kind, texts: Sequence[str]) -> Request:
        # Exact lengths pad 1% instead of 9% (LoCoMo turns); tokenised in the caller's thread, and not again by the encoder.
        tokenized = [] if self._in_two_steps is None else self._in_two_steps.tokenize(texts)
        costs = [len(one.ids) for one in tokenized] or list(map(estimated_tokens, texts))
        order = sorted(range(len(texts)), key=costs.__getitem__, reverse=True)
        return Request(kind=kind, texts=texts, tokenized=tokenized, costs=costs, pending=order, missing=len(texts))

    def _runs_here(self, kind: Kind) -> bool:
        """Say whether there is nobody to share with or to wait for: then changing threads twice would only cost."""
        if self._callers >= 2 * CALLERS_PER_QUERY and kind == "query":
            return False
        return self._may_run(kind) and not self._queues[kind] and (self._apart or not any(self._queues.values()))

    def _may_run(self, kind: Kind) -> bool:
        """Say whether a batch more may run now."""
        if not self._apart:
            return not any(self._running.values())
        return self._running[kind] < (self._threads_of_passages if kind == "passage" else 1)

    def _encode_here(self, kind: Kind, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode one text in the thread of its caller; who comes meanwhile is queued."""
        try:
            self._observe(kind, len(texts))
            return self._inner.encode(texts)
        finally:
            self._rest(kind)

    def _queue(self, request: Request) -> None:
        queue = self._queues[request.kind]
        if request.kind == "query" and not queue:
            self._waiting_since = time.monotonic()
        self._start_missing(request.kind)
        queue.append(request)
        # The first sets the clock of the queries' thread; those after it wake it when they are enough.
        if request.kind == "passage" or len(queue) == 1 or self._patience() is None:
            self._changed.notify_all()

    def _start_missing(self, kind: Kind) -> None:
        """Start the threads that are not there yet; where the system gives no more of them, what there is goes on.

        Raises:
            EncoderTimeout: There is none for this kind.
        """
        lanes: list[tuple[str, tuple[Kind, ...]]] = [("encoder", ("query",) if self._apart else ("query", "passage"))]
        if self._apart:
            lanes += [(f"encoder-{number}", ("passage",)) for number in range(1, self._threads_of_passages + 1)]
        served = {one for _, kinds in lanes[: len(self._threads)] for one in kinds}
        for name, kinds in lanes[len(self._threads) :]:
            thread = threading.Thread(target=self._work, args=(kinds,), name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # Too many threads, or no memory for one.
                if kind in served:
                    return
                raise EncoderTimeout("The encoder has no thread to work in.", retry_after_s=1) from error
            self._threads.append(thread)
            served.update(kinds)

    def _rest(self, kind: Kind) -> None:
        with self._changed:
            self._running[kind] = max(0, self._running[kind] - 1)  # In the child of a fork nothing was counted.
            self._changed.notify_all()

    def _work(self, kinds: Sequence[Kind]) -> None:
        while True:
            with self._changed:
                # How long to wait is asked before whether to: what is over by then is not waited for without end.
                patience = self._patience()
                while not (batch := self._next(kinds)):
                    if self._closed:
                        return
                    self._changed.wait(patience if "query" in kinds and self._may_run("query") else None)
                    patience = self._patience()
                kind = batch[0][0].kind
                self._running[kind] += 1
            try:
                self._encode(batch)
            except BaseException as error:  # Whatever it is, nobody may wait for a thread that is gone.
                with self._changed:
                    for request, _ in batch:
                        request.fail(error)
            finally:
                self._rest(kind)
            del batch  # Do not keep the last caller's texts alive while idle.

    def _next(self, kinds: Sequence[Kind]) -> Batch:
        """Take the next batch of some kinds, an empty one while none may run, queries wait for company, or nothing waits."""
        self._forget_done()
        waiting = [kind for kind in kinds if self._may_run(kind) and self._queues[kind]]
        if "query" in waiting and (waiting == ["query"] or self._query_batches < QUERY_BATCHES_IN_A_ROW):
            if self._patience() is not None:
                return []
            self._query_batches += 1
            return take_batch(self._queues["query"], most=self._max_batch)
        if "passage" in waiting:
            self._query_batches = 0
            return take_batch(self._queues["passage"], most=self._max_batch)
        return []

    def _forget_done(self) -> None:
        """Drop requests of which nothing is left to run: their callers have an error, or no patience."""
        for kind, queue in self._queues.items():
            if not all(request.pending for request in queue):
                self._queues[kind] = deque(request for request in queue if request.pending)

    def _patience(self) -> float | None:
        """Return for how many seconds more the waiting queries wait for company; None when they do not."""
        self._forget_done()
        queries = len(self._queues["query"])
        if not queries or self._closed or (self._queues["passage"] and not self._apart):
            return None
        if queries >= min(self._callers // CALLERS_PER_QUERY, self._max_batch):
            return None
        left = self._waiting_since + COMPANY_S - time.monotonic()
        return left if left > 0 else None

    def _observe(self, kind: Kind, size: int) -> None:
        if self._observer is not None:
            self._observer(kind, size)

    def _encoded(self, batch: Batch) -> NDArray[np.float32]:
        if self._in_two_steps is not None:
            return self._in_two_steps.encode_tokenized([request.tokenized[position] for request, position in batch])
        return self._inner.encode([request.texts[position] for request, position in batch])

    def _encode(self, batch: Batch) -> None:
        try:
            self._observe(batch[0][0].kind, len(batch))
            vectors = self._encoded(batch)
        except Exception as error:
            self._blame(batch, error)
            return
        with self._changed:  # Another thread may have run other texts of the same caller.
            for request, rows, positions in by_request(batch):
                request.fill(positions, vectors[rows])

    def _blame(self, batch: Batch, error: Exception) -> None:
        """Hand an error to its caller; with several callers in the batch, encode for each alone to find out whose."""
        shares = by_request(batch)
        if len(shares) == 1:
            with self._changed:
                shares[0][0].fail(error)
            return
        for request, _, positions in shares:
            try:
                vectors = self._encoded([(request, position) for position in positions])
            except Exception as own_error:
                with self._changed:
                    request.fail(own_error)
            else:
                with self._changed:
                    request.fill(positions, vectors)


_instances: "weakref.WeakSet[BatchingEncoder]" = weakref.WeakSet()


def _reset_after_fork() -> None:
    # Locks may be held and threads are gone in the child; Celery's prefork pool forks after imports.
    for instance in _instances:
        instance._reset()


os.register_at_fork(after_in_child=_reset_after_fork)
