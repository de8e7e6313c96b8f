"""Let how far memories have faded move the best of a ranking, where the policy of their namespace asks for it.

Each loses w · (1 - R), in the standard deviations in which every signal is counted, measured from the freshest of them: among
memories that have faded alike nothing moves. What is not among the best is taken to have faded like the faintest, so that
it never passes those that are.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.channels import with_signals
from retrieval.ranking import Ranked, best_first

RETRIEVABILITY: Final = "retrievability"  # the name of its signal, of the temporal channel


def faded(ranked: Ranked, losses: Mapping[UUID, float]) -> Ranked:
    """Return the ranking with the losses of its best counted in.

    Args:
        ranked: the ranking; one that is spread over time is no order of scores, and stays.
        losses: w · (1 - R) of the memories in the order, by id, none negative; one that is missing has lost nothing.
    """
    best = ranked.order
    lost = np.array([losses.get(ranked.ids[row], 0.0) for row in best.tolist()])
    if not len(best) or np.any(np.diff(ranked.score[best]) > 1e-9) or np.ptp(lost) == 0:
        return ranked
    amount: NDArray[np.float64] = np.full(len(ranked.score), lost.min() - lost.max())
    amount[best] = lost.min() - lost
    score = ranked.score + amount
    among = np.zeros(len(score), dtype=np.bool_)
    among[best] = True
    return replace(
        ranked,
        score=score,
        order=best_first(score, among, ranked.ids, limit=len(best)),
        channels=with_signals(ranked.channels, {RETRIEVABILITY: amount}),
        signals={**ranked.signals, RETRIEVABILITY: amount},
    )
