"""Cut a query so that it meets memories of every language that a namespace holds.

A memory is cut by the rules of one language, its own. The words of a query are cut by the rules of each language that is
there: one word becomes a group of alternatives, of which a memory can hold the one of its language. A group counts as one
term, for its rarity and for how much of the query a memory covers. Where all memories are in one language, every group
has one alternative and nothing changes.
"""

from collections.abc import Collection, Iterable, Sequence

from memory_service.analysis.language import guess
from memory_service.analysis.tokens import (
    UNKNOWN_LANGUAGE,
    cut_language,
    month_number,
    month_term,
    split,
    words_of,
)

TermGroup = tuple[str, ...]
"""Alternatives for one word of a query; the first, cut by the rules of the query's own language, names the group."""


def query_terms(query: str, languages: Collection[str], *, spoken: str | None = None) -> tuple[TermGroup, ...]:
    """Return the words of a query as groups of the terms by which memories in `languages` would hold them.

    Stop words of the query's own language are dropped where that can be told, whatever other languages say: "die" is no
    English word in a German question. A month also meets the names it has in the other languages.

    Args:
        query: What was asked.
        languages: Those that the namespaces searched hold (`cut_language` of their memories); none counts as unknown.
        spoken: The query's own language where it was guessed already.

    Returns:
        Groups without overlap, in the order of the query.

    >>> query_terms("Wann waren die Häuser im Mai fertig?", ["de", "en"])
    (('haus', 'hauser'), ('mai', 'may'), ('fertig',))
    >>> query_terms("Who was hiking?", ["en"])
    (('hike',),)
    """
    spoken = guess(query) if spoken is None else spoken
    present = in_order(languages, first=spoken)
    own = spoken if spoken != UNKNOWN_LANGUAGE else present[0]
    own_words = words_of(own)
    cuts = [words_of(language) for language in present]
    found: dict[TermGroup, None] = {}
    for word in split(query, own):
        if spoken != UNKNOWN_LANGUAGE and not own_words[word]:
            continue
        terms = [term for words in cuts if (term := words[word])]
        if len(present) > 1 or own not in present:
            terms += _months(word, own, present)
        found[tuple(dict.fromkeys(terms))] = None
    return _joined(found)


def in_order(languages: Iterable[str], *, first: str) -> Sequence[str]:
    """Order languages: `first` where it is among them, then those with rules we know by name.

    Unknown is left out beside English, by whose rules it is cut.

    >>> in_order(["fr", "und", "de"], first="fr"), in_order([], first="fr"), in_order(["und", "en"], first="en")
    (['fr', 'de', 'und'], ['und'], ['en'])
    """
    present = {cut_language(language) for language in languages} or {UNKNOWN_LANGUAGE}
    if "en" in present:
        present.discard(UNKNOWN_LANGUAGE)  # cut by the same rules
    return sorted(present, key=lambda language: (language == UNKNOWN_LANGUAGE, language != first, language))


def _months(word: str, own: str, present: Sequence[str]) -> list[str]:
    """Return what the other languages call the month that a word names."""
    for language in (own, *present):
        number = month_number(word, language)
        if number is not None:
            return [term for other in present if (term := month_term(number, other))]
    return []


def _joined(found: Iterable[TermGroup]) -> tuple[TermGroup, ...]:
    """Join groups that share a term: they are the same word, and must not count twice.

    What is joined stands where the first of it stood. Each group is looked up by its terms, because a query may have
    thousands of words.

    >>> _joined([("a",), ("b", "c"), ("d",), ("c", "e", "a"), ()])
    (('a', 'b', 'c', 'e'), ('d',))
    """
    groups: dict[int, dict[str, None]] = {}
    place: dict[str, int] = {}
    for number, terms in enumerate(found):
        if not terms:
            continue
        first, *others = sorted({place[term] for term in terms if term in place}) or [number]
        group = groups.setdefault(first, {})
        for new in (*map(groups.pop, others), terms):
            group |= dict.fromkeys(new)
            place |= dict.fromkeys(new, first)
    return tuple(map(tuple, groups.values()))
