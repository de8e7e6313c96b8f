"""What all answers share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")


class Answer(BaseModel):
    """Something the service answers; fields that this client does not know are kept as they come."""

    # Schemas are built when first used: a program that searches does not pay for eighty other answers.
    model_config = ConfigDict(extra="allow", defer_build=True, protected_namespaces=())


class Page(Answer, Generic[T]):
    """A part of a list."""

    data: list[T]
    next_cursor: str | None = None
    has_more: bool = False

    def __iter__(self) -> Iterator[T]:  # type: ignore[override]  # A page is its items, not pairs of its fields.
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)
