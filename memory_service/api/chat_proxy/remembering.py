"""Remember the turns of chats beside their answers: no answer waits for it, and no turn of a user hangs on a reply."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from traceback import extract_tb
from typing import Any, Final
from uuid import UUID

import structlog
from anyio import CapacityLimiter, to_thread

from memory_service.api.chat_proxy.conversation import Turn
from memory_service.api.chat_proxy.options import ChatMemoryIn
from memory_service.api.services import Services
from memory_service.api.writing import encoding_of, nudge_enrichment
from memory_service.errors import MemoryServiceError
from memory_service.lifecycle.draft import Draft, prepare
from memory_service.lifecycle.remember import remember
from memory_service.types import Caller, OnConflict

log = structlog.get_logger(__name__)

PAUSES_S: Final = (0.5, 2.0, 8.0)  # between attempts, while the database is away
THREADS: Final = 4  # of their own: a database that is slow to write must not hold up those who ask
CLOSING_S: Final = 15.0


class Remembering:
    """What is still to be written; lives with the event loop of one process."""

    def __init__(self) -> None:
        """Start with nothing to do."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._threads: CapacityLimiter | None = None

    def begin(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Do something beside the request; it goes on when the client hangs up."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its sentence may quote what was to be stored.
            log.error("chat_turn_crashed", error=type(error).__name__)

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Write in one of the few threads for it; again after a pause, while a part we need is down.

        Raises:
            MemoryServiceError: it cannot be done, or still not after the last pause.
        """
        if self._threads is None:
            self._threads = CapacityLimiter(THREADS)
        for pause in PAUSES_S:
            try:
                return await to_thread.run_sync(work, limiter=self._threads)
            except MemoryServiceError as error:
                if not error.retryable:
                    raise
                log.info("chat_turn_tried_again", code=error.specific_code, pause_s=pause)
            await asyncio.sleep(pause)
        return await to_thread.run_sync(work, limiter=self._threads)

    async def close(self) -> None:
        """Let what is under way come to its end, for a while."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=CLOSING_S)
            for task in late:
                log.warning("chat_turns_abandoned")
                task.cancel()


def read_turns(read: Callable[[], list[Turn]]) -> list[Turn] | None:
    """Read turns out of a conversation and return them, None where that fails: the answer does not hang on it either."""
    try:
        return read()
    except Exception as error:
        _log_crash(error)
        return None


async def remember_turns(
    remembering: Remembering, services: Services, caller: Caller, options: ChatMemoryIn, turns: Sequence[Turn]
) -> tuple[UUID, ...] | None:
    """Store turns and return their memories, None where they could not be stored: that is logged, without their words.

    Whatever goes wrong, the answer of the model does not hang on it.
    """
    if not turns:
        return ()
    try:
        ids: tuple[UUID, ...] = await remembering.in_thread(lambda: _store(services, caller, options, turns))
    except MemoryServiceError as error:
        log.warning("chat_turn_not_remembered", code=error.specific_code, turns=len(turns))
        return None
    except Exception as error:
        _log_crash(error, turns=len(turns))
        return None
    services.metrics.chats.turns("stored", len(ids))
    if len(ids) < len(turns):
        # Erased here before: it must not come back by a retry.
        services.metrics.chats.turns("refused", len(turns) - len(ids))
    return ids


def _log_crash(error: Exception, **fields: int) -> None:
    # Its message may hold words of the turns; where it was raised does not.
    *_, last = extract_tb(error.__traceback__)
    log.error("chat_turn_crashed", error=type(error).__name__, where=f"{last.filename}:{last.lineno}", **fields)


def _store(services: Services, caller: Caller, options: ChatMemoryIn, turns: Sequence[Turn]) -> tuple[UUID, ...]:
    now = services.clock()
    encoding = encoding_of(services, caller)
    prepared = prepare([_draft(turn, options) for turn in turns], encoding=encoding, now=now)
    with services.database.transaction(caller.tenant_id) as session:
        outcomes = remember(session, caller.tenant_id, prepared, encoding=encoding, now=now)
        nudge_enrichment(session, services, caller)
    return tuple(outcome.memory_id for outcome in outcomes if outcome.problem is None)


def _draft(turn: Turn, options: ChatMemoryIn) -> Draft:
    return Draft(
        content=turn.text,
        namespace=options.namespace,
        user_id=options.user_id,
        agent_id=options.agent_id,
        session_id=options.session_id,
        external_id=turn.external_id,
        role=turn.role,
        speaker=turn.name,
        # Sent again, a turn is the one that is there; a reply that was made anew takes the place of the other.
        on_conflict=OnConflict.SUPERSEDE if turn.role == "assistant" else OnConflict.SKIP,
    )
