"""Turn or session: trust the granularity that tells its candidates apart.

A query about one remark has one turn far ahead and no session that is; a query about an evening has it the other way round.
The entropy of each granularity's scores says which (MemGAS, Xu et al. 2025, the entropy-based router): the flatter they
are, the less the granularity knows. Divided by ln n, as without it the weight of a large store would fall below zero.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.attention import attend, entropy
from retrieval.rows import NONE

TEMPERATURE: Final = 0.5  # standard deviations by which a share falls to 1/e


def certainty(scores: NDArray[np.float64], *, temperature: float = TEMPERATURE) -> float:
    """Return 1 − H(softmax(score / τ)) / ln n of (n,) standardised scores, in 0..1; fewer than two tell nothing.

    Worked by hand: equal scores have the entropy ln n. One that leads two others by 1 at τ = ½ has the share
    e² / (e² + 2) = .787 against .107 each, the entropy .666 of ln 3 = 1.099.

    >>> round(certainty(np.array([1.0, 1.0, 1.0])), 9)
    0.0
    >>> round(certainty(np.array([1.0, 0.0, 0.0])), 3)
    0.394
    """
    n = len(scores)
    if n < 2:
        return 0.0
    return max(0.0, 1.0 - entropy(attend(scores, beta=1.0 / temperature)) / float(np.log(n)))


def shares(granularities: Sequence[NDArray[np.float64]], *, temperature: float = TEMPERATURE) -> list[float]:
    """Share 1 among granularities by their certainty, evenly where none is certain.

    >>> [round(share, 2) for share in shares([np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0])])]
    [1.0, 0.0]
    >>> shares([np.array([1.0, 1.0]), np.array([0.0, 0.0])])
    [0.5, 0.5]
    """
    certain = [certainty(scores, temperature=temperature) for scores in granularities]
    total = sum(certain)
    return [one / total for one in certain] if total > 0 else [1 / len(certain)] * len(certain)


def first_of_each(session: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the first row of every session: (sessions,) from (n,) numbers of sessions or NONE."""
    inside = np.flatnonzero(session != NONE)
    _, first = np.unique(session[inside], return_index=True)
    return inside[first]


def session_share(turns: NDArray[np.float64], sessions: NDArray[np.float64], first: NDArray[np.intp]) -> float:
    """Return the share of the session granularity beside the turn's, in 0..1.

    Args:
        turns: (n,) score of every row.
        sessions: (n,) score of every row's session, the same for all rows of one.
        first: one row of every session.
    """
    return shares([turns, sessions[first]])[1]
