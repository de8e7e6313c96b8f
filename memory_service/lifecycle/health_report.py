"""How well the memory of a namespace, or of all, is kept: sizes, strength, what is doubtful, what changed lately."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from consolidation.planning import ReviewKind
from consolidation.retention.holding import holding_of, retrievability_of
from consolidation.retention.policy_form import read_policy
from memory_service.lifecycle.records import rfc3339
from memory_service.storage.health_report import Place
from memory_service.storage.sql import Row
from memory_service.types import State

LATELY: Final = timedelta(days=7)
FIRM: Final = 0.9  # recalled nine times out of ten, or better
FAINT: Final = 0.5  # below it, rather forgotten than recalled
MOST_LOOKED_AT: Final = (
    5_000  # memories whose strength is worked out; of more, an even sample: a share is off by 1.4 % at most
)


@dataclass(frozen=True, slots=True)
class Strengths:
    """How firmly memories hold that were looked at, and how many of them are junk.

    Junk is what holds no word, and what is faint and was never recalled.
    """

    looked_at: int = 0
    firm: int = 0
    fading: int = 0
    faint: int = 0
    junk: int = 0


def report(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, namespace: str | None, now: datetime
) -> dict[str, Any]:
    """Return what `GET /v1/health-report` answers."""
    place = Place(session, tenant_id, namespace_id=namespace_id, now=now, since=now - LATELY)
    counted = place.memories()
    live, total = _sum(counted, "live"), _sum(counted, "memories")
    share = min(256, math.ceil(256 * MOST_LOOKED_AT / live)) if live else 256
    strengths = strengths_of(place.holding(share=share, most=2 * MOST_LOOKED_AT), now=now)
    links, reviews = place.links(), place.reviews()
    merged = sum(row["memories"] for row in counted if row["state"] == State.MERGED)
    last = place.last_changeset()
    return {
        "namespace": namespace,
        "measured_at": rfc3339(now),
        "memories": {
            "total": total,
            "live": live,
            "pinned": _sum(counted, "pinned"),
            "superseded": _sum(counted, "superseded"),
            "by_state": _by(counted, "state", "memories"),
            "by_type": _by(counted, "memory_type", "live"),
        },
        "retention": {
            "looked_at": strengths.looked_at,
            "firm": strengths.firm,
            "fading": strengths.fading,
            "faint": strengths.faint,
        },
        "junk": {"count": strengths.junk, "rate": _rate(strengths.junk, strengths.looked_at)},
        "duplicates": {
            "merged": merged,
            "open": reviews.get(ReviewKind.DUPLICATE, 0),
            "rate": _rate(merged, live + merged),
        },
        "contradictions": {"open": reviews.get(ReviewKind.CONFLICT, 0), "links": links["contradictions"]},
        "low_trust": {"open": reviews.get(ReviewKind.LOW_TRUST, 0), "memories": _sum(counted, "low_trust")},
        "reviews_open": sum(reviews.values()),
        "waiting": {"enrichment": place.unread(), "consolidation": place.unconsolidated()},
        "week": {
            "since": rfc3339(now - LATELY),
            "created": _sum(counted, "created"),
            "changed": place.versions(),
            "superseded": links["superseded"],
            "merged": _sum(counted, "merged"),
            "archived": _sum(counted, "archived"),
            "erased": place.erased(),
        },
        "last_consolidation": None if last is None else _changeset_json(last),
    }


def strengths_of(rows: Iterable[Row], *, now: datetime) -> Strengths:
    """Sort memories by how firmly they hold now, each under the policy of its namespace."""
    zones: Counter[str] = Counter()
    for row in rows:
        r = retrievability_of(holding_of(row), read_policy(row["retention_policy"]), now)
        zone = "firm" if r >= FIRM else "fading" if r >= FAINT else "faint"
        zones[zone] += 1
        zones["junk"] += not row["has_words"] or (zone == "faint" and not row["recall_count"])
    looked_at = zones["firm"] + zones["fading"] + zones["faint"]
    return Strengths(looked_at, zones["firm"], zones["fading"], zones["faint"], zones["junk"])


def _changeset_json(row: Row) -> dict[str, Any]:
    return {
        "changeset_id": str(row["id"]),
        "job_id": str(row["job_id"]) if row["job_id"] else None,
        "kind": row["kind"],
        "counts": row["counts"],
        "at": rfc3339(row["created_at"]),
    }


def _sum(rows: Iterable[Row], column: str) -> int:
    return sum(row[column] for row in rows)


def _by(rows: Iterable[Row], name: str, column: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for row in rows:
        found[row[name]] += row[column]
    return {key: count for key, count in sorted(found.items()) if count}


def _rate(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
