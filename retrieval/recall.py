"""Recall: understand the query, load what may answer it, rank, explain, keep a trace."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.storage.namespaces import Namespace, paths_to_search, require_all
from retrieval.confidence import DEFAULT as CALIBRATION
from retrieval.confidence import confidence as confidence_of
from retrieval.corpus import Corpus, describe_corpus
from retrieval.diversity import mmr
from retrieval.loading import Loaded, Place, load
from retrieval.query import ParsedQuery, parse_query
from retrieval.ranking import Ranked, Shown, rank
from retrieval.request import CountTokens, RecallRequest
from retrieval.resident import Residents
from retrieval.results import Result, matched_terms, newest_value_first, with_records, within_budget

NEAR_MISSES = 5
SHOWN = 20  # results explained at least, for the trace


@dataclass(slots=True)
class Timings:
    """Milliseconds per stage."""

    encode: float = 0.0
    candidates: float = 0.0
    graph: float = 0.0
    fuse: float = 0.0
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

    @property
    def considered(self) -> int:
        """How many memories took part in the ranking."""
        return 0 if self.ranked is None else int(np.count_nonzero(self.ranked.found))


@dataclass(frozen=True, slots=True)
class Tools:
    """What a search works with besides the database."""

    residents: Residents
    encode: Callable[[str], NDArray[np.float32]]  # a text into float32[d], normalised
    count_tokens: CountTokens  # asked only when there is a budget


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
    parsed = parse_query(request.query, speakers=corpus.speakers, languages=corpus.languages, now=request.now or now)
    return Prepared(corpus, parsed)


def recall(
    open_transaction: Callable[[], AbstractContextManager[Session]],
    tenant_id: UUID,
    request: RecallRequest,
    *,
    tools: Tools,
    now: datetime,
    deliver: Callable[[Session, Recalled], None],
) -> Recalled:
    """Search. No connection is held while the query is encoded.

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
    started = perf_counter()
    timings = Timings()
    with open_transaction() as session:
        prepared = prepare(session, tenant_id, request, now=now)
    vector = None
    if _asks_vectors(request) and prepared.corpus.namespaces:
        encoding = perf_counter()
        vector = tools.encode(prepared.parsed.spoken)
        timings.encode = _ms(encoding)
    with open_transaction() as session:
        recalled = _search(session, tenant_id, request, prepared, vector, tools=tools, now=now, timings=timings)
        timings.total = _ms(started)
        deliver(session, recalled)
    return recalled


def _ms(since: float) -> float:
    return round((perf_counter() - since) * 1000, 3)


def _asks_vectors(request: RecallRequest) -> bool:
    """Say whether a channel that was asked needs the query's vector: all but keywords alone do."""
    return request.weights is None or any(weight > 0 for name, weight in request.weights.items() if name != "keyword")


def _asks_one_channel(request: RecallRequest) -> bool:
    """Say whether one channel ranks alone, and the order is to be its own."""
    return request.weights is not None and sum(weight > 0 for weight in request.weights.values()) == 1


def _search(
    session: Session,
    tenant_id: UUID,
    request: RecallRequest,
    prepared: Prepared,
    vector: NDArray[np.float32] | None,
    *,
    tools: Tools,
    now: datetime,
    timings: Timings,
) -> Recalled:
    namespaces, parsed = prepared.corpus.namespaces, prepared.parsed
    if not namespaces:
        return Recalled((), 0.0, True, timings, parsed, namespaces)
    loading = perf_counter()
    place = Place(tenant_id, namespaces, prepared.corpus, now)
    loaded = load(session, place, request, parsed, residents=tools.residents, vector=vector)
    timings.candidates = _ms(loading)
    fusing = perf_counter()
    ranked = rank(
        loaded.rows,
        parsed,
        vector=vector,
        allowed=loaded.allowed,
        weights=request.weights,
        learned=prepared.corpus.factors,
        preset=request.preset,
        now=(request.now or now).timestamp(),
        limit=max(2 * request.top_k, SHOWN),
    )
    best = _diverse(ranked, loaded, diversity=request.diversity)
    shown, records = with_records(session, tenant_id, request, best)
    newer_than: dict[UUID, int] = {}
    if not _asks_one_channel(request):
        shown, newer_than = newest_value_first(shown, records, loaded.rows, parsed)
    if request.token_budget is not None:
        shown = within_budget(shown, records, budget=request.token_budget, count_tokens=tools.count_tokens)
    query_terms = frozenset(one for term in parsed.terms for one in parsed.all_of(term))
    results = tuple(
        Result(
            found=item,
            rank=place,
            row=records[item.id],
            matched_terms=matched_terms(records[item.id], query_terms),
            newer_than=newer_than.get(item.id),
        )
        for place, item in enumerate(shown, start=1)
    )
    sure = confidence_of(ranked.best_cosine, ranked.coverage) if results else 0.0
    threshold = CALIBRATION.abstain_below if request.min_confidence is None else request.min_confidence
    timings.fuse = _ms(fusing)
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
    )


def _diverse(ranked: Ranked, loaded: Loaded, *, diversity: float) -> list[Shown]:
    """Explain the best, in the order of relevance or of maximal marginal relevance."""
    best = ranked.shown(len(ranked.order))
    if diversity <= 0 or len(best) < 2:
        return best
    order = mmr([one.score for one in best], loaded.rows.vectors[[one.row for one in best]], diversity=diversity)
    return [best[place] for place in order]
