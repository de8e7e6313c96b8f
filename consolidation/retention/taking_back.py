"""What a memory's strength would be had a judgement never been given, and what it was once: state in, new state out."""

from collections.abc import Iterable, Mapping, Sequence
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
    before: Mapping[str, Any] | None = None  # what `strength_kept` returned then, where that was kept


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


def held_then(present: Holding, uses: Sequence[Use], policy: RetentionPolicy, *, at: datetime) -> Holding:
    """Return how firmly a memory held at a moment, by nothing that was done with it from then on.

    A judgement kept what it changed. Where the first use since then did not, the uses before are counted again, from the last
    state that was kept or from when the memory was new.

    Args:
        present: the state now; type, importance and pin as they were then.
        uses: all that is kept of its recalls and judgements, in order.
        policy: the one in force then.
        at: the moment.

    >>> from datetime import UTC, timedelta
    >>> from consolidation.retention.policy import RetentionPolicy
    >>> new = Holding("episodic", datetime(2024, 1, 1, tzinfo=UTC))
    >>> first, second = (new.created_at + timedelta(days=n) for n in (3, 9))
    >>> once = recalled(new, RetentionPolicy(), first)
    >>> twice = recalled(once, RetentionPolicy(), second)
    >>> held_then(twice, [Use(first, None), Use(second, None)], RetentionPolicy(), at=second) == once
    True
    """
    refreshed = present.refreshed_at if present.refreshed_at is not None and present.refreshed_at < at else None
    state = replace(present, refreshed_at=refreshed)
    earlier = [use for use in uses if use.at < at]
    since = uses[len(earlier) :]
    if not since and (present.last_recalled_at is None or present.last_recalled_at < at):
        return state
    before = since[0].before if since else None
    if before is not None:
        return without(state, before, [], policy).state
    start = max((place for place, use in enumerate(earlier) if use.before is not None), default=0)
    kept = earlier[start].before if earlier else None
    new = strength_kept(Holding(state.memory_type, state.created_at))
    return without(state, kept or new, earlier[start:], policy).state


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _read(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
