"""Paths of the service that hold what somebody typed."""

from urllib.parse import quote


def item_path(collection: str, key: str) -> str:
    """Return the path of one item; whatever the key holds stays one segment.

    >>> item_path("memories", "../x")
    '/v1/memories/..%2Fx'
    """
    return f"/v1/{collection}/{quote(key, safe='')}"
