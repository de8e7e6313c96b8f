"""When items end, and when reading one is worth a write."""

from __future__ import annotations

from datetime import datetime, timedelta

# Refreshing at every read would make a version of the memory each time. So an item is given a little more than its time, and
# refreshed only once that is used up: it ends between one and 1.05 times its TTL after it was last touched, never earlier.
SLACK = 0.05


def expiry(ttl_minutes: float, *, now: datetime) -> datetime:
    """Return when an item that is touched now ends.

    >>> from datetime import timezone
    >>> expiry(60, now=datetime(2026, 1, 1, tzinfo=timezone.utc)).isoformat()
    '2026-01-01T01:03:00+00:00'

    Raises:
        ValueError: the TTL is negative, no number, or leads beyond the calendar.
    """
    if not ttl_minutes >= 0:
        raise ValueError(f"A TTL is a number of minutes from 0 on, not {ttl_minutes!r}.")
    try:
        return now + timedelta(minutes=ttl_minutes * (1 + SLACK))
    except OverflowError as error:
        raise ValueError(f"A TTL of {ttl_minutes!r} minutes leads beyond the calendar.") from error


def is_stale(expires_at: datetime, ttl_minutes: float, *, now: datetime) -> bool:
    """Say whether an item that is read now would end before its TTL is over."""
    return expires_at - now < timedelta(minutes=ttl_minutes)
