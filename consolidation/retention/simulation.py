"""What a policy would have done to the memories there are, had it been in force: replay real recalls, change nothing.

Every memory is replayed from the moment it was made: useful recalls strengthen it, negative feedback weakens it, and between two
of them it fades. Where it falls below the threshold of the archive before somebody recalls it again, the policy would have
hidden what was needed later. Recalls that happened because the memory was still there are taken as they are: nobody knows
what would have been asked instead.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from consolidation.retention.holding import Holding, falls_to, is_protected, lapsed, recalled, retrievability_of
from consolidation.retention.policy import BINARY, HALF, INT8, RetentionPolicy
from consolidation.retention.promotion import promoted_by_use


@dataclass(frozen=True, slots=True)
class History:
    """One memory as it was made, and what became of it."""

    id: UUID
    holding: Holding  # as it was made: nothing of its recalls
    recalls: tuple[tuple[datetime, bool], ...] = ()  # when, and whether it was of use; in order of time
    vectors: int = 1
    dimension: int = 384


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A memory that the policy would have archived."""

    id: UUID
    memory_type: str
    archived_at: datetime
    recalled_later: int  # how often it was of use afterwards


@dataclass(slots=True)
class Simulation:
    """What a policy would have done."""

    considered: int = 0
    forgotten: list[Forgotten] = field(default_factory=list)
    promoted: int = 0
    tiers: Counter[str] = field(default_factory=Counter)  # of memories that would be in the results, now
    bytes_at_half: int = 0  # of the vectors, all in the finest tier
    bytes_then: int = 0  # of the vectors, each in the tier it would have

    @property
    def missed(self) -> list[Forgotten]:
        """Those that were of use after they would have been archived."""
        return [one for one in self.forgotten if one.recalled_later]


def vector_bytes(tier: str, dimension: int) -> int:
    """Return what the numbers of one vector take in a tier, indexes not counted: 2 bytes each, or 1 and a bit, or a bit.

    >>> [vector_bytes(tier, 384) for tier in (HALF, INT8, BINARY)]
    [768, 432, 48]
    """
    return {HALF: 2 * dimension, INT8: dimension + dimension // 8, BINARY: dimension // 8}[tier]


def simulate(histories: Iterable[History], policy: RetentionPolicy, *, start: datetime, now: datetime) -> Simulation:
    """Replay memories under a policy that is in force from `start` to `now`."""
    outcome = Simulation()
    for history in histories:
        outcome.considered += 1
        end, promoted, forgotten = _replayed(history, policy, start=start, now=now)
        outcome.promoted += promoted
        outcome.bytes_at_half += history.vectors * vector_bytes(HALF, history.dimension)
        if forgotten is not None:
            outcome.forgotten.append(forgotten)
        until = now if forgotten is None else forgotten.archived_at
        tier = policy.tier_for(1.0 if is_protected(end, policy) else retrievability_of(end, policy, until))
        if forgotten is None:
            outcome.tiers[tier] += 1
        outcome.bytes_then += history.vectors * vector_bytes(tier, history.dimension)
    return outcome


def _replayed(
    history: History, policy: RetentionPolicy, *, start: datetime, now: datetime
) -> tuple[Holding, bool, Forgotten | None]:
    """Return the last state of a memory that the policy acted on, whether it was promoted, and how it was archived."""
    holding, promoted = history.holding, False
    for index, (at, useful) in enumerate(history.recalls):
        archived_at = _archived_by(holding, policy, start=start)
        if archived_at is not None and archived_at < at:
            later = sum(use for _, use in history.recalls[index:])
            return holding, promoted, Forgotten(history.id, holding.memory_type, archived_at, later)
        holding = recalled(holding, policy, at) if useful else lapsed(holding, policy)
        risen = promoted_by_use(holding, policy)
        if risen is not None:
            holding, promoted = risen, True
    archived_at = _archived_by(holding, policy, start=start)
    if archived_at is not None and archived_at <= now:
        return holding, promoted, Forgotten(history.id, holding.memory_type, archived_at, 0)
    return holding, promoted, None


def _archived_by(holding: Holding, policy: RetentionPolicy, *, start: datetime) -> datetime | None:
    """Return when the policy archives a memory that nobody recalls any more."""
    if policy.archive_below is None or is_protected(holding, policy):
        return None
    days = falls_to(holding, policy, policy.archive_below)
    if days > (datetime.max.replace(tzinfo=start.tzinfo) - holding.since).days - 1:
        return None
    return max(start, holding.since + timedelta(days=days))
