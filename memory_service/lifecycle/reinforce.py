"""Reinforce: a useful recall makes a memory hold longer; an ignored one changes nothing; a bad one weakens it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.retention.holding import lapsed, recalled, stability_of
from consolidation.retention.policy_form import read_policy
from consolidation.retention.taking_back import Use, strength_kept, without
from memory_service.errors import Conflict, NotFound
from memory_service.lifecycle.correct import missing
from memory_service.storage import precision, retention
from memory_service.storage.retention import RecallRow


class Found(Protocol):
    """A search result as far as reinforcement cares."""

    @property
    def rank(self) -> int:
        """Rank in the answer, from 1."""

    @property
    def row(self) -> Any:
        """The record found."""

    @property
    def found(self) -> Any:
        """Its place in the ranking."""


def reinforce(session: Session, tenant_id: UUID, trace_id: UUID, found: Sequence[Found], *, now: datetime) -> None:
    """Count a recall for each memory found and strengthen it."""
    precision.want_half(session, tenant_id, [result.row["id"] for result in found])
    locked = retention.lock_holdings(session, tenant_id, [result.row["id"] for result in found])
    stronger = {i: recalled(held, read_policy(stored), now) for i, (held, stored) in locked.items()}
    retention.keep_holdings(session, tenant_id, stronger, now=now)
    retention.keep_recalls(
        session,
        tenant_id,
        [
            RecallRow(r.row["id"], trace_id, r.rank, r.found.score, useful=None, cited=None)
            for r in found
            if r.row["id"] in stronger
        ],
        now=now,
    )


def take_feedback(
    session: Session, tenant_id: UUID, trace_id: UUID, memory_id: UUID, *, rank: int, score: float, useful: bool, cited: bool,
    now: datetime,
) -> dict[str, Any]:  # fmt: skip
    """Store whether a found memory was of use, and strengthen or weaken it. Return its new strength.

    Raises:
        Gone, NotFound: the memory is no longer there.
    """
    if useful:
        precision.want_half(session, tenant_id, [memory_id])
    locked = retention.lock_holdings(session, tenant_id, [memory_id])
    if memory_id not in locked:
        raise missing(session, tenant_id, memory_id)
    before, stored = locked[memory_id]
    policy = read_policy(stored)
    after = recalled(before, policy, now) if useful else lapsed(before, policy)
    retention.keep_holdings(session, tenant_id, {memory_id: after}, now=now)
    kept = RecallRow(memory_id, trace_id, rank, score, useful=useful, cited=cited, held_before=strength_kept(before))
    retention.keep_recalls(session, tenant_id, [kept], now=now)
    return {
        "memory_id": str(memory_id), "useful": useful, "cited": cited, "stability_days": stability_of(after, policy),
    }  # fmt: skip


def take_feedback_back(
    session: Session, tenant_id: UUID, trace_id: UUID, memory_id: UUID, *, now: datetime
) -> dict[str, Any]:
    """Forget what was said of a found memory; it holds as firmly as if nothing had been said. Return its new strength.

    What recalled it since counts as before; its strength is worked out anew from that, also the one before each later
    judgement: whoever takes that one back as well must not get this one with it.

    Raises:
        Gone, NotFound: the memory is no longer there, or nothing was said of this result.
        Conflict: it was said before the service kept what that changed.
    """
    locked = retention.lock_holdings(session, tenant_id, [memory_id])
    if memory_id not in locked:
        raise missing(session, tenant_id, memory_id)
    since = retention.recalls_since_judged(session, tenant_id, memory_id, trace_id)
    if not since:
        raise NotFound("Nothing was said of this memory as a result of that search.", code="feedback_not_found")
    held_before = since[0]["held_before"]
    if held_before is None:
        raise Conflict(
            "It was said before the service kept what feedback changes, and cannot be taken back.",
            code="not_reversible",
        )
    present, stored = locked[memory_id]
    policy = read_policy(stored)
    stay = [row for row in since if row["trace_id"] != trace_id or row["useful"] is None]
    made = without(present, held_before, [Use(row["recalled_at"], row["useful"]) for row in stay], policy)
    retention.drop_judgements(session, tenant_id, memory_id, trace_id)
    befores = {row["id"]: before for row, before in zip(stay, made.strengths_before, strict=True)}
    retention.keep_held_before(session, tenant_id, memory_id, befores)
    retention.keep_holdings(session, tenant_id, {memory_id: made.state}, now=now)
    return {
        "memory_id": str(memory_id), "useful": None, "cited": None, "stability_days": stability_of(made.state, policy),
    }  # fmt: skip
