"""Find memories for a conversation and write them into its messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from memory_service.api.chat_proxy.conversation import query_of, text_of, with_block
from memory_service.api.chat_proxy.options import ChatMemoryIn
from memory_service.api.chat_proxy.prompt import Block, build_block
from memory_service.api.searching import count_tokens, search
from memory_service.api.services import Services
from memory_service.errors import NamespaceNotFound
from memory_service.lifecycle.reinforce import reinforce
from memory_service.types import Caller
from retrieval.packing import Order
from retrieval.recall import Recalled
from retrieval.results import Result

_NOTHING = Block("", (), (), 0)


@dataclass(frozen=True, slots=True)
class Recollection:
    """A conversation with what was remembered for it; `search_id` is None where nothing was looked for."""

    messages: Sequence[Any]
    block: Block = _NOTHING
    search_id: str | None = None
    used: tuple[Result, ...] = field(default=(), repr=False)

    def document(self) -> dict[str, Any]:
        """Return which memories were used, as an answer says it."""
        return {
            "search_id": self.search_id,
            "memories": [{"id": str(one.id), "version": one.version, "marker": one.marker} for one in self.block.used],
            "left_out": [{"id": str(one.id), "reason": one.reason} for one in self.block.left_out],
            "tokens": self.block.tokens,
        }


def recollect(
    request: Request, services: Services, caller: Caller, options: ChatMemoryIn, messages: Sequence[Any]
) -> Recollection:
    """Search for what a conversation asks, and put what was found into its messages.

    Where nothing can be looked for, no words or no such namespace yet, the conversation is left as it is.
    """
    query = query_of(messages)
    if not options.search or not query:
        return Recollection(messages)
    said = frozenset(text for message in messages if (text := text_of(message).strip()))
    found: list[tuple[Recalled, Mapping[str, Any]]] = []

    def keep(recalled: Recalled, document: dict[str, Any]) -> Response:
        found.append((recalled, document))
        return Response()

    try:
        search(request, services, caller, options.search_for(query, more=len(said)), keep)
    except NamespaceNotFound:
        # Its first turn has yet to be remembered.
        return Recollection(messages)
    recalled, document = found[0]
    block = build_block(
        recalled.results,
        said=said,
        top_k=options.top_k,
        budget=options.token_budget,
        order=Order(options.order),
        count=lambda texts: count_tokens(services, texts),
    )
    shown = {one.id for one in block.used}
    used = tuple(result for result in recalled.results if result.found.id in shown)
    return Recollection(with_block(messages, block.text), block, document["search_id"], used)


def reinforce_used(services: Services, caller: Caller, recollection: Recollection) -> None:
    """Count a recall for each memory that a prompt was given."""
    if recollection.search_id is None or not recollection.used:
        return
    with services.database.transaction(caller.tenant_id) as session:
        reinforce(session, caller.tenant_id, UUID(recollection.search_id), recollection.used, now=services.clock())
