"""One request of a stranger, and what it must be told."""

from dataclasses import dataclass
from typing import Any

from tests.integration.tenancy.household import Household


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that names something of a tenant, and what a stranger must be told.

    `want` is "absent" (404), "nothing" (200 without a single row), "refused" (the status given), or "own" (2xx about the
    asker's own things).
    """

    want: str
    path: str
    json: Any = None
    status: int = 404


Asks = dict[str, list[Ask]]  # by operation, "METHOD /path/{template}"


def in_namespace(h: Household, path: str) -> list[Ask]:
    """Return the request for what stands at a path, in the namespace of `h`."""
    return [Ask("absent", f"{path}?namespace={h.space}")]


def lists(h: Household, *names: str) -> Asks:
    """Return the requests for whole lists, in the namespace of `h`."""
    return {f"GET /v1/{name}": in_namespace(h, f"/v1/{name}") for name in names}
