"""mem0: its open-source ``Memory`` with a local store, one user per conversation, texts kept as they are (infer=False)."""

# mypy: disable-error-code="import-not-found, import-untyped"

from collections.abc import Sequence
from typing import Any

from mem0 import Memory as Mem0Memory

from benchmarks.peers.adapters.encoder import DIMENSION
from benchmarks.peers.adapters.wire import Memory, Opening, serve


class Mem0:
    """One collection for all conversations, told apart by ``user_id``."""

    def __init__(self, opening: Opening) -> None:
        store = {
            "collection_name": "memories",
            "embedding_model_dims": DIMENSION,
            "path": str(opening.folder / opening.setup),
        }
        if opening.setup == "qdrant":
            store["on_disk"] = True
        else:
            store["distance_strategy"] = "cosine"
            store["normalize_L2"] = True
        self._memory: Any = Mem0Memory.from_config(
            {
                "vector_store": {"provider": opening.setup, "config": store},
                "embedder": {
                    "provider": "huggingface",
                    "config": {"model": opening.model, "embedding_dims": DIMENSION, "model_kwargs": {"device": "cpu"}},
                },
                # Never called with infer=False, but the class is not made without one.
                "llm": {"provider": "openai", "config": {"api_key": "unused"}},
                "history_db_path": str(opening.folder / "history.db"),
            }
        )

    def store(self, namespace: str, memories: Sequence[Memory]) -> None:
        """Add the memories one by one: the library has no call for many."""
        for memory in memories:
            self._memory.add(memory.text, user_id=namespace, metadata={"ref": memory.id}, infer=False)

    def search(self, namespace: str, query: str, k: int) -> list[str]:
        """Search without a lower bound for scores, which would cut the list short."""
        found = self._memory.search(query, filters={"user_id": namespace}, top_k=k, threshold=0.0)
        return [one["metadata"]["ref"] for one in found["results"]]

    def encode(self, text: str) -> Sequence[float]:
        """Return the vector of mem0's own embedder."""
        vector: list[float] = self._memory.embedding_model.embed(text, "search")
        return vector

    def disk_bytes(self) -> None:
        """Say that the folder holds everything."""


if __name__ == "__main__":
    serve("mem0ai", Mem0)
