"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable
from typing import Any


def eventually(condition: Callable[[], Any], *, timeout_s: float, every_s: float = 0.05) -> bool:
    """Tell whether a condition held within so many seconds; asked once more before it says no."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return bool(condition())
        time.sleep(every_s)
    return True
