"""Find memories for a conversation and write them into its messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from memory_service.analysis.trust import is_low
from memory_service.api.chat_proxy.conversation import places_of, query_of, text_of, with_block, with_note
from memory_service.api.chat_proxy.layouts import Laid, Layout, Layouts, Placed
from memory_service.api.chat_proxy.options import ChatMemoryIn
from memory_service.api.chat_proxy.prompt import Chosen, LeftOut, choose, eligible
from memory_service.api.searching import count_tokens, search
from memory_service.api.services import Services
from memory_service.errors import NamespaceNotFound
from memory_service.lifecycle.reinforce import reinforce
from memory_service.storage import kv_memories, memories
from memory_service.storage.sql import Row
from memory_service.types import Caller, State
from retrieval.memory_block import Used, block_of
from retrieval.packing import Order
from retrieval.recalled import Recalled
from retrieval.request import CountTokens
from retrieval.results import Result


@dataclass(frozen=True, slots=True)
class Recollection:
    """A conversation with what was remembered for it; `search_id` is None where nothing was looked for."""

    messages: Sequence[Any]
    used: tuple[Used, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    tokens: int = 0
    search_id: str | None = None
    blocks: tuple[tuple[Row, ...], ...] = field(default=(), repr=False)  # of memories, in the order of the prompt
    kv: Mapping[str, Any] | None = None  # how the prompt was planned for an engine that loads caches
    called_for: tuple[Result, ...] = field(default=(), repr=False)  # what this turn found, of what is used

    def document(self) -> dict[str, Any]:
        """Return which memories were used, as an answer says it."""
        return {
            "search_id": self.search_id,
            "memories": [{"id": str(one.id), "version": one.version, "marker": one.marker} for one in self.used],
            "left_out": [{"id": str(one.id), "reason": one.reason} for one in self.left_out],
            "tokens": self.tokens,
            **({"kv": dict(self.kv)} if self.kv is not None else {}),
        }


def recollect(
    request: Request,
    services: Services,
    layouts: Layouts,
    caller: Caller,
    options: ChatMemoryIn,
    messages: Sequence[Any],
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
    kept, left_out = eligible(recalled.results, said=said, top_k=options.top_k)
    writing = _Writing(
        messages=messages,
        places=places_of(messages, scope=(*options.scope, options.layout_key)),
        budget=options.token_budget,
        order=Order(options.order),
        count=lambda texts: count_tokens(services, texts),
    )
    written = None
    if writing.order is Order.STABLE and (before := _before(layouts, caller, writing.places)) is not None:
        rows = _rows(services, caller, before)
        written = writing.continued(before, rows, kept) if rows is not None else None
    if written is None:
        written = writing.anew(kept)
    if writing.order is Order.STABLE:
        layouts.keep(caller.tenant_id, writing.place, written.layout)
    shown = {one.id for one in written.used}
    left_out += [LeftOut(result.found.id, "budget") for result in kept if result.found.id not in shown]
    return Recollection(
        written.messages,
        written.used,
        tuple(left_out),
        written.tokens,
        document["search_id"],
        written.blocks,
        called_for=tuple(result for result in kept if result.found.id in shown),
    )


def _before(layouts: Layouts, caller: Caller, places: Mapping[int, str]) -> Layout | None:
    """Return the layout of the longest part of a conversation that one is known of."""
    for place in reversed(list(places.values())):
        layout = layouts.find(caller.tenant_id, place)
        if layout is not None:
            return layout
    return None


def _rows(services: Services, caller: Caller, layout: Layout) -> Mapping[UUID, Row] | None:
    """Return the memories of a layout, None where one of them is not any more what it was."""
    placed = [one for laid in layout for one in laid.memories]
    if not placed:
        return {}
    with services.database.transaction(caller.tenant_id, durable=False) as session:
        rows = memories.get_records(session, caller.tenant_id, [one.id for one in placed])
        if not all(_as_it_was(rows.get(one.id), one, services) for one in placed):
            return None
        # Another version may show the same: whoever gives a memory a tag does not want conversations worked through anew.
        moved_on = {one.id: one.version for one in placed if rows[one.id]["version"] != one.version}
        return rows if kv_memories.shows_the_same(session, caller.tenant_id, moved_on) else None


def _as_it_was(row: Row | None, placed: Placed, services: Services) -> bool:
    return (
        row is not None
        and row["superseded_by"] == placed.superseded_by
        and row["state"] not in {State.ARCHIVED, State.EXPIRED, State.MERGED}
        and (row["expires_at"] is None or row["expires_at"] > services.clock())
        and not is_low(row["trust"])
    )


@dataclass(frozen=True, slots=True)
class _Written:
    """Messages with memories, and where those stand."""

    messages: Sequence[Any]
    layout: Layout
    used: tuple[Used, ...]
    tokens: int
    blocks: tuple[tuple[Row, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class _Writing:
    """Writes memories into one conversation."""

    messages: Sequence[Any]
    places: Mapping[int, str]  # of the user's turns, by index
    budget: int
    order: Order
    count: CountTokens

    @property
    def place(self) -> str:
        """Return the place of the last turn of the user."""
        return self.places[max(self.places)]

    def anew(self, kept: Sequence[Result]) -> _Written:
        """Put all memories in front."""
        chosen = choose(kept, budget=self.budget, first=True, order=self.order, count=self.count)
        return self._written((self._laid(chosen),), {result.found.id: result.row for result in chosen.results})

    def continued(self, before: Layout, rows: Mapping[UUID, Row], kept: Sequence[Result]) -> _Written | None:
        """Leave what stands where it stands and add what is new before the last turn; None where there is no room for it."""
        there = {one.id for laid in before for one in laid.memories}
        fresh = [result for result in kept if result.found.id not in there]
        again = before[-1].place == self.place
        if again and fresh and max(self.places) == len(self.messages) - 1:
            # The same words asked anew, since when there is more to know.
            return None
        spent = sum(laid.tokens for laid in before)
        if again or not fresh:
            # Sent again, or a step with tools within a turn: the same prompt as far as it goes.
            return self._written(before, rows) if spent <= self.budget else None
        chosen = choose(fresh, budget=self.budget - spent, first=not there, order=self.order, count=self.count)
        if len(chosen.results) < len(fresh):
            return None
        added = {result.found.id: result.row for result in chosen.results}
        return self._written((*before, self._laid(chosen)), {**rows, **added})

    def _laid(self, chosen: Chosen) -> Laid:
        placed = tuple(Placed(r.found.id, r.row["version"], r.row["superseded_by"]) for r in chosen.results)
        return Laid(self.place, placed, chosen.tokens)

    def _written(self, layout: Layout, rows: Mapping[UUID, Row]) -> _Written:
        index_of = {place: at for at, place in self.places.items()}
        messages, front = list(self.messages), ""
        used: tuple[Used, ...] = ()
        blocks: list[tuple[Row, ...]] = []
        for laid in layout:
            if not laid.memories:
                continue
            blocks.append(tuple(rows[one.id] for one in laid.memories))
            block, added = block_of(blocks[-1], first=len(used) + 1)
            if not used:
                front = block
            else:
                messages = with_note(messages, index_of[laid.place], block)
            used = (*used, *added)
        tokens = sum(laid.tokens for laid in layout)
        return _Written(with_block(messages, front), layout, used, tokens, tuple(blocks))


def reinforce_used(services: Services, caller: Caller, recollection: Recollection) -> None:
    """Count a recall for each memory that a turn called for and its prompt was given."""
    if recollection.search_id is None or not recollection.called_for:
        return
    with services.database.transaction(caller.tenant_id) as session:
        reinforce(
            session, caller.tenant_id, UUID(recollection.search_id), recollection.called_for, now=services.clock()
        )
