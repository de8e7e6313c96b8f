import threading
import time
from typing import Any

import pytest

from memory_service.jobs import Nudger


def test_without_a_broker_nudges_are_dropped() -> None:
    nudger = Nudger("")
    nudger.start()
    nudger.nudge("a", "1")
    with pytest.raises(ConnectionError):
        nudger.check()
    nudger.close()


class Recorder(Nudger):
    """Publishes into a list, and waits before the first."""

    def __init__(self) -> None:
        super().__init__("memory://")
        self.batches: list[list[Any]] = []
        self.go = threading.Event()

    def _publish(self, batch: list[Any]) -> None:
        self.go.wait(5)
        self.batches.append(batch)


def test_equal_nudges_that_wait_are_one_and_what_waits_is_published_at_the_end() -> None:
    nudger = Recorder()
    nudger.start()
    nudger.nudge("first")
    while nudger._pending:
        time.sleep(0.001)
    for _ in range(5):
        nudger.nudge("enrich", "tenant")
        nudger.nudge("run", "tenant", "job")
    nudger.go.set()
    nudger.close()
    assert nudger.batches == [[("first", ())], [("enrich", ("tenant",)), ("run", ("tenant", "job"))]]


def test_a_nudge_is_quick_while_the_broker_hangs() -> None:
    nudger = Recorder()
    nudger.start()
    started = time.perf_counter()
    for number in range(20_000):
        nudger.nudge("run", str(number))
    assert time.perf_counter() - started < 2
    assert len(nudger._pending) <= 10_000
    nudger.go.set()
    nudger.close()
