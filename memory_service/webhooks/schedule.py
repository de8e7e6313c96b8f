"""When a message is tried again, when it is given up, and when a receiver is left alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FACTOR: Final = 4  # from one try to the next: eight of them, from five seconds on, span four to eight hours
LONGEST: Final = timedelta(hours=12)
LONGEST_PAUSE: Final = timedelta(minutes=5)  # of a whole receiver: one that is back is noticed soon
LONGEST_WISH: Final = timedelta(hours=1)  # what Retry-After may ask for
MESSAGE_OK: Final = range(200, 300)
GONE: Final = 410  # "do not call again", says the specification


@dataclass(frozen=True, slots=True)
class Schedule:
    """How patient deliveries are."""

    attempts: int = 8
    first_wait: timedelta = timedelta(seconds=5)
    disable_after: timedelta = timedelta(days=5)

    def wait(self, attempts: int, *, chance: float, wish: timedelta | None = None) -> timedelta | None:
        """Return how long to wait after so many failed attempts, None when there is no further one.

        Args:
            attempts: how many there were, at least 1.
            chance: a random number from 0 to 1: half of the wait is left to it, so that messages that failed together do not
                come back together.
            wish: what the receiver asked for.

        >>> Schedule().wait(1, chance=1).total_seconds(), Schedule().wait(3, chance=0).total_seconds()
        (5.0, 40.0)
        >>> Schedule().wait(8, chance=1) is None
        True
        >>> spans = [[Schedule().wait(n, chance=chance) for n in range(1, 8)] for chance in (0, 1)]
        >>> [round(sum(waits, timedelta()) / timedelta(hours=1), 1) for waits in spans]
        [3.8, 7.6]
        """
        if attempts >= self.attempts:
            return None
        longest = min(self.first_wait * float(FACTOR) ** min(attempts - 1, 20), LONGEST)
        wait = longest * (0.5 + chance / 2)
        return max(wait, min(wish, LONGEST_WISH)) if wish is not None else wait

    def pause(self, failures: int, *, chance: float) -> timedelta:
        """Return how long a receiver is left alone after so many failures in a row, whatever waits for it.

        >>> Schedule().pause(1, chance=1).total_seconds(), Schedule().pause(9, chance=1).total_seconds()
        (5.0, 300.0)
        """
        return min(self.first_wait * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE) * (0.5 + chance / 2)

    def gives_up_on(self, failing_since: datetime, *, now: datetime) -> bool:
        """Say whether a receiver has failed for so long that it is asked no more."""
        return now - failing_since >= self.disable_after
