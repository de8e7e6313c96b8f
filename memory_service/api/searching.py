"""Run a search for a route: request in, JSON out, a trace kept."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.orm import Session

from memory_service.api.idempotency import idempotent, unless_answered
from memory_service.api.redacted_search import redacted_search
from memory_service.api.search_answers import kept_json, search_json
from memory_service.api.search_models import SearchIn
from memory_service.api.services import Services
from memory_service.errors import Forbidden
from memory_service.filters import all_of, parse_filter
from memory_service.lifecycle.reinforce import reinforce
from memory_service.storage import neighbours as neighbour_rows
from memory_service.storage import traces
from memory_service.storage.ids import new_id
from memory_service.storage.sql import Row
from memory_service.types import AsOf, Caller, KeyScope, TimeWindow
from retrieval.recall import recall
from retrieval.recalled import Recalled
from retrieval.request import RecallRequest
from retrieval.tools import Tools

CHARACTERS_PER_TOKEN = 4


def count_tokens(services: Services, texts: Sequence[str]) -> list[int]:
    """Count tokens so that common tokenizers count hardly more: word pieces, or four characters each if that is more."""
    pieces = services.encoder.tokenization.counts(texts)
    return [max(n, -(-len(text) // CHARACTERS_PER_TOKEN)) for n, text in zip(pieces, texts, strict=True)]


def tools_of(services: Services) -> Tools:
    """Return what a search works with in this process."""
    reranker = services.reranker
    return Tools(
        residents=services.residents,
        encode=services.batching.encode_query,
        encode_under=lambda encoder_id: services.encoders.get(encoder_id).batching.encode_query,
        at_once=lambda encoder_id: encoder_id == services.encoder_id and services.batching.is_quiet(),
        helper=services.helper,
        count_tokens=lambda texts: count_tokens(services, texts),
        rerank=None if reranker is None else lambda query, _, texts: reranker.score(query, texts),
    )


def find(
    services: Services,
    caller: Caller,
    request: RecallRequest,
    *,
    now: datetime,
    deliver: Callable[[Session, Recalled], None],
    durable: bool = False,
    tools: Tools | None = None,
) -> None:
    """Search as `recall` does, counted among the searches under way.

    Who does not count is not waited for: two such could each hold a connection beside the encoder and wait for a second one.

    Args:
        services: the parts of the running service.
        caller: who searches.
        request: what is asked.
        now: the present moment, or that of a trace.
        deliver: called inside the last transaction with what was found.
        durable: whether its commit waits for the disk.
        tools: what the search works with, where that is not `tools_of` this process.
    """
    with services.batching.under_way():
        recall(
            lambda: services.database.transaction(caller.tenant_id, durable=durable),
            caller.tenant_id,
            request,
            tools=tools or tools_of(services),
            now=now,
            deliver=deliver,
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
        preset_said="preset" in body.model_fields_set,
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

    What the namespaces redact is redacted in the query first: neither the trace nor anything else here sees the rest.

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
    body = redacted_search(services, caller, body)
    now = services.clock()
    search_id = new_id()
    wanted = recall_request(body, token_budget=token_budget)
    answers: list[Response] = []

    def produce(session: Session, recalled: Recalled) -> Response:
        nearby = _nearby(session, caller.tenant_id, recalled, wanted, distance=body.neighbours, now=now)
        if body.reinforce:
            reinforce(session, caller.tenant_id, search_id, recalled.results, now=now)
        trace = _trace(services, search_id, body, recalled, wanted, now=now)
        with _keeping(session, caller.tenant_id, trace, at_once=body.reinforce):
            document = search_json(search_id, recalled, nearby=nearby, explain=body.explain, now=now)
            return respond(recalled, document)

    def deliver(session: Session, recalled: Recalled) -> None:
        if body.reinforce:
            answers.append(idempotent(request, caller, session, lambda: produce(session, recalled)))
        else:
            answers.append(produce(session, recalled))

    def run() -> Response:
        # Only a search that changes memories waits for the disk; losing the last traces in a crash loses no memory.
        find(services, caller, wanted, durable=body.reinforce, now=now, deliver=deliver)
        return answers[0]

    return unless_answered(request, caller, run) if body.reinforce else run()


def _nearby(
    session: Session, tenant_id: UUID, recalled: Recalled, wanted: RecallRequest, *, distance: int, now: datetime
) -> Mapping[UUID, list[Row]]:
    """Return the memories that were said around each result, none where nobody asks for them."""
    if not distance or not recalled.results:
        return {}
    ids = [result.found.id for result in recalled.results]
    return neighbour_rows.neighbours_of(session, tenant_id, ids, distance=distance, now=now, known=wanted.as_of.known)


def _trace(
    services: Services, search_id: UUID, body: SearchIn, recalled: Recalled, wanted: RecallRequest, *, now: datetime
) -> traces.Trace:
    """Return what is kept of a search."""
    return traces.Trace(
        id=search_id,
        namespaces=[n.path for n in recalled.namespaces],
        query=body.query,
        request=body.model_dump(mode="json", exclude_unset=True, by_alias=True),
        result=kept_json(recalled, wanted, reranker=services.reranker.name if services.reranker else ""),
        now=now,
        expires_at=now + timedelta(days=services.settings.trace_ttl_days),
    )


def _keeping(session: Session, tenant_id: UUID, trace: traces.Trace, *, at_once: bool) -> AbstractContextManager[None]:
    """Keep a trace: at once where more is to be stored with it, else while the answer is written, as the end of the transaction."""
    if not at_once:
        return traces.ending_with_trace(session, tenant_id, trace)
    traces.keep_trace(session, tenant_id, trace)
    return nullcontext()
