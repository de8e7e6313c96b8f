"""Make a traced search again as it was: to compare its answer, or to say where a memory fell out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.api.search_answers import channels_json, near_miss_json, signals_json
from memory_service.api.search_models import ContextIn
from memory_service.api.searching import find, recall_request, tools_of
from memory_service.api.services import Services
from memory_service.errors import NotFound
from memory_service.lifecycle.correct import missing
from memory_service.storage import memories, traces
from memory_service.storage.sql import Row
from memory_service.types import Caller
from retrieval.fusion_policy import governed
from retrieval.ranking import Shown
from retrieval.recalled import Recalled
from retrieval.replay import Fate, Stage, as_it_was, left_out, why_not
from retrieval.request import RecallRequest
from retrieval.tools import Tools


def read_trace(session: Session, caller: Caller, search_id: UUID) -> dict[str, Any]:
    """Return a stored trace.

    Raises:
        NotFound: there is none, or it has expired.
    """
    row = traces.get_trace(session, caller.tenant_id, search_id)
    if row is None:
        raise NotFound(f"There is no trace {search_id}; traces expire.", code="trace_not_found")
    return dict(row)


def request_of(trace: Row) -> RecallRequest:
    """Return the search that a trace tells of, as it was."""
    asked = trace["result"].get("asked", {})
    # The body of a context has all fields of a search, and other defaults, which the trace names.
    body = ContextIn.model_validate(
        {**trace["request"], "top_k": asked.get("top_k", trace["request"].get("top_k", 10))}
    )
    request = recall_request(body, token_budget=asked.get("token_budget"))
    return as_it_was(request, namespaces=trace["namespaces"], languages=asked.get("languages"), at=trace["created_at"])


def tools_for(services: Services, trace: Row) -> Tools:
    """Return what a replay works with: the reranker's scores are those of then, whichever model there is now."""
    result = trace["result"]
    if result.get("reranker") is None:
        return replace(tools_of(services), rerank=None)
    scores = {UUID(kept["memory_id"]): kept["reranker"] for kept in result["results"] if "reranker" in kept}

    def rerank(_: str, ids: Sequence[UUID], __: Sequence[str]) -> NDArray[np.float32]:
        return np.array([scores.get(one, np.nan) for one in ids], dtype=np.float32)

    return replace(tools_of(services), rerank=rerank)


def replay_json(services: Services, caller: Caller, trace: Row) -> dict[str, Any]:
    """Search again as the traced search was, and say whether the answer is the same."""
    found: list[dict[str, Any]] = []

    def deliver(_: Session, recalled: Recalled) -> None:
        found.extend(
            {
                "memory_id": str(result.found.id),
                "version": result.row["version"],
                "rank": result.rank,
                "score": round(result.found.score, 6),
            }
            for result in recalled.results
        )

    if trace["namespaces"]:
        tools = tools_for(services, trace)
        find(services, caller, request_of(trace), tools=tools, now=trace["created_at"], deliver=deliver)
    kept = sorted((c for c in trace["result"]["results"] if c["rank"] is not None), key=lambda c: c["rank"])
    return {
        "as_of": trace["created_at"].isoformat().replace("+00:00", "Z"),
        "results": found,
        "same": [(c["memory_id"], c["version"]) for c in kept] == [(c["memory_id"], c["version"]) for c in found],
        "erased_since": max(0, trace["result"].get("found", len(kept)) - len(kept)),
        "differences": differences(kept, found),
    }


