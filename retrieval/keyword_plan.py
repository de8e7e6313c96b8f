"""Which terms of a query choose candidates, and by how many of their postings: what bounds keyword search at any size."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

# A term in more than a tenth of the documents only adds to candidates that others found, and so does one in more than 5,000:
# reading its postings costs a millisecond per 5,000. Below 500 documents there is nothing to save.
COMMON_SHARE: Final = 0.10
COMMON_AT_LEAST: Final = 500
COMMON_AT_MOST: Final = 5_000

# What the rarer terms of a query stand in, all together: fifty words, each in a thousand memories. A query of thousands of
# words has hundreds of thousands of postings, and the rarest of them say most of what it is about.
MOST_READ: Final = 50_000
MOST_COMMON: Final = 64  # terms looked up in each of up to 2,000 memories; a longer query has rarer ones to be known by

# At a million 3,000 of the newest keep .962 of the first ten of full BM25, 1,000 keep .961.
STRONG: Final = 2_000  # postings read of a common term that must choose: the strongest,
NEWEST: Final = 1_000  # and the newest of those that say it once
ENOUGH: Final = 10_000  # postings of rarer terms that make it needless to let common terms choose
MOST_HEADS: Final = 3

# Of the memories that were chosen so many are completed by look-ups of common terms before the cut. The larger a namespace,
# the more memories promise the same: at a million, 1,000 keep .955 of the top ten, 1,500 .963 and 2,000 .971.
COMPLETED_SHARE: Final = 0.02
COMPLETED_AT_LEAST: Final = 500
COMPLETED_AT_MOST: Final = 2_000


@dataclass(frozen=True, slots=True)
class KeywordQuery:
    """The words of a query: rarer ones choose candidates, common ones (with their document frequency) add to them.

    `heads` are common terms that choose candidates as well, by their strongest and newest postings. Where rare terms are
    `bounded`, they come rarest first as far as can be told, and those beyond MOST_READ postings are not read.
    """

    rare: tuple[str, ...]
    common: tuple[tuple[str, int], ...]
    documents: int
    heads: tuple[str, ...] = ()
    # All terms of a word where it has several, by the one above: they count as one, for its rarity and in its score.
    alternatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounded: bool = False
    left_out: tuple[tuple[str, int], ...] = ()  # common terms beyond MOST_COMMON, with their document frequency

    def all_of(self, term: str) -> tuple[str, ...]:
        """Return all terms by which memories may hold a word."""
        return self.alternatives.get(term, (term,))

    @property
    def completed(self) -> int:
        """Return how many of the chosen memories are completed by look-ups.

        >>> [KeywordQuery((), (), documents=n).completed for n in (100, 30_000, 1_000_000)]
        [500, 600, 2000]
        """
        return int(min(COMPLETED_AT_MOST, max(COMPLETED_AT_LEAST, COMPLETED_SHARE * self.documents)))


def plan_keywords(
    terms: Iterable[str],
    *,
    documents: int,
    common: Mapping[str, int],
    alternatives: Mapping[str, tuple[str, ...]] | None = None,
) -> KeywordQuery | None:
    """Split the distinct terms of a query; None when there are none.

    Args:
        terms: what is asked.
        documents: memories in the namespaces searched.
        common: the document frequency of those terms that have a stored one; the others are rare.
        alternatives: all terms of a word by the one in `terms`, where there are several.

    The rarest of the common terms choose too, until some thousand postings are read:

    >>> plan = plan_keywords(["dog", "lisbon"], documents=1_000_000, common={"dog": 90_000, "lisbon": 8_000})
    >>> plan.rare, plan.common, plan.heads
    ((), (('dog', 90000), ('lisbon', 8000)), ('lisbon', 'dog'))
    >>> plan = plan_keywords(["dog", "lisbon"], documents=1_000_000, common={"dog": 90_000, "lisbon": 4_900})
    >>> plan.rare, plan.common, plan.heads
    (('lisbon',), (('dog', 90000),), ('dog',))
    """
    distinct = tuple(dict.fromkeys(terms))
    if not distinct:
        return None
    limit = min(COMMON_AT_MOST, max(COMMON_AT_LEAST, COMMON_SHARE * documents))
    named = alternatives or {}
    frequency = {term: sum(common.get(one, 0) for one in named.get(term, (term,))) for term in distinct}
    by_rarity = sorted(distinct, key=lambda term: (frequency[term], term))
    read, often = 0, {}
    for term in by_rarity:
        if frequency[term] > limit or read + frequency[term] > MOST_READ:
            often[term] = frequency[term]
        else:
            read += frequency[term]
    rare = tuple(term for term in distinct if term not in often)
    heads: list[str] = []
    for term in often:
        if read >= ENOUGH or len(heads) == MOST_HEADS:
            break
        heads.append(term)
        read += min(often[term], STRONG + NEWEST)
    at_most = sum(common.get(one, COMMON_AT_LEAST) for term in rare for one in named.get(term, (term,)))
    if at_most > MOST_READ:
        # Nobody has counted those that stand in less than COMMON_AT_LEAST memories. Long words are rarer, as a rule.
        rare = tuple(sorted(rare, key=lambda term: (frequency[term], -len(term))))
    counted = tuple(often.items())
    return KeywordQuery(
        rare=rare,
        common=tuple(sorted(counted[:MOST_COMMON])),
        documents=documents,
        heads=tuple(heads),
        alternatives=named,
        bounded=at_most > MOST_READ,
        left_out=counted[MOST_COMMON:],
    )
