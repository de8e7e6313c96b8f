"""LangGraph's store, in memory or in Postgres with pgvector as it sets itself up; one namespace per conversation."""

# mypy: disable-error-code="import-not-found, import-untyped"

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from langgraph.store.base import PutOp
from langgraph.store.memory import InMemoryStore

from benchmarks.peers.adapters.encoder import DIMENSION, Encoder
from benchmarks.peers.adapters.wire import Memory, Opening, serve

PUTS_PER_BATCH = 200
TABLES = ("store", "store_vectors")


class LangGraph:
    """A store whose ``text`` field is indexed."""

    def __init__(self, opening: Opening) -> None:
        self._encoder = Encoder(opening.model)
        self._postgres_url = opening.postgres_url if opening.setup == "postgres" else None
        self._open = ExitStack()
        index = {"dims": DIMENSION, "embed": self._embed, "fields": ["text"]}
        self._store: Any
        if self._postgres_url is None:
            self._store = InMemoryStore(index=index)
        else:
            from langgraph.store.postgres import PostgresStore

            self._store = self._open.enter_context(PostgresStore.from_conn_string(self._postgres_url, index=index))
            self._store.setup()

    def _embed(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._encoder.encode(texts).tolist()
        return vectors

    def store(self, namespace: str, memories: Sequence[Memory]) -> None:
        """Put the memories in batches."""
        puts = [PutOp(namespace=(namespace,), key=memory.id, value={"text": memory.text}) for memory in memories]
        for start in range(0, len(puts), PUTS_PER_BATCH):
            self._store.batch(puts[start : start + PUTS_PER_BATCH])

    def search(self, namespace: str, query: str, k: int) -> list[str]:
        """Search one namespace."""
        return [item.key for item in self._store.search((namespace,), query=query, limit=k)]

    def encode(self, text: str) -> Sequence[float]:
        """Return the vector that the store gets."""
        return self._embed([text])[0]

    def disk_bytes(self) -> int:
        """Return the size of the store's tables with their indexes; nothing of the store in memory is on disk."""
        if self._postgres_url is None:
            return 0
        import psycopg

        with psycopg.connect(self._postgres_url) as connection:
            rows = connection.execute(
                "SELECT coalesce(sum(pg_total_relation_size(name::regclass)), 0) FROM unnest(%s::text[]) AS t (name)",
                [list(TABLES)],
            ).fetchone()
        return int(rows[0]) if rows else 0


if __name__ == "__main__":
    serve("langgraph-checkpoint", LangGraph)
