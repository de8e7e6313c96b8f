"""txtai: an embeddings index per conversation, hybrid of vectors and BM25 as ``hybrid=True`` sets it up."""

# mypy: disable-error-code="import-not-found, import-untyped"

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from txtai import Embeddings

from benchmarks.peers.adapters.wire import Memory, Opening, serve


class Txtai:
    """One index per conversation, saved where its size can be read."""

    def __init__(self, opening: Opening) -> None:
        self._settings = {"path": opening.model, "gpu": False, "hybrid": opening.setup == "hybrid"}
        self._folder: Path = opening.folder
        self._indexes: dict[str, Any] = {}
        # One model for all indexes, as txtai's own documentation shares it.
        self._models: dict[str, Any] = {}
        self._probe = Embeddings(self._settings, models=self._models)

    def store(self, namespace: str, memories: Sequence[Memory]) -> None:
        """Index in one call and save, so that the memories are on disk as those of other systems are."""
        index = Embeddings(self._settings, models=self._models)
        index.index([(memory.id, memory.text) for memory in memories])
        index.save(str(self._folder / f"index-{len(self._indexes)}"))
        self._indexes[namespace] = index

    def search(self, namespace: str, query: str, k: int) -> list[str]:
        """Search with the library's default weights."""
        return [found for found, _ in self._indexes[namespace].search(query, limit=k)]

    def encode(self, text: str) -> Sequence[float]:
        """Return txtai's own vector."""
        return [float(one) for one in self._probe.transform(text)]

    def disk_bytes(self) -> None:
        """Say that the folder holds everything."""


if __name__ == "__main__":
    serve("txtai", Txtai)
