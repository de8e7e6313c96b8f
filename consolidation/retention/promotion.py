"""When use makes a memory one of a longer-lived type: working → episodic → semantic.

Evidence is use that is spaced: what was useful again and again over days is knowledge, what was needed ten times in one hour
belongs to that hour. Source: memory layers with promotion by access (TradingGPT, FinMem).
"""

from dataclasses import replace

from consolidation.retention.curve import days_between
from consolidation.retention.holding import Holding, strength_of
from consolidation.retention.policy import PROMOTES_TO, RetentionPolicy


def promoted_to(holding: Holding, policy: RetentionPolicy) -> str | None:
    """Return the type that a memory has earned, None when it stays what it is.

    >>> from datetime import UTC, datetime, timedelta
    >>> made = datetime(2026, 1, 1, tzinfo=UTC)
    >>> used = Holding("episodic", made, spaced_uses=3.2, last_recalled_at=made + timedelta(days=20))
    >>> promoted_to(used, RetentionPolicy())
    'semantic'
    >>> promoted_to(Holding("episodic", made, spaced_uses=0.4, last_recalled_at=made), RetentionPolicy()) is None
    True
    """
    wanted = policy.promotion.get(holding.memory_type)
    if wanted is None or holding.last_recalled_at is None:
        return None
    over = days_between(holding.created_at, holding.last_recalled_at)
    enough = holding.spaced_uses >= wanted.uses and over >= wanted.days
    return PROMOTES_TO[holding.memory_type] if enough else None


def promoted_by_use(holding: Holding, policy: RetentionPolicy) -> Holding | None:
    """Return the state of a memory after its promotion, at least as stable as a new one of its type; None if it stays."""
    target = promoted_to(holding, policy)
    if target is None:
        return None
    fresh = strength_of(replace(holding, memory_type=target, stability_days=None), policy)
    stability = max(strength_of(holding, policy).stability_days, fresh.stability_days)
    return replace(holding, memory_type=target, stability_days=stability)
