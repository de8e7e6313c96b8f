"""Memories as the outside sees them: the MemCube as JSON."""

import difflib
from datetime import UTC, datetime
from typing import Any

from consolidation.retention.holding import holding_of, standing_of
from consolidation.retention.policy_form import read_policy
from memory_service.storage.sql import Row
from memory_service.types import PrecisionTier, State

HISTORY_FIELDS = (
    "namespace", "user_id", "agent_id", "session_id", "external_id", "payload_type", "memory_type", "state", "content",
    "title", "context", "keywords", "tags", "entities", "metadata", "value", "importance", "confidence", "trust", "flags",
    "redactions", "pinned",
    "language", "observed_at", "valid_from", "valid_to", "expires_at", "superseded_by",
)  # fmt: skip


def rfc3339(moment: datetime | None) -> str | None:
    """Render a time in UTC with microseconds only where there are any."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def state_at(row: Row, now: datetime) -> str:
    """Return the state of a memory, expired as soon as its time has come, whether or not a sweep has passed."""
    state: str = row["state"]
    if row["expires_at"] is not None and row["expires_at"] <= now and state != State.ARCHIVED:
        return State.EXPIRED
    return state


def retention_json(row: Row, *, now: datetime) -> dict[str, Any]:
    """Return how firmly the memory holds now."""
    holding = holding_of(row)
    standing = standing_of(holding, read_policy(row.get("retention_policy")), now)
    return {
        "stability_days": standing.stability_days,
        "difficulty": standing.difficulty,
        "retrievability": round(standing.retrievability, 6),
        "recall_count": holding.recall_count,
        "last_recalled_at": rfc3339(holding.last_recalled_at),
        "precision_tier": PrecisionTier(row.get("precision_tier") or 0).label,
    }


def memory_json(row: Row, *, now: datetime) -> dict[str, Any]:
    """Return one record as API.md draws it."""
    span = [row["span_from"], row["span_to"]] if row["span_from"] is not None else None
    return {
        "id": str(row["id"]),
        "namespace": row["namespace"],
        "user_id": row["user_id"],
        "agent_id": row["agent_id"],
        "session_id": row["session_id"],
        "external_id": row["external_id"],
        "payload_type": row["payload_type"],
        "memory_type": row["memory_type"],
        "state": state_at(row, now),
        "version": row["version"],
        "content": row["content"],
        "title": row["title"],
        "context": row["context"],
        "keywords": row["keywords"],
        "tags": row["tags"],
        "entities": row["entities"],
        "metadata": row["metadata"],
        "value": row["value"],
        "importance": row["importance"],
        "confidence": row["confidence"],
        "trust": row["trust"],
        "flags": row["flags"],
        "redactions": row["redactions"],
        "pinned": row["pinned"],
        "language": row["language"],
        "observed_at": rfc3339(row["observed_at"]),
        "valid_from": rfc3339(row["valid_from"]),
        "valid_to": rfc3339(row["valid_to"]),
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "expires_at": rfc3339(row["expires_at"]),
        "superseded_by": str(row["superseded_by"]) if row["superseded_by"] else None,
        "source": {
            "kind": row["source_kind"],
            "ref": row["source_ref"],
            "speaker": row["speaker"],
            "role": row["role"],
            "span": span,
            "hash": row["source_hash"].hex() if row["source_hash"] else None,
        },
        "derivation": {
            "method": row["derivation_method"],
            "parents": [str(parent) for parent in row["derivation_parents"]],
            "changeset_id": str(row["changeset_id"]) if row["changeset_id"] else None,
        },
        "retention": retention_json(row, now=now),
        "links_count": row["links_count"],
    }


def version_json(row: Row) -> dict[str, Any]:
    """Return one version: the state it records and the span of time in which it was the known one."""
    fields = {name: row[name] for name in HISTORY_FIELDS}
    for name, value in fields.items():
        if isinstance(value, datetime):
            fields[name] = rfc3339(value)
    fields["superseded_by"] = str(row["superseded_by"]) if row["superseded_by"] else None
    return {
        "id": str(row["id"]),
        "version": row["version"],
        **fields,
        "known_from": rfc3339(row["updated_at"]),
        "known_to": rfc3339(row["known_to"]),
    }


def diff_json(old: Row, new: Row) -> dict[str, Any]:
    """Return what changed between two versions, and a line diff of the content where that changed."""
    before, after = version_json(old), version_json(new)
    changes = [
        {"field": name, "from": before[name], "to": after[name]}
        for name in HISTORY_FIELDS
        if before[name] != after[name]
    ]
    lines = difflib.unified_diff(before["content"].splitlines(), after["content"].splitlines(), lineterm="", n=2)
    return {
        "id": before["id"],
        "from": before["version"],
        "to": after["version"],
        "changes": changes,
        "content_diff": "\n".join(lines),
    }
