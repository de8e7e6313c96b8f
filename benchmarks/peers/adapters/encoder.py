"""The encoder for peers that take a function: all-MiniLM-L6-v2 by sentence-transformers, fp32."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DIMENSION = 384
BATCH = 32
"""The batch size of sentence-transformers, which also sorts by length."""


class Encoder:
    """The model of a folder."""

    def __init__(self, model: str) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(model, device="cpu")

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one normalised vector per text, (n, DIMENSION)."""
        vectors = self._model.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)
