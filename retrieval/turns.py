"""Which turns stand side by side: those of a session, those said amid it, and those of a talk that nobody gave a session.

Many agents send what was said without a `session_id`. It was said in a row all the same, and what stands beside a hit tells as
much there: without it LoCoMo loses 5 points of recall@10, all of which the pauses bring back (docs/discussion/ablation.md).

Others send bare texts, and of these nobody knows whether they were said in a row or are facts that have nothing to do with each
other. Their vectors tell: where what was stored one after another is about the same matter more often than chance has it, what
stands beside a hit tells as much as in a talk.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.rows import NONE, Role

PAUSE_S: Final = 1_800.0  # seconds of silence that end a talk
SERIES_APART: Final = 0.5  # of a deviation of cosines, by which what stands side by side is nearer than what does not
_SURE: Final = 3.0  # standard errors of that difference at least
_FEWEST_PAIRS: Final = 20  # side by side; fewer are near each other by chance
_MOST_PAIRS: Final = 300  # compared, spread over all


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

    What is said without a session amid the turns of one belongs to it: some send it with the turns of one side only.

    A talk is what was said in one scope without a pause of more than `PAUSE_S`. Where only roles speak, each exchange is one, a
    user's turns and what the assistant says to them: it is asked about this and then about that. A memory that stands alone is no
    talk, nor are those that nobody said, or that no one answers: facts are stored one after another, too, often with a role, and
    may have nothing to do with each other (`with_series`).

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
    said = (speaker != NONE) | (role != Role.NONE)
    if not (said & (session == NONE)).any():
        return session
    rows = np.flatnonzero(said)
    rows = rows[np.lexsort((id_low[rows], id_high[rows], observed_at[rows], scope[rows]))]
    goes_on = (np.diff(scope[rows]) == 0) & (np.diff(observed_at[rows]) <= PAUSE_S)
    session = session.copy()
    session[rows] = _amid(session[rows], goes_on)
    loose = session[rows] == NONE
    order = rows[loose]
    if len(order) < 2:
        return session
    goes_on = (np.diff(scope[order]) == 0) & (np.diff(observed_at[order]) <= PAUSE_S)
    named, user, assistant = speaker[order] != NONE, role[order] == Role.USER, role[order] == Role.ASSISTANT
    goes_on &= ~((user & ~named)[1:] & assistant[:-1])
    talk = np.concatenate(([0], np.cumsum(~goes_on)))
    turns, names, questions, replies = (np.bincount(talk, weights=one) for one in (None, named, user, assistant))
    talks = (turns > 1) & ((names > 0) | ((questions > 0) & (replies > 0)))
    number = session.max() + np.cumsum(talks)  # NONE is one below the first number
    session[order] = np.where(talks, number, NONE)[talk]
    return session


def with_series(
    session: NDArray[np.int32],
    scope: NDArray[np.int32],
    observed_at: NDArray[np.float64],
    id_high: NDArray[np.uint64],
    id_low: NDArray[np.uint64],
    vectors: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Return the sessions, (n,), in which what belongs to no talk, but was stored in a row, has numbers of its own.

    That is done where such memories are about the same matter as the one before: their cosines are compared with those of
    memories that stand far apart, over a sample of `_MOST_PAIRS`. The difference is 1.2 to 2.9 deviations in turns of conversations
    and 1.7 in facts of one conversation each, and .2 at most in the same facts in another order.

    Args:
        session: (n,) number of the session or talk, or NONE.
        scope: (n,) as for `with_talks`; so are the times and ids.
        observed_at: (n,) seconds.
        id_high: (n,) upper half of the id.
        id_low: (n,) lower half.
        vectors: (n, d), normalised.

    Forty memories a minute apart, two and two about one of twenty matters; then with the second of each pair elsewhere:

    >>> matters = np.eye(20, dtype=np.float32)
    >>> none, ids = np.full(40, NONE, np.int32), np.arange(40, dtype=np.uint64)
    >>> def series(vectors):
    ...     times = 60.0 * np.arange(40)
    ...     return with_series(none, np.zeros(40, np.int32), times, ids, ids, vectors)
    >>> set(series(np.repeat(matters, 2, axis=0)).tolist()), set(series(np.tile(matters, (2, 1))).tolist())
    ({0}, {-1})
    """
    rows = np.flatnonzero(session == NONE)
    if len(rows) <= _FEWEST_PAIRS:
        return session
    rows = rows[np.lexsort((id_low[rows], id_high[rows], observed_at[rows], scope[rows]))]
    goes_on = (np.diff(scope[rows]) == 0) & (np.diff(observed_at[rows]) <= PAUSE_S)
    if not _kindred(rows, np.flatnonzero(goes_on), vectors):
        return session
    number = session.max() + 1 + np.concatenate(([0], np.cumsum(~goes_on)))
    alone = ~(np.append(goes_on, False) | np.concatenate(([False], goes_on)))
    session = session.copy()
    session[rows] = np.where(alone, NONE, number)
    return session


def _kindred(rows: NDArray[np.intp], beside: NDArray[np.intp], vectors: NDArray[np.float32]) -> bool:
    """Say whether rows are nearer to the next ones, at the places `beside`, than to those half and a third of all further."""
    if len(beside) < _FEWEST_PAIRS:
        return False
    at = beside[np.unique(np.linspace(0, len(beside) - 1, _MOST_PAIRS).astype(np.intp))]
    here, n = vectors[rows[at]], len(rows)
    near = np.einsum("ij,ij->i", here, vectors[rows[at + 1]])
    far = np.concatenate([np.einsum("ij,ij->i", here, vectors[rows[(at + n // step) % n]]) for step in (2, 3)])
    error = np.sqrt(near.var() / len(near) + far.var() / len(far))
    return bool(near.mean() - far.mean() > max(SERIES_APART * far.std(), _SURE * error))


def _amid(session: NDArray[np.int32], goes_on: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Give turns without a session that of the turns around them, where those before and after are of the same.

    >>> _amid(np.array([NONE, 0, NONE, 0, NONE, 1, NONE], np.int32), np.ones(6, np.bool_)).tolist()
    [-1, 0, 0, 0, -1, 1, -1]
    """
    place, given = np.arange(len(session)), session != NONE
    stretch = np.concatenate(([0], np.cumsum(~goes_on)))
    before = np.maximum.accumulate(np.where(given, place, 0))
    after = np.minimum.accumulate(np.where(given, place, len(place) - 1)[::-1])[::-1]
    amid = (session[before] == session[after]) & (stretch[before] == stretch[after])
    return np.where(amid, session[before], session)


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
