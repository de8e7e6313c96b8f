"""Ctrl-C and friends, turned into a question that every waiting loop asks."""

import signal
import time
from types import FrameType
from typing import Self

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A terminal, `make` and `timeout` may each deliver the same wish; only a later signal means impatience.
SAME_WISH_S = 1.0


class StopRequested(BaseException):
    """Somebody asked the service to stop; like KeyboardInterrupt it passes every handler of errors."""


class StopSignal:
    """Remembers that a stop was asked for, and whether it was asked for again."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._hurry = False
        self._before: dict[int, signal._HANDLER] = {}

    @property
    def requested(self) -> bool:
        """Tell whether to stop."""
        return self._first is not None

    @property
    def hurry(self) -> bool:
        """Tell whether to stop without waiting for anybody."""
        return self._hurry

    def check(self, _waited_s: float = 0) -> None:
        """Leave the present work when a stop was asked for.

        Raises:
            StopRequested: it was.
        """
        if self.requested:
            raise StopRequested

    def _notice(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
        elif now - self._first > SAME_WISH_S:
            self._hurry = True

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._notice) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
