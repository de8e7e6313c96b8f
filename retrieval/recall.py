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
from retrieval.corpus import Corpus, Foreseen, NamesAsked
from retrieval.diversity import mmr
from retrieval.encoders import Widths, side_by_side
from retrieval.fusion_policy import governed
from retrieval.loading import Loaded, asked_early, load, load_resident, looked_early
from retrieval.ordering import (
    Order,
    asks_one_channel,
    ordered,
    texts_to_rerank,
    with_fading,
    with_second_opinion,
    worded_in,
)
from retrieval.place import Place
from retrieval.preparing import Prepared, foresee, prepare
from retrieval.ranking import Ranked, Shown, Wording
from retrieval.recalled import Recalled, Timings
from retrieval.request import RecallRequest
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
class _Cue:
    """The query encoded."""

    vector: NDArray[np.float32] | None  # (d,); None where no channel needs it
    widths: Widths  # of each encoder's part, where there are several
    at: float  # when that was done


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be ranked, and what is known of it."""

    prepared: Prepared
    loaded: Loaded
    vector: NDArray[np.float32] | None = None
    wording: Wording | None = None  # None where nobody compared words yet


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
        """Understand the query by what the last search of these namespaces saw.

        That saves a transaction before encoding. The search itself asks whether it still is so. Where namespaces are not kept
        in memory, neither is whom names mean that nobody bears.
        """
        request = self.request
        as_it_is = request.as_of.known is None and not request.archived and request.languages is None
        if not as_it_is or request.namespace_prefix is not None:
            return None
        corpus = self.tools.residents.corpora.get((self.tenant_id, tuple(self._paths())))
        if corpus is None:
            return None
        known = self.tools.residents.called(self.tenant_id, corpus.namespaces)
        guess = foresee(request, corpus, now=self.now, known=known)
        return guess if not guess.names or self._kept(corpus) else None

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
                found = self._confirmed(session, prepared, cue) if foreseen else self._found(session, prepared, cue)
                if found is None:
                    return None
                prepared = found.prepared
                self.learn(prepared)
                fusing = perf_counter()
                order = ordered(request, prepared, found.loaded, found.vector, found.wording)
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

    def _confirmed(self, session: Session, prepared: Prepared, cue: _Cue | None) -> _Found | None:
        """Load what was foreseen, and do all that needs no vector beside the encoder; None where it is otherwise."""
        if not self._kept(prepared.corpus):
            corpus = None if prepared.names else self._foreseen(session, prepared).corpus()
            return None if corpus is None else self._found(session, self._still(prepared, corpus), cue)
        if cue is not None:
            encoded, seen = cue, self._seen(session, prepared, worded=False)
        else:
            encoded, seen = self.tools.both(
                lambda: self._cue(prepared), lambda: self._seen(session, prepared, worded=True)
            )
        self.timings.candidates = _ms(encoded.at)  # what was still waited for when there was a vector
        return None if seen is None else replace(seen, vector=encoded.vector)

    def _seen(self, session: Session, prepared: Prepared, *, worded: bool) -> _Found | None:
        """Ask whether all is as foreseen and load it, `worded` with its words compared; None where it is not."""
        tools, tenant_id, namespaces = self.tools, self.tenant_id, prepared.corpus.namespaces
        foreseen = self._foreseen(session, prepared)
        names = NamesAsked(session, tenant_id, prepared.corpus, prepared.names)
        look = tools.residents.look(session, tenant_id, namespaces)
        # What is common in another query says nothing of this one, and what is kept may have grown too large.
        corpus = foreseen.corpus()
        if corpus is None or not self._kept(corpus):
            return None
        prepared = self._still(prepared, corpus)
        if names.called() != prepared.called:
            return None
        place = Place(tenant_id, namespaces, corpus, self.now)
        loaded = load_resident(session, place, self.request, residents=tools.residents, look=look)
        return _Found(prepared, loaded, wording=worded_in(self.request, prepared, loaded) if worded else None)

    def _foreseen(self, session: Session, prepared: Prepared) -> Foreseen:
        """Ask, with the next statements of the session, whether all is as foreseen."""
        parsed = prepared.parsed
        terms = [one for term in parsed.terms for one in parsed.all_of(term)]
        return Foreseen(session, self.tenant_id, self._paths(), terms, seen=prepared.corpus)

    def _still(self, prepared: Prepared, corpus: Corpus) -> Prepared:
        """Return what was foreseen with the corpus as it is now, and remember that for the next search."""
        still = replace(prepared, corpus=corpus)
        self.keep(still)
        return still

    def _kept(self, corpus: Corpus) -> bool:
        return self.tools.residents.admits(self.tenant_id, corpus.namespaces, corpus.documents)

    def _found(self, session: Session, prepared: Prepared, cue: _Cue | None) -> _Found:
        """Load what is not as foreseen or not kept; the database works beside the encoder as far as it needs no vector."""
        request, residents = self.request, self.tools.residents
        place = Place(self.tenant_id, prepared.corpus.namespaces, prepared.corpus, self.now)
        early, look = None, None
        loading = perf_counter()
        if cue is None:
            early = asked_early(session, place, request, prepared.parsed, residents=residents)
            if early is None:
                look = looked_early(session, place, request, residents=residents)
            with meanwhile(session):
                cue = self._cue(prepared)
                loading = perf_counter()  # what is waited for from here on is the database
                if early is not None:
                    with self.open_transaction() as other:
                        early = early.beside(other, replace(place, widths=cue.widths), request, cue.vector)
        loaded = load(
            session, replace(place, widths=cue.widths), request, prepared.parsed, residents=residents,
            vector=cue.vector, look=look, early=early,
        )  # fmt: skip
        self.timings.candidates = _ms(loading)
        return _Found(prepared, loaded, cue.vector)

    def _paths(self) -> list[str]:
        return paths_named(namespace=self.request.namespace, namespaces=self.request.namespaces)

    def _cue(self, prepared: Prepared) -> _Cue:
        """Encode the query where that is asked."""
        self.vectors = {}
        if not _asks_vectors(self.request) or not prepared.corpus.namespaces:
            return _Cue(None, {}, perf_counter())
        encoding = perf_counter()
        self.vectors = self.tools.vectors(prepared.parsed.spoken, prepared.corpus.namespaces)
        vector = side_by_side(self.vectors)
        self.timings.encode = _ms(encoding)
        several = len(self.vectors) > 1
        widths = {one: len(values) for one, values in self.vectors.items()} if several else {}
        return _Cue(vector, widths, perf_counter())

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
