"""Recall: understand the query, load what may answer it, rank, explain, keep a trace."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from consolidation.retention.policy_form import read_policy
from memory_service.storage.driver import meanwhile
from memory_service.storage.fading import losses_of, losses_then
from memory_service.storage.namespaces import Namespace, paths_named, paths_to_search, require_all
from retrieval.confidence import DEFAULT as CALIBRATION
from retrieval.confidence import confidence as confidence_of
from retrieval.corpus import Corpus, Foreseen, called_by, describe_corpus
from retrieval.diversity import mmr
from retrieval.encoders import Widths, side_by_side
from retrieval.fading import faded
from retrieval.fusion_policy import NONE as NO_POLICY
from retrieval.fusion_policy import FusionPolicy, governed
from retrieval.loading import Loaded, asked_early, load
from retrieval.place import Place
from retrieval.query import ParsedQuery, parse_query, unknown_names
from retrieval.ranking import Ranked, Shown, rank
from retrieval.request import CountTokens, RecallRequest
from retrieval.reranking import RERANKED, reranked, text_of, to_rerank
from retrieval.resident import Look, Residents
from retrieval.results import (
    Result,
    matched_terms,
    newest_value_first,
    records_of,
    with_places,
    with_records,
    within_budget,
)

NEAR_MISSES = 5
SHOWN = 20  # results explained at least, for the trace


@dataclass(slots=True)
class Timings:
    """Milliseconds per stage."""

    encode: float = 0.0
    candidates: float = 0.0
    graph: float = 0.0
    fuse: float = 0.0
    rerank: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a search found, and why."""

    results: tuple[Result, ...]
    confidence: float
    abstain: bool
    timings: Timings
    parsed: ParsedQuery
    namespaces: tuple[Namespace, ...]
    loaded: Loaded | None = None
    ranked: Ranked | None = None
    candidates: tuple[Shown, ...] = ()  # the best, explained; results and near misses are among them
    languages: tuple[str, ...] = ()  # by whose rules the query was cut
    reranked: Mapping[UUID, float] | None = None  # what the reranker said, None where it was not asked
    vectors: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)  # of the query, by encoder
    fusion: FusionPolicy = NO_POLICY  # what the namespace said of its searches

    @property
    def considered(self) -> int:
        """How many memories took part in the ranking."""
        return 0 if self.ranked is None else int(np.count_nonzero(self.ranked.found))