def differences(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the memories that have another place or version in one of two answers, by their places from 1; null for none.

    >>> differences([{"memory_id": "a", "version": 1}], [{"memory_id": "b", "version": 1}, {"memory_id": "a", "version": 1}])
    [{'memory_id': 'a', 'was': 1, 'now': 2}, {'memory_id': 'b', 'was': None, 'now': 1}]
    """
    was = {c["memory_id"]: (place, c["version"]) for place, c in enumerate(before, start=1)}
    now = {c["memory_id"]: (place, c["version"]) for place, c in enumerate(after, start=1)}
    return [
        {"memory_id": one, "was": was[one][0] if one in was else None, "now": now[one][0] if one in now else None}
        for one in dict.fromkeys([*was, *now])
        if was.get(one) != now.get(one)
    ]


def why_not_json(services: Services, caller: Caller, search_id: UUID, memory_id: UUID) -> dict[str, Any]:
    """Say where a memory fell out of a traced search, and why.

    Raises:
        NotFound: there is no such trace or no such memory.
        Gone: the memory was erased.
    """
    with services.database.transaction(caller.tenant_id, durable=False) as session:
        trace = read_trace(session, caller, search_id)
        record = memories.get_record(session, caller.tenant_id, memory_id)
        if record is None:
            raise missing(session, caller.tenant_id, memory_id)
    request = request_of(trace)
    fate = left_out(record, request, namespaces=trace["namespaces"])
    if fate is None:
        fate, request = _looked_for(services, caller, trace, request, memory_id)
    return fate_json(search_id, memory_id, fate, request)


def _looked_for(
    services: Services, caller: Caller, trace: Row, request: RecallRequest, memory_id: UUID
) -> tuple[Fate, RecallRequest]:
    """Return where a memory fell out, and the search as its namespace had it."""
    tools = tools_for(services, trace)
    fates: list[tuple[Fate, RecallRequest]] = []

    def deliver(session: Session, recalled: Recalled) -> None:
        asked = governed(request, recalled.fusion)
        fate = why_not(session, caller.tenant_id, asked, recalled, memory_id, count_tokens=tools.count_tokens)
        fates.append((fate, asked))

    find(services, caller, request, tools=tools, now=trace["created_at"], deliver=deliver)
    return fates[0]


def fate_json(search_id: UUID, memory_id: UUID, fate: Fate, request: RecallRequest) -> dict[str, Any]:
    """Return what came of a memory; every key is always there, null where the stage has no such evidence."""
    fell = fate.shortfall
    return {
        "search_id": str(search_id),
        "memory_id": str(memory_id),
        "version": fate.version,
        "stage": fate.stage.value,
        "detail": fate.detail,
        "rank": fate.rank,
        "score": round(fate.it.score, 6) if fate.it else None,
        "channels": channels_json(fate.it.channels) if fate.it else None,
        "signals": signals_json(fate.it.signals) if fate.it else None,
        "last_result": _shown(fate.last),
        "costs": {name: round(amount, 6) for name, amount in fell.costs.items()} if fell else None,
        "dearest_channel": fell.dearest if fell else None,
        "missing_score": round(max(0.0, fell.missing), 6) if fell else None,
        "would_bring_it_in": _remedy(fate, request),
        "excluded_by": [{"part": one.part, "condition": one.text or None} for one in fate.excluded_by],
        "budget": {"limit": fate.budget.limit, "used": fate.budget.used, "tokens": fate.budget.tokens}
        if fate.budget
        else None,
        "cosine": round(fate.cosine, 6) if fate.cosine is not None else None,
        "matched_terms": list(fate.matches),
    }


def _shown(found: Shown | None) -> dict[str, Any] | None:
    return None if found is None else near_miss_json(found)


def _remedy(fate: Fate, request: RecallRequest) -> dict[str, Any] | None:
    """Return what to ask otherwise, as fields of a search."""
    if fate.stage is not Stage.BELOW_TOP_K or fate.shortfall is None:
        return None
    change = fate.shortfall.change
    channels = None
    if change is not None:
        weights = {name: (request.weights or {}).get(name, 1.0) for name in fate.shortfall.it.channels}
        channels = weights | {change.channel: round(weights[change.channel] * change.factor, 12)}
    return {"top_k": fate.rank, "channels": channels}
