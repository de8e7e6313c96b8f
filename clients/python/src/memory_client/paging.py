"""Lists that page by themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from memory_client import models
from memory_client.flow import Emission, emit
from memory_client.operation import Ask, Operation, Route, operation_of

if TYPE_CHECKING:
    from memory_client.async_executor import AsyncExecutor
    from memory_client.executor import Executor
    from memory_client.models import Page
    from memory_client.sync_executor import SyncExecutor

T = TypeVar("T")


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list as a value: what is asked for one page of it."""

    route: Route
    ask: Ask[T]
    options: Mapping[str, Any]

    def operation(self, cursor: str | None) -> Operation[Page[T]]:
        """Return the call for the page at a cursor, the first one for None."""
        here = {} if cursor is None else {"cursor": cursor}
        query, body = self.ask.query, self.ask.body
        if body is None:
            query = {**(query or {}), **here}
        else:
            body = {**body, **here}
        page: type[Page[T]] = models.Page[self.ask.answer]  # type: ignore[name-defined]  # The item type, known as a value only.
        return operation_of(self.route, Ask(page, *self.ask.path, query=query, body=body), self.options)

    def pages(self, executor: Executor) -> Emission[Page[T]]:
        """Emit page after page."""
        cursor: str | None = None
        while True:
            page = yield from executor.exchange(self.operation(cursor))
            yield from emit(page)
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    def items(self, executor: Executor) -> Emission[T]:
        """Emit item after item."""
        cursor: str | None = None
        while True:
            page = yield from executor.exchange(self.operation(cursor))
            for item in page.data:
                yield from emit(item)
            if page.next_cursor is None:
                return
            cursor = page.next_cursor


class Paged(Generic[T]):
    """A list of the service; iterating goes through all of it, page by page. Nothing is asked before."""

    def __init__(self, executor: SyncExecutor, listing: Listing[T]) -> None:
        self._executor, self._listing = executor, listing

    def __repr__(self) -> str:
        return f"<{self._listing.route.path} of the service, asked when iterated; page() and pages() give pages>"

    def __iter__(self) -> Iterator[T]:
        return self._executor.iterate(self._listing.items(self._executor))

    def pages(self) -> Iterator[Page[T]]:
        """Go through the pages."""
        return self._executor.iterate(self._listing.pages(self._executor))

    def page(self, cursor: str | None = None) -> Page[T]:
        """Return one page, the first unless a cursor is given."""
        return self._executor.perform(self._listing.operation(cursor))


class AsyncPaged(Generic[T]):
    """A list of the service; iterating goes through all of it, page by page; awaiting it gives the first page."""

    def __init__(self, executor: AsyncExecutor, listing: Listing[T]) -> None:
        self._executor, self._listing = executor, listing

    def __repr__(self) -> str:
        return f"<{self._listing.route.path} of the service, asked when iterated; awaiting it gives the first page>"

    def __aiter__(self) -> AsyncIterator[T]:
        return self._executor.iterate(self._listing.items(self._executor))

    def __await__(self) -> Generator[Any, Any, Page[T]]:
        return self.page().__await__()

    def pages(self) -> AsyncIterator[Page[T]]:
        """Go through the pages."""
        return self._executor.iterate(self._listing.pages(self._executor))

    async def page(self, cursor: str | None = None) -> Page[T]:
        """Return one page, the first unless a cursor is given."""
        return await self._executor.perform(self._listing.operation(cursor))
