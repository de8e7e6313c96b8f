"""How memories fade, for those who look: the course of one, and what a sweep is to do with those of a namespace."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.planning import TIER_OF, Step
from consolidation.retention.forecast import Point, crossings, past
from consolidation.retention.forgetting import Fading, after_plan, erasable
from consolidation.retention.holding import (
    Holding,
    activation_of,
    holding_of,
    is_protected,
    retrievability_of,
    traces_at,
)
from consolidation.retention.policy import DEFAULT_ID, RetentionPolicy
from consolidation.retention.policy_form import read_policy
from consolidation.retention.traces import TIME_CONSTANTS_DAYS
from memory_service.lifecycle.erasures import begin
from memory_service.lifecycle.records import retention_json, rfc3339
from memory_service.lifecycle.selection import Selection
from memory_service.storage import consolidated, fading
from memory_service.storage.sql import Row

FORECAST_DAYS: Final = (0.0, 1.0, 7.0, 30.0, 90.0, 365.0)
LATEST: Final = timedelta(days=7)  # between two sweeps of a namespace
SWEEP: Final = "retention"  # the key under which a tier owes nothing but the sweep of what fades
_BATCH: Final = 1_000  # memories in one job of erasure


@dataclass(frozen=True, slots=True)
class Settled:
    """What a sweep left: how many memories it looked at, and the jobs that erase what the operator wants erased."""

    considered: int
    erasures: tuple[UUID, ...] = ()


def settle(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    rows: Sequence[Fading],
    policy: RetentionPolicy,
    *,
    now: datetime,
    job_ttl: timedelta,
) -> Settled:
    """Note, once the plan made of `rows` is applied in this transaction, when each of them has to be looked at again.

    Where the policy of the operator says `delete_after_days`, jobs that erase what it archived that long ago are made; the
    caller nudges the workers after the commit. Without it nothing is ever erased.
    """
    fading.keep_due(session, tenant_id, after_plan(rows, policy, now=now), policy_id=policy.id)
    doomed = erasable(rows, policy, now=now)
    erasures = []
    for start in range(0, len(doomed), _BATCH):
        selection = Selection(before=now, ids=tuple(doomed[start : start + _BATCH]))
        begun = begin(session, tenant_id, selection, api_key_id=None, ttl=job_ttl, namespace_id=namespace_id)
        erasures.append(begun.job_id)
    owe_sweep(session, tenant_id, namespace_id, policy, now=now)
    return Settled(len(rows), tuple(erasures))


def owe_sweep(session: Session, tenant_id: UUID, namespace_id: UUID, policy: RetentionPolicy, *, now: datetime) -> None:
    """Note when a namespace has to be swept again, so that one in which nothing else happens fades as well.

    A week from now at the latest: a recall makes a memory due without a word to the workers.
    """
    due = fading.next_due(session, tenant_id, namespace_id, policy_id=policy.id, now=now)
    after = LATEST if due is None else min(LATEST, due - now)
    # What was noted before is out of date; left there it would be due again and again.
    consolidated.owe_at_last(session, tenant_id, namespace_id, TIER_OF[Step.RETENTION], SWEEP, due_at=now + after)


def retention_course(row: Row, recalls: Sequence[tuple[datetime, bool | None]], *, now: datetime) -> dict[str, Any]:
    """Return what `GET /v1/memories/{id}/retention` answers."""
    holding, policy = holding_of(row), read_policy(row["retention_policy"])
    ahead = [(days, retrievability_of(holding, policy, now + timedelta(days=days))) for days in FORECAST_DAYS]
    return {
        "memory_id": str(row["id"]),
        **retention_json(row, now=now),
        "fading_since": rfc3339(holding.since),
        "protected": is_protected(holding, policy),
        "spaced_uses": round(holding.spaced_uses, 6),
        "activation": round(activation_of(holding, now), 6),
        "traces": [
            {"time_constant_days": tau, "value": round(m, 6)}
            for tau, m in zip(TIME_CONSTANTS_DAYS, traces_at(holding, now), strict=True)
        ],
        "policy": {
            "id": None if policy.id == DEFAULT_ID else str(policy.id),
            "namespace": None if policy.id == DEFAULT_ID else row["namespace"],
            "curve": policy.curve.value,
            "thresholds": policy.thresholds(),
        },
        "past": [_point_json(one) for one in past(_as_made(holding), recalls, policy, now=now)],
        "forecast": [{"days": days, "retrievability": round(r, 6)} for days, r in ahead],
        "reaches": [
            {"threshold": one.name, "below": one.below, "at": rfc3339(one.at)}
            for one in crossings(holding, policy, now=now)
        ],
    }


def _as_made(holding: Holding) -> Holding:
    """Return the memory before anything happened to it."""
    return replace(
        holding, stability_days=None, difficulty=None, recall_count=0, last_recalled_at=None, refreshed_at=None,
        spaced_uses=0.0, traces=None, traced_at=None,
    )  # fmt: skip


def _point_json(point: Point) -> dict[str, Any]:
    shown: dict[str, Any] = {"at": rfc3339(point.at), "retrievability": round(point.retrievability, 6)}
    return {**shown, "recall": True, "useful": point.useful} if point.recall else shown
