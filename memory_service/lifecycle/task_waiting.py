"""Whether tasks would wait for each other for ever: decided from pairs, without a database."""

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from uuid import UUID


def waits_in_a_circle(needs: Iterable[tuple[UUID, UUID]]) -> bool:
    """Say whether some task can end only after itself, given who can end only after whom.

    >>> a, b, c = UUID(int=1), UUID(int=2), UUID(int=3)
    >>> waits_in_a_circle([(a, b), (b, c), (a, c)]), waits_in_a_circle([(a, b), (b, c), (c, a)]), waits_in_a_circle([(a, a)])
    (False, True, True)
    """
    sorter: TopologicalSorter[UUID] = TopologicalSorter()
    for task, needed in needs:
        sorter.add(task, needed)
    try:
        sorter.prepare()
    except CycleError:
        return True
    return False
