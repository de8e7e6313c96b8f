"""Cut conversations into episodes and gather them under topics, as consolidation would."""

from dataclasses import replace
from itertools import count, pairwise
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from consolidation.structure.episodes import boundaries
from consolidation.structure.topic_tree import Tree
from retrieval.rows import NONE, Rows


def with_structure(rows: Rows) -> Rows:
    """Return the rows with the numbers of their episodes and topics."""
    return replace(rows, episode=episodes(rows), topic=topics(rows))


def episodes(rows: Rows) -> NDArray[np.int32]:
    """Return the episode of each row, NONE outside any session: (n,)."""
    found = np.full(len(rows), NONE, np.int32)
    numbers = count()
    for session in np.unique(rows.session[rows.session != NONE]).tolist():
        turns = np.flatnonzero(rows.session == session)
        turns = turns[np.lexsort((turns, rows.observed_at[turns]))]
        starts = boundaries(rows.vectors[turns], rows.observed_at[turns])
        for start, end in pairwise([*starts, len(turns)]):
            found[turns[start:end]] = next(numbers)
    return found


def topics(rows: Rows) -> NDArray[np.int32]:
    """Return the topic of each row, the rows having come in the order of time: (n,)."""
    tree = Tree(rows.vectors.shape[1])
    new_ids = (UUID(int=number) for number in count(len(rows) + 1))
    for row in np.argsort(rows.observed_at, kind="stable").tolist():
        tree.add(UUID(int=row), rows.vectors[row], new_ids=new_ids)
    found = np.full(len(rows), NONE, np.int32)
    for number, leaf in enumerate(tree.leaves()):
        found[[member.int for member in leaf.members]] = number
    return found
