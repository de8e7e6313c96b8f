"""Which of the groups that were there lives on in which of the groups that are found now."""

from collections.abc import Mapping, Sequence
from uuid import UUID


def successors(
    found: Mapping[tuple[UUID, ...], object], before: Mapping[UUID, Sequence[UUID]]
) -> dict[tuple[UUID, ...], UUID]:
    """Give groups the ids of those before with which they share most, one id to one group; the rest are new.

    Args:
        found: groups, by their members.
        before: members of the groups that were there, by id.

    The first lives on in the larger part of what it was cut into:

    >>> a, b, c, old = (UUID(int=n) for n in (1, 2, 3, 9))
    >>> successors({(a, b): None, (c,): None}, {old: [a, b, c]}) == {(a, b): old}
    True
    """
    group_of = {member: id for id, members in before.items() for member in members}
    shared: dict[tuple[tuple[UUID, ...], UUID], int] = {}
    for group in found:
        for member in group:
            id = group_of.get(member)
            if id is not None:
                shared[group, id] = shared.get((group, id), 0) + 1
    kept: dict[tuple[UUID, ...], UUID] = {}
    taken: set[UUID] = set()
    for (group, id), _ in sorted(shared.items(), key=lambda pair: (-pair[1], pair[0])):
        if group not in kept and id not in taken:
            kept[group] = id
            taken.add(id)
    return kept
