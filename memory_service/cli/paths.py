"""Paths of the service that hold what somebody typed."""

from urllib.parse import quote

from memory_service.cli.failures import IdUnusable

STEPS = frozenset({".", ".."})
"""What a URL takes for a way up, whatever it was typed as."""


def item_path(collection: str, key: str) -> str:
    """Return the path of one item; whatever the key holds stays one segment.

    >>> item_path("memories", "../x")
    '/v1/memories/..%2Fx'

    Raises:
        IdUnusable: it is empty, or the call would go elsewhere.
    """
    if not key or key in STEPS:
        said = "an id is empty" if not key else f"{key} is no id"
        raise IdUnusable(said, hint="Ids are whole: `memory-service list` and `keys list` show them.")
    return f"/v1/{collection}/{quote(key, safe='')}"
