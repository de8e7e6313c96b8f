"""Bring candidates of a large namespace into memory: what the hybrid statement finds, and the turns around the best of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.storage.driver import Pending
from memory_service.storage.namespaces import Namespace
from memory_service.storage.neighbours import runs_around
from memory_service.storage.sql import Ids, Sql
from retrieval.bm25 import FEWEST_DOCUMENTS
from retrieval.corpus import Corpus
from retrieval.encoders import part_of
from retrieval.keyword_plan import KeywordQuery, plan_keywords
from retrieval.place import Place
from retrieval.query import ParsedQuery
from retrieval.reading import gathered
from retrieval.request import PRESETS, RecallRequest
from retrieval.rows import NONE, Rows
from retrieval.statements import Candidates, Scope, candidates_asked, find_candidates

_AROUND: Final = 2  # turns on each side of the best of each channel that are ranked with them

_Shelf = tuple[int, int]  # its number, and the encoder's


@dataclass(frozen=True, slots=True)
class Early:
    """Candidates that were asked for while the query was encoded, by shelf."""

    where: Sql
    keywords: Mapping[_Shelf, Pending[Candidates]]
    nearest: Mapping[_Shelf, Candidates] = field(default_factory=dict)

    def of(self, shelf: _Shelf) -> Candidates:
        """Return what was found on a shelf by both."""
        words, near = self.keywords[shelf].result(), self.nearest.get(shelf)
        if near is None:
            return words
        return replace(words, ids=sorted({*words.ids, *near.ids}), foremost=[*words.foremost, *near.foremost])

    def beside(
        self, session: Session, place: Place, request: RecallRequest, vector: NDArray[np.float32] | None
    ) -> "Early":
        """Find the nearest as soon as there is a vector, in another transaction: the words may still be on their way."""
        if vector is None:
            return self
        nearest = {
            shelf: find_candidates(
                session, _scope(place, request, shelf, namespaces, self.where),
                vector=part_of(vector, shelf[1], place.widths), keyword=None, per_channel=_wanted(request), scored=False,
            )
            for shelf, namespaces in _by_shelf(place.namespaces).items()
        }  # fmt: skip
        return replace(self, nearest=nearest)


def keywords_asked(
    session: Session, place: Place, request: RecallRequest, parsed: ParsedQuery, where: Sql
) -> Early | None:
    """Ask for the candidates that need no vector, with the next statements of the session; None where no word is asked."""
    keyword = _keyword_query(parsed, place.corpus)
    if keyword is None:
        return None
    keywords = {
        shelf: candidates_asked(
            session, _scope(place, request, shelf, namespaces, where),
            vector=None, keyword=keyword, per_channel=_wanted(request), scored=False,
        )
        for shelf, namespaces in _by_shelf(place.namespaces).items()
    }  # fmt: skip
    return Early(where, keywords)


def rows_of_candidates(
    session: Session,
    place: Place,
    request: RecallRequest,
    parsed: ParsedQuery,
    vector: NDArray[np.float32] | None,
    where: Sql,
    early: Early | None,
) -> tuple[Rows, NDArray[np.bool_]]:
    """Return what the hybrid statement brings, with the turns around the best of it, and which of them may be results: (n,)."""
    at = place.at(request)
    keyword = _keyword_query(parsed, place.corpus)
    ids: list[UUID] = []
    foremost: list[UUID] = []
    frequency: Counter[str] = Counter()
    # One statement per shelf: large namespaces have one of their own.
    for shelf, namespaces in _by_shelf(place.namespaces).items():
        scope = _scope(place, request, shelf, namespaces, where)
        part = None if vector is None else part_of(vector, scope.encoder_id, place.widths)
        found = _candidates(session, scope, request, keyword, part, None if early is None else early.of(shelf))
        ids += found.ids
        foremost += found.foremost
        # Common terms come with their count over all namespaces, rarer ones as each statement counted them.
        rare = set(keyword.rare) if keyword is not None else set()
        for term, count in found.document_frequency.items():
            frequency[term] = frequency[term] + count if term in rare else count
    # Who stands beside whom counts for all candidates; of the foremost those who stand there are ranked as well.
    runs = runs_around(session, place.tenant_id, ids, distance=_AROUND, at=at, known=request.as_of.known)
    around = [one for memory_id in foremost for one in runs.get(memory_id, ())]
    gathering = gathered(
        session,
        place.tenant_id,
        place.namespaces,
        Ids(dict.fromkeys([*ids, *around])),
        known=request.as_of.known,
        at=at,
        archived=request.archived,
        terms=[one for term in parsed.terms for one in parsed.all_of(term)],
        widths=place.widths,
    )
    rows = gathering.rows(documents=place.corpus.documents, document_frequency=frequency)
    rows = _with_neighbours(rows, runs.values())
    if where.text == "true":
        # The surroundings may be results, too: a turn beside the best is often the answer.
        return rows, np.ones(len(rows), dtype=np.bool_)
    chosen = set(ids)
    return rows, np.fromiter((id_ in chosen for id_ in rows.ids), dtype=np.bool_, count=len(rows))


def _with_neighbours(rows: Rows, runs: Iterable[Sequence[UUID]]) -> Rows:
    """Return the rows with the neighbours that runs name: two candidates of one session need not stand side by side."""
    # By number: ids of Python take several times as long to find.
    place = {memory_id.int: row for row, memory_id in enumerate(rows.ids)}
    previous, following = np.full(len(rows), NONE, np.int32), np.full(len(rows), NONE, np.int32)
    for run in runs:
        at = [place.get(memory_id.int, NONE) for memory_id in run]
        for before, after in pairwise(at):
            if before != NONE and after != NONE:
                previous[after] = before
                following[before] = after
    return replace(rows, previous=previous, following=following)


def _by_shelf(namespaces: Sequence[Namespace]) -> dict[_Shelf, list[Namespace]]:
    groups: defaultdict[_Shelf, list[Namespace]] = defaultdict(list)
    for namespace in namespaces:
        groups[namespace.shelf, namespace.encoder_id].append(namespace)
    return groups


def _scope(place: Place, request: RecallRequest, shelf: _Shelf, namespaces: Sequence[Namespace], where: Sql) -> Scope:
    number, encoder_id = shelf
    return Scope(
        tenant_id=place.tenant_id,
        namespace_ids=tuple(namespace.id for namespace in namespaces),
        shelf=number,
        encoder_id=encoder_id,
        at=place.at(request),
        as_known=request.as_of.known is not None,
        archived=request.archived,
        where=where,
        memories=place.corpus.documents,
    )


def _wanted(request: RecallRequest) -> int:
    """Return how many candidates each channel is to choose."""
    return max(PRESETS[request.preset], 2 * request.top_k)


def _candidates(
    session: Session,
    scope: Scope,
    request: RecallRequest,
    keyword: KeywordQuery | None,
    vector: NDArray[np.float32] | None,
    early: Candidates | None,
) -> Candidates:
    if vector is None and keyword is None:
        return Candidates([], None, None, {})
    if early is not None:
        return early
    return find_candidates(session, scope, vector=vector, keyword=keyword, per_channel=_wanted(request), scored=False)


def _keyword_query(parsed: ParsedQuery, corpus: Corpus) -> KeywordQuery | None:
    """Split the terms of the query into those that choose candidates and those that only add."""
    return plan_keywords(
        parsed.terms,
        documents=max(FEWEST_DOCUMENTS, corpus.documents),
        common=corpus.common,
        alternatives=parsed.alternatives,
    )
