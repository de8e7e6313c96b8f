"""Serve an exported model with ONNX Runtime and the Rust tokenizer: no torch, no transformers in memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from memory_service.encoder.graph_inputs import INPUTS, OUTPUT, GraphUnusable, runs_of
from memory_service.encoder.tokens import Tokenization

THREADS = 1
"""Several in one run would spin against each other and the web server; batches that run side by side do not."""


class OnnxEncoder:
    """Encode with an exported graph that pools and normalises itself; safe to share between threads."""

    def __init__(self, model: Path, tokenization: Tokenization, *, dimension: int, pad_id: int) -> None:
        """Open the graph `model`; `pad_id` fills the rows of a batch up to its longest.

        Raises:
            GraphUnusable: ONNX Runtime cannot open it.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        # Shapes change with every batch, so a plan per shape would only grow the arena.
        options.enable_mem_pattern = False
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # The library's errors have no base class of their own.
            raise GraphUnusable(str(error)) from error
        self._tokenization = tokenization
        self._dimension = dimension
        self._pad_id = pad_id

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an (n, d) float32 array of L2-normalised rows; text beyond the window is cut.

        Raises:
            UnencodableText: A text holds a lone surrogate.
        """
        return self.encode_ids(self._tokenization.ids(texts))

    def encode_ids(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the same of texts that are tokenised already: the ids of each, special tokens included, within the window."""
        vectors = np.empty((len(rows), self._dimension), dtype=np.float32)
        for batch, *arrays in runs_of(rows, window=self._tokenization.window, pad_id=self._pad_id):
            vectors[batch] = self._session.run([OUTPUT], dict(zip(INPUTS, arrays, strict=True)))[0]
        return vectors
