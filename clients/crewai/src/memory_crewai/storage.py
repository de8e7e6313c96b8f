"""The storage."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from crewai.memory.types import MemoryRecord, ScopeInfo
from memory_client import NamespaceNotFound
from memory_client.batches import batches

from memory_crewai.errors import RecordRejected
from memory_crewai.places import check_root, child_of, path_of, scope_of
from memory_crewai.records import body_of, fields_of, matches, narrowing, record_of
from memory_crewai.vectors import carried, carry

if TYPE_CHECKING:
    from memory_client import Memory, MemoryClient
    from memory_client.models import Result

MOST_FOUND = 200  # results of one search
MOST_LISTED = 1_000  # memories in one page, or ids in one call
MOST_NAMESPACES = 200  # in one page
BALANCED = 50  # Candidates of each kind in a large namespace; who wants more results needs more of them.


class MemoryServiceStorage:
    """A `StorageBackend` of CrewAI whose records are memories of the memory service.

    Give it to a memory with its embedder: `Memory(storage=storage, embedder=storage.embedder)`. The service encodes texts
    itself and finds by meaning and by words, so no embedding model has to be set up.

    Args:
        client: how the service is reached; it is not closed here. Threads may share it.
        namespace: the namespace below which all scopes lie. Storages with different ones see nothing of each other.
        user_id: whose memories they are; others' are not seen.

    Raises:
        ValueError: the namespace is no path.
    """

    embedder = staticmethod(carry)

    def __init__(self, client: MemoryClient, *, namespace: str = "crewai", user_id: str | None = None) -> None:
        self._client = client
        self._root = check_root(namespace)
        self._user_id = user_id

    def __deepcopy__(self, memo: dict[int, Any]) -> MemoryServiceStorage:
        """Return the storage itself: copies of a crew share its connections."""
        return self

    def save(self, records: list[MemoryRecord]) -> None:
        """Store records, each in the place of the one that has its id in this scope.

        Raises:
            RecordRejected: the service refused some; the others are stored.
            ValueError, TypeError: one of them cannot be a memory; none was stored.
        """
        refused: list[tuple[str, str]] = []
        for bodies in batches([body_of(record, self._root, user_id=self._user_id) for record in records]):
            answer = self._client.add_many(bodies)  # type: ignore[arg-type]  # fields of a MemoryItem
            for result in answer.results:
                if result.status == "rejected":
                    refused.append((bodies[result.index]["external_id"], _detail(result.problem)))
        if refused:
            raise RecordRejected(refused)

    def search(
        self,
        query_embedding: list[float],
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        metadata_filter: dict[str, Any] | None = None,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[MemoryRecord, float]]:
        """Return the records that come closest to the text of a vector, best first, with their likeness from 0 to 1.

        The order is the service's. What it found by words comes before what is nearer in meaning alone, so a record counts as
        at least as near as those after it.

        Raises:
            NotOurVector: the vector was made by another embedder.
        """
        question = carried(query_embedding)
        if limit <= 0 or not any(one.isprintable() and not one.isspace() for one in question):
            return []
        terms = narrowing(user_id=self._user_id, categories=categories, metadata=metadata_filter)
        # What a filter of the service cannot say is looked for further down.
        enough = MOST_FOUND if metadata_filter else min(limit, MOST_FOUND)
        try:
            found = self._client.search(
                question,
                namespace_prefix=path_of(self._root, scope_prefix),
                filter={"AND": terms},
                top_k=enough,
                preset="balanced" if enough <= BALANCED else "thorough",
            )
        except NamespaceNotFound:  # Nothing was remembered there yet.
            return []
        ranked = [
            (record_of(one.memory, self._root), likeness)
            for one, likeness in zip(found.results, _likenesses(found.results), strict=True)
        ]
        return [
            (record, score)
            for record, score in ranked
            if score >= min_score and matches(record, categories=categories, metadata=metadata_filter)
        ][:limit]

    def delete(
        self,
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        record_ids: list[str] | None = None,
        older_than: datetime | None = None,
        metadata_filter: dict[str, Any] | None = None,
    ) -> int:
        """Archive the records that fit all that is said, all of them where nothing is; return how many.

        What is archived is found no more, and the service can restore it. An empty list fits nothing.
        """
        if categories == [] or record_ids == []:
            return 0
        ids = None if record_ids is None else list(dict.fromkeys(record_ids))
        gone = 0
        for at in range(0, len(ids) if ids is not None else 1, MOST_LISTED):
            terms = narrowing(
                user_id=self._user_id, categories=categories, metadata=metadata_filter, older_than=older_than,
                ids=ids and ids[at : at + MOST_LISTED],
            )  # fmt: skip
            chosen = [
                memory.id
                for memory in self._memories(scope_prefix, terms)
                if matches(record_of(memory, self._root), categories=categories, metadata=metadata_filter)
            ]
            gone += self._archive(chosen)
        return gone

    def update(self, record: MemoryRecord) -> None:
        """Put a record in the place of the one with its id, as its next version; one with a new scope moves there.

        Raises:
            RecordRejected: the service refused it.
        """
        old = self._memory(record.id)
        if old is not None and old.namespace == path_of(self._root, record.scope):
            self._client.update(old.id, **fields_of(record))
            return
        self.save([record])
        if old is not None:
            self._archive([old.id])

    def get_record(self, record_id: str) -> MemoryRecord | None:
        """Return a record, None when there is none with this id."""
        memory = self._memory(record_id)
        return None if memory is None else record_of(memory, self._root)

    def list_records(self, scope_prefix: str | None = None, limit: int = 200, offset: int = 0) -> list[MemoryRecord]:
        """Return records at and below a scope, the last one saved first."""
        if limit <= 0 or offset < 0:
            return []
        found: list[MemoryRecord] = []
        for at, record in enumerate(self._records(scope_prefix)):
            if at >= offset:
                found.append(record)
            if len(found) == limit:
                break
        return found

    def get_scope_info(self, scope: str) -> ScopeInfo:
        """Return what there is at and below a scope; every record there is read."""
        path = scope_of(self._root, path_of(self._root, scope))
        records = list(self._records(path))
        moments = [record.created_at for record in records]
        children = {child_of(path, record.scope) for record in records} - {None}
        return ScopeInfo(
            path=path,
            record_count=len(records),
            categories=sorted({category for record in records for category in record.categories}),
            oldest_record=min(moments, default=None),
            newest_record=max(moments, default=None),
            child_scopes=sorted(str(child) for child in children),
        )

    def list_scopes(self, parent: str = "/") -> list[str]:
        """Return the scopes right below a parent that hold something, themselves or further down."""
        path = path_of(self._root, parent)
        above = scope_of(self._root, path)
        held = self._client.namespaces.list(prefix=path, occupied=True, limit=MOST_NAMESPACES)
        children = {child_of(above, scope_of(self._root, namespace.path)) for namespace in held}
        return sorted(str(child) for child in children - {None})

    def list_categories(self, scope_prefix: str | None = None) -> dict[str, int]:
        """Return how many records each category has, the most used first; every record there is read."""
        counts = Counter(category for record in self._records(scope_prefix) for category in set(record.categories))
        return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))

    def count(self, scope_prefix: str | None = None) -> int:
        """Return how many records there are at and below a scope."""
        return sum(1 for _ in self._records(scope_prefix))

    def reset(self, scope_prefix: str | None = None) -> None:
        """Archive all records at and below a scope."""
        self.delete(scope_prefix)

    async def asave(self, records: list[MemoryRecord]) -> None:
        """Do as `save` does, in a thread."""
        await asyncio.to_thread(self.save, records)

    async def asearch(
        self,
        query_embedding: list[float],
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        metadata_filter: dict[str, Any] | None = None,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[MemoryRecord, float]]:
        """Do as `search` does, in a thread."""
        told = (query_embedding, scope_prefix, categories, metadata_filter, limit, min_score)
        return await asyncio.to_thread(self.search, *told)

    async def adelete(
        self,
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        record_ids: list[str] | None = None,
        older_than: datetime | None = None,
        metadata_filter: dict[str, Any] | None = None,
    ) -> int:
        """Do as `delete` does, in a thread."""
        told = (scope_prefix, categories, record_ids, older_than, metadata_filter)
        return await asyncio.to_thread(self.delete, *told)

    def _memories(self, scope: str | None, terms: Sequence[Mapping[str, Any]]) -> Iterator[Memory]:
        path = path_of(self._root, scope)
        # '0' is the character after '/': the range holds exactly the paths that begin with "path/".
        below = {"OR": [{"namespace": path}, {"namespace": {"gte": f"{path}/", "lt": f"{path}0"}}]}
        yield from self._client.query({"AND": [below, *terms]}, limit=MOST_LISTED)

    def _records(self, scope: str | None) -> Iterator[MemoryRecord]:
        for memory in self._memories(scope, narrowing(user_id=self._user_id)):
            yield record_of(memory, self._root)

    def _memory(self, record_id: str) -> Memory | None:
        """Return the memory of a record; the newest, should the record lie in two scopes."""
        return next(self._memories(None, narrowing(user_id=self._user_id, ids=[record_id])), None)

    def _archive(self, ids: Sequence[str]) -> int:
        gone = 0
        for at in range(0, len(ids), MOST_LISTED):
            gone += self._client.archive_many(ids=ids[at : at + MOST_LISTED]).changed
        return gone


def _likenesses(results: Sequence[Result]) -> list[float]:
    """Return the cosine of each result to the question, at least that of those after it; 0 where nobody looked."""
    likenesses: list[float] = []
    nearest = 0.0
    for one in reversed(results):
        channel = one.channels.get("vector")
        cosine = channel.score if channel is not None and channel.score is not None else 0.0
        nearest = min(1.0, max(nearest, cosine))
        likenesses.append(nearest)
    return likenesses[::-1]


def _detail(problem: Any) -> str:
    return str(problem.get("detail") if isinstance(problem, Mapping) else getattr(problem, "detail", problem))
