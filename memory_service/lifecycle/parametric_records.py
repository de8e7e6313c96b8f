"""Cubes and their versions as the outside sees them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from memory_service.lifecycle.records import rfc3339
from memory_service.parametric.associative import capacity
from memory_service.storage.sql import Row

EMPTY: Final = "empty"
READY: Final = "ready"
STALE: Final = "stale"

# Of a version in the table, as somebody is told why it is not served.
BECAUSE: Final[Mapping[str, str]] = {
    "changed": "a memory it was taught says something else now",
    "erased": "something it was taught was erased",
    "encoder": "its namespace has another encoder now",
    "damaged": "its weights were not what was written",
}


def state_of(row: Row) -> str:
    """Return whether a cube can be served: ready, stale until a worker has made it anew, or empty."""
    if row["active_version"] is None:
        return EMPTY
    return READY if row["state"] == "kept" else STALE


def cube_json(row: Row) -> dict[str, Any]:
    """Return a cube with what is in force of it."""
    pairs, room = row["pairs"] or 0, capacity(row["pairs"] or 0, row["dimension"])
    return {
        "id": str(row["id"]),
        "namespace": row["namespace"],
        "name": row["name"],
        "kind": row["kind"],
        "gamma": row["gamma"],
        "ridge": row["ridge"],
        "state": state_of(row),
        "stale_because": BECAUSE.get(row["reason"] or ""),
        "active_version": row["active_version"],
        "pairs": pairs,
        "capacity": {"used": room.used, "alarm_at": room.alarm_at, "alarm": room.alarm},
        "bytes": row["bytes"],
        "checksum": row["checksum"].hex() if row["checksum"] is not None else None,
        "encoder": {"name": row["encoder_name"], "dimension": row["dimension"], "fingerprint": row["fingerprint"]},
        "canary": row["canary"],
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
    }


def version_json(row: Row, *, active: int | None) -> dict[str, Any]:
    """Return one version of a cube."""
    return {
        "version": row["version"],
        "parent": row["parent"],
        "cause": row["cause"],
        "state": row["state"],
        "active": row["version"] == active,
        "stale_because": BECAUSE.get(row["reason"] or ""),
        "pairs": row["pairs"],
        "bytes": row["bytes"],
        "checksum": row["checksum"].hex() if row["checksum"] is not None else None,
        "canary": row["canary"],
        "job_id": str(row["job_id"]) if row["job_id"] is not None else None,
        "created_at": rfc3339(row["created_at"]),
    }


def detail_json(row: Row, versions: Sequence[Row]) -> dict[str, Any]:
    """Return a cube with its versions, newest first."""
    return {**cube_json(row), "versions": [version_json(one, active=row["active_version"]) for one in versions]}
