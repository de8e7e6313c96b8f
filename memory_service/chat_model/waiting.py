"""How long to wait before an endpoint is asked again. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

FIRST_WAIT_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 8.0


def retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read a Retry-After header in seconds from now; None where there is none or it says nothing (RFC 9110, 10.2.3).

    >>> moment = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    >>> retry_after("7", now=moment), retry_after("Thu, 26 Nov 2026 12:00:30 GMT", now=moment)
    (7.0, 30.0)
    >>> retry_after("soon", now=moment), retry_after("-1", now=moment), retry_after(None, now=moment)
    (None, None, None)
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # A server that says more is not coming back.
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def backoff(failures: int, *, chance: float) -> float:
    """Return how long to wait after so many failures in a row: doubling, and spread, so that many clients do not return at once.

    Args:
        failures: 1 or more.
        chance: 0 to 1, drawn by the caller.

    >>> backoff(1, chance=1.0), backoff(2, chance=1.0), backoff(2, chance=0.0), backoff(9, chance=1.0)
    (0.5, 1.0, 0.5, 8.0)
    """
    longest = min(FIRST_WAIT_S * 2.0 ** (failures - 1), LONGEST_BACKOFF_S)
    return longest * (0.5 + chance / 2)
