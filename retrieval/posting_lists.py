"""In which rows each term stands: lists that grow while earlier readers keep seeing them as they were."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.rows import NONE, Postings

_MOST_CUT: Final = 1_000  # terms whose postings are kept as they were cut


class PostingList:
    """The postings of one term, in the order of the rows."""

    __slots__ = ("frequencies", "rows")

    def __init__(self) -> None:
        self.rows = array("i")
        self.frequencies = array("i")

    def append(self, row: int, frequency: int) -> None:
        """Add a row that holds the term, the last one so far."""
        # The row comes last: whoever reads both cuts to the rows there are.
        self.frequencies.append(frequency)
        self.rows.append(row)


class PostingsUpTo(Mapping[str, Postings]):
    """Postings as they were when there were n rows, renumbered where some of them were dropped."""

    __slots__ = ("_cut", "_n", "_place", "_terms")

    def __init__(self, terms: Mapping[str, PostingList], n: int, place: NDArray[np.int32] | None) -> None:
        self._terms = terms
        self._n = n
        self._place = place
        self._cut: dict[str, Postings] = {}  # asked for before

    def __getitem__(self, term: str) -> Postings:
        # Several channels ask for each term of a query, and the next query for some of them again.
        known = self._cut.get(term)
        if known is None:
            if len(self._cut) >= _MOST_CUT:
                self._cut.clear()
            known = self._cut[term] = self._postings(term)
        return known

    def _postings(self, term: str) -> Postings:
        growing = self._terms.get(term)
        if growing is None:
            raise KeyError(term)
        # Copied under the interpreter's lock: an array whose buffer is lent cannot grow, and another thread may add to it.
        rows = np.frombuffer(growing.rows.tobytes(), np.int32)
        size = int(np.searchsorted(rows, self._n))
        rows, frequency = rows[:size], np.frombuffer(growing.frequencies.tobytes(), np.int32)[:size]
        if self._place is not None:
            rows = self._place[rows]
            there = rows != NONE
            rows, frequency = rows[there], frequency[there]
        return Postings(rows, frequency)

    def __contains__(self, term: object) -> bool:
        return term in self._terms

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._terms))

    def __len__(self) -> int:
        return len(self._terms)


def counted(terms: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Count the terms of one text.

    >>> list(counted(("cat", "sat", "cat")))
    [('cat', 2), ('sat', 1)]
    """
    counts: dict[str, int] = {}
    for term in terms:
        counts[term] = counts.get(term, 0) + 1
    return iter(counts.items())
