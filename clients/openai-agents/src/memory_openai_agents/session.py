"""The session."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from agents.memory import SessionSettings
from agents.memory.session_settings import coerce_session_settings, resolve_session_limit
from memory_client.batches import batches

from memory_openai_agents.items import Place, Whole, bodies_of, whole_items

if TYPE_CHECKING:
    from agents.items import TResponseInputItem
    from memory_client import AsyncMemoryClient

PAGE = 1_000
MOST_AT_ONCE = 50  # memories in one call: a run waits for it


class ItemsRejected(ValueError):
    """The service refused items of a session; the others are stored."""


class MemoryServiceSession:
    """The history of a conversation for `Runner.run(…, session=…)`, kept as memories.

    What was said is remembered like everything else: it is found by meaning in every later session of the namespace, and read
    for facts in the background. Calls of tools come back with the history, but are not found by searches.

    Args:
        session_id: which conversation; at most 256 characters.
        client: how the service is reached; the session does not close it.
        namespace: where what is said lies. Calls of tools lie below it, in `tool-items`.
        user_id: whose conversation it is; a session of another user with the same id is another one.
        agent_id: with which agent.
        session_settings: how many items a run is given, when not all.
    """

    def __init__(
        self,
        session_id: str,
        client: AsyncMemoryClient,
        *,
        namespace: str = "default",
        user_id: str | None = None,
        agent_id: str | None = None,
        session_settings: SessionSettings | dict[str, Any] | None = None,
    ) -> None:
        self.session_id = session_id
        self.session_settings: SessionSettings | None = coerce_session_settings(session_settings or SessionSettings())
        self._client = client
        self._place = Place(namespace, session_id, user_id, agent_id)

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the history, oldest first; with a limit the latest items."""
        limit = resolve_session_limit(limit, self.session_settings)
        if limit is not None and limit <= 0:
            return []
        newest = await self._newest(limit)
        return [one.item for one in reversed(newest)]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add to the history, in order.

        Raises:
            ItemsRejected: the service refused some; the others are stored.
        """
        now = datetime.now(timezone.utc)
        bodies = [body for item in items for body in bodies_of(_mapping(item), self._place, now=now)]
        for some in batches(bodies, most=MOST_AT_ONCE):
            answer = await self._client.add_many(some)  # type: ignore[arg-type]  # MemoryItems.
            if answer.rejected:
                problem = answer.rejected[0].problem or {}
                raise ItemsRejected(f"{len(answer.rejected)} items were refused: {problem.get('detail')}")

    async def pop_item(self) -> TResponseInputItem | None:
        """Take the latest item out of the history and return it; of two at once each gets an item of its own."""
        while True:
            newest = await self._newest(1)
            if not newest:
                return None
            changed = await self._client.archive_many(ids=newest[0].ids)
            if changed.changed:
                return newest[0].item  # type: ignore[no-any-return]  # As it was added.

    async def clear_session(self) -> None:
        """Take everything out of the history."""
        while True:
            page = await self._client.query(self._place.filter(), limit=PAGE).page()
            if not page.data:
                return
            await self._client.archive_many(ids=[memory.id for memory in page.data])

    async def _newest(self, limit: int | None) -> list[Whole]:
        """Return the latest items, newest first, all of them for None."""
        found: list[Any] = []
        whole: list[Whole] = []
        pages = self._client.query(self._place.filter(), limit=PAGE if limit is None else min(limit + 8, PAGE)).pages()
        async for page in pages:
            found += page.data
            whole = whole_items(found)
            if limit is not None and len(whole) >= limit:
                break
        return whole if limit is None else whole[:limit]


def _mapping(item: Any) -> dict[str, Any]:
    """Return an item as JSON: the SDK hands over dicts, and models where a caller made one."""
    dump = getattr(item, "model_dump", None)
    return dump(exclude_unset=True, mode="json") if dump is not None else dict(item)
