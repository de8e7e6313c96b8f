"""Recall: load what may answer a query, rank it, explain it, deliver it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.storage.driver import meanwhile
from memory_service.storage.namespaces import paths_named
from retrieval.confidence import DEFAULT as CALIBRATION
from retrieval.confidence import confidence as confidence_of
from retrieval.corpus import Foreseen, NamesAsked
from retrieval.diversity import mmr
from retrieval.encoders import Widths, side_by_side
from retrieval.fusion_policy import governed
from retrieval.loading import Loaded, asked_early, load, looked_early
from retrieval.ordering import Order, asks_one_channel, ordered, texts_to_rerank, with_fading, with_second_opinion
from retrieval.place import Place
from retrieval.preparing import Prepared, foresee, prepare
from retrieval.ranking import Ranked, Shown
from retrieval.recalled import Recalled, Timings
from retrieval.request import RecallRequest
from retrieval.resident import Look
from retrieval.results import (
    Result,
    matched_terms,
    newest_value_first,
    with_places,
    with_records,
    within_budget,
)
from retrieval.tools import Tools


def recall(
    open_transaction: Callable[[], AbstractContextManager[Session]],
    tenant_id: UUID,
    request: RecallRequest,
    *,
    tools: Tools,
    now: datetime,
    deliver: Callable[[Session, Recalled], None],
) -> Recalled:
    """Search. No connection is held while a reranker runs, or while the query waits to be encoded behind others.

    Args:
        open_transaction: opens one transaction of the tenant.
        tenant_id: who searches.
        request: what is asked.
        tools: what the search works with.
        now: the present moment.
        deliver: called inside the last transaction with what was found, to keep a trace or fetch more.

    Raises:
        NamespaceNotFound: there is no such namespace.
    """
    search = _Search(open_transaction, tenant_id, request, tools, now, deliver, started=perf_counter())
    guess = search.foreseen()
    answered = search.under(guess).answered(guess, foreseen=True) if guess is not None else None
    if answered is not None:
        return answered
    with open_transaction() as session:
        prepared = prepare(session, tenant_id, request, now=now)
    search.keep(prepared)
    answered = search.under(prepared).answered(prepared, foreseen=False)
    assert answered is not None  # nothing was foreseen that could be otherwise
    return answered


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked of the database before it is needed."""

    foreseen: Foreseen
    names: NamesAsked
    look: Look | None


@dataclass(slots=True)
class _Search:
    """One search under way."""

    open_transaction: Callable[[], AbstractContextManager[Session]]
    tenant_id: UUID
    request: RecallRequest
    tools: Tools
    now: datetime
    deliver: Callable[[Session, Recalled], None]
    started: float
    timings: Timings = field(default_factory=Timings)
    vectors: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)

    def foreseen(self) -> Prepared | None:
        """Understand the query by what the last search of these namespaces saw, where they are kept in memory.

        That saves a transaction before encoding. The search itself asks whether it still is so.
        """
        request = self.request
        as_it_is = request.as_of.known is None and not request.archived and request.languages is None
        if not as_it_is or request.namespace_prefix is not None:
            return None
        corpus = self.tools.residents.corpora.get((self.tenant_id, tuple(self._paths())))
        if corpus is None or not self.tools.residents.admits(self.tenant_id, corpus.namespaces, corpus.documents):
            return None
        known = self.tools.residents.called(self.tenant_id, corpus.namespaces)
        return foresee(request, corpus, now=self.now, known=known)

    def under(self, prepared: Prepared) -> "_Search":
        """Return the search as the namespace has it where the caller does not say."""
        return replace(self, request=governed(self.request, prepared.corpus.fusion))

    def keep(self, prepared: Prepared) -> None:
        """Remember what there is for the next search, where all that is named exists."""
        paths, by_path = self._paths(), self.request.namespace_prefix is None
        if by_path and self.request.as_of.known is None and len(prepared.corpus.namespaces) == len(paths):
            self.tools.residents.corpora.keep((self.tenant_id, tuple(paths)), prepared.corpus)

    def learn(self, prepared: Prepared) -> None:
        """Remember for the next search whom the names in the query mean."""
        if self.request.as_of.known is None and prepared.names:
            known = self.tools.residents.called(self.tenant_id, prepared.corpus.namespaces)
            known.forget(lambda name: name in prepared.names)
            for name, speaker in prepared.called.items():
                known.keep(name, speaker)

    def answered(self, prepared: Prepared, *, foreseen: bool) -> Recalled | None:
        """Encode, search and deliver; None where the query was read by what is so no more, and nothing is delivered."""
        request, tools, tenant_id = self.request, self.tools, self.tenant_id
        namespaces = prepared.corpus.namespaces
        # Nobody has to be waited for: the database works beside the encoder, and a connection may be held meanwhile.
        beside = all(tools.at_once(one.encoder_id) for one in namespaces)
        cue = None if beside else self._cue(prepared)
        order, texts = None, None
        with self.open_transaction() as session:
            if namespaces:
                asked = self._ask(session, prepared) if foreseen else None
                place = Place(tenant_id, namespaces, prepared.corpus, self.now)
                early, loading = None, perf_counter()
                look = asked.look if asked is not None else None
                if cue is None:
                    if asked is None:
                        early = asked_early(session, place, request, prepared.parsed, residents=tools.residents)
                        if early is None:
                            look = looked_early(session, place, request, residents=tools.residents)
                    with meanwhile(session):
                        cue = self._cue(prepared)
                        loading = perf_counter()  # what is waited for from here on is the database
                        place = replace(place, widths=cue[1])
                        if early is not None:
                            with self.open_transaction() as other:
                                early = early.beside(other, place, request, cue[0])
                vector, widths = cue
                if asked is not None:
                    # What is common in another query says nothing of this one, and what is kept may have grown too large.
                    corpus = asked.foreseen.corpus()
                    if corpus is None or not tools.residents.admits(tenant_id, namespaces, corpus.documents):
                        return None
                    prepared, place = replace(prepared, corpus=corpus), replace(place, corpus=corpus)
                    self.keep(prepared)
                    if asked.names.called() != prepared.called:
                        return None
                loaded = load(
                    session, replace(place, widths=widths), request, prepared.parsed, residents=tools.residents,
                    vector=vector, look=look, early=early,
                )  # fmt: skip
                self.learn(prepared)
                self.timings.candidates = _ms(loading)
                fusing = perf_counter()
                order = ordered(request, prepared, loaded, vector)
                self.timings.fuse = _ms(fusing)
                order = with_fading(session, tenant_id, request, order, prepared.corpus.namespaces, now=self.now)
                texts = texts_to_rerank(session, tenant_id, request, order, tools)
            if texts is None:
                return self._delivered(session, prepared, order)
        if order is not None and tools.rerank is not None:
            reranking = perf_counter()
            order = with_second_opinion(order, request.asked.text, texts, tools.rerank)
            self.timings.rerank = _ms(reranking)
        with self.open_transaction() as session:
            return self._delivered(session, prepared, order)

    def _paths(self) -> list[str]:
        return paths_named(namespace=self.request.namespace, namespaces=self.request.namespaces)

    def _cue(self, prepared: Prepared) -> tuple[NDArray[np.float32] | None, Widths]:
        """Encode the query where that is asked; return its vector and, under several encoders, the width of each one's part."""
        self.vectors = {}
        if not _asks_vectors(self.request) or not prepared.corpus.namespaces:
            return None, {}
        encoding = perf_counter()
        self.vectors = self.tools.vectors(prepared.parsed.spoken, prepared.corpus.namespaces)
        vector = side_by_side(self.vectors)
        self.timings.encode = _ms(encoding)
        several = len(self.vectors) > 1
        return vector, {one: len(values) for one, values in self.vectors.items()} if several else {}

    def _ask(self, session: Session, prepared: Prepared) -> _Asked:
        parsed = prepared.parsed
        terms = [one for term in parsed.terms for one in parsed.all_of(term)]
        foreseen = Foreseen(session, self.tenant_id, self._paths(), terms, seen=prepared.corpus)
        names = NamesAsked(session, self.tenant_id, prepared.corpus, prepared.names)
        return _Asked(foreseen, names, self.tools.residents.look(session, self.tenant_id, prepared.corpus.namespaces))

    def _delivered(self, session: Session, prepared: Prepared, order: Order | None) -> Recalled:
        recalled = _recalled(
            session, self.tenant_id, self.request, prepared, order, tools=self.tools, timings=self.timings
        )
        recalled = replace(recalled, vectors=self.vectors)
        self.timings.total = _ms(self.started)
        self.deliver(session, recalled)
        return recalled


