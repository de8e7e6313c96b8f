"""Deliveries of webhooks: ask the outbox what is due, and give receivers their turns."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final
from uuid import UUID

import structlog

from consolidation.delivery_turn import Delivering, take_turn
from memory_service.errors import Unavailable

log = structlog.get_logger(__name__)

AT_ONCE: Final = 64  # receivers that are spoken to at the same time
OF_A_TENANT: Final = 4  # of those: one that has many slow receivers leaves room for the others
POLL_S: Final = 1.0
POLL_AFTER_FAULT_S: Final = 5.0

Key = tuple[UUID, UUID]  # a tenant, one of its webhooks


def deliver_due(work: Delivering) -> int:
    """Send what is due, to several receivers at once and to each one after the other; return how many attempts were made.

    Raises:
        Unavailable: the database is down. What was sent meanwhile is sent again.
    """
    due = list(work.due(work.clock()))
    return asyncio.run(_deliver_all(work, due)) if due else 0


async def _deliver_all(work: Delivering, due: Iterable[Key]) -> int:
    faults: list[BaseException] = []
    turns = Turns(work, fault=lambda _, problem: faults.append(problem))
    turns.note_due(due)
    await turns.all_ended()
    if faults:
        raise faults[0]
    return turns.attempts


class Turns:
    """Who is being delivered to and who waits for a turn; lives in one event loop.

    Nobody waits for the turn of a particular other: when one ends, whoever has gone without for longest comes next.
    """

    def __init__(self, work: Delivering, *, fault: Callable[[Key, BaseException], None]) -> None:
        """Prepare.

        Args:
            work: what turns work with.
            fault: is told when a turn broke off.
        """
        self._work, self._fault = work, fault
        self._running: dict[Key, asyncio.Task[int]] = {}
        self._waiting: list[Key] = []
        self._ended: dict[Key, float] = {}  # when the last turn of one for which more was due ended
        self._resting: dict[Key, float] = {}  # until when one is left alone whose turn broke off
        self._closing = False
        self.attempts = 0

    def note_due(self, due: Iterable[Key]) -> None:
        """Note for whom something is due, those that have waited longest first, and begin turns while there is room."""
        known = list(due)
        self._ended = {key: self._ended[key] for key in known if key in self._ended}
        now = monotonic()
        self._resting = {key: until for key, until in self._resting.items() if until > now}
        waiting = [key for key in known if key not in self._running and key not in self._resting]
        self._waiting = sorted(waiting, key=lambda key: self._ended.get(key, 0.0))
        self._fill()

    def close(self) -> None:
        """Begin no further turn, and end those under way after the message that is being sent."""
        self._closing = True
        self._waiting.clear()

    async def all_ended(self) -> None:
        """Wait until nobody is being delivered to and nobody waits."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    def _fill(self) -> None:
        of_tenant = Counter(tenant_id for tenant_id, _ in self._running)
        left: list[Key] = []
        for key in self._waiting:
            if len(self._running) >= AT_ONCE or of_tenant[key[0]] >= OF_A_TENANT:
                left.append(key)
                continue
            of_tenant[key[0]] += 1
            turn = asyncio.create_task(take_turn(self._work, *key, go_on=lambda: not self._closing))
            self._running[key] = turn
            turn.add_done_callback(partial(self._note_end, key))
        self._waiting = left

    def _note_end(self, key: Key, ended: asyncio.Task[int]) -> None:
        del self._running[key]
        self._ended[key] = monotonic()
        if ended.cancelled():
            return
        problem = ended.exception()
        if problem is None:
            self.attempts += ended.result()
        else:
            self._resting[key] = monotonic() + POLL_AFTER_FAULT_S
            self._fault(key, problem)
        self._fill()


class Deliverer(threading.Thread):
    """Delivers beside the tasks of a worker: a receiver that is slow to answer keeps no job from its turn.

    It asks the database by itself, so that messages go out while the broker is down or every task takes long.
    """

    def __init__(self, work: Delivering) -> None:
        """Prepare; `start` begins."""
        super().__init__(name="webhooks", daemon=True)
        self._work = work
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self._failing = False
        self._rest_s = POLL_S

    def stop(self, *, timeout_s: float) -> None:
        """Let what is being sent end, for a while; what is cut off is sent again."""
        self._stopped = True
        if self._loop is not None:
            with suppress(RuntimeError):  # The loop has ended by itself.
                self._loop.call_soon_threadsafe(self._stopping.set)
        self.join(timeout=timeout_s)

    def run(self) -> None:
        """Deliver until stopped; a database that is down is waited for."""
        asyncio.run(self._deliver())

    async def _deliver(self) -> None:
        self._loop = asyncio.get_running_loop()
        turns = Turns(self._work, fault=self._note_fault)
        while not self._stopped:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._rest_s)
            if self._stopped:
                break
            self._rest_s = POLL_S
            try:
                turns.note_due(await asyncio.to_thread(self._ask))
                self._failing = False
            except Exception as problem:
                self._rest_s = POLL_AFTER_FAULT_S
                self._note_fault(None, problem)
        turns.close()
        await turns.all_ended()

    def _ask(self) -> list[Key]:
        return list(self._work.due(self._work.clock()))

    def _note_fault(self, key: Key | None, problem: BaseException) -> None:
        if isinstance(problem, Unavailable):
            if not self._failing:
                log.warning("webhooks_wait", reason=problem.detail)
            self._failing = True
            return
        # One message that nobody foresaw must not end the deliveries of everybody.
        who = {} if key is None else {"tenant_id": str(key[0]), "webhook_id": str(key[1])}
        log.error("webhooks_failed", exc_info=problem, **who)
