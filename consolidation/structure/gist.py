"""Gists: the few sentences of many memories that say what they are about, word for word and with where they stand.

Sentences are chosen by maximal marginal relevance (Carbonell and Goldstein 1998): near what all of the memories are
about, and unlike those chosen before. What they are about is known by the mean of their vectors and by the words that
several of them share (in the spirit of SumBasic, Nenkova and Vanderwende 2005).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from consolidation.planning import RULES, Change, End, Put, Step, Structure, Why
from memory_service.analysis.sentences import sentences
from memory_service.analysis.tokens import cut_language, terms
from retrieval.diversity import mmr

Span = tuple[UUID, int, int, int]  # memory, version of its content, from, to in characters


@dataclass(frozen=True, slots=True)
class GistSettings:
    """How long a gist is, and what makes a sentence worth quoting."""

    sentences: int = 4
    characters: int = 480
    longest: int = 240  # characters of one sentence; longer ones are lists and code
    fewest_terms: int = 3  # "Wow, thanks!" says nothing
    diversity: float = 0.3
    words: float = 0.5  # share of the shared words beside the vectors
    question: float = 0.5  # factor on a sentence that asks
    keywords: int = 6
    same: float = 0.7  # share of all words of two sentences that both have, from which on they say the same


DEFAULT: Final = GistSettings()
_CONSIDERED: Final = 20  # sentences for each of a gist: those that are most relevant
_TRIED: Final = 4
_MARKUP: Final = ("#", "|", "`", "~~~")  # headings, tables and code are no sentences


@dataclass(frozen=True, slots=True)
class Source:
    """A memory that a gist may quote."""

    id: UUID
    version: int  # of its content
    content: str
    vector: NDArray[np.float32]  # (d,), normalised
    keywords: tuple[str, ...] = ()
    language: str | None = None
    speaker: str | None = None
    role: str | None = None
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gist:
    """What some memories are about."""

    text: str
    spans: tuple[Span, ...]
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is to have a gist: its memories, in the order in which they are to be quoted."""

    structure: Structure
    id: UUID
    sources: Sequence[Source]


@dataclass(frozen=True, slots=True)
class Written:
    """A gist that is there."""

    id: UUID
    text: str
    spans: tuple[Span, ...]
    method: str = RULES


def plan_gists(
    targets: Iterable[Target],
    written: Mapping[UUID, Written],
    *,
    step: Step,
    ended: Iterable[UUID] = (),
    new_id: Callable[[], UUID],
    settings: GistSettings = DEFAULT,
) -> list[Change]:
    """Write the gists of targets whose gist is another than before, and end those of targets that are no more.

    Args:
        targets: what is to have a gist.
        written: the present gists, by target.
        step: in which part of the run.
        ended: targets that are no more.
        new_id: makes ids.
        settings: how long, and of what.
    """
    changes: list[Change] = []
    for target in targets:
        before = written.get(target.id)
        made = summarise(target.sources, settings=settings)
        if made is None:
            if before is not None:
                changes.append(End(Structure.GIST, before.id, Why(step, "nothing to quote")))
        elif before is None or before.spans != made.spans or before.text != made.text:
            values = _values(target, made)
            changes.append(Put(Structure.GIST, before.id if before else new_id(), values, Why(step, "gist")))
    gone = sorted(written[id].id for id in set(ended) if id in written)
    return changes + [End(Structure.GIST, id, Why(step, "its subject is no more")) for id in gone]


