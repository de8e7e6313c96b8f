"""The states of a namespace that changes its encoder, and what leads from one to the next.

    backfilling ──filled──▶ ready ──cut_over──▶ cut_over
         │                  ▲  │                 │   │
         │                  └──┼──roll_back──────┘   │
         └──────finish─────────┴───────▶ dropping ◀──┘ finish
                                            │
                       given_up ◀──dropped──┴──dropped──▶ finished

From the first state to `dropping` every text is written under both encoders, so that turning searches from one to the other
and back is one update of one row. `finish` keeps the encoder that searches use and drops the vectors of the other; in
`dropping` it goes on with that, where the job was cancelled or failed.
"""

from enum import StrEnum
from typing import Final


class ReindexState(StrEnum):
    """How far a namespace is."""

    BACKFILLING = "backfilling"  # what was there before gets vectors under the new encoder
    READY = "ready"  # all of it has; searches use the old one
    CUT_OVER = "cut_over"  # searches use the new one, the old vectors are kept
    DROPPING = "dropping"  # one encoder is left; the vectors of the other are being deleted
    FINISHED = "finished"  # the new one was kept
    GIVEN_UP = "given_up"  # the old one was kept


class ReindexStep(StrEnum):
    """What happens to a namespace on its way."""

    FILLED = "filled"
    CUT_OVER = "cut_over"
    ROLL_BACK = "roll_back"
    FINISH = "finish"
    KEPT_NEW = "kept_new"  # what was to be dropped is gone, and the new encoder stays
    KEPT_OLD = "kept_old"


UNDER_WAY: Final = frozenset(
    {ReindexState.BACKFILLING, ReindexState.READY, ReindexState.CUT_OVER, ReindexState.DROPPING}
)

_NEXT: Final = {
    (ReindexState.BACKFILLING, ReindexStep.FILLED): ReindexState.READY,
    (ReindexState.READY, ReindexStep.CUT_OVER): ReindexState.CUT_OVER,
    (ReindexState.CUT_OVER, ReindexStep.ROLL_BACK): ReindexState.READY,
    (ReindexState.BACKFILLING, ReindexStep.FINISH): ReindexState.DROPPING,
    (ReindexState.READY, ReindexStep.FINISH): ReindexState.DROPPING,
    (ReindexState.CUT_OVER, ReindexStep.FINISH): ReindexState.DROPPING,
    # Asked for once more, where the job that dropped was cancelled or failed.
    (ReindexState.DROPPING, ReindexStep.FINISH): ReindexState.DROPPING,
    (ReindexState.DROPPING, ReindexStep.KEPT_NEW): ReindexState.FINISHED,
    (ReindexState.DROPPING, ReindexStep.KEPT_OLD): ReindexState.GIVEN_UP,
}


def after(state: ReindexState, step: ReindexStep) -> ReindexState | None:
    """Return the state that a step leads to, None where it cannot be taken.

    >>> after(ReindexState.READY, ReindexStep.CUT_OVER).value
    'cut_over'
    >>> after(ReindexState.BACKFILLING, ReindexStep.CUT_OVER) is None
    True
    >>> after(after(ReindexState.CUT_OVER, ReindexStep.ROLL_BACK), ReindexStep.CUT_OVER).value
    'cut_over'
    """
    return _NEXT.get((state, step))


def worse_than_allowed(
    comparison: "dict[str, float | None]", *, least_overlap: float, most_recall_lost: float
) -> str | None:
    """Return why a comparison speaks against cutting over, None where it does not.

    Where it is known what a good answer holds, that decides; else how much of the first ten both encoders agree on. Where
    nobody has asked anything yet, nothing speaks against it.

    >>> say = lambda **found: worse_than_allowed(found, least_overlap=0.3, most_recall_lost=0.05)
    >>> say(overlap_at_10=0.1, recall_before=0.5, recall_after=0.6) is None
    True
    >>> say(overlap_at_10=0.9, recall_before=0.8, recall_after=0.6)
    'recall@10 of the saved queries falls from 0.800 to 0.600'
    >>> say(overlap_at_10=0.1, recall_before=None, recall_after=None)
    'the first ten results agree to 0.100 only'
    >>> say(overlap_at_10=None, recall_before=None, recall_after=None) is None
    True
    """
    before, now, overlap = comparison["recall_before"], comparison["recall_after"], comparison["overlap_at_10"]
    if before is not None and now is not None:
        if now < before - most_recall_lost:
            return f"recall@10 of the saved queries falls from {before:.3f} to {now:.3f}"
        return None
    if overlap is not None and overlap < least_overlap:
        return f"the first ten results agree to {overlap:.3f} only"
    return None
