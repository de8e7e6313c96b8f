"""Serve an exported model with ONNX Runtime and the Rust tokenizer: no torch, no transformers in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from memory_service.encoder.tokens import Tokenization

PADDED_TOKENS_PER_RUN = 256
"""Rows × longest row of one run. Larger runs are not faster (the matrix kernels are saturated)."""

THREADS = 1
"""Two threads spin against each other and the web server on a two-core machine; concurrency comes from batching."""

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "sentence_embedding"


class GraphUnusable(Exception):
    """ONNX Runtime cannot open the graph: the file is damaged, missing, or of another version."""


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
        rows = self._tokenization.ids(texts)
        vectors = np.empty((len(rows), self._dimension), dtype=np.float32)
        for batch in _batches([len(row) for row in rows]):
            ids, mask = self._padded([rows[position] for position in batch])
            vectors[batch] = self._session.run([OUTPUT], dict(zip(INPUTS, (ids, mask), strict=True)))[0]
        return vectors

    def _padded(self, rows: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        # Without special tokens an empty text has no token at all; one pad token keeps its vector defined.
        rows = [row or [self._pad_id] for row in rows]
        shape = (len(rows), max(map(len, rows)))
        ids = np.full(shape, self._pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for position, row in enumerate(rows):
            ids[position, : len(row)] = row
            mask[position, : len(row)] = 1
        return ids, mask


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Group positions by ascending length, so that little is padded, within `PADDED_TOKENS_PER_RUN`."""
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[position] > PADDED_TOKENS_PER_RUN:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
