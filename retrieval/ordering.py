"""The order of what a search loaded: ranked, moved by how it has faded and by a reranker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from consolidation.retention.policy_form import read_policy
from memory_service.storage.fading import losses_of, losses_then
from memory_service.storage.namespaces import Namespace
from retrieval.fading import faded
from retrieval.loading import Loaded
from retrieval.preparing import Prepared
from retrieval.ranking import Ranked, Wording, rank, worded
from retrieval.ranking_settings import PRESETS
from retrieval.recalled import SHOWN
from retrieval.request import RecallRequest
from retrieval.reranking import RERANKED, reranked, text_of, to_rerank
from retrieval.results import records_of
from retrieval.tools import Rerank, Tools


@dataclass(frozen=True, slots=True)
class Order:
    """What was ranked, and how."""

    loaded: Loaded
    ranked: Ranked
    reranked: Mapping[UUID, float] | None = None


def texts_to_rerank(
    session: Session, tenant_id: UUID, request: RecallRequest, order: Order, tools: Tools
) -> Mapping[UUID, str] | None:
    """Return by id what a reranker is to read, None where none is asked."""
    if tools.rerank is None or request.preset != "thorough" or asks_one_channel(request):
        return None
    ids = [order.ranked.ids[row] for row in to_rerank(order.ranked).tolist()]
    records = records_of(session, tenant_id, request, ids)
    texts = {one: text_of(records[one]["speaker"], records[one]["content"]) for one in ids if one in records}
    return texts or None


def with_second_opinion(order: Order, query: str, texts: Mapping[UUID, str], rerank: Rerank) -> Order:
    """Let a reranker move the best, by what it says of their texts."""
    given = rerank(query, list(texts), list(texts.values())).tolist()
    scores = {one: score for one, score in zip(texts, given, strict=True) if np.isfinite(score)}
    return replace(order, ranked=reranked(order.ranked, scores), reranked=scores)


def asks_one_channel(request: RecallRequest) -> bool:
    """Say whether one channel ranks alone, and the order is to be its own."""
    return request.weights is not None and sum(weight > 0 for weight in request.weights.values()) == 1


def worded_in(request: RecallRequest, prepared: Prepared, loaded: Loaded) -> Wording:
    """Return what words say of what was loaded, before there is a vector of the query."""
    return worded(loaded.rows, prepared.parsed, settings=PRESETS[request.preset])


def ordered(
    request: RecallRequest,
    prepared: Prepared,
    loaded: Loaded,
    vector: NDArray[np.float32] | None,
    wording: Wording | None,
) -> Order:
    """Rank what was loaded, by the vector of the query where there is one, float32[d], and by what `worded_in` returned for it."""
    ranked = rank(
        loaded.rows,
        prepared.parsed,
        vector=vector,
        allowed=loaded.allowed,
        weights=request.weights,
        learned=prepared.corpus.factors,
        preset=request.preset,
        # By the request alone, so that a replay has the same candidates whatever reranker there is now.
        limit=max(2 * request.top_k, RERANKED if request.preset == "thorough" else SHOWN),
        results=request.top_k,
        wording=wording,
    )
    return Order(loaded, ranked)


def with_fading(
    session: Session,
    tenant_id: UUID,
    request: RecallRequest,
    order: Order,
    namespaces: Sequence[Namespace],
    *,
    now: datetime,
) -> Order:
    """Move what has faded down, where a policy says how far; by default none does, and no memory's state is read."""
    if asks_one_channel(request):
        return order
    known = request.as_of.known
    if known is None and not any(read_policy(one.retention_policy).rank_weight for one in namespaces):
        return order
    ranked = order.ranked
    ids = [ranked.ids[row] for row in ranked.order.tolist()]
    if known is None:
        losses = losses_of(session, tenant_id, ids, now=now)
    else:
        losses = losses_then(session, tenant_id, [one.id for one in namespaces], ids, known=known)
    return replace(order, ranked=faded(ranked, losses))
