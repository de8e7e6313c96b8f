"""How surprising a memory is: far from what was said just before, with a momentum that carries into the turns after it.

A turn is as surprising as it is unlike the nearest of the turns before it; the one after a surprise inherits some of it,
since what follows an unexpected turn usually belongs to it. Source: Behrouz, Zhong and Mirrokni, Titans: Learning to
Memorize at Test Time (2025), section 3.1, where the momentum of the gradient does the same.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

CONTEXT: Final = 16  # memories before it that one is compared with
MOMENTUM: Final = 0.3  # of the surprise before, kept
TYPICAL: Final = 0.45  # surprise of an ordinary turn (LoCoMo .46, REALTALK .43), and of one that nothing came before
SPREAD: Final = 0.11  # its standard deviation there (.10 and .12)
LEAST: Final = 0.25  # first importance of a repetition
MOST: Final = 0.75  # first importance of something entirely new

Vectors = NDArray[np.floating]


def surprises(
    vectors: Vectors,
    context: Vectors | None = None,
    *,
    before: float | None = None,
    momentum: float = MOMENTUM,
    window: int = CONTEXT,
) -> NDArray[np.float64]:
    """Return the surprise of each of some memories, given those before it: S_t = η S_{t-1} + (1 - η) (1 - max cosine).

    Args:
        vectors: float[n, d], normalised rows in the order of the memories.
        context: float[m, d], normalised rows of the memories before the first, oldest first.
        before: the surprise of the memory just before the first; None where that is not known.
        momentum: η, what is kept of the surprise before, from 0 to 1.
        window: how many memories before it one is compared with.

    Returns:
        float64[n], from 0 for a repetition up to 1 (2 for the very opposite). A memory that nothing came before says
        nothing about itself: it is as surprising as an ordinary one.

    Raises:
        ValueError: the rows of the two have different lengths.

    >>> east, north = [1.0, 0.0], [0.0, 1.0]
    >>> surprises(np.array([east, north, north]), np.array([east]), before=0.0, momentum=0.5).tolist()
    [0.0, 0.5, 0.25]
    """
    rows = np.asarray(vectors, dtype=np.float32)
    if not len(rows):
        return np.zeros(0)
    known = np.zeros((0, rows.shape[1]), np.float32) if context is None else np.asarray(context, dtype=np.float32)
    if len(known) and known.shape[1] != rows.shape[1]:
        raise ValueError(f"vectors of {rows.shape[1]} numbers cannot be compared with some of {known.shape[1]}")
    known = known[-window:] if window else known[:0]
    everything = np.concatenate([known.reshape(-1, rows.shape[1]), rows])
    cosines = rows @ everything.T
    found = np.empty(len(rows))
    last = TYPICAL if before is None else before
    for at in range(len(rows)):
        here = len(known) + at
        past = cosines[at, max(0, here - window) : here]
        if past.size:
            last = momentum * last + (1 - momentum) * max(0.0, 1 - float(past.max()))
        found[at] = last
    return found


def first_importance(surprise: float) -> float:
    """Return the importance that a new memory gets where nobody said: about 0.5 for an ordinary one, never extreme.

    I = least + (most - least) / (1 + e^(-(S - typical) / spread))

    >>> first_importance(TYPICAL)
    0.5
    >>> first_importance(TYPICAL + SPREAD), first_importance(0.0), first_importance(1.0)  # 1 / (1 + 1/e) = 0.731
    (0.6155, 0.2582, 0.7467)
    """
    share = 1 / (1 + float(np.exp(-(surprise - TYPICAL) / SPREAD)))
    return round(LEAST + (MOST - LEAST) * share, 4)
