"""What a tenant or one of its namespaces holds and asks, measured at a moment."""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.lifecycle.records import rfc3339
from memory_service.storage import usage


def measure(
    session: Session, tenant_id: UUID, *, namespace_id: UUID | None, namespace: str | None, days: int, now: datetime
) -> dict[str, Any]:
    """Count memories by state, bytes of texts, and writes and searches of each of the last days, today among them."""
    first = now.date() - timedelta(days=days - 1)
    since = datetime.combine(first, datetime.min.time(), tzinfo=now.tzinfo)
    states: Counter[str] = Counter()
    written: Counter[date] = Counter()
    content = 0
    for row in usage.memories(session, tenant_id, namespace_id=namespace_id, since=since):
        states[row["state"]] += row["memories"]
        content += int(row["bytes"])
        if row["day"] is not None:
            written[row["day"]] += row["memories"]
    asked = {
        row["day"]: row["searches"]
        for row in usage.searches(session, tenant_id, namespace_id=namespace_id, path=namespace, since=since)
    }
    return {
        "namespace": namespace,
        "measured_at": rfc3339(now),
        "memories": {"total": states.total(), "by_state": dict(sorted(states.items()))},
        "bytes": {
            "memories": content,
            "versions": usage.bytes_of_versions(session, tenant_id, namespace_id=namespace_id),
            "documents": usage.bytes_of_documents(session, tenant_id, namespace_id=namespace_id),
        },
        "days": [
            {"day": one.isoformat(), "memories": written[one], "searches": asked.get(one, 0)}
            for one in (first + timedelta(days=n) for n in range(days))
        ],
        "models": [
            {
                "model": row["model"],
                "calls": int(row["calls"]),
                "prompt_tokens": int(row["prompt_tokens"]),
                "completion_tokens": int(row["completion_tokens"]),
            }
            for row in usage.models(session, tenant_id, namespace_id=namespace_id, since=since)
        ],
    }
