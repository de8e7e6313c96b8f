"""What becomes of memories that fade: promoted by use, kept more coarsely, archived. Nothing is ever deleted by this.

`plan_retention` says what is to happen now, `due_after` when a memory has to be looked at again: the moment at which it falls
to the next threshold. A sweep therefore reads what is due and nothing else; a recall, a new policy and a change of what
protects a memory make it due at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from consolidation.planning import Archive, Change, Retier, Revise, Step, Why
from consolidation.records import Ref
from consolidation.retention.holding import Holding, falls_to, is_protected, retrievability_of
from consolidation.retention.policy import HALF, TIERS, RetentionPolicy
from consolidation.retention.promotion import promoted_by_use

# After the moment of crossing, so that the curve is surely below the threshold whatever the rounding.
_MARGIN = timedelta(minutes=1)
_LONGEST_DAYS = 36_500.0  # what is due later than in a hundred years is not due


@dataclass(frozen=True, slots=True)
class Fading:
    """A memory that may have crossed a threshold, as a sweep reads it."""

    ref: Ref
    holding: Holding
    tier: str = HALF
    archived: bool = False
    forgotten_at: datetime | None = None  # when a policy archived it, and nobody restored it


@dataclass(frozen=True, slots=True)
class Due:
    """What a sweep leaves of a memory: when it is to be looked at again (None: never by itself), and under what state."""

    memory_id: UUID
    due_at: datetime | None
    stability_days: float | None  # None: unchanged
    forgotten_at: datetime | None


def plan_retention(rows: Iterable[Fading], policy: RetentionPolicy, *, now: datetime) -> list[Change]:
    """Decide what becomes of memories.

    A memory that use has promoted fades like its new type from this moment on, so it is not archived in the same breath. One
    that is archived keeps its vectors as they are, since searches of the archive and of the past still read them.
    """
    changes: list[Change] = []
    for row in rows:
        if row.archived:
            continue
        after = _promoted(row, policy)
        if after is not row:
            uses = row.holding.spaced_uses
            why = Why(Step.RETENTION, f"promoted by use from {row.holding.memory_type}", score=round(uses, 4))
            changes.append(Revise(row.ref, {"memory_type": after.holding.memory_type}, why))
        r = _counted(after.holding, policy, now)
        if policy.archive_below is not None and r < policy.archive_below:
            changes.append(
                Archive(row.ref, Why(Step.RETENTION, "faded below the threshold of the archive", score=round(r, 6)))
            )
            continue
        tier = policy.tier_for(r)
        if tier != row.tier:
            reason = "recalled" if TIERS.index(tier) < TIERS.index(row.tier) else "faded"
            changes.append(
                Retier(row.ref.id, tier, row.tier, Why(Step.RETENTION, f"{reason} to {tier}", score=round(r, 6)))
            )
    return changes


def after_plan(rows: Iterable[Fading], policy: RetentionPolicy, *, now: datetime) -> list[Due]:
    """Return what every memory of a sweep leaves behind once `plan_retention` is applied."""
    left = []
    for row in rows:
        after = _promoted(row, policy)
        stability = after.holding.stability_days if after is not row else None
        if not row.archived:
            r = _counted(after.holding, policy, now)
            archives = policy.archive_below is not None and r < policy.archive_below
            after = replace(after, archived=archives, forgotten_at=now if archives else None)
        left.append(Due(row.ref.id, due_after(after, policy, now=now), stability, after.forgotten_at))
    return left


def due_after(row: Fading, policy: RetentionPolicy, *, now: datetime) -> datetime | None:
    """Return when a memory falls to its next threshold; None where it never will by itself.

    >>> from datetime import UTC
    >>> made = datetime(2026, 1, 1, tzinfo=UTC)
    >>> row = Fading(Ref(UUID(int=1), 1), Holding("episodic", made))
    >>> (due_after(row, RetentionPolicy(), now=made) - made).days  # (0.8^-2 - 1) / F · 14 days
    33
    """
    if row.archived:
        if row.forgotten_at is None or policy.delete_after_days is None:
            return None
        return row.forgotten_at + timedelta(days=policy.delete_after_days)
    if is_protected(row.holding, policy):
        return None
    r = retrievability_of(row.holding, policy, now)
    ahead = [at for at in policy.thresholds().values() if at <= r]
    if not ahead:
        return None
    days = falls_to(row.holding, policy, max(ahead))
    return row.holding.since + timedelta(days=days) + _MARGIN if days < _LONGEST_DAYS else None


def erasable(rows: Sequence[Fading], policy: RetentionPolicy, *, now: datetime) -> list[UUID]:
    """Return the memories that the operator wants deleted: archived by a policy so long ago, and restored by nobody.

    Empty under every policy that does not say `delete_after_days`.
    """
    if policy.delete_after_days is None:
        return []
    latest = now - timedelta(days=policy.delete_after_days)
    return [
        row.ref.id
        for row in rows
        if row.archived
        and row.forgotten_at is not None
        and row.forgotten_at <= latest
        and not is_protected(row.holding, policy)
    ]


def _counted(holding: Holding, policy: RetentionPolicy, now: datetime) -> float:
    """Return the R by which a memory is judged; what is protected counts as if it were new."""
    return 1.0 if is_protected(holding, policy) else retrievability_of(holding, policy, now)


def _promoted(row: Fading, policy: RetentionPolicy) -> Fading:
    """Return the memory as its use has promoted it, at least as stable as a new one of its type; itself if it stays."""
    risen = None if row.archived else promoted_by_use(row.holding, policy)
    return row if risen is None else replace(row, holding=risen)
