"""What this service knows, in the shapes that mem0 answers. Pure: from our JSON to theirs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import md5
from math import exp
from typing import Any
from uuid import UUID, uuid5

from memory_service.api.compat.mem0.filters import APP_ID
from memory_service.api.compat.mem0.moments import expiration_date_of

Json = dict[str, Any]
_PLACES = 6


def memory_item(record: Mapping[str, Any]) -> Json:
    """Return a memory as mem0 shows one."""
    metadata = {key: value for key, value in record["metadata"].items() if key != APP_ID}
    return {
        "id": record["id"],
        "memory": record["content"],
        "hash": _hash_of(record["content"]),
        "user_id": record["user_id"],
        "agent_id": record["agent_id"],
        "app_id": record["metadata"].get(APP_ID),
        "run_id": record["session_id"],
        "actor_id": record["source"]["speaker"],
        "role": record["source"]["role"],
        "metadata": metadata,
        "categories": record["tags"],
        "expiration_date": expiration_date_of(record["expires_at"]),
        "created_at": record["observed_at"],
        "updated_at": record["updated_at"],
    }


def _hash_of(text: str) -> str:
    """Return mem0's hash of a text: of the one that stands now, not of the one that a source brought.

    >>> _hash_of("Ada likes tea.")
    '427f46cfe7c59f14ba242a8372ebde12'
    """
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def found_items(results: Sequence[Mapping[str, Any]], *, threshold: float | None, top_k: int) -> list[Json]:
    """Return the results of a search with a score from 0 to 1 that falls with the rank.

    `score` is the fused score through a logistic function; where a result stands above one with a higher score, because
    it is newer for example, the lower one of the two is shown for both, since clients sort by it. `similarity` is the
    cosine of query and text, None where only words were compared; a threshold is compared with that.
    """
    items: list[Json] = []
    lowest = 1.0
    for result in results:
        vector = result["channels"].get("vector")
        similarity = vector["score"] if vector else None
        if threshold is not None and threshold > 0 and (similarity is None or similarity < threshold):
            continue
        lowest = min(lowest, _logistic(result["score"]))
        item = memory_item(result["memory"])
        items.append(item | {"score": round(lowest, _PLACES), "similarity": similarity, "why": result["why"]})
    return items[:top_k]


def _logistic(score: float) -> float:
    """Squash any score into 0 to 1.

    >>> _logistic(0.0), _logistic(-800.0), _logistic(800.0)
    (0.5, 0.0, 1.0)
    """
    if score >= 0:
        return 1 / (1 + exp(-score))
    grown = exp(score)  # falls to 0 where the other form would overflow
    return grown / (1 + grown)


def with_fields(items: Iterable[Json], fields: Sequence[str] | None) -> list[Json]:
    """Return items with the named fields only; all of them when none is named."""
    if not fields:
        return list(items)
    wanted = set(fields)
    return [{name: value for name, value in item.items() if name in wanted} for item in items]


_SHOWN_IN_HISTORY = ("content", "metadata", "tags", "observed_at", "expires_at")


def history_of(versions: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Return what happened to a memory, oldest first, from its versions in the same order.

    A version that only the service's own work made (a link, a state that mem0 does not know) is no event.
    """
    events: list[Json] = []
    before: Mapping[str, Any] | None = None
    began = ""
    for version in versions:
        began = began or version["known_from"]
        happened = _happened(before, version)
        if happened is not None:
            event, old, new = happened
            events.append(
                {
                    "id": str(uuid5(UUID(version["id"]), str(version["version"]))),
                    "memory_id": version["id"],
                    "old_memory": old,
                    "new_memory": new,
                    "event": event,
                    "user_id": version["user_id"],
                    "metadata": {k: v for k, v in version["metadata"].items() if k != APP_ID},
                    "categories": version["tags"],
                    "is_deleted": event == "DELETE",
                    "created_at": began,
                    "updated_at": version["known_from"],
                }
            )
        before = version
    return events


def _happened(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> tuple[str, str | None, str | None] | None:
    gone, was_gone = now["state"] == "archived", before is not None and before["state"] == "archived"
    if before is None or (was_gone and not gone):
        return "ADD", None, now["content"]
    if gone and not was_gone:
        return "DELETE", before["content"], None
    if any(before[name] != now[name] for name in _SHOWN_IN_HISTORY):
        return "UPDATE", before["content"], now["content"]
    return None


def entity_item(row: Mapping[str, Any], *, time_of: Any) -> Json:
    """Return a user, agent, app or run as mem0 lists one."""
    created, updated = (time_of(row[name]) for name in ("first", "last"))
    return {
        "id": f"{row['type']}:{row['name']}",
        "name": row["name"],
        "type": row["type"],
        "total_memories": row["count"],
        "created_at": created,
        "updated_at": updated,
        "metadata": None,
    }


def page_of(items: Sequence[Json], *, count: int, page: int, page_size: int, address: Any) -> Json:
    """Return a page as mem0 draws one; `address` makes the URL of another page of the same list."""
    return {
        "count": count,
        "next": address(page + 1) if page * page_size < count else None,
        "previous": address(page - 1) if page > 1 else None,
        "results": list(items),
    }


def event_item(row: Mapping[str, Any], results: Sequence[Json], *, time_of: Any) -> Json:
    """Return an add as mem0 shows an event: it has succeeded once it is stored, whatever the background still does."""
    stored: datetime = row["created_at"]
    return {
        "id": str(row["id"]),
        "event_id": str(row["id"]),
        "event_type": "ADD",
        "status": "SUCCEEDED",
        "results": list(results),
        "enrichment": row["status"],
        "created_at": time_of(stored),
        "updated_at": time_of(row["finished_at"] or stored),
        "completed_at": time_of(stored),
    }
