"""One receiver's turn: take what waits for it, send one message after the other, write down what became of them."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.storage import webhook_deliveries, webhooks
from memory_service.storage.webhook_deliveries import DEAD, DELIVERED, PENDING
from memory_service.webhooks.addresses import Reach
from memory_service.webhooks.message import Message
from memory_service.webhooks.schedule import GONE, Schedule
from memory_service.webhooks.sending import Courier, Outcome

log = structlog.get_logger(__name__)

TAKEN_AT_ONCE: Final = 20  # messages of one receiver
TURN_S: Final = 20.0  # for one receiver; the others wait for their turn meanwhile
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


@dataclass(slots=True)
class _Round:
    """What became of the messages that were taken together."""

    sent: list[tuple[Message, Outcome]] = field(default_factory=list)
    unsent: Sequence[Message] = ()
    go_on: bool = True


async def take_turn(work: Delivering, tenant_id: UUID, webhook_id: UUID, *, go_on: Callable[[], bool]) -> int:
    """Send a receiver what is due until nothing is, it fails, somebody changes it or its turn ends; return how many attempts.

    Raises:
        Unavailable: the database is down. What was sent meanwhile is sent again.
    """
    hook = await asyncio.to_thread(_look_up, work, tenant_id, webhook_id)
    if hook is None:
        return 0
    until = monotonic() + TURN_S

    def in_time() -> bool:
        return go_on() and monotonic() < until

    courier = Courier(
        hook["url"], _secrets(hook, now=work.clock()), reach=work.reach, timeout_s=work.timeout_s, tenant=tenant_id
    )
    made = 0
    try:
        while in_time():
            messages = await asyncio.to_thread(_take, work, tenant_id, webhook_id)
            if not messages:
                break
            done = await _send(work, tenant_id, hook, courier, messages, in_time=in_time)
            made += len(done.sent)
            await asyncio.to_thread(_write_down, work, tenant_id, hook, done)
            if not done.go_on:
                break
    finally:
        await courier.close()
    return made


async def _send(
    work: Delivering,
    tenant_id: UUID,
    hook: RowMapping,
    courier: Courier,
    messages: Sequence[Message],
    *,
    in_time: Callable[[], bool],
) -> _Round:
    done = _Round()
    for at, message in enumerate(messages):
        stays, ready = False, None
        if in_time():
            stays, ready = await asyncio.to_thread(_look_again, work, tenant_id, hook, message)
        if not stays:
            done.unsent, done.go_on = messages[at:], False
            break
        if ready is None:
            continue
        outcome = await courier.send(ready, timestamp=int(work.clock().timestamp()))
        if not outcome.tried:
            done.unsent, done.go_on = messages[at:], False
            break
        done.sent.append((ready, outcome))
        if not outcome.delivered:
            done.unsent, done.go_on = messages[at + 1 :], False
            break
    return done


def _look_up(work: Delivering, tenant_id: UUID, webhook_id: UUID) -> RowMapping | None:
    with work.open(tenant_id) as session:
        return webhooks.for_sending(session, tenant_id, webhook_id)


def _secrets(hook: RowMapping, *, now: datetime) -> list[bytes]:
    """Return what to sign with: the secret, and for a while after a rotation the one before."""
    former = hook["former_secret"] if hook["former_until"] is not None and hook["former_until"] > now else None
    return [hook["secret"], *([former] if former is not None else [])]


def _take(work: Delivering, tenant_id: UUID, webhook_id: UUID) -> list[Message]:
    with work.open(tenant_id) as session:
        rows = webhook_deliveries.claim(
            session, tenant_id, webhook_id, now=work.clock(), lease=work.lease, limit=TAKEN_AT_ONCE
        )
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
        )
        for row in rows
    ]


def _look_again(work: Delivering, tenant_id: UUID, hook: RowMapping, message: Message) -> tuple[bool, Message | None]:
    """Look right before a message is sent; it was taken a while ago, and slow answers have come since.

    Returns:
        Whether the webhook still is what the turn began with; the message with what the memory says now of that version, or
        nothing when an erasure has taken the message away or somebody else has it.
    """
    with work.open(tenant_id) as session:
        if not webhooks.is_as_read(session, tenant_id, hook["id"], updated_at=hook["updated_at"]):
            return False, None
        if not webhook_deliveries.is_taken(session, tenant_id, message.delivery_id, attempts=message.attempts):
            return True, None
        if not hook["content"] or message.version is None or not message.event.startswith("memory."):
            return True, message
        one = (message.subject_id, message.version)
        return True, replace(message, content=webhook_deliveries.contents_of(session, tenant_id, [one]).get(one))


def _write_down(work: Delivering, tenant_id: UUID, hook: RowMapping, done: _Round) -> None:
    """Store what became of messages, and what that says of their receiver, in one transaction."""
    if not done.sent and not done.unsent:
        return
    now = work.clock()
    with work.open(tenant_id) as session:
        stored = webhooks.get(session, tenant_id, hook["id"], lock=True)
        ids = [message.delivery_id for message, _ in done.sent] + [message.delivery_id for message in done.unsent]
        webhook_deliveries.lock(session, tenant_id, ids)
        for message, outcome in done.sent:
            _finish(session, work, tenant_id, message, outcome, now=now)
        taken = {message.delivery_id: message.attempts for message in done.unsent}
        webhook_deliveries.give_back(session, tenant_id, taken, now=now)
        # What the former URL answered says nothing of the one that somebody has put in its place.
        if done.sent and stored is not None and stored["updated_at"] == hook["updated_at"]:
            _note(session, work, tenant_id, hook["id"], [outcome for _, outcome in done.sent], now=now)


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
        session, tenant_id, message.delivery_id, attempts=message.attempts, status=status, attempt=attempt, now=now,
        due_at=due_at,
    )  # fmt: skip


def _note(
    session: Session, work: Delivering, tenant_id: UUID, webhook_id: UUID, outcomes: Sequence[Outcome], *, now: datetime
) -> None:
    """Leave a receiver that failed alone for a while: what waits for it would only find the same."""
    # One that takes most messages and never all of them has not failed since the first that it refused.
    if any(outcome.delivered for outcome in outcomes):
        webhooks.note_success(session, tenant_id, webhook_id)
    outcome = outcomes[-1]
    if outcome.delivered:
        return
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
