"""The orders in which memories are listed, and places in them from which a list goes on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from memory_service.storage.sql import Row, Sql


class ListOrder(StrEnum):
    """What the list of memories is sorted by; equal ones stand in the order of their ids."""

    NEWEST = "newest"  # stored last
    OLDEST = "oldest"
    LATEST_OBSERVED = "latest_observed"
    EARLIEST_OBSERVED = "earliest_observed"
    LATEST_UPDATED = "latest_updated"
    MOST_IMPORTANT = "most_important"


@dataclass(frozen=True, slots=True)
class _By:
    """A column of `memory` that is not null, its type, and whether large values come first."""

    column: str
    type: str
    descending: bool


# An id begins with the moment in which it was made, so that by itself it is the order of storing.
_BY: Final = {
    ListOrder.LATEST_OBSERVED: _By("observed_at", "timestamptz", True),
    ListOrder.EARLIEST_OBSERVED: _By("observed_at", "timestamptz", False),
    ListOrder.LATEST_UPDATED: _By("updated_at", "timestamptz", True),
    ListOrder.MOST_IMPORTANT: _By("importance", "float8", True),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a memory stands in a list: its id, and before it what the list is sorted by."""

    id: UUID
    value: datetime | float | None = None

    def __str__(self) -> str:
        """Write it as `place_in` reads it."""
        if self.value is None:
            return str(self.id)
        return f"{self.value.isoformat() if isinstance(self.value, datetime) else repr(self.value)} {self.id}"


def place_in(order: ListOrder, written: str) -> Place:
    """Read a place.

    Raises:
        ValueError: it is none of this order.

    >>> str(place_in(ListOrder.MOST_IMPORTANT, "0.25 00000000-0000-0000-0000-000000000001"))
    '0.25 00000000-0000-0000-0000-000000000001'
    """
    by = _BY.get(order)
    value, _, memory_id = written.rpartition(" ")
    if by is None:
        return Place(UUID(written))
    if by.type == "float8":
        return Place(UUID(memory_id), float(value))
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    return Place(UUID(memory_id), moment)


def place_of(order: ListOrder, row: Row) -> Place:
    """Return where a record stands."""
    by = _BY.get(order)
    return Place(row["id"], None if by is None else row[by.column])


def columns_of(order: ListOrder) -> str:
    """Return what rows `m` are sorted by, for an ORDER BY."""
    by = _BY.get(order)
    if by is None:
        return f"m.id {'DESC' if order is ListOrder.NEWEST else 'ASC'}"
    direction = "DESC" if by.descending else "ASC"
    return f"m.{by.column} {direction}, m.id {direction}"


def beyond(order: ListOrder, place: Place | None) -> Sql:
    """Return the condition that rows `m` come after a place; all do where there is none."""
    if place is None:
        return Sql("true")
    by = _BY.get(order)
    if by is None:
        return Sql(f"m.id {'<' if order is ListOrder.NEWEST else '>'} :place_id", {"place_id": place.id})
    return Sql(
        f"(m.{by.column}, m.id) {'<' if by.descending else '>'} (CAST(:place_value AS {by.type}), CAST(:place_id AS uuid))",
        {"place_value": place.value, "place_id": place.id},
    )


def by_id(order: ListOrder) -> bool:
    """Say whether an index of ids has the order already."""
    return order not in _BY
