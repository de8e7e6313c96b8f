"""A link that logs the person at the terminal in, asked for with the key that lies in the data folder."""

import http.client
import json
from pathlib import Path

from memory_service.embedded.readiness import reachable_host


def login_path(host: str, port: int, key_file: Path, *, timeout_s: float = 5) -> str | None:
    """Return the path of a fresh link; None when the key in the file is no longer good, or nobody answers."""
    connection = http.client.HTTPConnection(reachable_host(host), port, timeout=timeout_s)
    try:
        key = key_file.read_text(encoding="ascii").strip()
        connection.request("POST", "/admin/links", headers={"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        body = response.read(65536)
        return str(json.loads(body)["path"]) if response.status == 201 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
