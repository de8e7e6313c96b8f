"""What the shell completes: paths of namespaces, when the service answers at once.

Written with the standard library alone: a completion that takes a second is worse than none.
"""

PATIENCE_S = 0.5
MOST = 200


def complete_namespace(incomplete: str) -> list[str]:
    """Return the paths that begin as what was typed; none when nothing answers, the shell has nowhere to say why."""
    from http.client import HTTPException

    from memory_service.cli.connection import find_connection
    from memory_service.cli.failures import CommandFailure

    try:
        connection = find_connection()
        if connection.key is None:
            return []
        found = _get(connection.url, f"/v1/namespaces?limit={MOST}", connection.key)
        return [space["path"] for space in found["data"] if space["path"].startswith(incomplete)]
    except (CommandFailure, OSError, HTTPException, ValueError, KeyError, TypeError):
        return []


def _get(url: str, path: str, key: str) -> dict[str, list[dict[str, str]]]:
    import json
    from http.client import HTTPConnection, HTTPSConnection
    from urllib.parse import urlsplit

    address = urlsplit(url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    http = kind(address.netloc, timeout=PATIENCE_S)
    try:
        http.request("GET", address.path + path, headers={"Authorization": f"Bearer {key}"})
        answer: dict[str, list[dict[str, str]]] = json.load(http.getresponse())
        return answer
    finally:
        http.close()
