import time
from collections.abc import Callable

PATIENCE_S = 5.0


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until something holds, at most `PATIENCE_S`."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)
