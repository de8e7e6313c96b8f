"""The floor: encode, and scan all vectors of the conversation with numpy. What anybody has without any memory system."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.adapters.encoder import DIMENSION, Encoder
from benchmarks.peers.adapters.wire import Memory, Opening, serve


class Floor:
    """A matrix per conversation."""

    def __init__(self, opening: Opening) -> None:
        self._encoder = Encoder(opening.model)
        self._ids: dict[str, list[str]] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def store(self, namespace: str, memories: Sequence[Memory]) -> None:
        """Encode all texts in one call."""
        self._ids[namespace] = [memory.id for memory in memories]
        self._vectors[namespace] = self._encoder.encode([memory.text for memory in memories])

    def search(self, namespace: str, query: str, k: int) -> list[str]:
        """Return the ids with the highest cosine."""
        scores = self._vectors[namespace] @ self._encoder.encode([query])[0]
        best = np.argsort(-scores, kind="stable")[:k]
        return [self._ids[namespace][row] for row in best]

    def encode(self, text: str) -> Sequence[float]:
        """Return the vector that all others are compared with."""
        return [float(one) for one in self._encoder.encode([text])[0]]

    def disk_bytes(self) -> int:
        """Return the size of the vectors, which a file of them would have."""
        return sum(len(ids) for ids in self._ids.values()) * DIMENSION * np.dtype(np.float32).itemsize


if __name__ == "__main__":
    serve("sentence-transformers", Floor)
