"""Run a search for a route: request in, JSON out, a trace kept."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.orm import Session

from memory_service.api.idempotency import idempotent
from memory_service.api.search_models import SearchIn
from memory_service.api.services import Services
from memory_service.errors import Forbidden
from memory_service.filters import all_of, parse_filter
from memory_service.lifecycle.records import memory_json, rfc3339
from memory_service.lifecycle.reinforce import reinforce
from memory_service.storage import neighbours as neighbour_rows
from memory_service.storage import traces
from memory_service.storage.ids import new_id
from memory_service.storage.sql import Row
from memory_service.types import AsOf, Caller, KeyScope, TimeWindow
from retrieval.recall import NEAR_MISSES, SHOWN, Recalled, Tools, recall
from retrieval.request import RecallRequest
from retrieval.results import Result

CHARACTERS_PER_TOKEN = 4


def count_tokens(services: Services, texts: Sequence[str]) -> list[int]:
    """Count tokens so that common tokenizers count hardly more: word pieces, or four characters each if that is more."""
    pieces = services.encoder.tokenization.counts(texts)
    return [max(n, -(-len(text) // CHARACTERS_PER_TOKEN)) for n, text in zip(pieces, texts, strict=True)]


def tools_of(services: Services) -> Tools:
    """Return what a search works with in this process."""
    return Tools(
        residents=services.residents,
        encode=services.batching.encode_query,
        count_tokens=lambda texts: count_tokens(services, texts),
    )


def recall_request(body: SearchIn, *, token_budget: int | None) -> RecallRequest:
    """Return the search that a body asks for."""
    scope = {"user_id": body.user_id, "agent_id": body.agent_id, "session_id": body.session_id}
    # Joined once parsed: what a caller may nest and count is what the caller wrote.
    conditions = [parse_filter({name: value}) for name, value in scope.items() if value is not None]
    if body.filter:
        conditions.append(parse_filter(body.filter))
    as_of = body.as_of
    window = body.window
    return RecallRequest(
        query=body.query,
        namespace=body.namespace,
        namespaces=tuple(body.namespaces) if body.namespaces is not None else None,
        namespace_prefix=body.namespace_prefix,
        filter=all_of(conditions) if conditions else None,
        top_k=body.top_k,
        preset=body.preset,
        weights=body.weights(),
        as_of=AsOf(valid=as_of.valid, known=as_of.known) if as_of else AsOf(),
        now=body.now,
        window=TimeWindow(window.from_, window.to) if window else None,
        min_confidence=body.min_confidence,
        diversity=body.diversity,
        token_budget=token_budget,
        archived="archived" in body.include,
        explain=body.explain,
    )


def search(
    request: Request,
    services: Services,
    caller: Caller,
    body: SearchIn,
    respond: Callable[[Recalled, dict[str, Any]], Response],
    *,
    token_budget: int | None = None,
) -> Response:
    """Search, keep the trace, and answer.

    A search that reinforces honours Idempotency-Key: it changes memories, keeps its trace and stores its answer in one
    transaction, and a repetition gets that answer. Any other search changes no memory and ignores the header.

    Args:
        request: what came in, for its Idempotency-Key.
        services: the parts of the running service.
        caller: who searches.
        body: what is asked.
        respond: makes the answer from what was found and its JSON.
        token_budget: how many tokens the results may hold together, None for any number.
    """
    if body.reinforce and not caller.may(KeyScope.WRITE):
        raise Forbidden(f"`reinforce` changes memories, and this key lacks the scope {KeyScope.WRITE.value}.")
    now = services.clock()
    search_id = new_id()
    wanted = recall_request(body, token_budget=token_budget)
    answers: list[Response] = []

    def produce(session: Session, recalled: Recalled) -> Response:
        nearby: Mapping[UUID, list[Row]] = {}
        if body.neighbours and recalled.results:
            ids = [result.found.id for result in recalled.results]
            nearby = neighbour_rows.neighbours_of(
                session, caller.tenant_id, ids, distance=body.neighbours, now=now, known=wanted.as_of.known
            )
        document = search_json(search_id, recalled, nearby=nearby, explain=body.explain, now=now)
        if body.reinforce:
            reinforce(session, caller.tenant_id, search_id, recalled.results, now=now)
        traces.keep_trace(
            session,
            caller.tenant_id,
            search_id,
            namespaces=[n.path for n in recalled.namespaces],
            query=body.query,
            request=body.model_dump(mode="json", exclude_unset=True, by_alias=True),
            result=_trace_json(recalled),
            now=now,
            expires_at=now + timedelta(days=services.settings.trace_ttl_days),
        )
        return respond(recalled, document)

    def deliver(session: Session, recalled: Recalled) -> None:
        if body.reinforce:
            answers.append(idempotent(request, caller, session, lambda: produce(session, recalled)))
        else:
            answers.append(produce(session, recalled))

    recall(
        # Only a search that changes memories waits for the disk; losing the last traces in a crash loses no memory.
        lambda: services.database.transaction(caller.tenant_id, durable=body.reinforce),
        caller.tenant_id,
        wanted,
        tools=tools_of(services),
        now=now,
        deliver=deliver,
    )
    return answers[0]


def search_json(
    search_id: UUID,
    recalled: Recalled,
    *,
    nearby: Mapping[UUID, list[Row]],
    explain: bool,
    now: datetime,
) -> dict[str, Any]:
    """Return the answer to a search as API.md draws it."""
    document: dict[str, Any] = {
        "search_id": str(search_id),
        "results": [_result_json(r, nearby.get(r.found.id, []), now=now) for r in recalled.results],
        "confidence": recalled.confidence,
        "abstain": recalled.abstain,
        "timings_ms": _timings(recalled),
    }
    if explain:
        document["explain"] = _explain_json(recalled)
    return document


def _timings(recalled: Recalled) -> dict[str, float]:
    t = recalled.timings
    return {"encode": t.encode, "candidates": t.candidates, "graph": t.graph, "fuse": t.fuse, "total": t.total}


def _channels(result: Result) -> dict[str, dict[str, Any]]:
    return {
        name: {"rank": c.rank, "score": c.score, "weight": round(c.weight, 6), "contribution": round(c.contribution, 6)}
        for name, c in result.found.channels.items()
    }


def _result_json(result: Result, nearby: list[Row], *, now: datetime) -> dict[str, Any]:
    record = memory_json(result.row, now=now)
    return {
        "rank": result.rank,
        "score": round(result.found.score, 6),
        "memory": record,
        "channels": _channels(result),
        "signals": {name: round(amount, 6) for name, amount in result.found.signals.items() if amount},
        "why": why(result),
        "neighbours": [memory_json(row, now=now) for row in nearby],
        "superseded_by": record["superseded_by"],
    }


def why(result: Result) -> str:
    """Say in one sentence why a memory was found, strongest channel first."""
    reasons = []
    for name, channel in sorted(result.found.channels.items(), key=lambda item: -item[1].contribution):
        if channel.rank is None:
            continue
        if name == "keyword":
            words = ", ".join(result.matched_terms[:6]) or "its date"
            reasons.append(f"keyword rank {channel.rank} (matches {words})")
        elif name == "vector":
            reasons.append(f"vector rank {channel.rank} (cosine {channel.score:.2f})")
        else:
            reasons.append(f"{name} rank {channel.rank}")
    if result.row["superseded_by"]:
        reasons.append("superseded since")
    return "; ".join(reasons)


def _explain_json(recalled: Recalled) -> dict[str, Any]:
    shown = {result.found.id for result in recalled.results}
    parsed, ranked = recalled.parsed, recalled.ranked
    return {
        "query": {
            **{name: getattr(parsed, name) for name in parsed.__dataclass_fields__},
            "dates": [{"phrase": d.phrase, "start": rfc3339(d.start), "end": rfc3339(d.end)} for d in parsed.dates],
            "coverage": ranked.coverage if ranked else None,
            "route": ranked.routing.route if ranked else None,
            "route_reason": ranked.routing.reason if ranked else None,
        },
        "weights": {name: round(channel.weight, 6) for name, channel in ranked.channels.items()} if ranked else {},
        "learned": dict(ranked.learned) if ranked else {},
        "namespaces": [n.path for n in recalled.namespaces],
        "candidates": recalled.considered,
        "loaded": recalled.loaded.way if recalled.loaded else None,
        "counterfactual_ranks": counterfactual_ranks(recalled),
        "near_misses": [
            {"memory_id": str(c.id), "rank": c.rank, "score": round(c.score, 6)}
            for c in recalled.candidates
            if c.id not in shown
        ][:NEAR_MISSES],
    }


def counterfactual_ranks(recalled: Recalled) -> dict[str, dict[str, int | None]]:
    """Return for each result which rank it would have if one channel were silent, for each channel."""
    ranked = recalled.ranked
    if ranked is None:
        return {}
    silenced = {name: ranked.score - channel.contribution for name, channel in ranked.channels.items()}
    return {
        str(result.found.id): {name: ranked.rank_of(result.found.row, score=score) for name, score in silenced.items()}
        for result in recalled.results
    }


def _trace_json(recalled: Recalled) -> dict[str, Any]:
    """Return what a trace keeps: ids, ranks and scores, never the text of memories."""
    versions = {result.found.id: result.row["version"] for result in recalled.results}
    final = {result.found.id: result.rank for result in recalled.results}
    kept = recalled.candidates[: max(SHOWN, len(recalled.results))]
    return {
        "results": [
            {
                "memory_id": str(c.id),
                "version": versions.get(c.id),
                "rank": final.get(c.id),
                "fused_rank": c.rank,
                "score": round(c.score, 6),
                "channels": {
                    name: [s.rank, None if s.score is None else round(s.score, 6), round(s.contribution, 6)]
                    for name, s in c.channels.items()
                },
            }
            for c in kept
        ],
        "candidates": recalled.considered,
        "confidence": recalled.confidence,
        "abstain": recalled.abstain,
        "weights": {name: channel.weight for name, channel in recalled.ranked.channels.items()}
        if recalled.ranked
        else {},
        "asked_as": recalled.parsed.spoken,
        "timings_ms": _timings(recalled),
    }


def trace_json(row: Row) -> dict[str, Any]:
    """Return a stored trace; per-channel triples become objects again."""
    result = row["result"]
    return {
        "search_id": str(row["id"]),
        "query": row["query"],
        "namespaces": row["namespaces"],
        "request": row["request"],
        "created_at": rfc3339(row["created_at"]),
        "expires_at": rfc3339(row["expires_at"]),
        **{k: v for k, v in result.items() if k != "results"},
        "results": [_traced(c) for c in result["results"] if c["rank"] is not None],
        "near_misses": [_traced(c) for c in result["results"] if c["rank"] is None],
    }


def _traced(candidate: Mapping[str, Any]) -> dict[str, Any]:
    channels = {n: {"rank": r, "score": s, "contribution": c} for n, (r, s, c) in candidate["channels"].items()}
    return {**candidate, "channels": channels}
