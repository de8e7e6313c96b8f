"""Search, context, and why: calls on the client itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_client import models
from memory_client.calls import Bound, E, call
from memory_client.fields import stated
from memory_client.operation import Ask

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import ContextFields, Id, SearchFields
    from memory_client.models import Context, Feedback, SearchAnswer, Trace, WhyNot
    from memory_client.operation import Reading, Writing


class Searching(Bound[E]):
    """Calls that find."""

    @call("POST", "/v1/search")
    def search(self, query: str, **fields: Unpack[SearchFields]) -> Ask[SearchAnswer]:
        """Find memories.

        Args:
            query: what is asked, in words.
            fields: ``namespace`` (or ``namespaces``, or ``namespace_prefix``), ``user_id``, ``agent_id``, ``session_id`` or
                ``run_id``, ``filter``, ``top_k`` and so on, see :class:`SearchFields`.

        Raises:
            NamespaceNotFound: nothing was written there yet.
        """
        return Ask(models.SearchAnswer, body={"query": query, **stated(fields)})

    @call("POST", "/v1/context")
    def context(self, query: str, **fields: Unpack[ContextFields]) -> Ask[Context]:
        """Find memories and pack them for a prompt, within ``token_budget`` and with citations.

        Args:
            query: what is asked, in words.
            fields: as of ``search``, and ``format`` and ``order``, see :class:`ContextFields`.

        Raises:
            NamespaceNotFound: nothing was written there yet.
        """
        return Ask(models.Context, body={"query": query, **stated(fields)})

    @call("GET", "/v1/traces/{search_id}")
    def trace(self, search_id: Id, *, replay: bool = False, **options: Unpack[Reading]) -> Ask[Trace]:
        """Return what a search asked, found and nearly found; ``replay`` searches again with what was known then."""
        return Ask(models.Trace, search_id, query={"replay": replay or None})

    @call("POST", "/v1/traces/{search_id}/why-not")
    def why_not(self, search_id: Id, memory_id: Id, **options: Unpack[Reading]) -> Ask[WhyNot]:
        """Return where a memory fell out of a search, and why."""
        return Ask(models.WhyNot, search_id, body={"memory_id": str(memory_id)})

    @call("POST", "/v1/traces/{search_id}/feedback")
    def feedback(
        self, search_id: Id, memory_id: Id, *, useful: bool = True, cited: bool = False, **options: Unpack[Writing]
    ) -> Ask[Feedback]:
        """Say whether a found memory was of use: useful ones hold longer, others fade sooner."""
        return Ask(models.Feedback, search_id, body={"memory_id": str(memory_id), "useful": useful, "cited": cited})

    @call("DELETE", "/v1/traces/{search_id}/feedback/{memory_id}")
    def take_back_feedback(self, search_id: Id, memory_id: Id, **options: Unpack[Writing]) -> Ask[Feedback]:
        """Take back what was said of a found memory: it holds as firmly as if nothing had been said.

        Raises:
            NotFound: nothing was said of this result.
            Conflict: it was said before the service kept what feedback changes.
        """
        return Ask(models.Feedback, search_id, memory_id)
