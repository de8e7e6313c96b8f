"""Nudges over a real broker, and over none."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from memory_service.embedded.broker import EmbeddedBroker
from memory_service.jobs import QUEUE, Nudger


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "var") as running:
        yield running


def queued(broker: EmbeddedBroker) -> list[str]:
    with redis.Redis(unix_socket_path=str(broker.socket)) as connection:
        found = [json.loads(raw) for raw in connection.lrange(QUEUE, 0, -1)]
    return [each["headers"]["task"] for each in found]


def wait_for(broker: EmbeddedBroker, count: int) -> list[str]:
    deadline = time.monotonic() + 10
    while len(found := queued(broker)) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def test_nudges_arrive_and_the_broker_may_come_and_go(broker: EmbeddedBroker) -> None:
    nudger = Nudger(broker.url)
    nudger.start()
    try:
        nudger.check()
        nudger.nudge("consolidation.run_job", "tenant", "job")
        assert wait_for(broker, 1) == ["consolidation.run_job"]

        broker.child.stop(hurry=True)
        with pytest.raises(ConnectionError):
            nudger.check()
        started = time.perf_counter()
        for number in range(50):
            nudger.nudge("consolidation.run_job", "tenant", str(number))
        assert time.perf_counter() - started < 2
        while nudger._pending:
            time.sleep(0.01)

        broker.launch()
        deadline = time.monotonic() + 10
        while not broker._answers() and time.monotonic() < deadline:
            time.sleep(0.02)
        nudger.check()
        nudger.nudge("consolidation.enrich", "tenant")
        assert "consolidation.enrich" in wait_for(broker, 2)
    finally:
        nudger.close()


def test_a_broker_that_accepts_and_never_answers_is_given_up_on() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        nudger = Nudger(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        nudger.start()
        try:
            started = time.perf_counter()
            with pytest.raises(ConnectionError):
                nudger.check()
            assert time.perf_counter() - started < 5
            nudger.nudge("consolidation.enrich", "tenant")
        finally:
            nudger.close()
