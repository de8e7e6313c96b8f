"""A reranker that costs a search no more than a bounded time, and never its answer."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from memory_service.reranker.protocol import Reranker

log = structlog.get_logger(__name__)

BATCH: Final = 8  # texts between two looks at the clock
RETRY_S: Final = 60.0  # after a model could not be opened


class BoundedReranker:
    """Score in one thread of its own, where the model is opened at the first search; searches queue for it.

    What is not scored when the time is up is left unscored. The batch in work is finished beside the search, whose answer
    does not wait for it.
    """

    def __init__(self, name: str, open_model: Callable[[], Reranker], *, budget_s: float) -> None:
        """Open nothing yet.

        Args:
            name: Of the model, for the log.
            open_model: Opens the model; called in the thread that uses it.
            budget_s: How long a search waits, for its turn and for the opening included.
        """
        self.name = name
        self._open_model = open_model
        self._budget_s = budget_s
        self._model: Reranker | None = None
        self._closed = Event()
        self._not_before = 0.0  # when to try again after a failure
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reranker")

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32[n], the first of `texts` scored, NaN for those that time did not allow; all NaN after an error."""
        scores = np.full(len(texts), np.nan, dtype=np.float32)
        if time.monotonic() < self._not_before:
            return scores
        enough = Event()
        done: list[NDArray[np.float32]] = []
        work = self._thread.submit(self._work, query, texts, enough, done)
        try:
            work.result(timeout=self._budget_s)
        except TimeoutError:
            log.info("reranker_out_of_time", model=self.name, scored=BATCH * len(done), texts=len(texts))
        except Exception as error:  # whatever a model raises: the search has an answer without it
            log.warning("reranker_failed", model=self.name, error=f"{type(error).__name__}: {error}")
            return scores
        finally:
            enough.set()
            work.cancel()
        for place, batch in enumerate(list(done)):
            scores[place * BATCH : place * BATCH + len(batch)] = batch
        return scores

    def close(self) -> None:
        """Stop after the batch in work."""
        self._closed.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _work(self, query: str, texts: Sequence[str], enough: Event, done: list[NDArray[np.float32]]) -> None:
        model = self._opened()
        for start in range(0, len(texts), BATCH):
            if enough.is_set() or self._closed.is_set():
                return
            batch = texts[start : start + BATCH]
            scores = model.score(query, batch)
            if scores.shape != (len(batch),) or not np.isfinite(scores).all():
                raise ValueError(f"{len(batch)} finite scores were expected, not {scores!r}"[:300])
            done.append(scores)

    def _opened(self) -> Reranker:
        if self._model is None:
            started = time.monotonic()
            try:
                self._model = self._open_model()
            except Exception as error:
                self._not_before = time.monotonic() + RETRY_S
                # Said here as well: the search that asked may have stopped waiting.
                log.error("reranker_not_opened", model=self.name, error=f"{type(error).__name__}: {error}")
                raise
            log.info("reranker_opened", model=self.name, seconds=round(time.monotonic() - started, 2))
        return self._model
