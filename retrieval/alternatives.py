"""Let the alternatives of a query's word count as one term.

In a namespace of several languages a memory holds a word as its own language cuts it, so one word of a query has several
terms (``memory_service.analysis.term_groups``). They are put together before anything is scored: rarity, coverage and the
words of sessions then see one term, under the name of the first. Where all memories are in one language there is nothing to
put together, and the rows stay as they are.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from retrieval.rows import Postings, Rows

Alternatives = Mapping[str, Sequence[str]]
"""All terms of a word, by the first of them; words with one term only are left out."""


def grouped(rows: Rows, alternatives: Alternatives) -> Rows:
    """Return the rows with the postings of alternatives put together under the name of their word.

    A memory that holds several alternatives holds the word as often as all of them together. Only the name of a word
    answers for it: the other alternatives keep the postings of their own, and are not asked for.
    """
    return rows.with_postings(_Grouped(rows.postings, alternatives)) if alternatives else rows


def together(parts: Sequence[Postings]) -> Postings:
    """Add postings up, row by row; rows ascend.

    >>> one = Postings(np.array([0, 3], np.int32), np.array([1, 2], np.int32))
    >>> other = Postings(np.array([1, 3], np.int32), np.array([5, 1], np.int32))
    >>> added = together([one, other])
    >>> added.row.tolist(), added.frequency.tolist()
    ([0, 1, 3], [1, 5, 3])
    """
    rows, places = np.unique(np.concatenate([part.row for part in parts]), return_inverse=True)
    frequency = np.bincount(places, weights=np.concatenate([part.frequency for part in parts]), minlength=len(rows))
    return Postings(rows.astype(np.int32), frequency.astype(np.int32))


class _Grouped(Mapping[str, Postings]):
    """The postings of single terms, but for the names of words with alternatives."""

    __slots__ = ("_alternatives", "_single", "_words")

    def __init__(self, single: Mapping[str, Postings], alternatives: Alternatives) -> None:
        self._single = single
        self._alternatives = alternatives
        self._words: dict[str, Postings] = {}

    def __getitem__(self, term: str) -> Postings:
        if term in self._words:
            return self._words[term]
        parts = [found for one in self._alternatives.get(term, (term,)) if (found := self._single.get(one)) is not None]
        if not parts:
            raise KeyError(term)
        found = parts[0] if len(parts) == 1 else together(parts)
        if term in self._alternatives:
            self._words[term] = found
        return found

    def __iter__(self) -> Iterator[str]:
        yield from self._single
        yield from (name for name in self._alternatives if name not in self._single and name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
