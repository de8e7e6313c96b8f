"""What an exported graph takes: texts as rows of token ids, those of about the same length together."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from memory_service.computing import about_to_compute

PADDED_TOKENS_PER_RUN = 256
"""Rows × longest row of one run. Larger runs are not faster (the matrix kernels are saturated)."""

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "sentence_embedding"

Run = tuple[list[int], NDArray[np.int64], NDArray[np.int64]]


class GraphUnusable(Exception):
    """The runtime cannot open the graph: the file is damaged, missing, or of another version."""


def runs_of(rows: Sequence[Sequence[int]], *, window: int, pad_id: int, multiple: int = 1) -> Iterator[Run]:
    """Yield positions in `rows`, their token ids (n, l) and the mask (n, l) of one run after another, each to be computed at once.

    Args:
        rows: the token ids of each text, special tokens included.
        window: of the model, in tokens; no row is longer.
        pad_id: fills the rows of a run up to its longest.
        multiple: of what the longest row is made a multiple, as far as the window allows.
    """
    # Without special tokens an empty text has no token at all; one pad token keeps its vector defined.
    rows = [row or [pad_id] for row in rows]
    widths = [min(-(-len(row) // multiple) * multiple, max(len(row), window)) for row in rows]
    for batch in _batches(widths):
        shape = (len(batch), max(widths[position] for position in batch))
        ids = np.full(shape, pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for place, position in enumerate(batch):
            row = rows[position]
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
        about_to_compute()
        yield batch, ids, mask


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
