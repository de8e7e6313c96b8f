"""``add``: one call for a text, a memory, a conversation and a list of memories.

The type of its answer follows from the type of what is added. A decorator cannot carry overloads over, so the two kinds of
``add`` are written down as protocols; what it does is defined once, below them.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

from memory_client.async_executor import AsyncExecutor
from memory_client.calls import Bound, E, Procedure
from memory_client.encoding import refuse
from memory_client.fields import Message
from memory_client.operation import OPTIONS
from memory_client.resources.memories import Memories, fields_of
from memory_client.sync_executor import SyncExecutor

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from memory_client.fields import AddFields
    from memory_client.flow import Flow
    from memory_client.models import Added, AddedMany, AddedMessages

TURN = frozenset(Message.__annotations__)


class Add(Protocol):
    """``add`` of a client that blocks."""

    @overload
    def __call__(self, content: str | Mapping[str, Any], **fields: Unpack[AddFields]) -> Added[SyncExecutor]: ...
    @overload
    def __call__(
        self, content: list[Any] | tuple[Any, ...], **fields: Unpack[AddFields]
    ) -> AddedMessages[SyncExecutor] | AddedMany[SyncExecutor]: ...


class AsyncAdd(Protocol):
    """``add`` of a client that awaits."""

    @overload
    def __call__(
        self, content: str | Mapping[str, Any], **fields: Unpack[AddFields]
    ) -> Coroutine[Any, Any, Added[AsyncExecutor]]: ...
    @overload
    def __call__(
        self, content: list[Any] | tuple[Any, ...], **fields: Unpack[AddFields]
    ) -> Coroutine[Any, Any, AddedMessages[AsyncExecutor] | AddedMany[AsyncExecutor]]: ...


class Adding(Procedure[..., Any]):
    """The method ``add``, typed by what is added."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type, /) -> Self: ...
        @overload
        def __get__(self, instance: Bound[SyncExecutor], owner: type, /) -> Add: ...
        @overload
        def __get__(self, instance: Bound[AsyncExecutor], owner: type, /) -> AsyncAdd: ...
        def __get__(self, instance: Any, owner: type, /) -> Any: ...


class AddingMemories(Memories[E]):
    """Calls about memories, ``add`` among them."""

    @Adding
    def add(self, content: Any, **fields: Any) -> Flow[Any]:
        """Remember a text, a memory, a conversation or a list of memories.

        Args:
            content: a text or a dict with ``content`` is one memory. A list whose items are all turns (dicts of ``role`` and
                ``content``, and at most ``name``, ``observed_at`` and ``external_id``) is a conversation, as in
                ``add_messages``; any other list is a batch, as in ``add_many``, for which ``fields`` holds what all share.
            fields: of a memory and of a batch ``namespace``, ``user_id``, ``agent_id``, ``session_id`` or ``run_id``, ``tags``,
                ``metadata`` and so on, see :class:`NewMemory`. A conversation takes those of :class:`MessagesFields` alone,
                without ``tags`` and ``metadata``, and is refused with others; turns of which each brings ``tags`` or
                ``metadata`` of its own are a batch.

        Returns:
            The memory; for a list, the ids (``memories``) of what was stored. ``wait()`` of either waits until the background
            has read it.

        Raises:
            ValidationFailed: there is no text, or a field is wrong, or not for what is added.
            TooLarge: the text is a document; see ``documents.add``.
        """
        if isinstance(content, str):
            return (yield from Memories._add_one.flow(self, **{**fields, "content": content}))
        if isinstance(content, Mapping):
            return (yield from Memories._add_one.flow(self, **{**fields, **content}))
        if not isinstance(content, Iterable) or isinstance(content, bytes | bytearray):
            raise refuse("/content", f"is a {type(content).__name__}; add takes a text, a dict or a list of them")
        items = list(content)
        if is_conversation(items):
            return (yield from Memories.add_messages.flow(self, items, **fields))
        options = {name: fields.pop(name) for name in OPTIONS if name in fields}
        shared: list[Any] = [
            {**fields, **({"content": one} if isinstance(one, str) else fields_of(one, f"/items/{index}"))}
            for index, one in enumerate(items)
        ]
        return (yield from Memories.add_many.flow(self, shared, **options))


def is_conversation(items: Sequence[Any]) -> bool:
    """Say whether every item is a turn and nothing more.

    >>> is_conversation([{"role": "user", "content": "Hello"}])
    True
    >>> is_conversation([{"role": "user", "content": "Hello", "tags": ["greeting"]}])
    False
    """
    return bool(items) and all(isinstance(one, Mapping) and {"role", "content"} <= one.keys() <= TURN for one in items)
