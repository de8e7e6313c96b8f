"""Recall: understand the query, find candidates, fuse, explain, keep a trace."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.analysis.tokens import terms as terms_of
from memory_service.storage.namespaces import Namespace, paths_to_search, require_all
from retrieval.bm25 import coverage as coverage_of
from retrieval.bm25 import inverse_document_frequency
from retrieval.conditions import conditions
from retrieval.confidence import DEFAULT as CALIBRATION
from retrieval.confidence import confidence as confidence_of
from retrieval.corpus import Corpus, describe_corpus
from retrieval.fusion import FusedResult, fuse, ranks_without, trust_keywords
from retrieval.query import ParsedQuery, parse_query
from retrieval.request import PRESETS, CountTokens, RecallRequest
from retrieval.results import Result, diverse, matched_terms, with_records, within_budget
from retrieval.statements import Candidates, KeywordQuery, Scope, find_candidates

DEFAULT_WEIGHTS: Mapping[str, float] = {"vector": 0.5, "keyword": 0.5}
KEYWORD_FLOOR = {"keyword": 0.0}  # no term matched

# A term in more than a tenth of the documents only adds to candidates that rarer terms or vectors found: long posting lists
# are not read for the little that such a term tells. An experiment that completed 400 candidates kept .998 of the top ten;
# the 200 completed here (statements.COMPLETED) were not compared with full BM25.
COMMON_SHARE = 0.10
COMMON_AT_LEAST = 500
# Among a handful of memories every word is in most of them, and none would count as rare: reckon with at least so many.
FEWEST_DOCUMENTS = 100
COMMON_AT_MOST = 5_000
NEAR_MISSES = 5
SHOWN = 20  # results built at least, for the trace


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
    weights: Mapping[str, float]
    namespaces: tuple[Namespace, ...]
    candidates: tuple[FusedResult[UUID], ...] = ()
    counterfactual: Mapping[str, Mapping[UUID, int]] = field(default_factory=dict)
    considered: int = 0  # candidates that took part
    coverage: float | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known before the query is encoded."""

    namespaces: tuple[Namespace, ...]
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
    terms = dict.fromkeys(terms_of(request.query))
    corpus = describe_corpus(session, tenant_id, paths, list(terms))
    require_all(paths, corpus.namespaces)
    return Prepared(corpus.namespaces, corpus, parse_query(request.query, speakers=corpus.speakers))


def recall(
    open_transaction: Callable[[], AbstractContextManager[Session]],
    tenant_id: UUID,
    request: RecallRequest,
    *,
    encode: Callable[[str], NDArray[np.float32]],
    now: datetime,
    count_tokens: CountTokens,
    deliver: Callable[[Session, Recalled], None],
) -> Recalled:
    """Search. No connection is held while the query is encoded.

    Args:
        open_transaction: opens one transaction of the tenant.
        tenant_id: who searches.
        request: what is asked.
        encode: turns a text into float32[d], normalised.
        now: the present moment.
        count_tokens: counts the tokens of each of some texts; asked only when there is a budget.
        deliver: called inside the last transaction with what was found, to keep a trace or fetch more.

    Raises:
        NamespaceNotFound: there is no such namespace.
    """
    started = perf_counter()
    timings = Timings()
    with open_transaction() as session:
        prepared = prepare(session, tenant_id, request, now=now)
    weights = dict(request.weights or DEFAULT_WEIGHTS)
    vector = None
    if weights.get("vector", 0) > 0 and prepared.namespaces:
        encoding = perf_counter()
        vector = encode(prepared.parsed.spoken)
        timings.encode = _ms(encoding)
    with open_transaction() as session:
        searching = perf_counter()
        scope = _scope(tenant_id, request, prepared, now=now)
        candidates = _candidates(session, scope, request, prepared, weights, vector)
        timings.candidates = _ms(searching)
        fusing = perf_counter()
        recalled = _rank(session, scope, request, prepared, weights, candidates, timings, count_tokens)
        timings.fuse = _ms(fusing)
        timings.total = _ms(started)
        deliver(session, recalled)
    return recalled


def _ms(since: float) -> float:
    return round((perf_counter() - since) * 1000, 3)


def _documents(prepared: Prepared) -> int:
    """Return the number of memories to reckon rarity with."""
    return max(FEWEST_DOCUMENTS, prepared.corpus.documents)


def _keyword_query(prepared: Prepared) -> KeywordQuery | None:
    """Split the terms of the query into those that choose candidates and those that only add."""
    if not prepared.parsed.terms:
        return None
    documents = _documents(prepared)
    limit = min(COMMON_AT_MOST, max(COMMON_AT_LEAST, COMMON_SHARE * documents))
    common = {t: prepared.corpus.common[t] for t in prepared.parsed.terms if prepared.corpus.common.get(t, 0) > limit}
    rare = [t for t in prepared.parsed.terms if t not in common]
    if not rare:
        # All words are common: the rarest of them must choose.
        rarest = min(common, key=lambda t: (common[t], t))
        del common[rarest]
        rare = [rarest]
    return KeywordQuery(rare=tuple(rare), common=tuple(sorted(common.items())), documents=documents)


