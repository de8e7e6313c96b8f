"""Which turns stand side by side: those of a session, and those of a talk that nobody gave a session.

Many agents send what was said without a `session_id`. It was said in a row all the same, and what stands beside a hit tells as
much there: without it LoCoMo loses 5 points of recall@10, all of which the pauses bring back (docs/discussion/ablation.md).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.rows import NONE, Role

PAUSE_S: Final = 1_800.0  # seconds of silence that end a talk


def with_talks(
    session: NDArray[np.int32],
    scope: NDArray[np.int32],
    speaker: NDArray[np.int32],
    role: NDArray[np.int8],
    observed_at: NDArray[np.float64],
    id_high: NDArray[np.uint64],
    id_low: NDArray[np.uint64],
) -> NDArray[np.int32]:
    """Return the sessions, (n,), in which talks without one have numbers of their own, behind those that were given.

    A talk is what was said in one scope without a pause of more than `PAUSE_S`. Where only roles speak, each exchange is one, a
    user's turns and what the assistant says to them: it is asked about this and then about that. A memory that stands alone is no
    talk, nor are those that nobody said, or that no one answers: facts are stored one after another, too, often with a role, and
    have nothing to do with each other.

    Args:
        session: (n,) number of the session or NONE.
        scope: (n,) number of namespace, user and agent: what is said to one is not beside what is said to another.
        speaker: (n,) number of who said it, NONE where nobody is named.
        role: (n,) a Role.
        observed_at: (n,) seconds.
        id_high: (n,) upper half of the id, which tells the order of what was observed at one moment.
        id_low: (n,) lower half.

    Ana and Bo, a long pause, both once more; then somebody alone, days later:

    >>> ids, none = np.arange(5, dtype=np.uint64), np.full(5, NONE, np.int32)
    >>> times, speaker = np.array([0.0, 60.0, 9000.0, 9060.0, 9e5]), np.array([0, 1, 0, 1, 0], np.int32)
    >>> with_talks(none, np.zeros(5, np.int32), speaker, np.zeros(5, np.int8), times, ids, ids).tolist()
    [0, 0, 1, 1, -1]
    """
    loose = np.flatnonzero((session == NONE) & ((speaker != NONE) | (role != Role.NONE)))
    if len(loose) < 2:
        return session
    order = loose[np.lexsort((id_low[loose], id_high[loose], observed_at[loose], scope[loose]))]
    goes_on = (np.diff(scope[order]) == 0) & (np.diff(observed_at[order]) <= PAUSE_S)
    named, user, assistant = speaker[order] != NONE, role[order] == Role.USER, role[order] == Role.ASSISTANT
    goes_on &= ~((user & ~named)[1:] & assistant[:-1])
    talk = np.concatenate(([0], np.cumsum(~goes_on)))
    turns, names, questions, replies = (np.bincount(talk, weights=one) for one in (None, named, user, assistant))
    talks = (turns > 1) & ((names > 0) | ((questions > 0) & (replies > 0)))
    number = session.max() + np.cumsum(talks)  # NONE is one below the first number
    told = session.copy()
    told[order] = np.where(talks, number, NONE)[talk]
    return told


def neighbours(
    session: NDArray[np.int32],
    observed_at: NDArray[np.float64],
    id_high: NDArray[np.uint64],
    id_low: NDArray[np.uint64],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the row before and the row after each in its session by time, NONE where there is none.

    Of what was observed at one moment, such as turns sent together without times, the id tells the order: a row gets a new
    place whenever its text changes, and as of an earlier moment rows come in another order.

    >>> high, times = np.zeros(3, np.uint64), np.array([1.0, 1.0, 0.0])
    >>> of_one_session = neighbours(np.zeros(3, np.int32), times, high, np.array([9, 8, 7], np.uint64))
    >>> [one.tolist() for one in of_one_session]
    [[1, 2, -1], [-1, 0, 1]]
    """
    previous, following = np.full(len(session), NONE, np.int32), np.full(len(session), NONE, np.int32)
    inside = np.flatnonzero(session != NONE)
    order = inside[np.lexsort((id_low[inside], id_high[inside], observed_at[inside], session[inside]))]
    if len(order) > 1:
        same = session[order[1:]] == session[order[:-1]]
        previous[order[1:][same]] = order[:-1][same]
        following[order[:-1][same]] = order[1:][same]
    return previous, following
