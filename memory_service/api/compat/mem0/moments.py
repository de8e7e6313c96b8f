"""Times as mem0 writes them (a date, a time with or without a zone, Unix seconds) and as this service does."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Never

from memory_service.errors import FieldError, InvalidRequest

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)


def rfc3339_of(value: Any, pointer: str, *, end_of_day: bool = False) -> str:
    """Return a time as RFC 3339 in UTC. What has no zone is taken for UTC, a date for the beginning of its day.

    >>> rfc3339_of("2024-07-01", ""), rfc3339_of("2024-07-01", "", end_of_day=True)
    ('2024-07-01T00:00:00Z', '2024-07-01T23:59:59.999999Z')
    >>> rfc3339_of(1719792000, ""), rfc3339_of("2024-07-01T02:00:00+02:00", "")
    ('2024-07-01T00:00:00Z', '2024-07-01T00:00:00Z')

    Args:
        value: a date, a time or Unix seconds.
        pointer: where it stands in the request.
        end_of_day: a date means the last moment of its day.

    Raises:
        InvalidRequest: it is none of these.
    """
    moment = _moment(value, pointer)
    if end_of_day and isinstance(value, str) and _DATE.match(value):
        moment += _DAY - _TICK
    return moment.isoformat().replace("+00:00", "Z")


def _moment(value: Any, pointer: str) -> datetime:
    try:
        if isinstance(value, bool):
            raise ValueError("true and false are no times")
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass  # Whatever it is that cannot be read, the caller is told what can.
    _refuse(pointer, "is no time: write it as 2024-07-01, 2024-07-01T10:00:00Z or Unix seconds")


def expiry_of(value: Any, pointer: str) -> datetime:
    """Return the moment at which a memory with this expiration date ends: the date is its last day.

    >>> expiry_of("2024-07-01", "").isoformat()
    '2024-07-02T00:00:00+00:00'

    Raises:
        InvalidRequest: it is no date.
    """
    try:
        if isinstance(value, str) and _DATE.match(value):
            return datetime.combine(date.fromisoformat(value) + _DAY, time(), UTC)
    except (ValueError, OverflowError):
        pass  # There is no such day.
    _refuse(pointer, "is no date of the form YYYY-MM-DD")


def expiration_date_of(expires_at: str | None) -> str | None:
    """Return the last day of a memory, as a date.

    >>> expiration_date_of("2024-07-02T00:00:00Z"), expiration_date_of("2024-07-02T09:00:00Z"), expiration_date_of(None)
    ('2024-07-01', '2024-07-02', None)
    """
    if expires_at is None:
        return None
    return (datetime.fromisoformat(expires_at) - _TICK).date().isoformat()


def _refuse(pointer: str, detail: str) -> Never:
    raise InvalidRequest(f"{pointer}: {detail}", errors=(FieldError(pointer, detail),))
