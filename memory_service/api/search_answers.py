"""What a search answers and what its trace keeps, as JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from memory_service.lifecycle.records import memory_json, rfc3339
from memory_service.storage.sql import Row
from retrieval.intent import wants_answers, wants_course, wants_summary
from retrieval.query import ParsedQuery
from retrieval.ranking import ChannelCell, Shown
from retrieval.reasons import why
from retrieval.recalled import NEAR_MISSES, SHOWN, Recalled
from retrieval.request import RecallRequest
from retrieval.results import Result


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
        "results": [
            _result_json(r, nearby.get(r.found.id, []), said, now=now)
            for r, said in zip(recalled.results, _reasons(recalled), strict=True)
        ],
        "confidence": recalled.confidence,
        "abstain": recalled.abstain,
        "timings_ms": _timings(recalled),
    }
    if explain:
        document["explain"] = _explain_json(recalled)
    return document


def _timings(recalled: Recalled) -> dict[str, float]:
    t = recalled.timings
    return {
        "encode": t.encode,
        "candidates": t.candidates,
        "graph": t.graph,
        "fuse": t.fuse,
        "rerank": t.rerank,
        "total": t.total,
    }


def channels_json(channels: Mapping[str, ChannelCell]) -> dict[str, dict[str, Any]]:
    """Return what each channel said of one memory."""
    return {
        name: {"rank": c.rank, "score": c.score, "weight": round(c.weight, 6), "contribution": round(c.contribution, 6)}
        for name, c in channels.items()
    }


def signals_json(signals: Mapping[str, float]) -> dict[str, float]:
    """Return the signals that say something of one memory."""
    return {name: round(amount, 6) for name, amount in signals.items() if amount}


def _result_json(result: Result, nearby: list[Row], said: str, *, now: datetime) -> dict[str, Any]:
    record = memory_json(result.row, now=now)
    return {
        "rank": result.rank,
        "score": round(result.found.score, 6),
        "memory": record,
        "channels": channels_json(result.found.channels),
        "signals": signals_json(result.found.signals),
        "why": said,
        "neighbours": [memory_json(row, now=now) for row in nearby],
        "superseded_by": record["superseded_by"],
    }


def _reasons(recalled: Recalled) -> list[str]:
    """Say of every result in one sentence why it was found."""
    loaded, ranked = recalled.loaded, recalled.ranked
    if loaded is None or ranked is None:
        return []
    words = [result.matched_terms for result in recalled.results]
    sentences = why(loaded.rows, recalled.parsed, ranked, [result.found for result in recalled.results], words)
    return [
        f"{said}; superseded since" if result.row["superseded_by"] else said
        for said, result in zip(sentences, recalled.results, strict=True)
    ]


def _explain_json(recalled: Recalled) -> dict[str, Any]:
    shown = {result.found.id for result in recalled.results}
    ranked = recalled.ranked
    return {
        "query": query_json(recalled.parsed)
        | {
            "coverage": round(ranked.coverage, 6) if ranked and ranked.coverage is not None else None,
            "route": ranked.routing.route.value if ranked else None,
            "route_reason": ranked.routing.reason if ranked else None,
        },
        "weights": {name: round(channel.weight, 6) for name, channel in ranked.channels.items()} if ranked else {},
        "learned": dict(ranked.learned) if ranked else {},
        "policy": recalled.fusion.to_json(),
        "namespaces": [n.path for n in recalled.namespaces],
        "candidates": recalled.considered,
        "loaded": recalled.loaded.way if recalled.loaded else None,
        "timings_ms": _timings(recalled),
        "counterfactual_ranks": counterfactual_ranks(recalled),
        "near_misses": [near_miss_json(c) for c in recalled.candidates if c.id not in shown][:NEAR_MISSES],
    }


def query_json(parsed: ParsedQuery) -> dict[str, Any]:
    """Return what was understood of a query, for people to read."""
    intents = {"summary": wants_summary, "course": wants_course, "answers": wants_answers}
    return {
        "text": parsed.text,
        "spoken": parsed.spoken,
        "language": parsed.language,
        "speaker": parsed.speaker,
        "names": list(parsed.names),
        "numbers": list(parsed.numbers),
        "phrases": list(parsed.phrases),
        "terms": list(parsed.terms),
        "alternatives": {term: list(terms) for term, terms in parsed.alternatives.items()},
        "question_word": parsed.question_word.value if parsed.question_word else None,
        "is_question": parsed.is_question,
        "dates": [{"phrase": d.phrase, "start": rfc3339(d.start), "end": rfc3339(d.end)} for d in parsed.dates],
        "asks_latest": parsed.asks_latest,
        "asks_earliest": parsed.asks_earliest,
        "asks_current": parsed.asks_current,
        "intents": [name for name, wants in intents.items() if wants(parsed.text)],
    }


def near_miss_json(found: Shown) -> dict[str, Any]:
    """Return a memory that just missed, with what each channel said of it."""
    return {
        "memory_id": str(found.id),
        "rank": found.rank,
        "score": round(found.score, 6),
        "channels": channels_json(found.channels),
        "signals": signals_json(found.signals),
    }


def counterfactual_ranks(recalled: Recalled) -> dict[str, dict[str, int | None]]:
    """Return for each result, by channel, its rank by the score of the others; None where they did not find it."""
    ranked = recalled.ranked
    if ranked is None:
        return {}
    silenced = {name: ranked.without(name) for name in ranked.channels}
    return {
        str(result.found.id): {name: rest.rank_of(result.found.row) for name, rest in silenced.items()}
        for result in recalled.results
    }


def kept_json(recalled: Recalled, request: RecallRequest, *, reranker: str) -> dict[str, Any]:
    """Return what a trace keeps: ids, ranks and scores, never the text of memories."""
    reranked = recalled.reranked
    versions = {result.found.id: result.row["version"] for result in recalled.results}
    final = {result.found.id: result for result in recalled.results}
    # The best, and every result: one that was pulled up from below, or chosen for a budget, is among them. A replay takes the
    # reranker's scores from here; beside their memories, so that erasure reaches them.
    kept = [
        final[c.id].found if c.id in final else c
        for place, c in enumerate(recalled.candidates)
        if place < SHOWN or c.id in final or c.id in (reranked or {})
    ]
    return {
        "results": [
            {
                "memory_id": str(c.id),
                "version": versions.get(c.id),
                "rank": final[c.id].rank if c.id in final else None,
                "fused_rank": c.rank,
                "score": round(c.score, 6),
                "channels": {
                    name: [s.rank, None if s.score is None else round(s.score, 6), round(s.contribution, 6)]
                    for name, s in c.channels.items()
                },
            }
            | ({"reranker": reranked[c.id]} if reranked and c.id in reranked else {})
            for c in kept
        ],
        "candidates": recalled.considered,
        "confidence": recalled.confidence,
        "abstain": recalled.abstain,
        "weights": {name: channel.weight for name, channel in recalled.ranked.channels.items()}
        if recalled.ranked
        else {},
        "reranker": None if reranked is None else {"model": reranker, "scored": len(reranked)},
        "asked_as": recalled.parsed.spoken,
        # What a replay needs beside the request; how many were found tells whether some were erased since.
        "asked": {"top_k": request.top_k, "token_budget": request.token_budget, "languages": list(recalled.languages)},
        "found": len(recalled.results),
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
