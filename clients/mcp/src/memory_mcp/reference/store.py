"""The graph in the service: elements are memories, read and written in sets."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from memory_client import Memory
from memory_client.errors import MemoryClientError, NamespaceNotFound
from memory_client.fields import MemoryItem

from memory_mcp.failures import ToolFailure, failure_of
from memory_mcp.reference.graph import Element, Entity, Graph, Observation, Relation, assemble
from memory_mcp.reference.records import KEY, Record, element_of, record_of
from memory_mcp.scope import Place
from memory_mcp.tool import Caller

BATCH = 500  # items of one request; the service takes 1,000
BATCH_BYTES = 1_500_000  # of content; the service takes two MiB
MOST_NAMED = 5  # refused elements, in one sentence
PAGE = 1000  # the longest the service gives
NAMES_AT_ONCE = 300  # the service takes 1,000 values per list, and three lists stand in one filter
MOST_READ = 20_000  # elements; more is no answer that a model could read
FOUND = 10  # by meaning

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    """An element and the memory that holds it."""

    id: str
    element: Element


@dataclass(frozen=True, slots=True)
class GraphStore:
    """The graph of one place."""

    caller: Caller
    place: Place

    async def read(self, condition: dict[str, Any] | None = None) -> list[Stored]:
        """Return elements that satisfy a condition, the oldest first.

        Raises:
            ToolFailure: with code `graph_too_large` when there are more than an answer can hold.
        """
        conditions: list[dict[str, Any]] = [{f"metadata.{KEY}.kind": {"exists": True}}]
        if self.place.user_id is not None:
            conditions.append({"user_id": self.place.user_id})
        if condition is not None:
            conditions.append(condition)
        found: list[Stored] = []
        try:
            async for memory in self.caller.client.query(
                {"AND": conditions}, namespace=self.place.namespace, limit=PAGE
            ):
                if (element := _element(memory)) is not None:
                    found.append(Stored(memory.id, element))
        except NamespaceNotFound:
            return []  # Nobody wrote to it yet.
        if len(found) > MOST_READ:
            raise ToolFailure(
                "graph_too_large", f"More than {MOST_READ:,} elements: use search_nodes or open_nodes instead."
            )
        return found[::-1]

    async def about(self, names: Iterable[str]) -> list[Stored]:
        """Return the entities of these names with their observations, and every relation that touches them."""
        parts = [
            await self.read({"OR": [{f"metadata.{KEY}.{end}": {"in": some}} for end in ("entity", "from", "to")]})
            for some in _in_parts(list(dict.fromkeys(names)), NAMES_AT_ONCE)
        ]
        # A relation between names of two parts is in both.
        return list({stored.id: stored for part in parts for stored in part}.values())

    async def names_there(self, names: Iterable[str]) -> set[str]:
        """Return those of the names that entities have."""
        found: set[str] = set()
        for some in _in_parts(list(dict.fromkeys(names)), NAMES_AT_ONCE):
            ids = [record_of(Entity(name, ""), user_id=self.place.user_id).external_id for name in some]
            stored = await self.read({"external_id": {"in": ids}})  # The one condition that an index answers.
            found |= {one.element.name for one in stored if isinstance(one.element, Entity)}
        return found

    async def add(self, elements: Sequence[Element]) -> list[Element]:
        """Store elements and return those that were not there.

        Raises:
            ToolFailure: with code `partly_stored` when the service refused some, or went away midway; the others are stored.
        """
        made: list[Element] = []
        refused: list[str] = []
        for batch in batches(elements, user_id=self.place.user_id):
            items = [self._item(record) for _, _, record in batch]
            try:
                results = (await self.caller.client.add_many(items)).results
            except MemoryClientError as error:
                if (before := batch[0][0] - 1) == 0:
                    raise
                # Not retryable: entities that are there now would be left alone, and with them what they lack.
                but = f" but for {len(refused)} that were refused" if refused else ""
                raise ToolFailure(
                    "partly_stored",
                    f"The first {before} elements were stored{but}, then the call failed ({failure_of(error).code}). "
                    "They are counted as entity, its observations, next entity, … Create the entities that are not there, and "
                    "add what is missing of the others with add_observations, later.",
                ) from error
            for outcome in results:
                position, element, _ = batch[outcome.index]
                if outcome.status == "created":
                    made.append(element)
                elif outcome.status == "rejected":
                    detail = outcome.problem.get("detail") if outcome.problem else "refused"
                    refused.append(f"number {position}: {detail}")
        if refused:
            raise ToolFailure(
                "partly_stored",
                f"{len(made)} elements were stored, {len(refused)} were refused: {'; '.join(refused[:MOST_NAMED])}. "
                "They are counted as entity, its observations, next entity, … Add what is missing with add_observations.",
            )
        return made

    async def archive(self, stored: Iterable[Stored]) -> int:
        """Take elements out of the graph; they can be restored."""
        ids = [one.id for one in stored]
        changed = 0
        for some in _in_parts(ids, NAMES_AT_ONCE):
            changed += (await self.caller.client.archive_many(ids=some, namespace=self.place.namespace)).changed
        return changed

    async def search(self, query: str) -> Graph:
        """Return entities that hold a query as it stands, as the reference server does; where none does, what it means."""
        kinds = {f"metadata.{KEY}.kind": {"in": ["entity", "observation"]}}
        holding = await self.read({"AND": [kinds, {"content": {"icontains": query}}]} if query else kinds)
        elements = [one.element for one in holding]
        if not elements and query.strip():
            elements = await self._meant(query, kinds)
        names = dict.fromkeys(
            e.entity if isinstance(e, Observation) else e.name for e in elements if not isinstance(e, Relation)
        )
        return await self.open(names)

    async def open(self, names: Iterable[str]) -> Graph:
        """Return the entities of these names and every relation that touches them."""
        wanted = set(names)
        graph = assemble(one.element for one in await self.about(wanted)) if wanted else Graph()
        return Graph(tuple(e for e in graph.entities if e.name in wanted), graph.relations)

    async def _meant(self, query: str, kinds: dict[str, Any]) -> list[Element]:
        asked: dict[str, Any] = {"namespace": self.place.namespace, "filter": kinds, "top_k": FOUND}
        if self.place.user_id is not None:
            asked["user_id"] = self.place.user_id
        try:
            found = await self.caller.client.search(query, **asked)
        except NamespaceNotFound:
            return []
        if found.abstain:
            return []
        elements = [_element(result.memory) for result in found.results]
        return [element for element in elements if element is not None]

    def _item(self, record: Record) -> MemoryItem:
        return {
            "content": record.content,
            "title": record.title,
            "external_id": record.external_id,
            "entities": list(record.entities),
            "metadata": dict(record.metadata),
            "memory_type": "semantic",
            "namespace": self.place.namespace,
            "user_id": self.place.user_id,
            "agent_id": self.place.agent_id,
        }


def _element(memory: Memory) -> Element | None:
    return element_of(external_id=memory.external_id, content=memory.content, metadata=memory.metadata)


def batches(elements: Iterable[Element], *, user_id: str | None) -> Iterator[list[tuple[int, Element, Record]]]:
    """Cut elements, each with its number from 1 and its record, into requests that the service takes."""
    batch: list[tuple[int, Element, Record]] = []
    size = 0
    for number, element in enumerate(elements, 1):
        record = record_of(element, user_id=user_id)
        more = len(record.content.encode())
        if batch and (len(batch) == BATCH or size + more > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((number, element, record))
        size += more
    if batch:
        yield batch


def _in_parts(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(whole), size):
        yield whole[start : start + size]
