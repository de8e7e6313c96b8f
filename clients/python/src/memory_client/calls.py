"""Methods that are defined once and serve both clients.

A method builds a value and never does I/O. What is done with the value depends on the executor of the object that the method
is called on: with a `SyncExecutor` the call returns its answer, with an `AsyncExecutor` a coroutine of it. Type checkers follow
through the overloads of ``__get__``: parameters, defaults and docstrings are those of the one definition.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from memory_client.async_executor import AsyncExecutor
from memory_client.executor import Executor
from memory_client.operation import OPTIONS, Ask, Operation, Route, operation_of
from memory_client.paging import AsyncPaged, Listing, Paged
from memory_client.sync_executor import SyncExecutor

if TYPE_CHECKING:
    from typing_extensions import Self

    from memory_client.flow import Emission, Flow

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=Executor, covariant=True)


class Bound(Generic[E]):
    """Something whose methods are carried out by an executor."""

    _executor: E


class _Method(Generic[P, T]):
    """What all kinds of methods share: one definition, bound to the executor of the object it is looked up on."""

    def __init__(self, define: Callable[..., Any]) -> None:
        self.define = define
        self.__doc__ = define.__doc__
        self.__name__ = define.__name__
        self.__wrapped__ = define

    def __set_name__(self, owner: type, name: str) -> None:
        self.__qualname__ = f"{owner.__qualname__}.{name}"


class Call(_Method[P, T]):
    """One call of the service."""

    def __init__(self, route: Route, define: Callable[Concatenate[Any, P], Ask[T]]) -> None:
        super().__init__(define)
        self.route = route

    def operation(self, instance: Any, /, *args: P.args, **kwargs: P.kwargs) -> Operation[T]:
        """Return the call as a value; the options every call takes are read here, so that definitions only name them."""
        options = {name: kwargs.pop(name) for name in OPTIONS if name in kwargs}
        return operation_of(self.route, self.define(instance, *args, **kwargs), options)

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: Bound[SyncExecutor], owner: type, /) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Bound[AsyncExecutor], owner: type, /) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type, /) -> Any:
        if instance is None:
            return self
        return _bind(self.define, instance, lambda *args, **kwargs: self.flow(instance, *args, **kwargs))

    def flow(self, instance: Any, /, *args: P.args, **kwargs: P.kwargs) -> Flow[T]:
        """Return the flow of the call, as a step of a longer one."""
        answer = yield from instance._executor.exchange(self.operation(instance, *args, **kwargs))
        if isinstance(answer, Bound):
            answer._executor = instance._executor
        return answer  # type: ignore[no-any-return]  # exchange() gives what the operation says: T.


class Procedure(_Method[P, T]):
    """Several calls that make one answer."""

    def __init__(self, define: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        super().__init__(define)

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: Bound[SyncExecutor], owner: type, /) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Bound[AsyncExecutor], owner: type, /) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type, /) -> Any:
        if instance is None:
            return self
        return _bind(self.define, instance, lambda *args, **kwargs: self.define(instance, *args, **kwargs))


class Stream(_Method[P, T]):
    """A call whose answer comes piece by piece."""

    def __init__(self, route: Route, define: Callable[Concatenate[Any, P], Emission[T]]) -> None:
        super().__init__(define)
        self.route = route

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: Bound[SyncExecutor], owner: type, /) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Bound[AsyncExecutor], owner: type, /) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: type, /) -> Any:
        if instance is None:
            return self

        @wraps(self.define.__get__(instance))
        def iterate(*args: Any, **kwargs: Any) -> Any:
            return instance._executor.iterate(self.define(instance, *args, **kwargs))

        return iterate


class Lister(_Method[P, T]):
    """A call whose answers are pages of items."""

    def __init__(self, route: Route, define: Callable[Concatenate[Any, P], Ask[T]]) -> None:
        super().__init__(define)
        self.route = route

    def listing(self, instance: Any, /, *args: P.args, **kwargs: P.kwargs) -> Listing[T]:
        """Return the list as a value."""
        options = {name: kwargs.pop(name) for name in OPTIONS if name in kwargs}
        return Listing(self.route, self.define(instance, *args, **kwargs), options)

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(self, instance: Bound[SyncExecutor], owner: type, /) -> Callable[P, Paged[T]]: ...
    @overload
    def __get__(self, instance: Bound[AsyncExecutor], owner: type, /) -> Callable[P, AsyncPaged[T]]: ...
    def __get__(self, instance: Any, owner: type, /) -> Any:
        if instance is None:
            return self
        executor = instance._executor
        kind = AsyncPaged if isinstance(executor, AsyncExecutor) else Paged

        @wraps(self.define.__get__(instance))
        def paged(*args: Any, **kwargs: Any) -> Any:
            return kind(executor, self.listing(instance, *args, **kwargs))

        return paged


def _bind(define: Callable[..., Any], instance: Any, flow: Callable[..., Flow[Any]]) -> Callable[..., Any]:
    executor, define = instance._executor, define.__get__(instance)  # Bound, its signature is without `self`.
    if isinstance(executor, AsyncExecutor):

        @wraps(define)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return await executor.run(flow(*args, **kwargs))

        return awaited

    @wraps(define)
    def called(*args: Any, **kwargs: Any) -> Any:
        return executor.run(flow(*args, **kwargs))

    return called


def call(
    method: str, path: str, *, keyed: bool | None = None
) -> Callable[[Callable[Concatenate[Any, P], Ask[T]]], Call[P, T]]:
    """Make a method of a definition that returns what to ask.

    Every POST carries an Idempotency-Key, those that only read ignore it; ``keyed`` says so for other methods.
    """
    route = Route(method, path, keyed=method == "POST" if keyed is None else keyed)
    return lambda define: Call(route, define)


def stream(method: str, path: str) -> Callable[[Callable[Concatenate[Any, P], Emission[T]]], Stream[P, T]]:
    """Make a method of a flow that emits items."""
    return lambda define: Stream(Route(method, path), define)


def listing(method: str, path: str) -> Callable[[Callable[Concatenate[Any, P], Ask[T]]], Lister[P, T]]:
    """Make a method of a definition that returns what to ask for a page, and the type of an item."""
    return lambda define: Lister(Route(method, path), define)
