"""A tiny HTTP server that speaks the few calls which the commands make, over real sockets.

It stands in for the service only to test what the commands send and print; the acceptance tests run them against
the service itself.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

KEY = "test-key"
Answer = tuple[int, Any]
NDJSON = "application/x-ndjson"
BROKEN = 0  # As a status: the connection is closed without an answer.


class LocalService:
    """Keeps memories by namespace and ranks them by shared words; ``answers`` overrides single paths."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.idempotency_keys: list[str | None] = []
        self.memories: dict[str, dict[str, dict[str, Any]]] = {}
        self.jobs: list[int] = []
        self.answers: dict[str, Callable[[Any], Answer]] = {}
        self.url = ""

    def answer(self, method: str, path: str, body: Any, key: str | None) -> Answer:
        self.requests.append((method, path, body))
        path = path.partition("?")[0]
        if path in self.answers:
            return self.answers[path](body)
        if path == "/healthz":
            return 200, {"status": "ok"}
        if path == "/readyz":
            return 200, {"status": "ready", "parts": {"database": {"ok": True}, "broker": {"ok": True}}}
        if key != f"Bearer {KEY}":
            return 401, {"title": "Unauthenticated", "detail": "the key is unknown", "code": "unauthenticated"}
        if path == "/v1/messages":
            return self._messages(body)
        if path.startswith("/v1/jobs/"):
            return 200, {"progress": {"done": 0, "total": self.jobs[int(path.rpartition("/")[2])]}}
        if path == "/v1/memories/batch":
            return self._batch(body)
        if path == "/v1/search":
            return self._search(body)
        if path == "/v1/memories/archive":
            found = len(self.memories.pop(body["namespace"], {}))
            return 200, {"matched": found, "changed": found, "dry_run": False}
        if path == "/v1/memories":
            return 200, {"data": [], "next_cursor": None, "has_more": False}
        return 404, {"title": "Not found", "detail": f"no route {path}", "code": "not_found"}

    def _store(self, namespace: str, item: dict[str, Any]) -> bool:
        space = self.memories.setdefault(namespace, {})
        new = item["external_id"] not in space
        space.setdefault(item["external_id"], item)
        return new

    def _messages(self, body: dict[str, Any]) -> Answer:
        new = 0
        for message in body["messages"]:
            speaker = message.get("name")
            new += self._store(body["namespace"], {**message, "source": {"speaker": speaker, "role": message["role"]}})
        self.jobs.append(new)
        memories = [message["external_id"] for message in body["messages"]]
        return 202, {"job_id": str(len(self.jobs) - 1), "memories": memories}

    def _batch(self, body: dict[str, Any]) -> Answer:
        results = []
        for index, item in enumerate(body["items"]):
            if "\0" in item["content"]:
                results.append({"index": index, "status": "rejected", "problem": {"detail": "content has NUL"}})
            else:
                new = self._store(item["namespace"], item)
                results.append({"index": index, "status": "created" if new else "skipped", "id": item["external_id"]})
        return 200, {"results": results}

    def _search(self, body: dict[str, Any]) -> Answer:
        asked = set(re.findall(r"\w+", body["query"].lower()))
        scored = [
            (len(asked & set(re.findall(r"\w+", memory["content"].lower()))), memory)
            for memory in self.memories.get(body["namespace"], {}).values()
        ]
        scored.sort(key=lambda pair: -pair[0])
        results = [
            {
                "rank": rank,
                "score": float(score),
                "memory": memory,
                "channels": {"keyword": {"rank": rank, "score": score, "weight": 1, "contribution": float(score)}},
                "why": "",
            }
            for rank, (score, memory) in enumerate(scored[: body["top_k"]], start=1)
        ]
        timings = {"encode": 1.0, "total": 2.0}
        return 200, {"results": results, "confidence": 0.5, "abstain": False, "timings_ms": timings}


@pytest.fixture
def service() -> Iterator[LocalService]:
    local = LocalService()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            raw = self._body()
            body = raw.decode() if self.headers.get("Content-Type") == NDJSON else json.loads(raw or "null")
            local.idempotency_keys.append(self.headers.get("Idempotency-Key"))
            status, value = local.answer(self.command, self.path, body, self.headers.get("Authorization"))
            if status == BROKEN:
                self.close_connection = True
                return
            text = value if isinstance(value, str) else json.dumps(value)
            payload = b"" if value is None else text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
            self.send_header("Content-Length", str(len(payload)))
            if status in (409, 429, 503):
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(payload)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    local.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield local
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def environment(service: LocalService, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> LocalService:
    """Point the commands at the local server, and let them write into a folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMORY_SERVICE_URL", service.url)
    monkeypatch.setenv("MEMORY_SERVICE_API_KEY", KEY)
    monkeypatch.setenv("MEMORY_SERVICE_DATA_DIR", str(tmp_path / "var"))
    return service
