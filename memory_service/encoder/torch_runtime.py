"""Serve a model with sentence-transformers: slower and 300 MB larger, but for models of any shape."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memory_service.computing import about_to_compute
from memory_service.encoder.errors import EncoderUnavailable
from memory_service.encoder.tokens import Tokenization, require_unicode

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LARGEST_WINDOW = 512
"""Models without a window of their own (static embeddings) still get chunks: one vector says little about a book."""


def open_model(folder: Path) -> "SentenceTransformer":
    """Load a model from `folder` in fp32 on the CPU with one thread, without touching the network.

    Raises:
        EncoderUnavailable: sentence-transformers cannot load it.
    """
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ.setdefault(variable, "1")
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    try:
        model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise EncoderUnavailable(
            f"sentence-transformers cannot load the model in {folder}: {error}. Set MEMORY_SERVICE_ENCODER to a folder "
            "written by SentenceTransformer.save(), or unset it to use the packaged model."
        ) from error
    return model.float().eval()


def tokenization_of(model: "SentenceTransformer") -> Tokenization:
    """Return the tokenizer that `model` uses, with the model's window.

    Raises:
        EncoderUnavailable: The model has no tokenizer of the `tokenizers` library.
    """
    tokenizer = model.tokenizer
    # Static embeddings carry the Rust tokenizer itself, transformer models wrap it.
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "to_str"):
        raise EncoderUnavailable("The model's tokenizer has no Rust form (tokenizer.json), which chunking needs.")
    limit = model.max_seq_length
    window = int(limit) if limit is not None and 0 < limit < 1_000_000 else LARGEST_WINDOW
    return Tokenization(backend.to_str(), window=window)


class TorchEncoder:
    """Encode through `SentenceTransformer.encode`; calls from several threads wait for each other."""

    def __init__(self, model: "SentenceTransformer") -> None:
        """Wrap a model from `open_model`."""
        self._model = model
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.encode(["dimension"]).shape[1])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an (n, d) float32 array of L2-normalised rows; text beyond the window is cut.

        Raises:
            UnencodableText: A text holds a lone surrogate.
        """
        require_unicode(texts)
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        about_to_compute()
        with self._lock:
            vectors = self._model.encode(
                list(texts), batch_size=16, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
            )
        return np.ascontiguousarray(vectors, dtype=np.float32)
