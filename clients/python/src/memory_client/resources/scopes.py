"""Where memories live and whose they are: namespaces, users, agents, sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.group_fields import InNamespace
    from memory_client.models import ErasureStarted, Memory, Namespace, Scope
    from memory_client.operation import Reading, Writing


class Namespaces(Resource[E]):
    """Calls about namespaces."""

    @listing("GET", "/v1/namespaces")
    def list(
        self,
        *,
        prefix: str | None = None,
        occupied: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[Namespace]:
        """List namespaces in order of path; ``occupied`` leaves out those without a live memory."""
        query = {"prefix": prefix, "occupied": occupied or None, "limit": limit, "cursor": cursor}
        return Ask(models.Namespace, query=query)

    @call("POST", "/v1/namespaces")
    def create(
        self, path: str, *, settings: Mapping[str, Any] | None = None, **options: Unpack[Writing]
    ) -> Ask[Namespace]:
        """Make a namespace, or return it when it is there; the first write to one makes it, too."""
        return Ask(models.Namespace, body=stated({"path": path, "settings": settings}))

    @call("GET", "/v1/namespaces/{path}")
    def get(self, path: str, **options: Unpack[Reading]) -> Ask[Namespace]:
        """Return one namespace with its settings and the number of its memories.

        Raises:
            NamespaceNotFound: nothing was written there yet.
        """
        return Ask(models.Namespace, path)

    @call("PATCH", "/v1/namespaces/{path}")
    def update(self, path: str, settings: Mapping[str, Any], **options: Unpack[Reading]) -> Ask[Namespace]:
        """Change settings of a namespace; None goes back to the default."""
        return Ask(models.Namespace, path, body={"settings": settings})


class Users(Resource[E]):
    """Calls about users."""

    @listing("GET", "/v1/users")
    def list(self, **where: Unpack[InNamespace]) -> Ask[Scope]:
        """List users in order of id, with how much is remembered of each."""
        return Ask(models.Scope, query=where)

    @call("DELETE", "/v1/users/{user_id}")
    def delete(
        self, user_id: str, *, namespace: str | None = None, erase: bool = False, **options: Unpack[Reading]
    ) -> Ask[ErasureStarted[E]]:
        """Archive all memories of a user; or erase them for good. Either is a job."""
        return Ask(models.ErasureStarted, user_id, query={"namespace": namespace, "erase": erase or None})


class Agents(Resource[E]):
    """Calls about agents."""

    @listing("GET", "/v1/agents")
    def list(self, **where: Unpack[InNamespace]) -> Ask[Scope]:
        """List agents in order of id, with how much is remembered of each."""
        return Ask(models.Scope, query=where)

    @call("DELETE", "/v1/agents/{agent_id}")
    def delete(
        self, agent_id: str, *, namespace: str | None = None, erase: bool = False, **options: Unpack[Reading]
    ) -> Ask[ErasureStarted[E]]:
        """Archive all memories of an agent; or erase them for good. Either is a job."""
        return Ask(models.ErasureStarted, agent_id, query={"namespace": namespace, "erase": erase or None})


class Sessions(Resource[E]):
    """Calls about sessions."""

    @listing("GET", "/v1/sessions")
    def list(self, **where: Unpack[InNamespace]) -> Ask[Scope]:
        """List sessions in order of id, with how much is remembered of each."""
        return Ask(models.Scope, query=where)

    @call("DELETE", "/v1/sessions/{session_id}")
    def delete(
        self, session_id: str, *, namespace: str | None = None, erase: bool = False, **options: Unpack[Reading]
    ) -> Ask[ErasureStarted[E]]:
        """Archive all memories of a session; or erase them for good. Either is a job."""
        return Ask(models.ErasureStarted, session_id, query={"namespace": namespace, "erase": erase or None})

    @listing("GET", "/v1/sessions/{session_id}/messages")
    def messages(self, session_id: str, **where: Unpack[InNamespace]) -> Ask[Memory]:
        """List the memories of a session, oldest first."""
        return Ask(models.Memory, session_id, query=where)
