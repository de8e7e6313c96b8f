import time
from collections.abc import Iterator, Sequence
from threading import Event, current_thread

import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import CapturedCall, CapturingLogger

from memory_service.reranker import bounded
from memory_service.reranker.bounded import BATCH, BoundedReranker

TEXTS = [f"text {n}" for n in range(3 * BATCH + 1)]


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> list[CapturedCall]:
    """Return what is logged, whatever an application of another test has set up."""
    capturing = CapturingLogger()
    monkeypatch.setattr(bounded, "log", capturing)
    return capturing.calls


class ByNumber:
    """Score a text by the number in it; from the given call on wait for `go` first."""

    def __init__(self, *, slow_from: int = 1_000_000) -> None:
        self.calls: list[int] = []
        self.threads: set[str] = set()
        self.go = Event()
        self._slow_from = slow_from

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(len(texts))
        self.threads.add(current_thread().name)
        if len(self.calls) >= self._slow_from:
            assert self.go.wait(10)
        return np.array([float(text.split()[1]) for text in texts], dtype=np.float32)


@pytest.fixture
def open_bounded() -> Iterator[object]:
    opened: list[BoundedReranker] = []

    def make(model: object, *, budget_s: float = 10.0) -> BoundedReranker:
        opened.append(BoundedReranker("a model", model if callable(model) else lambda: model, budget_s=budget_s))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_scores_in_batches_in_one_thread(open_bounded) -> None:
    model = ByNumber()
    reranker = open_bounded(model)
    assert reranker.score("q", TEXTS).tolist() == [float(n) for n in range(len(TEXTS))]
    assert reranker.score("q", TEXTS[:1]).tolist() == [0.0]
    assert model.calls == [BATCH, BATCH, BATCH, 1, 1]
    assert len(model.threads) == 1
    assert current_thread().name not in model.threads


def test_what_time_does_not_allow_stays_unscored(open_bounded, logs) -> None:
    model = ByNumber(slow_from=3)
    reranker = open_bounded(model, budget_s=0.2)
    started = time.monotonic()
    scores = reranker.score("q", TEXTS)
    assert time.monotonic() - started < 2
    assert scores[: 2 * BATCH].tolist() == [float(n) for n in range(2 * BATCH)]
    assert np.isnan(scores[2 * BATCH :]).all()
    assert logs[-1].args == ("reranker_out_of_time",)
    assert logs[-1].kwargs["scored"] == 2 * BATCH
    # Others wait for the batch in work, not longer than they may, and nothing of the first search is done after it.
    assert np.isnan(reranker.score("q", TEXTS)).all()
    model.go.set()
    reranker.close()
    assert model.calls == [BATCH] * 3


def test_opened_at_the_first_search_and_once(open_bounded) -> None:
    opened: list[ByNumber] = []

    def open_model() -> ByNumber:
        opened.append(ByNumber())
        return opened[-1]

    reranker = open_bounded(open_model)
    assert opened == []
    reranker.score("q", TEXTS)
    reranker.score("q", TEXTS)
    assert len(opened) == 1


def test_a_slow_opening_does_not_hold_the_search(open_bounded) -> None:
    go = Event()

    def open_model() -> ByNumber:
        assert go.wait(10)
        return ByNumber()

    reranker = open_bounded(open_model, budget_s=0.1)
    assert np.isnan(reranker.score("q", TEXTS)).all()
    go.set()
    reranker._thread.submit(lambda: None).result(10)
    assert not np.isnan(reranker.score("q", TEXTS)).any()


class Broken:
    def __init__(self, answer: object) -> None:
        self._answer = answer

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return np.asarray(self._answer, dtype=np.float32)


@pytest.mark.parametrize(
    "answer", [RuntimeError("out of memory"), [1.0], np.full(BATCH, np.nan), np.ones((BATCH, 1))], ids=repr
)
def test_an_error_is_logged_and_leaves_everything_unscored(open_bounded, logs, answer) -> None:
    scores = open_bounded(Broken(answer)).score("q", TEXTS)
    assert scores.shape == (len(TEXTS),)
    assert np.isnan(scores).all()
    assert (logs[-1].method_name, logs[-1].args) == ("warning", ("reranker_failed",))


def test_what_cannot_be_opened_is_tried_again_later(open_bounded, logs, monkeypatch) -> None:
    tries: list[int] = []

    def open_model() -> ByNumber:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no such model")
        return ByNumber()

    reranker = open_bounded(open_model)
    assert np.isnan(reranker.score("q", TEXTS)).all()
    assert "no such model" in next(one.kwargs["error"] for one in logs if one.args == ("reranker_not_opened",))
    assert np.isnan(reranker.score("q", TEXTS)).all()
    assert len(tries) == 1
    later = time.monotonic() + bounded.RETRY_S
    monkeypatch.setattr(bounded.time, "monotonic", lambda: later)
    assert not np.isnan(reranker.score("q", TEXTS)).any()
