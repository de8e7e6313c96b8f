"""The moment of a change, never before the change that came first."""

from collections.abc import Iterable
from datetime import datetime

from memory_service.storage.sql import Row


def not_before(now: datetime, rows: Iterable[Row]) -> datetime:
    """Return the moment of a change to locked rows.

    A request reads the clock, then waits for the lock of another that read it later: without this a version would be
    known until before it was known from, and no search as of that time would find it.

    >>> early, late = datetime(2024, 1, 1), datetime(2024, 1, 2)
    >>> not_before(early, [{"updated_at": late}]) == late == not_before(late, [{"updated_at": early}])
    True
    """
    latest: datetime = max([now, *(row["updated_at"] for row in rows)])
    return latest
