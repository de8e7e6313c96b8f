"""What a memory's strength would be had a judgement never been given: state in, new state out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from consolidation.retention.holding import Holding, lapsed, recalled
from consolidation.retention.policy import RetentionPolicy


@dataclass(frozen=True, slots=True)
class Use:
    """One recall that stays: when, and what was said of it; None where a search counted it by itself."""

    at: datetime
    useful: bool | None


@dataclass(frozen=True, slots=True)
class Remade:
    """What the recalls that stay make of the state before a judgement."""

    state: Holding
    strengths_before: tuple[dict[str, Any], ...]  # before each of them, in order, as `strength_kept` returns it


def strength_kept(holding: Holding) -> dict[str, Any]:
    """Return what recalls and lapses change of a state, as JSON."""
    return {
        "stability_days": holding.stability_days,
        "difficulty": holding.difficulty,
        "recall_count": holding.recall_count,
        "last_recalled_at": _written(holding.last_recalled_at),
        "spaced_uses": holding.spaced_uses,
        "traces": list(holding.traces) if holding.traces else None,
        "traced_at": _written(holding.traced_at),
    }


def without(present: Holding, before: Mapping[str, Any], later: Iterable[Use], policy: RetentionPolicy) -> Remade:
    """Return the state that the recalls which stay make of the one before a judgement, and the one before each of them.

    What the memory is otherwise (its type, importance, pin, when it was taken out of the archive) is as it is now.

    Args:
        present: the state now.
        before: what `strength_kept` returned before the judgement.
        later: the recalls and judgements since that stay, in order.
        policy: by which strength is worked out, as it is now.

    >>> from datetime import UTC
    >>> from consolidation.retention.policy import RetentionPolicy
    >>> new = Holding("episodic", datetime(2024, 1, 1, tzinfo=UTC))
    >>> policy = RetentionPolicy()
    >>> without(lapsed(new, policy), strength_kept(new), [], policy).state == new
    True
    """
    traces = before["traces"]
    state = replace(
        present,
        stability_days=before["stability_days"],
        difficulty=before["difficulty"],
        recall_count=before["recall_count"],
        last_recalled_at=_read(before["last_recalled_at"]),
        spaced_uses=before["spaced_uses"],
        traces=tuple(traces) if traces else None,
        traced_at=_read(before["traced_at"]),
    )
    strengths_before = []
    for use in later:
        strengths_before.append(strength_kept(state))
        if use.useful is False:
            state = lapsed(state, policy)
            continue
        # It began to fade anew when it left the archive: not yet, for what came before that.
        refreshed = present.refreshed_at if present.refreshed_at and present.refreshed_at <= use.at else None
        state = recalled(replace(state, refreshed_at=refreshed), policy, use.at)
    return Remade(replace(state, refreshed_at=present.refreshed_at), tuple(strengths_before))


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _read(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