def _ms(since: float) -> float:
    return round((perf_counter() - since) * 1000, 3)


def _asks_vectors(request: RecallRequest) -> bool:
    """Say whether a channel that was asked needs the query's vector: all but keywords alone do."""
    return request.weights is None or any(weight > 0 for name, weight in request.weights.items() if name != "keyword")


def _recalled(
    session: Session,
    tenant_id: UUID,
    request: RecallRequest,
    prepared: Prepared,
    order: Order | None,
    *,
    tools: Tools,
    timings: Timings,
) -> Recalled:
    """Turn an order into results, None being the order of no namespaces."""
    namespaces, parsed = prepared.corpus.namespaces, prepared.parsed
    if order is None:
        return Recalled((), 0.0, True, timings, parsed, namespaces)
    loaded, ranked = order.loaded, order.ranked
    fusing = perf_counter()
    best = _diverse(ranked, loaded, diversity=request.diversity)
    shown, records = with_records(session, tenant_id, request, best)
    if not asks_one_channel(request):
        shown = newest_value_first(shown, records, loaded.rows, parsed)
    shown = with_places(shown, best)[: request.top_k]
    if request.token_budget is not None:
        shown = within_budget(shown, records, budget=request.token_budget, count_tokens=tools.count_tokens)
    query_terms = frozenset(one for term in parsed.terms for one in parsed.all_of(term))
    results = tuple(
        Result(
            found=item,
            rank=place,
            row=records[item.id],
            matched_terms=matched_terms(records[item.id], query_terms),
        )
        for place, item in enumerate(shown, start=1)
    )
    sure = confidence_of(ranked.best_cosine, ranked.coverage) if results else 0.0
    threshold = CALIBRATION.abstain_below if request.min_confidence is None else request.min_confidence
    timings.fuse = round(timings.fuse + _ms(fusing), 3)
    return Recalled(
        results=results,
        confidence=round(sure, 4),
        abstain=sure < threshold or not results,
        timings=timings,
        parsed=parsed,
        namespaces=namespaces,
        loaded=loaded,
        ranked=ranked,
        candidates=tuple(best),
        languages=prepared.corpus.languages,
        reranked=order.reranked,
        fusion=prepared.corpus.fusion,
    )


def _diverse(ranked: Ranked, loaded: Loaded, *, diversity: float) -> list[Shown]:
    """Explain the best, in the order of relevance or of maximal marginal relevance."""
    best = ranked.shown(len(ranked.order))
    if diversity <= 0 or len(best) < 2:
        return best
    order = mmr([one.score for one in best], loaded.rows.vectors[[one.row for one in best]], diversity=diversity)
    return [best[place] for place in order]
