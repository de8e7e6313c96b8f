"""How often one key may ask, or one address try to log in."""

import time
from collections.abc import Callable, Hashable

from limits import parse

from memory_service.api.sharing import Windows
from memory_service.errors import Misconfigured, RateLimited

SLOTS = 65_536  # for those that are counted, two megabytes


class RateLimiter:
    """A sliding window per key, approximated from the counts of two fixed windows.

    ``limits`` reads the rate ("600/minute"); its in-memory storage is not used, because it starts a timer thread on
    the request path. Used from the event loop only; between processes the windows are locked.
    """

    def __init__(
        self,
        rate: str,
        *,
        may: str = "This key may ask",
        clock: Callable[[], float] = time.monotonic,
        windows: Windows | None = None,
    ) -> None:
        """Read the rate; ``may`` begins the sentence of a refusal, ``windows`` are those of all processes.

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
        self._windows = windows or Windows(SLOTS)

    def hit(self, who: Hashable) -> None:
        """Count one request.

        Raises:
            RateLimited: whoever asks has used up the rate.
        """
        index, into = divmod(self._clock(), self.window_s)
        ends = (index + 1) * self.window_s
        with self._windows.of(who) as window:
            if window.until != ends:
                window.before = window.count if window.until == ends - self.window_s else 0
                window.until, window.count = ends, 0
            left = 1 - into / self.window_s
            if window.count + window.before * left >= self.amount:
                wait = self.window_s - into if window.count >= self.amount else self.window_s / max(window.before, 1)
                raise RateLimited(
                    f"{self._may} {self.amount:,} times in {self.window_s:,} seconds and has done so.",
                    retry_after_s=max(1, round(wait)),
                )
            window.count += 1
