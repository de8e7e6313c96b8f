"""A cross-encoder of sentence-transformers; torch is imported when one is opened, not before."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

LARGEST_WINDOW = 512  # tokens of query and text together; longer pairs are cut


def open_cross_encoder(name: str) -> "CrossEncoderReranker":
    """Load a model from a folder, or by its name on the hub, in fp32 on the CPU with one thread.

    Raises:
        OSError, ValueError, RuntimeError: It cannot be had, or it says more than one number of a pair.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    folder = Path(name).expanduser()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside these libraries; nothing a user can act on
        import torch
        from sentence_transformers import CrossEncoder
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]  # it would stand between the lines of the log
        torch.set_num_threads(1)
        here = folder.is_dir()
        model = CrossEncoder(str(folder) if here else name, device="cpu", local_files_only=here)
    if model.num_labels != 1:
        raise ValueError(f"The model {name} gives {model.num_labels} numbers for a pair; a reranker gives one.")
    model.max_seq_length = min(model.max_seq_length or LARGEST_WINDOW, LARGEST_WINDOW)
    return CrossEncoderReranker(model.float().eval())


class CrossEncoderReranker:
    """Score through `CrossEncoder.predict`; for one thread at a time."""

    def __init__(self, model: "CrossEncoder") -> None:
        """Wrap a model from `open_cross_encoder`."""
        self._model = model

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32[n], the logits: a sigmoid would press what is clear into one value."""
        from torch.nn import Identity

        scores = self._model.predict(
            [(query, text) for text in texts],
            batch_size=len(texts),
            activation_fn=Identity(),
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return np.asarray(scores, dtype=np.float32)