def _scope(tenant_id: UUID, request: RecallRequest, prepared: Prepared, *, now: datetime) -> Scope | None:
    """Return where the search looks and as of when; None when there is no namespace to look into."""
    if not prepared.namespaces:
        return None
    at = request.as_of.known or now
    first = prepared.namespaces[0]
    return Scope(
        tenant_id=tenant_id,
        namespace_ids=tuple(n.id for n in prepared.namespaces),
        shelf=first.shelf,
        encoder_id=first.encoder_id,
        at=at,
        as_known=request.as_of.known is not None,
        archived=request.archived,
        where=conditions(request, at=at),
    )


def _candidates(
    session: Session,
    scope: Scope | None,
    request: RecallRequest,
    prepared: Prepared,
    weights: Mapping[str, float],
    vector: NDArray[np.float32] | None,
) -> Candidates:
    keyword = _keyword_query(prepared) if weights.get("keyword", 0) > 0 else None
    if scope is None or (vector is None and keyword is None):
        return Candidates([], None, None, {}, exhausted=True)
    wanted = max(PRESETS[request.preset], 2 * request.top_k)
    found = find_candidates(session, scope, vector=vector, keyword=keyword, per_channel=wanted)
    # Long texts have many chunks near the query; take more rows until enough different memories are among them.
    while vector is not None and not found.exhausted and len(found.ids) < request.top_k:
        wanted *= 4
        found = find_candidates(session, scope, vector=vector, keyword=keyword, per_channel=wanted)
    return found


def _rank(
    session: Session,
    scope: Scope | None,
    request: RecallRequest,
    prepared: Prepared,
    weights: Mapping[str, float],
    candidates: Candidates,
    timings: Timings,
    count_tokens: CountTokens,
) -> Recalled:
    # Candidates are fused by their place in the order of ids: ties fall the same way, and numbers hash faster than UUIDs.
    scores: dict[str, dict[int, float]] = {}
    if candidates.vector is not None:
        scores["vector"] = {place: score for place, score in enumerate(candidates.vector) if score is not None}
    if candidates.keyword is not None:
        scores["keyword"] = {place: score for place, score in enumerate(candidates.keyword) if score > 0}
    covered = None
    if weights.get("keyword", 0) > 0 and prepared.parsed.terms:
        idf = {
            term: inverse_document_frequency(_documents(prepared), candidates.document_frequency.get(term, 0))
            for term in prepared.parsed.terms
        }
        covered = coverage_of(max(scores.get("keyword", {}).values(), default=0.0), idf.values())
    trusted = trust_keywords(weights, covered if covered is not None else 0.0)
    # Building a result costs more than ranking it: build what the answer, its trace and its near misses can show.
    ranked = fuse(scores, trusted, floors=KEYWORD_FLOOR, limit=max(2 * request.top_k, SHOWN))
    fused = [FusedResult(candidates.ids[r.id], r.rank, r.score, r.channels) for r in ranked]
    if request.diversity > 0 and scope is not None and len(fused) > 1:
        fused = diverse(session, scope, fused, diversity=request.diversity)
    shown, rows = with_records(session, scope, request, fused)
    if request.token_budget is not None:
        shown = within_budget(shown, rows, budget=request.token_budget, count_tokens=count_tokens)
    query_terms = frozenset(prepared.parsed.terms)
    results = tuple(
        Result(
            fused=item,
            rank=rank,
            row=rows[item.id],
            matched_terms=matched_terms(rows[item.id], query_terms),
        )
        for rank, item in enumerate(shown, start=1)
    )
    best = max(scores.get("vector", {}).values(), default=None)
    sure = confidence_of(best, covered) if results else 0.0
    threshold = CALIBRATION.abstain_below if request.min_confidence is None else request.min_confidence
    return Recalled(
        results=results,
        confidence=round(sure, 4),
        abstain=sure < threshold or not results,
        timings=timings,
        parsed=prepared.parsed,
        weights=trusted,
        namespaces=prepared.namespaces,
        candidates=tuple(fused),
        counterfactual=_counterfactual(scores, trusted, candidates.ids) if request.explain and fused else {},
        considered=len(candidates.ids),
        coverage=covered,
    )


def _counterfactual(
    scores: Mapping[str, Mapping[int, float]], weights: Mapping[str, float], ids: Sequence[UUID]
) -> dict[str, dict[UUID, int]]:
    """Return the rank of every candidate if one channel were silent, for each channel."""
    without = ranks_without(scores, weights, floors=KEYWORD_FLOOR)
    return {name: {ids[place]: rank for place, rank in ranks.items()} for name, ranks in without.items()}
