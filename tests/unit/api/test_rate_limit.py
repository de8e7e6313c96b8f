from uuid import UUID

import pytest

from memory_service.api import rate_limit
from memory_service.api.rate_limit import RateLimiter
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


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_KEYS", 10)
    limiter = RateLimiter("5/minute", clock=Clock())
    for number in range(100):
        limiter.hit(UUID(int=number))
    assert len(limiter._windows) <= 10


@pytest.mark.parametrize("rate", ["", "many", "5 per fortnight"])
def test_a_rate_that_cannot_be_read_is_refused(rate: str) -> None:
    with pytest.raises(Misconfigured, match="MEMORY_SERVICE_RATE_LIMIT"):
        RateLimiter(rate)
