import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from memory_service.api.rate_limit import RateLimiter
from memory_service.api.sharing import Windows
from memory_service.errors import Misconfigured, RateLimited

A, B = UUID(int=1), UUID(int=2)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def used_up(limiter: RateLimiter, key: UUID) -> int | None:
    try:
        limiter.hit(key)
    except RateLimited as error:
        return error.retry_after_s
    return None


def test_a_key_may_ask_as_often_as_its_rate_says_and_no_more() -> None:
    clock = Clock()
    clock.now = 960.0  # A window begins.
    limiter = RateLimiter("3/minute", clock=clock)
    assert [used_up(limiter, A) for _ in range(4)] == [None, None, None, 60]
    assert used_up(limiter, B) is None


def test_the_window_slides() -> None:
    clock = Clock()
    clock.now = 960.0
    limiter = RateLimiter("10/minute", clock=clock)
    for _ in range(10):
        limiter.hit(A)
    clock.now = 1020.0
    assert used_up(limiter, A) is not None
    clock.now = 1050.0
    allowed = [used_up(limiter, A) for _ in range(6)]
    assert allowed[:5] == [None] * 5
    assert allowed[5] is not None
    clock.now = 5000.0
    assert used_up(limiter, A) is None


def test_who_has_long_been_idle_makes_room() -> None:
    clock = Clock()
    limiter = RateLimiter("2/minute", clock=clock, windows=Windows(8))
    for number in range(8):
        limiter.hit(UUID(int=number))
    clock.now += 180
    limiter.hit(A)
    for number in range(100, 107):
        limiter.hit(UUID(int=number))
    limiter.hit(A)  # none of the seven took the place of one who counts
    assert used_up(limiter, A) is not None


def test_processes_that_share_windows_count_together(tmp_path: Path) -> None:
    clock = Clock()
    clock.now = 960.0
    first, second = (RateLimiter("3/minute", clock=clock, windows=Windows(64, tmp_path / "rates")) for _ in range(2))
    assert [used_up(one, A) for one in (first, second, first, second, first)] == [None, None, None, 60, 60]
    assert used_up(second, B) is None


HIT = """
import sys
from pathlib import Path
from memory_service.api.rate_limit import RateLimiter
from memory_service.api.sharing import Windows
limiter = RateLimiter("1000000/hour", clock=lambda: 7200.0, windows=Windows(64, Path(sys.argv[1])))
for _ in range(3000):
    limiter.hit("all the same")
"""


def test_no_count_is_lost_between_processes(tmp_path: Path) -> None:
    file = tmp_path / "rates"
    counting = [subprocess.Popen([sys.executable, "-c", HIT, str(file)]) for _ in range(3)]
    assert [one.wait(timeout=60) for one in counting] == [0, 0, 0]
    with Windows(64, file).of("all the same") as window:
        assert window.count == 9000


@pytest.mark.parametrize("rate", ["", "many", "5 per fortnight"])
def test_a_rate_that_cannot_be_read_is_refused(rate: str) -> None:
    with pytest.raises(Misconfigured, match="MEMORY_SERVICE_RATE_LIMIT"):
        RateLimiter(rate)
