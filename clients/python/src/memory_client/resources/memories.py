"""Memories: remember, find, read, correct, forget. These are the calls on the client itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from memory_client import models
from memory_client.calls import Bound, E, call, listing
from memory_client.encoding import refuse
from memory_client.fields import renamed, stated
from memory_client.operation import Ask

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import (
        Id,
        ListFields,
        MemoryItem,
        Message,
        MessagesFields,
        Order,
        SupersedeFields,
        Time,
        UpdateFields,
    )
    from memory_client.models import (
        Added,
        AddedMany,
        AddedMessages,
        Changed,
        Diff,
        Link,
        Memory,
        Provenance,
        Recall,
        RetentionCourse,
        Started,
        Version,
    )
    from memory_client.operation import Reading, Versioned, Writing


class Memories(Bound[E]):
    """Calls about memories."""

    @call("POST", "/v1/memories")
    def _add_one(self, /, **fields: Any) -> Ask[Added[E]]:
        return Ask(models.Added, body=stated(fields))

    @call("POST", "/v1/memories/batch")
    def add_many(self, items: Iterable[MemoryItem | str], **options: Unpack[Writing]) -> Ask[AddedMany[E]]:
        """Remember up to 1,000 texts; a bad one is rejected in its place and never fails its neighbours.

        Args:
            items: texts, or dicts with the fields of ``add`` and ``content``.
            options: see :class:`Writing`.
        """
        bodies = [
            {"content": one} if isinstance(one, str) else stated(fields_of(one, f"/items/{index}"))
            for index, one in enumerate(_several("items", items))
        ]
        return Ask(models.AddedMany, body={"items": bodies})

    @call("POST", "/v1/messages")
    def add_messages(
        self, messages: Iterable[Message | str], **fields: Unpack[MessagesFields]
    ) -> Ask[AddedMessages[E]]:
        """Remember turns of one conversation, in order, each verbatim; a repeated text is a new turn.

        Args:
            messages: dicts of ``role``, ``content``, ``name``, ``observed_at`` and ``external_id``; a text is the user's turn.
            fields: ``namespace``, ``user_id``, ``agent_id``, ``session_id`` and so on, see :class:`MessagesFields`.
        """
        turns = [
            {"role": "user", "content": one} if isinstance(one, str) else stated(fields_of(one, f"/messages/{index}"))
            for index, one in enumerate(_several("messages", messages))
        ]
        return Ask(models.AddedMessages, body={"messages": turns, **stated(fields)})

    @call("GET", "/v1/memories/{memory_id}")
    def get(self, memory_id: Id, *, as_of: Time | None = None, **options: Unpack[Reading]) -> Ask[Memory]:
        """Return one memory, now or as it was known at a time.

        Raises:
            MemoryNotFound: there is none.
            Gone: it was erased.
        """
        return Ask(models.Memory, memory_id, query={"as_of": as_of})

    @listing("GET", "/v1/memories")
    def list(self, **fields: Unpack[ListFields]) -> Ask[Memory]:
        """List memories, newest first unless ``order`` says otherwise; archived and expired ones when ``state`` says so.

        ``limit`` is the size of a page.
        """
        return Ask(models.Memory, query=renamed(fields))

    @listing("POST", "/v1/memories/query")
    def query(
        self,
        filter: Mapping[str, Any] | None = None,  # The word of the service.
        *,
        namespace: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        order: Order | None = None,
        **options: Unpack[Reading],
    ) -> Ask[Memory]:
        """List memories that a filter selects, newest first unless ``order`` says otherwise. ``limit`` is the size of a page."""
        asked = {"filter": filter, "namespace": namespace, "limit": limit, "cursor": cursor, "order": order}
        return Ask(models.Memory, body=stated(asked))

    @call("PATCH", "/v1/memories/{memory_id}", keyed=True)
    def update(self, memory_id: Id, **fields: Unpack[UpdateFields]) -> Ask[Memory]:
        """Change fields of a memory as its next version; what is absent stays, None clears.

        Raises:
            VersionConflict: ``if_match`` is not the present version.
        """
        return Ask(models.Memory, memory_id, body=renamed(fields))

    @call("POST", "/v1/memories/{memory_id}/supersede")
    def supersede(self, memory_id: Id, content: str, **fields: Unpack[SupersedeFields]) -> Ask[Added[E]]:
        """Put a new memory in the place of an old one, whose validity ends where the new one's begins.

        Raises:
            Conflict: it is superseded or archived already.
        """
        return Ask(models.Added, memory_id, body={"content": content, **stated(fields)})

    @call("DELETE", "/v1/memories/{memory_id}")
    def delete(self, memory_id: Id, *, erase: bool = False, **options: Unpack[Versioned]) -> Ask[Started[E] | None]:
        """Archive a memory, which ``restore`` takes back; or erase it for good, as a job that is returned."""
        return Ask(models.Started, memory_id, query={"erase": erase or None})

    @call("POST", "/v1/memories/{memory_id}/archive")
    def archive(self, memory_id: Id, **options: Unpack[Versioned]) -> Ask[Memory]:
        """Take a memory out of every search, until it is restored."""
        return Ask(models.Memory, memory_id)

    @call("POST", "/v1/memories/{memory_id}/restore")
    def restore(self, memory_id: Id, **options: Unpack[Versioned]) -> Ask[Memory]:
        """Bring an archived or expired memory back."""
        return Ask(models.Memory, memory_id)

    @call("POST", "/v1/memories/{memory_id}/pin")
    def pin(self, memory_id: Id, **options: Unpack[Versioned]) -> Ask[Memory]:
        """Keep a memory from fading."""
        return Ask(models.Memory, memory_id)

    @call("POST", "/v1/memories/{memory_id}/unpin")
    def unpin(self, memory_id: Id, **options: Unpack[Versioned]) -> Ask[Memory]:
        """Let a memory fade again."""
        return Ask(models.Memory, memory_id)

    @call("POST", "/v1/memories/{memory_id}/reinstate")
    def reinstate(self, memory_id: Id, **options: Unpack[Versioned]) -> Ask[Memory]:
        """Take a supersede back: the old memory, which is returned, holds as before; what took its place is archived.

        Raises:
            Conflict: it is not superseded, or not by a caller, or what took its place was superseded itself.
        """
        return Ask(models.Memory, memory_id)

    @call("POST", "/v1/memories/archive")
    def archive_many(
        self,
        *,
        filter: Mapping[str, Any] | None = None,
        ids: Iterable[Id] | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
        **options: Unpack[Writing],
    ) -> Ask[Changed]:
        """Archive every memory that a filter or a list of ids selects; ``dry_run`` only counts them."""
        return Ask(models.Changed, body=_selection(filter, ids, namespace, dry_run))

    @call("POST", "/v1/memories/restore")
    def restore_many(
        self,
        *,
        filter: Mapping[str, Any] | None = None,
        ids: Iterable[Id] | None = None,
        namespace: str | None = None,
        dry_run: bool = False,
        **options: Unpack[Writing],
    ) -> Ask[Changed]:
        """Restore every memory that a filter or a list of ids selects; ``dry_run`` only counts them."""
        return Ask(models.Changed, body=_selection(filter, ids, namespace, dry_run))

    @listing("GET", "/v1/memories/{memory_id}/versions")
    def history(self, memory_id: Id, *, limit: int | None = None, **options: Unpack[Reading]) -> Ask[Version]:
        """List every state a memory has had, newest first."""
        return Ask(models.Version, memory_id, query={"limit": limit})

    @call("GET", "/v1/memories/{memory_id}/diff")
    def diff(self, memory_id: Id, from_: int, to: int, **options: Unpack[Reading]) -> Ask[Diff]:
        """Compare two versions of a memory."""
        return Ask(models.Diff, memory_id, query={"from": from_, "to": to})

    @call("GET", "/v1/memories/{memory_id}/provenance")
    def provenance(self, memory_id: Id, **options: Unpack[Reading]) -> Ask[Provenance]:
        """Return where a memory comes from and what replaced it, as a graph."""
        return Ask(models.Provenance, memory_id)

    @listing("GET", "/v1/memories/{memory_id}/links")
    def links(self, memory_id: Id, *, limit: int | None = None, **options: Unpack[Reading]) -> Ask[Link]:
        """List the edges that touch a memory, newest first."""
        return Ask(models.Link, memory_id, query={"limit": limit})

    @call("GET", "/v1/memories/{memory_id}/retention")
    def retention(self, memory_id: Id, **options: Unpack[Reading]) -> Ask[RetentionCourse]:
        """Return how firmly a memory holds, how it came to that, and how it will fade if nobody recalls it."""
        return Ask(models.RetentionCourse, memory_id)

    @listing("GET", "/v1/memories/{memory_id}/recalls")
    def recalls(self, memory_id: Id, *, limit: int | None = None, **options: Unpack[Reading]) -> Ask[Recall]:
        """List the recalls of a memory that were reinforced or judged, newest first."""
        return Ask(models.Recall, memory_id, query={"limit": limit})


def _several(name: str, given: Iterable[Any]) -> Iterable[Any]:
    """Return a list as it is; going through a text would store its letters, and through a dict the names of its fields.

    Raises:
        ValidationFailed: it is a single one.
    """
    if isinstance(given, str | bytes | bytearray | Mapping):
        raise refuse(f"/{name}", "is a single one; put it into a list, or use add for one memory")
    return given


def fields_of(one: Any, pointer: str) -> Mapping[str, Any]:
    """Return an item of a list that is no text.

    Raises:
        ValidationFailed: it is no dict either.
    """
    if not isinstance(one, Mapping):
        raise refuse(pointer, f"is a {type(one).__name__}; it can be a text or a dict")
    return one


def _selection(
    chosen: Mapping[str, Any] | None, ids: Iterable[Any] | None, namespace: str | None, dry_run: bool
) -> dict[str, Any]:
    return stated(
        {
            "filter": chosen,
            "ids": None if ids is None else [str(one) for one in ids],
            "namespace": namespace,
            "dry_run": dry_run,
        }
    )
