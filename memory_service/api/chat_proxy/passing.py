"""One chat, from the client's messages to the model's answer."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any, Final
from uuid import UUID

import httpx
import structlog
from anyio import to_thread
from fastapi import Request, Response

from memory_service.api.chat_proxy.conversation import Turn, new_turns, outgoing, reply_turn
from memory_service.api.chat_proxy.events import Reply
from memory_service.api.chat_proxy.options import ChatMemoryIn
from memory_service.api.chat_proxy.planning import ChatPlan, plan_chat
from memory_service.api.chat_proxy.proxy import ChatProxy
from memory_service.api.chat_proxy.recollecting import Recollection, recollect, reinforce_used
from memory_service.api.chat_proxy.relaying import MEDIA_TYPE, RelayedStream
from memory_service.api.chat_proxy.remembering import read_turns, remember_turns
from memory_service.api.services import Services
from memory_service.errors import MemoryServiceError, UpstreamFailed
from memory_service.types import Caller

Storing = asyncio.Task[tuple[UUID, ...] | None]

log = structlog.get_logger(__name__)

SEARCH_ID: Final = "X-Memory-Search-Id"
STORED_WITHIN_S: Final = 1.0  # how long an answer waits for the user's turn, which had all the time of the model
UNANSWERED: Final = frozenset({"failed", "refused"})  # nobody can say that the prompt was read
# When and whether to ask again, as OpenAI's clients read it.
PASSED_HEADERS: Final = ("retry-after", "retry-after-ms", "x-should-retry")


class Chat:
    """One chat under way."""

    def __init__(
        self, request: Request, services: Services, proxy: ChatProxy, caller: Caller, options: ChatMemoryIn
    ) -> None:
        """Begin; nothing is read or sent yet."""
        self._request = request
        self._services = services
        self._proxy = proxy
        self._caller = caller
        self._options = options
        self._metrics = services.metrics.chats

    async def complete(self, body: Mapping[str, Any]) -> Response:
        """Find memories, put them in, pass the chat on and answer what the model says.

        Raises:
            UpstreamFailed: the model's server cannot be reached or does not answer as one.
            NotFound: no server is configured.
        """
        started = perf_counter()
        messages: Sequence[Any] = body["messages"]
        address = self._proxy.upstream.address
        recollection = await to_thread.run_sync(
            recollect, self._request, self._services, self._proxy.layouts, self._caller, self._options, messages
        )
        plan = await self._plan(body, messages, recollection, model=body.get("model") or address.model)
        sent = outgoing(
            body,
            recollection.messages,
            model=address.model,
            salt=self._proxy.salt_of(self._caller.tenant_id),
            transfer=None if plan is None else plan.parameters,
        )
        if plan is not None:
            recollection = replace(recollection, kv=plan.document)
        # Stored while the model thinks, whether or not it answers.
        said = self._proxy.remembering.begin(self._remember(messages))
        ready = perf_counter()
        self._metrics.took("prompt", ready - started)
        self._metrics.put_in(len(recollection.used))
        try:
            answer = await self._proxy.upstream.send("POST", "/chat/completions", sent)
            return await self._answered(answer, messages, recollection, said, ready)
        except UpstreamFailed:
            self._ended("failed", Reply(), messages, recollection, said)
            raise

    async def _plan(
        self, body: Mapping[str, Any], messages: Sequence[Any], recollection: Recollection, *, model: str
    ) -> ChatPlan | None:
        if not self._proxy.plans:
            return None
        work = partial(
            plan_chat,
            self._services,
            self._caller,
            body,
            messages,
            recollection,
            model=model,
            namespace=self._options.namespace,
        )
        return await to_thread.run_sync(work)

    async def _answered(
        self, answer: httpx.Response, messages: Sequence[Any], recollection: Recollection, said: Storing, ready: float
    ) -> Response:
        headers = {name: answer.headers[name] for name in PASSED_HEADERS if name in answer.headers}
        if recollection.search_id is not None:
            headers[SEARCH_ID] = recollection.search_id
        if answer.status_code == 200 and _is_stream(answer):
            return RelayedStream(
                answer,
                memory=recollection.document(),
                headers=headers,
                ended=lambda outcome, reply: self._ended(outcome, reply, messages, recollection, said),
                first=lambda: self._metrics.took("model", perf_counter() - ready),
            )
        content = await self._proxy.upstream.read(answer)
        self._metrics.took("model", perf_counter() - ready)
        document = _object(content, answer.status_code)
        if answer.status_code != 200:
            # What is wrong with the request, or with the model, is said best by who refuses it.
            self._ended("refused", Reply(), messages, recollection, said)
            return _json(document, answer.status_code, headers)
        document["memory"] = recollection.document()
        if self._options.remember:
            document["memory"]["remembered"] = await _stored(said)
        reply = Reply()
        reply.add(document)
        self._ended("answered", reply, messages, recollection, said)
        return _json(document, 200, headers)

    def _ended(
        self, outcome: str, reply: Reply, messages: Sequence[Any], recollection: Recollection, said: Storing
    ) -> None:
        self._metrics.answered(outcome)
        self._proxy.remembering.begin(self._after(outcome, reply, messages, recollection, said))

    async def _after(
        self, outcome: str, reply: Reply, messages: Sequence[Any], recollection: Recollection, said: Storing
    ) -> None:
        """Remember a whole reply behind what it replies to, and count what the prompt was given."""
        options = self._options
        # Once more, with the reply: the client sends them no more, and a reply to nothing is half a conversation.
        again = self._said_in(messages) if await said is None else []
        replied: list[Turn] | None = []
        if options.remember and reply.whole:
            replied = read_turns(lambda: reply_turn(messages, reply.text, scope=options.scope))
        turns = [*(again or []), *(replied or [])]
        # How many turns there were is not known where they could not be read: it counts as one.
        failed = [again, replied].count(None)
        if await self._store(turns) is None:
            failed += len(turns)
        if failed:
            self._metrics.turns("failed", failed)
        if options.reinforce and recollection.called_for and outcome not in UNANSWERED:
            try:
                await self._proxy.remembering.in_thread(
                    lambda: reinforce_used(self._services, self._caller, recollection)
                )
            except MemoryServiceError as error:
                log.warning("chat_recall_not_counted", code=error.specific_code)

    async def _remember(self, messages: Sequence[Any]) -> tuple[UUID, ...] | None:
        turns = self._said_in(messages) if self._options.remember else []
        return None if turns is None else await self._store(turns)

    def _said_in(self, messages: Sequence[Any]) -> list[Turn] | None:
        """Return what the user said since the last reply, None where that cannot be read."""
        return read_turns(lambda: new_turns(messages, scope=self._options.scope))

    async def _store(self, turns: Sequence[Turn]) -> tuple[UUID, ...] | None:
        return await remember_turns(self._proxy.remembering, self._services, self._caller, self._options, turns)


async def _stored(said: Storing) -> list[str] | None:
    """Return the memories of the user's turns, None while they are still on their way: a long text takes its time."""
    done, _ = await asyncio.wait({said}, timeout=STORED_WITHIN_S)
    return None if not done or (ids := said.result()) is None else [str(one) for one in ids]


def _is_stream(answer: httpx.Response) -> bool:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower() == MEDIA_TYPE


def _object(content: bytes, status: int) -> dict[str, Any]:
    """Read the object that an answer is.

    Raises:
        UpstreamFailed: it is none: a page of a proxy in between, or half of an answer.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UpstreamFailed(f"The model's server answered {status} with something that is no JSON object.")
    return document


def _json(document: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    # ASCII: a model may say half of a surrogate pair.
    content = json.dumps(document, separators=(",", ":")).encode()
    return Response(content, status_code=status, headers=dict(headers), media_type="application/json")


async def list_models(proxy: ChatProxy) -> Response:
    """Return the models of the upstream, as it lists them.

    Raises:
        UpstreamFailed: it cannot be reached or does not answer as one.
        NotFound: no server is configured.
    """
    answer = await proxy.upstream.send("GET", "/models")
    content = await proxy.upstream.read(answer)
    headers = {name: answer.headers[name] for name in PASSED_HEADERS if name in answer.headers}
    return _json(_object(content, answer.status_code), answer.status_code, headers)
