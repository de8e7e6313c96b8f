"""The order of moments: a change never before the change that came first, an end never before its beginning."""

from collections.abc import Iterable
from datetime import datetime

from memory_service.errors import FieldError, InvalidRequest
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


def check_validity(valid_from: datetime | None, valid_to: datetime | None) -> None:
    """Refuse a validity that ends before it begins.

    Raises:
        InvalidRequest: naming `/valid_to`.
    """
    if valid_from is not None and valid_to is not None and valid_to < valid_from:
        raise inverted_validity()


def inverted_validity() -> InvalidRequest:
    """Return the error for a validity that ends before it begins."""
    detail = "valid_to lies before valid_from."
    return InvalidRequest(detail, errors=(FieldError("/valid_to", detail),))
