from collections.abc import Callable

from tests.waiting import eventually

PATIENCE_S = 5.0


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something holds, at most `PATIENCE_S`."""
    assert eventually(condition, timeout_s=PATIENCE_S, every_s=0.002)
