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
_MOST_PAIRS: Final = 100  # of a scope that are compared
_APART: Final = (2, 3)  # parts of a scope by which those that stand far apart do
_MIXED: Final = np.uint64(0x9E3779B97F4A7C15)  # an odd number, which makes neighbouring ids draw far from each other


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
    speaker: NDArray[np.int32],
    observed_at: NDArray[np.float64],
    id_high: NDArray[np.uint64],
    id_low: NDArray[np.uint64],
    vectors: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Return the sessions, (n,), in which bare texts that were stored in a row have numbers of their own.

    That is so in the scopes where such memories are about the same matter as the one before: their cosines are compared with
    those of memories of that scope that stand far apart. The difference is 1.2 to 2.9 deviations in turns of conversations and
    1.7 in facts of one conversation each, and .2 at most in the same facts in another order.

    Args:
        session: (n,) number of the session or talk, or NONE.
        scope: (n,) as for `with_talks`; so are speaker, times and ids.
        speaker: (n,) who has a name and stands in no talk stays alone.
        observed_at: (n,) seconds.
        id_high: (n,) upper half of the id.
        id_low: (n,) lower half.
        vectors: (n, d), normalised.

    Forty memories a minute apart, two and two about one of twenty matters; then with the second of each pair elsewhere:

    >>> matters = np.eye(20, dtype=np.float32)
    >>> none, ids = np.full(40, NONE, np.int32), np.arange(40, dtype=np.uint64)
    >>> def series(vectors):
    ...     times = 60.0 * np.arange(40)
    ...     return with_series(none, np.zeros(40, np.int32), none, times, ids, ids, vectors)
    >>> set(series(np.repeat(matters, 2, axis=0)).tolist()), set(series(np.tile(matters, (2, 1))).tolist())
    ({0}, {-1})
    """
    rows = np.flatnonzero((session == NONE) & (speaker == NONE))
    if len(rows) <= _FEWEST_PAIRS:
        return session
    rows = rows[np.lexsort((id_low[rows], id_high[rows], observed_at[rows], scope[rows]))]
    goes_on = (np.diff(scope[rows]) == 0) & (np.diff(observed_at[rows]) <= PAUSE_S)
    of_scope = np.concatenate(([0], np.cumsum(np.diff(scope[rows]) != 0)))
    goes_on &= _kindred(rows, of_scope, np.flatnonzero(goes_on), id_low, vectors)[of_scope[:-1]]
    number = session.max() + 1 + np.concatenate(([0], np.cumsum(~goes_on)))
    alone = ~(np.append(goes_on, False) | np.concatenate(([False], goes_on)))
    session = session.copy()
    session[rows] = np.where(alone, NONE, number)
    return session


def _kindred(
    rows: NDArray[np.intp],
    of_scope: NDArray[np.intp],
    beside: NDArray[np.intp],
    id_low: NDArray[np.uint64],
    vectors: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Say of each scope whether rows are nearer to the next ones than to those half and a third of its rows further on.

    Which pairs are compared is drawn by ids: rows come in another order, and scopes by other numbers, as of an earlier moment.

    Args:
        rows: (n,) by scope and time.
        of_scope: (n,) number of the scope, from 0 upwards.
        beside: (m,) places in `rows` of those that the next one follows without a pause.
        id_low: lower halves of ids, by row.
        vectors: by row.
    """
    size = np.bincount(of_scope)
    first = np.cumsum(size) - size
    drawn = beside[np.lexsort((id_low[rows[beside]] * _MIXED, of_scope[beside]))]
    rank = np.arange(len(drawn)) - np.searchsorted(of_scope[drawn], of_scope[drawn])
    drawn = drawn[rank < _MOST_PAIRS]
    of_pair = of_scope[drawn]
    begin, length, here = first[of_pair], size[of_pair], vectors[rows[drawn]]
    near = _cosines(here, vectors[rows[drawn + 1]])
    far = [_cosines(here, vectors[rows[begin + (drawn - begin + length // apart) % length]]) for apart in _APART]
    pairs = np.bincount(of_pair, minlength=len(size))
    nearness, spread_near = _moments(near, of_pair, pairs)
    others = len(_APART) * pairs
    farness, spread_far = _moments(np.concatenate(far), np.tile(of_pair, len(_APART)), others)
    error = np.sqrt(spread_near / np.maximum(pairs, 1) + spread_far / np.maximum(others, 1))
    clear = nearness - farness > np.maximum(SERIES_APART * np.sqrt(spread_far), _SURE * error)
    return clear & (pairs >= _FEWEST_PAIRS)


def _cosines(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", some, others), np.float64)


def _moments(
    values: NDArray[np.float64], group: NDArray[np.intp], count: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of the values of each group, zeros for those without any."""
    most = np.maximum(count, 1)
    mean = np.bincount(group, values, minlength=len(count)) / most
    return mean, np.bincount(group, (values - mean[group]) ** 2, minlength=len(count)) / most


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
