"""How near a reused cache is to what the model would compute itself."""

from collections.abc import Iterable
from enum import StrEnum


class Exactness(StrEnum):
    """What was done to a cache since the model made it; later members lose more."""

    EXACT = "exact"
    """The same prefix, the same numbers: the model cannot tell."""
    SHIFTED = "shifted"
    """Moved to other positions. Rotation is undone and done again; attention to what stands before is missing."""
    COMPRESSED = "compressed"
    """Tokens, channels or bits were given up."""


def least_exact(parts: Iterable[Exactness]) -> Exactness:
    """Return what may be said of a whole made of these parts: no more than of its worst.

    >>> least_exact([Exactness.EXACT, Exactness.COMPRESSED, Exactness.SHIFTED])
    <Exactness.COMPRESSED: 'compressed'>
    >>> least_exact([])
    <Exactness.EXACT: 'exact'>
    """
    order = list(Exactness)
    return max(parts, key=order.index, default=Exactness.EXACT)