def summarise(sources: Sequence[Source], *, settings: GistSettings = DEFAULT) -> Gist | None:
    """Choose the sentences that say what memories are about, None where none says anything.

    >>> one = np.array([1.0, 0.0], np.float32)
    >>> said = ["Wow!", "Our cat Biscuit hates the vet. It rained.", "Is Biscuit a cat?"]
    >>> made = summarise([Source(UUID(int=n), 1, text, one) for n, text in enumerate(said)], settings=GistSettings(sentences=1))
    >>> made.text, made.spans[0][2:]
    ('Our cat Biscuit hates the vet.', (0, 30))
    """
    found = [candidate for place, source in enumerate(sources) for candidate in _candidates(place, source, settings)]
    if not found:
        return None
    known = Counter(term for terms_ in _terms_by_source(found) for term in terms_)
    matrix = np.array([source.vector for source in sources], np.float64)
    centre = matrix.mean(axis=0)
    norm = float(np.linalg.norm(centre))
    near = matrix @ (centre / norm) if norm > 0 else np.zeros(len(matrix))
    relevance = [
        (settings.question if one.asks else 1.0)
        * ((1 - settings.words) * float(near[one.source]) + settings.words * _shared(one.terms, known, len(sources)))
        for one in found
    ]
    # Some of those chosen will repeat others or be too long.
    enough = _TRIED * settings.sentences
    best = sorted(range(len(found)), key=lambda place: (-relevance[place], place))[: _CONSIDERED * settings.sentences]
    best.sort()
    few = [found[place] for place in best]
    order = mmr(
        [relevance[p] for p in best], _directions(few, matrix, settings), diversity=settings.diversity, limit=enough
    )
    chosen: list[_Candidate] = []
    room = settings.characters
    for place in order:
        one = few[place]
        told = any(_alike(one.terms, other.terms) > settings.same for other in chosen)
        if len(chosen) < settings.sentences and len(one.text) <= room and not told:
            chosen.append(one)
            room -= len(one.text) + 1
    chosen.sort(key=lambda one: (one.source, one.start))
    spans = tuple((sources[c.source].id, sources[c.source].version, c.start, c.end) for c in chosen)
    return Gist(" ".join(one.text for one in chosen), spans, shared_keywords(sources, limit=settings.keywords))


def shared_keywords(sources: Sequence[Source], *, limit: int) -> tuple[str, ...]:
    """Return the keywords that most memories have, the earlier in their lists the better among equals.

    >>> one = np.zeros(1, np.float32)
    >>> shared_keywords([Source(UUID(int=n), 1, "", one, k) for n, k in enumerate([("tea", "cat"), ("cat",)])], limit=1)
    ('cat',)
    """
    count: Counter[str] = Counter()
    place: dict[str, int] = {}
    for source in sources:
        for at, word in enumerate(dict.fromkeys(source.keywords)):
            count[word] += 1
            place[word] = min(place.get(word, at), at)
    return tuple(sorted(count, key=lambda word: (-count[word], place[word], word))[:limit])


@dataclass(frozen=True, slots=True)
class _Candidate:
    source: int
    text: str
    start: int
    end: int
    terms: frozenset[str]

    @property
    def asks(self) -> bool:
        return self.text.endswith("?")


def _candidates(place: int, source: Source, settings: GistSettings) -> Iterable[_Candidate]:
    language = cut_language(source.language)
    for sentence in sentences(source.content):
        if len(sentence.text) > settings.longest or sentence.text.startswith(_MARKUP):
            continue
        cut = frozenset(terms(sentence.text, language))
        if len(cut) >= settings.fewest_terms:
            yield _Candidate(place, sentence.text, sentence.start, sentence.end, cut)


def _terms_by_source(found: Sequence[_Candidate]) -> Iterable[set[str]]:
    by_source: dict[int, set[str]] = {}
    for one in found:
        by_source.setdefault(one.source, set()).update(one.terms)
    return by_source.values()


def _shared(words: frozenset[str], known: Mapping[str, int], n: int) -> float:
    """Return the mean share of the other memories that have a word, over the four most shared of a sentence: 0..1."""
    if n < 2:
        return 0.0
    best = sorted((known[word] - 1 for word in words), reverse=True)[:4]
    return sum(best) / (4 * (n - 1))


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)


def _directions(
    found: Sequence[_Candidate], matrix: NDArray[np.float64], settings: GistSettings
) -> NDArray[np.float64]:
    """Return a unit vector per sentence whose cosines are a share of those of the memories and of those of the words."""
    place = {term: at for at, term in enumerate(sorted({term for one in found for term in one.terms}))}
    words = np.zeros((len(found), len(place)))
    for row, one in enumerate(found):
        words[row, [place[term] for term in one.terms]] = len(one.terms) ** -0.5
    meaning = matrix[[one.source for one in found]]
    return np.hstack([(1 - settings.words) ** 0.5 * meaning, settings.words**0.5 * words])


def _values(target: Target, made: Gist) -> dict[str, Any]:
    return {
        "target_structure": target.structure.value,
        "target_id": target.id,
        "text": made.text,
        "keywords": list(made.keywords),
        "spans": [[str(id), version, start, end] for id, version, start, end in made.spans],
        "method": RULES,
        "members": sorted({span[0] for span in made.spans}),
    }
