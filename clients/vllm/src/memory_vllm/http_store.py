"""Blocks in the memory service, over HTTP, each request by the right of its grant."""

from collections.abc import Sequence
from typing import Any, Final

import httpx

from memory_vllm.blob import CODEC, EXACT
from memory_vllm.chain import is_digest
from memory_vllm.errors import NotThere, StoreFailed
from memory_vllm.store import Grant, StoredRun

LOOKUP_S: Final = 2.0
"""A look-up stands before the first token of an answer; past this the prompt is computed."""
TRANSFER_S: Final = 30.0
GONE: Final = frozenset({401, 403, 404, 410})
MOST_HASHES: Final = 8192
"""What the service takes in one question: a million tokens in blocks of 128."""


class HttpStore:
    """The service at an address."""

    def __init__(self, url: str, *, lookup_s: float = LOOKUP_S, timeout_s: float = TRANSFER_S) -> None:
        """Connect to nothing yet."""
        self._lookup_s = lookup_s
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            timeout=httpx.Timeout(timeout_s, connect=lookup_s),
            trust_env=False,  # A proxy for the world is not one for the service next door.
        )

    def lookup(self, grant: Grant, engine: str, hashes: Sequence[str]) -> list[StoredRun]:
        """Ask the service which beginning of `hashes` it has."""
        body: dict[str, Any] = {"engine": engine, "block_hashes": list(hashes[:MOST_HASHES])}
        answer = self._ask("POST", "/v1/kv/blocks/lookup", grant, json=body, timeout=self._lookup_s)
        if answer.status_code in GONE:
            return []
        _expect(answer, 200)
        try:
            return [_run(one) for one in answer.json()["runs"]]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreFailed("the service answered a look-up with something else") from error

    def admitted(self, grant: Grant, engine: str, hashes: Sequence[str]) -> int:
        """Ask how many leading blocks the plan of a grant still admits; 0 once a memory in it changed or was erased.

        Raises:
            StoreFailed: the service does not answer, or knows nothing of the question.
        """
        body: dict[str, Any] = {"engine": engine, "block_hashes": list(hashes[:MOST_HASHES]), "with_admitted": True}
        answer = self._ask("POST", "/v1/kv/blocks/lookup", grant, json=body, timeout=self._lookup_s)
        if answer.status_code in GONE:
            return 0
        _expect(answer, 200)
        try:
            admitted = answer.json()["admitted"]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreFailed("the service answered a look-up with something else") from error
        if type(admitted) is not int:
            raise StoreFailed("the service answered a look-up with something else")
        return min(max(0, admitted), len(hashes))

    def load(self, grant: Grant, run: StoredRun) -> bytes:
        """Fetch a file."""
        answer = self._ask("GET", f"/v1/kv/memories/{run.id}/blob", grant)
        if answer.status_code in GONE:
            raise NotThere(f"the service does not give the file ({answer.status_code})")
        _expect(answer, 200)
        return answer.content

    def save(self, grant: Grant, *, engine: str, first: int, hashes: Sequence[str], checksum: str, data: bytes) -> bool:
        """Send a file."""
        said: dict[str, str | int] = {
            "engine": engine,
            "first_block": first,
            "count": len(hashes),
            "checksum": checksum,
            "codec": CODEC,
            "exactness": EXACT,
        }
        if grant.plan_id is not None:
            said["plan_id"] = grant.plan_id
        kind = {"Content-Type": "application/octet-stream"}
        answer = self._ask("POST", "/v1/kv/memories", grant, params=said, content=data, headers=kind)
        _expect(answer, 200, 201)
        return answer.status_code == 201

    def check(self, grant: Grant, run: StoredRun) -> None:
        """Ask the service to compare a file with its checksum; it believes nobody, and gives up what is damaged."""
        answer = self._ask("POST", f"/v1/kv/memories/{run.id}/check", grant)
        if answer.status_code not in GONE:  # Else it is given up already.
            _expect(answer, 200)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, method: str, path: str, grant: Grant, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {grant.token}", **more.pop("headers", {})}
        try:
            return self._client.request(method, path, headers=headers, **more)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise StoreFailed(f"the service does not answer ({type(error).__name__})") from error


def _expect(answer: httpx.Response, *wanted: int) -> None:
    if answer.status_code not in wanted:
        raise StoreFailed(f"the service answered {answer.status_code}")


def _run(said: dict[str, Any]) -> StoredRun:
    first, count, offset, size = (said[name] for name in ("first", "count", "offset_blocks", "bytes"))
    if any(type(one) is not int or one < 0 for one in (first, count, offset, size)) or not is_digest(said["checksum"]):
        raise ValueError("a run is described by whole numbers and a digest")
    name = said["kv_memory_id"]
    if not isinstance(name, str) or not name.replace("-", "").isalnum():
        raise ValueError("a run has an id")
    return StoredRun(name, first, count, offset, size, said["checksum"])