# Query, ids and texts of n memories into float32[n], NaN where there is no score.
Rerank = Callable[[str, Sequence[UUID], Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Tools:
    """What a search works with besides the database."""

    residents: Residents
    encode: Callable[[str], NDArray[np.float32]]  # a text into float32[d], normalised
    count_tokens: CountTokens  # asked only when there is a budget
    rerank: Rerank | None = None  # None: without one
    # The same as `encode` under another encoder; None where all namespaces go by one.
    encode_under: Callable[[int], Callable[[str], NDArray[np.float32]]] | None = None
    # Whether a query would be encoded under an encoder without waiting for anybody: then a connection may be held meanwhile.
    at_once: Callable[[int], bool] = lambda _: False

    def vectors(self, query: str, namespaces: Sequence[Namespace]) -> dict[int, NDArray[np.float32]]:
        """Encode a query under every encoder of some namespaces."""
        encoders = sorted({namespace.encoder_id for namespace in namespaces})
        if self.encode_under is None:
            # One call, whatever the encoder is called.
            return {encoders[0]: self.encode(query)}
        return {one: self.encode_under(one)(query) for one in encoders}


@dataclass(frozen=True, slots=True)
class _Order:
    """What was ranked, and how."""

    loaded: Loaded
    ranked: Ranked
    reranked: Mapping[UUID, float] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known before the query is encoded."""

    corpus: Corpus
    parsed: ParsedQuery


def prepare(session: Session, tenant_id: UUID, request: RecallRequest, *, now: datetime) -> Prepared:
    """Resolve the namespaces and understand the query; a short transaction that ends before encoding.

    Raises:
        NamespaceNotFound: there is no such namespace.
    """
    paths = paths_to_search(
        session,
        tenant_id,
        namespace=request.namespace,
        namespaces=request.namespaces,
        prefix=request.namespace_prefix,
    )
    corpus = describe_corpus(
        session, tenant_id, paths, request.query, at=request.as_of.known, languages=request.languages
    )
    require_all(paths, corpus.namespaces)
    unknown = unknown_names(request.query, corpus.speakers)
    called = called_by(session, tenant_id, corpus, unknown, at=request.as_of.known) if unknown else {}
    return Prepared(corpus, _parsed(request, corpus, now=now, called=called))


def _parsed(request: RecallRequest, corpus: Corpus, *, now: datetime, called: Mapping[str, str]) -> ParsedQuery:
    return parse_query(
        request.query, speakers=corpus.speakers, languages=corpus.languages, now=request.now or now, called=called
    )


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
    foreseen = search.foreseen()
    answered = search.under(foreseen).answered(foreseen, foreseen=True) if foreseen is not None else None
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
        if unknown_names(request.query, corpus.speakers):
            return None  # whom they mean is to be asked before the query is encoded
        return Prepared(corpus, _parsed(request, corpus, now=self.now, called={}))

    def under(self, prepared: Prepared) -> "_Search":
        """Return the search as the namespace has it where the caller does not say."""
        return replace(self, request=governed(self.request, prepared.corpus.fusion))

    def keep(self, prepared: Prepared) -> None:
        """Remember what there is for the next search, where all that is named exists."""
        paths = self._paths()
        if self.request.as_of.known is None and len(prepared.corpus.namespaces) == len(paths):
            self.tools.residents.corpora.keep((self.tenant_id, tuple(paths)), prepared.corpus)

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
                if cue is None:
                    if asked is None:
                        early = asked_early(session, place, request, prepared.parsed, residents=tools.residents)
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
                    prepared = Prepared(corpus, prepared.parsed)
                    place = replace(place, corpus=corpus)
                    self.keep(prepared)
                loaded = load(
                    session, replace(place, widths=widths), request, prepared.parsed, residents=tools.residents,
                    vector=vector, look=asked.look if asked is not None else None, early=early,
                )  # fmt: skip
                self.timings.candidates = _ms(loading)
                order = _rank(request, prepared, loaded, vector, timings=self.timings)
                if not _asks_one_channel(request):
                    spaces = prepared.corpus.namespaces
                    ranked = _with_fading(session, tenant_id, request, order.ranked, spaces, now=self.now)
                    order = replace(order, ranked=ranked)
                texts = _texts_to_rerank(session, tenant_id, request, order, tools)
            if texts is None:
                return self._delivered(session, prepared, order)
        if order is not None and tools.rerank is not None:
            reranking = perf_counter()
            order = _reranked(order, request.query, texts, tools.rerank)
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
        return _Asked(foreseen, self.tools.residents.look(session, self.tenant_id, prepared.corpus.namespaces))

    def _delivered(self, session: Session, prepared: Prepared, order: _Order | None) -> Recalled:
        recalled = _recalled(
            session, self.tenant_id, self.request, prepared, order, tools=self.tools, timings=self.timings
        )
        recalled = replace(recalled, vectors=self.vectors)
        self.timings.total = _ms(self.started)
        self.deliver(session, recalled)
        return recalled


def _texts_to_rerank(
    session: Session, tenant_id: UUID, request: RecallRequest, order: _Order, tools: Tools
) -> Mapping[UUID, str] | None:
    """Return by id what a reranker is to read, None where none is asked."""
    if tools.rerank is None or request.preset != "thorough" or _asks_one_channel(request):
        return None
    ids = [order.ranked.ids[row] for row in to_rerank(order.ranked).tolist()]
    records = records_of(session, tenant_id, request, ids)
    texts = {one: text_of(records[one]["speaker"], records[one]["content"]) for one in ids if one in records}
    return texts or None


def _reranked(order: _Order, query: str, texts: Mapping[UUID, str], rerank: Rerank) -> _Order:
    given = rerank(query, list(texts), list(texts.values())).tolist()
    scores = {one: score for one, score in zip(texts, given, strict=True) if np.isfinite(score)}
    return replace(order, ranked=reranked(order.ranked, scores), reranked=scores)


def _ms(since: float) -> float:
    return round((perf_counter() - since) * 1000, 3)


def _asks_vectors(request: RecallRequest) -> bool:
    """Say whether a channel that was asked needs the query's vector: all but keywords alone do."""
    return request.weights is None or any(weight > 0 for name, weight in request.weights.items() if name != "keyword")


def _asks_one_channel(request: RecallRequest) -> bool:
    """Say whether one channel ranks alone, and the order is to be its own."""
    return request.weights is not None and sum(weight > 0 for weight in request.weights.values()) == 1


def _rank(
    request: RecallRequest,
    prepared: Prepared,
    loaded: Loaded,
    vector: NDArray[np.float32] | None,
    *,
    timings: Timings,
) -> _Order:
    parsed = prepared.parsed
    fusing = perf_counter()
    ranked = rank(
        loaded.rows,
        parsed,
        vector=vector,
        allowed=loaded.allowed,
        weights=request.weights,
        learned=prepared.corpus.factors,
        preset=request.preset,
        # By the request alone, so that a replay has the same candidates whatever reranker there is now.
        limit=max(2 * request.top_k, RERANKED if request.preset == "thorough" else SHOWN),
        results=request.top_k,
    )
    timings.fuse = _ms(fusing)
    return _Order(loaded, ranked)


def _with_fading(
    session: Session,
    tenant_id: UUID,
    request: RecallRequest,
    ranked: Ranked,
    namespaces: Sequence[Namespace],
    *,
    now: datetime,
) -> Ranked:
    """Move what has faded down, where a policy says how far; by default none does, and no memory's state is read."""
    ids, known = [ranked.ids[row] for row in ranked.order.tolist()], request.as_of.known
    if known is not None:
        spaces = [one.id for one in namespaces]
        return faded(ranked, losses_then(session, tenant_id, spaces, ids, known=known))
    if not any(read_policy(one.retention_policy).rank_weight for one in namespaces):
        return ranked
    return faded(ranked, losses_of(session, tenant_id, ids, now=now))


def _recalled(
    session: Session,
    tenant_id: UUID,
    request: RecallRequest,
    prepared: Prepared,
    order: _Order | None,
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
    if not _asks_one_channel(request):
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
