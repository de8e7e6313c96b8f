"""Deliveries of webhooks: take what is due from the outbox, send it, write down what became of it."""

import asyncio
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.errors import Unavailable
from memory_service.storage import webhook_deliveries, webhooks
from memory_service.storage.webhook_deliveries import DEAD, DELIVERED, PENDING
from memory_service.webhooks.addresses import Reach
from memory_service.webhooks.message import Message
from memory_service.webhooks.schedule import GONE, Schedule
from memory_service.webhooks.sending import Courier, Outcome

log = structlog.get_logger(__name__)

AT_ONCE: Final = 16  # receivers that are spoken to at the same time
TAKEN_AT_ONCE: Final = 20  # messages of one receiver
TURN_S: Final = 20.0  # for one receiver; the others wait for their turn meanwhile
POLL_S: Final = 1.0
POLL_AFTER_FAULT_S: Final = 5.0
PUBLIC_ONLY: Final = Reach()
PATIENT: Final = Schedule()


@dataclass(frozen=True, slots=True)
class Delivering:
    """What deliveries work with."""

    due: Callable[[datetime], Iterable[tuple[UUID, UUID]]]  # tenants and webhooks for which something is due
    open: Callable[[UUID], AbstractContextManager[Session]]
    reach: Reach = PUBLIC_ONLY
    schedule: Schedule = PATIENT
    timeout_s: float = 10.0
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    chance: Callable[[], float] = field(default=random.random)

    @property
    def lease(self) -> timedelta:
        """Return for how long messages are taken: longer than a turn and its last message can last."""
        return timedelta(seconds=TURN_S + 2 * self.timeout_s)


def deliver_due(work: Delivering) -> int:
    """Send what is due, to several receivers at once and to each one after the other; return how many attempts were made.

    Raises:
        Unavailable: the database is down. What was sent meanwhile is sent again.
    """
    due = list(work.due(work.clock()))
    return asyncio.run(_deliver_all(work, due)) if due else 0


async def _deliver_all(work: Delivering, due: Sequence[tuple[UUID, UUID]]) -> int:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(tenant_id: UUID, webhook_id: UUID) -> int:
        async with room:
            return await _deliver_to(work, tenant_id, webhook_id)

    made = await asyncio.gather(*(one(*which) for which in due), return_exceptions=True)
    faults = [fault for fault in made if isinstance(fault, BaseException)]
    if faults:
        raise faults[0]
    return sum(number for number in made if isinstance(number, int))


async def _deliver_to(work: Delivering, tenant_id: UUID, webhook_id: UUID) -> int:
    """Send a receiver what is due until nothing is, it fails, or its turn ends."""
    hook = await asyncio.to_thread(_look_up, work, tenant_id, webhook_id)
    if hook is None:
        return 0
    courier = Courier(hook["url"], _secrets(hook, now=work.clock()), reach=work.reach, timeout_s=work.timeout_s)
    made, until = 0, monotonic() + TURN_S
    try:
        while monotonic() < until:
            messages = await asyncio.to_thread(_take, work, tenant_id, hook)
            sent: list[tuple[Message, Outcome]] = []
            for message in messages:
                outcome = await courier.send(message, timestamp=int(work.clock().timestamp()))
                sent.append((message, outcome))
                if not outcome.delivered or monotonic() > until:
                    break
            made += len(sent)
            await asyncio.to_thread(_write_down, work, tenant_id, webhook_id, sent, messages[len(sent) :])
            if not messages or not sent[-1][1].delivered:
                break
    finally:
        await courier.close()
    return made


def _look_up(work: Delivering, tenant_id: UUID, webhook_id: UUID) -> RowMapping | None:
    with work.open(tenant_id) as session:
        return webhooks.for_sending(session, tenant_id, webhook_id)


def _secrets(hook: RowMapping, *, now: datetime) -> list[bytes]:
    """Return what to sign with: the secret, and for a while after a rotation the one before."""
    former = hook["former_secret"] if hook["former_until"] is not None and hook["former_until"] > now else None
    return [hook["secret"], *([former] if former is not None else [])]


