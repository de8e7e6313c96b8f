"""How often one key may ask, or one address try to log in."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from limits import parse

from memory_service.errors import Misconfigured, RateLimited

MAX_KEYS = 10_000


@dataclass(slots=True)
class _Window:
    index: int
    count: int
    before: int  # How many there were in the window before this one.


class RateLimiter:
    """A sliding window per key, approximated from the counts of two fixed windows.

    ``limits`` reads the rate ("600/minute"); its in-memory storage is not used, because it starts a timer thread on
    the request path. Used from the event loop only, so it needs no lock.
    """

    def __init__(
        self, rate: str, *, may: str = "This key may ask", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the rate; ``may`` begins the sentence of a refusal.

        Raises:
            Misconfigured: the rate cannot be read.
        """
        try:
            item = parse(rate)
        except ValueError as error:
            raise Misconfigured(
                f"MEMORY_SERVICE_RATE_LIMIT is {rate!r}; write it as 600/minute or 100000/hour."
            ) from error
        self.amount: int = item.amount
        self.window_s: int = item.get_expiry()
        self._may = may
        self._clock = clock
        self._windows: dict[Hashable, _Window] = {}

    def hit(self, who: Hashable) -> None:
        """Count one request.

        Raises:
            RateLimited: whoever asks has used up the rate.
        """
        index, into = divmod(self._clock(), self.window_s)
        window = self._windows.get(who)
        if window is None:
            if len(self._windows) >= MAX_KEYS:
                self._forget_idle(int(index))
            window = self._windows[who] = _Window(int(index), 0, 0)
        elif window.index != index:
            window.before = window.count if window.index == index - 1 else 0
            window.index, window.count = int(index), 0
        left = 1 - into / self.window_s
        if window.count + window.before * left >= self.amount:
            wait = self.window_s - into if window.count >= self.amount else self.window_s / max(window.before, 1)
            raise RateLimited(
                f"{self._may} {self.amount:,} times in {self.window_s:,} seconds and has done so.",
                retry_after_s=max(1, round(wait)),
            )
        window.count += 1

    def _forget_idle(self, index: int) -> None:
        idle = [key for key, window in self._windows.items() if window.index < index - 1]
        # Should all be busy, the oldest half starts afresh: a bound on memory matters more than exact counts.
        for key in idle or list(self._windows)[: MAX_KEYS // 2]:
            del self._windows[key]
