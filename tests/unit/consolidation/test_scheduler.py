"""Beat goes on when the clock is set back: while it waited for a time that had been, nothing was swept."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from consolidation.worker.application import SWEEP_EVERY_S, app
from consolidation.worker.scheduler import Scheduler
from memory_service.pulse import PULSES, pulse_of

HOUR_S = 3600


@pytest.fixture
def beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Any]]:
    """Return a function that sets the clock by so many seconds and starts beat; what it sends is in `sent`."""
    started: list[Any] = []
    real, ahead = Celery.now, [timedelta()]
    monkeypatch.setattr(Celery, "now", lambda self: real(self) + ahead[0])

    class Beat(Scheduler):
        producer = None  # There is no broker.

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.sent: list[str] = []
            super().__init__(*args, **kwargs)

        def apply_entry(self, entry: Any, producer: Any = None) -> None:
            self.sent.append(entry.name)

        def run(self, seconds: float, *, clock: float) -> None:
            """Let it beat for so long, beginning with a clock that is wrong by so much."""
            self.sent.clear()
            passed = 0.0
            while passed < seconds:
                ahead[0] = timedelta(seconds=clock + passed)
                passed += max(self.tick(), 0.01)

    def start(seconds: float) -> Any:
        ahead[0] = timedelta(seconds=seconds)
        started.append(Beat(app, schedule_filename=str(tmp_path / "beat")))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_a_clock_that_is_set_back_holds_no_sweep_up(beats: Callable[[float], Any]) -> None:
    beat = beats(0)
    beat.run(3 * SWEEP_EVERY_S, clock=0)
    assert beat.sent.count("sweep") in {2, 3}
    beat.run(3 * SWEEP_EVERY_S, clock=-HOUR_S)
    assert beat.sent.count("sweep") in {2, 3}, "as often as before, not an hour later"
    beat.run(3 * SWEEP_EVERY_S, clock=HOUR_S)
    assert beat.sent.count("sweep") in {2, 3, 4}, "and no oftener once it is set on"


def test_what_a_beat_wrote_down_by_a_wrong_clock_holds_the_next_one_up_no_longer(beats: Callable[[float], Any]) -> None:
    wrong = beats(24 * HOUR_S)
    wrong.run(2 * SWEEP_EVERY_S, clock=24 * HOUR_S)
    wrong.close()
    right = beats(0)
    right.run(3 * SWEEP_EVERY_S, clock=0)
    assert right.sent.count("sweep") in {2, 3}


def test_beat_says_that_it_lives(
    beats: Callable[[float], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PULSES, str(tmp_path))
    beat = beats(0)
    assert pulse_of(tmp_path, "beat") == 0
    beat.run(1, clock=0)
    assert (pulse_of(tmp_path, "beat") or 0) > 0
