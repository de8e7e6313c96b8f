"""Which stored runs of blocks cover the beginning of a prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block lies: in which record, and as which of its blocks."""

    kv_memory_id: UUID
    position: int


@dataclass(frozen=True, slots=True)
class Run:
    """Blocks `first` to `first + count` of a prompt, which a record holds from its block `offset` on."""

    kv_memory_id: UUID
    first: int
    count: int
    offset: int


def cover(hashes: Sequence[str], places: Mapping[str, Sequence[Place]]) -> tuple[Run, ...]:
    """Return the runs that cover the longest beginning of a prompt, in as few records as going for the longest each time finds.

    Blocks after the first that nobody holds are left out: their numbers would not be loaded without those before.

    >>> one, two = UUID(int=1), UUID(int=2)
    >>> held = {"a": [Place(one, 0)], "b": [Place(one, 1), Place(two, 0)], "c": [Place(two, 1)], "e": [Place(one, 7)]}
    >>> [(run.kv_memory_id.int, run.first, run.count, run.offset) for run in cover("abcde", held)]
    [(1, 0, 2, 0), (2, 2, 1, 1)]
    >>> cover("xa", held)
    ()
    """
    at = [{(place.kv_memory_id, place.position) for place in places.get(one, ())} for one in hashes]
    runs: list[Run] = []
    first = 0
    while first < len(hashes) and at[first]:
        # Of those that reach as far, the one with the smallest id, so that everybody loads the same.
        best = max(sorted(at[first]), key=lambda place: _reach(at, first, place))
        count = _reach(at, first, best)
        runs.append(Run(best[0], first, count, best[1]))
        first += count
    return tuple(runs)


def _reach(at: Sequence[set[tuple[UUID, int]]], first: int, place: tuple[UUID, int]) -> int:
    record, position = place
    count = 1
    while first + count < len(at) and (record, position + count) in at[first + count]:
        count += 1
    return count