def _take(work: Delivering, tenant_id: UUID, hook: RowMapping) -> list[Message]:
    with work.open(tenant_id) as session:
        rows = webhook_deliveries.claim(
            session, tenant_id, hook["id"], now=work.clock(), lease=work.lease, limit=TAKEN_AT_ONCE
        )
        said: dict[tuple[UUID, int], str] = {}
        if hook["content"]:
            wanted = [(row["subject_id"], row["version"]) for row in rows if _says_something(row)]
            said = webhook_deliveries.contents_of(session, tenant_id, wanted)
    return [
        Message(
            delivery_id=row["id"],
            event_id=row["event_id"],
            event=row["event"],
            namespace=row["namespace"],
            subject_id=row["subject_id"],
            version=row["version"],
            details=row["details"],
            occurred_at=row["occurred_at"],
            attempts=row["attempts"],
            content=said.get((row["subject_id"], row["version"])),
        )
        for row in rows
    ]


def _says_something(row: RowMapping) -> bool:
    return bool(row["event"].startswith("memory.") and row["version"] is not None)


def _write_down(
    work: Delivering,
    tenant_id: UUID,
    webhook_id: UUID,
    sent: Sequence[tuple[Message, Outcome]],
    unsent: Sequence[Message],
) -> None:
    """Store what became of messages, and what that says of their receiver, in one transaction."""
    if not sent and not unsent:
        return
    now = work.clock()
    with work.open(tenant_id) as session:
        for message, outcome in sent:
            _finish(session, work, tenant_id, message, outcome, now=now)
        if unsent:
            webhook_deliveries.give_back(session, tenant_id, [one.delivery_id for one in unsent], now=now)
        if sent and sent[-1][1].delivered:
            webhooks.note_success(session, tenant_id, webhook_id)
        elif sent:
            _note_failure(session, work, tenant_id, webhook_id, sent[-1][1], now=now)


def _finish(
    session: Session, work: Delivering, tenant_id: UUID, message: Message, outcome: Outcome, *, now: datetime
) -> None:
    attempt: dict[str, Any] = {
        "at": now.isoformat(),
        "status": outcome.status,
        "error": outcome.error,
        "duration_ms": outcome.duration_ms,
    }
    status, due_at = DELIVERED, None
    if not outcome.delivered:
        wait = work.schedule.wait(message.attempts, chance=work.chance(), wish=outcome.wish)
        status, due_at = (DEAD, None) if wait is None else (PENDING, now + wait)
        log.info(
            "webhook_failed", delivery_id=str(message.delivery_id), error=outcome.error, status=outcome.status,
            attempts=message.attempts, dead=wait is None,
        )  # fmt: skip
    webhook_deliveries.finish(
        session, tenant_id, message.delivery_id, status=status, attempt=attempt, now=now, due_at=due_at
    )


def _note_failure(
    session: Session, work: Delivering, tenant_id: UUID, webhook_id: UUID, outcome: Outcome, *, now: datetime
) -> None:
    """Leave a receiver that failed alone for a while: what waits for it would only find the same."""
    found = webhooks.note_failure(session, tenant_id, webhook_id, now=now)
    if found is None:
        return
    gone = outcome.status == GONE
    if gone or work.schedule.gives_up_on(found["failing_since"], now=now):
        reason = "gone" if gone else "failing"
        webhooks.disable(session, tenant_id, webhook_id, reason=reason, now=now)
        log.warning("webhook_disabled", webhook_id=str(webhook_id), reason=reason)
        return
    wait = work.schedule.pause(found["failures"], chance=work.chance())
    webhooks.pause(session, tenant_id, webhook_id, until=now + wait)


class Deliverer(threading.Thread):
    """Delivers beside the tasks of a worker: a receiver that is slow to answer keeps no job from its turn.

    It asks the database by itself, so that messages go out while the broker is down or every task takes long.
    """

    def __init__(self, work: Delivering) -> None:
        """Prepare; `start` begins."""
        super().__init__(name="webhooks", daemon=True)
        self._work = work
        self._stopping = threading.Event()

    def stop(self, *, timeout_s: float) -> None:
        """Let what is being sent end, for a while; what is cut off is sent again."""
        self._stopping.set()
        self.join(timeout=timeout_s)

    def run(self) -> None:
        """Deliver until stopped; a database that is down is waited for."""
        wait, failing = POLL_S, False
        while not self._stopping.wait(wait):
            try:
                deliver_due(self._work)
                wait, failing = POLL_S, False
            except Unavailable as error:
                if not failing:
                    log.warning("webhooks_wait", reason=error.detail)
                wait, failing = POLL_AFTER_FAULT_S, True
            except Exception:
                # One message that nobody foresaw must not end the deliveries of everybody.
                log.exception("webhooks_failed")
                wait = POLL_AFTER_FAULT_S
