"""Where blocks are kept: a folder, and a service over HTTP that answers anything."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from memory_vllm.errors import MemoryKVError, NotThere, StoreFailed, Unsupported
from memory_vllm.folder_store import FolderStore
from memory_vllm.http_store import HttpStore
from memory_vllm.settings import api_keys, read_settings
from memory_vllm.store import Grant, StoredRun

GRANT = Grant("kvg1.x", "plan")
ENGINE = "ab" * 32
HASHES = [f"{at:064x}" for at in range(6)]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def save(store: FolderStore, first: int, count: int, data: bytes) -> bool:
    hashes = HASHES[first : first + count]
    return store.save(GRANT, engine=ENGINE, first=first, hashes=hashes, checksum=sha(data), data=data)


def test_a_folder_gives_back_the_longest_beginning(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "new" / "folder")
    assert store.lookup(GRANT, ENGINE, HASHES) == []
    assert save(store, 0, 3, b"one")
    assert save(store, 4, 2, b"three")
    assert [(run.first, run.count, run.offset) for run in store.lookup(GRANT, ENGINE, HASHES)] == [(0, 3, 0)]
    assert save(store, 2, 2, b"two")
    runs = store.lookup(GRANT, ENGINE, HASHES)
    assert [(run.first, run.count, run.offset) for run in runs] == [(0, 2, 0), (2, 2, 0), (4, 2, 0)]
    assert [store.load(GRANT, run) for run in runs] == [b"one", b"two", b"three"]
    assert not save(store, 2, 2, b"two")
    store.close()


def test_a_damaged_file_is_written_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    save(store, 0, 2, b"right")
    (tmp_path / "files" / sha(b"right")).write_bytes(b"wrong")
    save(store, 0, 2, b"right")
    assert store.load(GRANT, store.lookup(GRANT, ENGINE, HASHES)[0]) == b"right"


def test_what_is_missing_or_broken_is_not_there(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    save(store, 0, 2, b"data")
    (run,) = store.lookup(GRANT, ENGINE, HASHES)
    (tmp_path / "files" / run.id).unlink()
    assert store.lookup(GRANT, ENGINE, HASHES) == []
    with pytest.raises(NotThere):
        store.load(GRANT, run)
    with pytest.raises(NotThere):
        store.load(GRANT, StoredRun("../blocks/x", 0, 1, 0, 1, ""))
    for broken in ("", "[]", '["x", 0, 1]', '{"a": 1}', "[1, 2"):
        (tmp_path / "blocks" / HASHES[0]).write_text(broken)
        assert store.lookup(GRANT, ENGINE, HASHES) == []
    assert store.lookup(GRANT, ENGINE, ["../../etc/passwd"]) == []


def test_a_wrong_checksum_is_not_kept(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(StoreFailed):
        store.save(GRANT, engine=ENGINE, first=0, hashes=HASHES[:1], checksum="00" * 32, data=b"data")
    assert not list((tmp_path / "files").iterdir())


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MemoryKVError, match="cannot be made"):
        FolderStore(tmp_path / "file" / "folder")


class _Answers(BaseHTTPRequestHandler):
    status = 200
    body = b""
    seen: list[tuple[str, str, dict[str, str], bytes]] = []  # noqa: RUF012 - one list for the class that a test makes

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, dict(self.headers), data))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[tuple[type[_Answers], HttpStore]]:
    """Return a server that answers what a test says, and a store that speaks to it."""
    answers = type("Answers", (_Answers,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    store = HttpStore(f"http://127.0.0.1:{server.server_port}/")
    yield answers, store
    store.close()
    server.shutdown()
    server.server_close()
    thread.join()


RUN = {"kv_memory_id": "0198-a", "first": 0, "count": 2, "offset_blocks": 1, "bytes": 5, "checksum": sha(b"bytes")}


@pytest.mark.parametrize(("said", "read"), [(2, 2), (0, 0), (-3, 0), (99, len(HASHES))])
def test_what_a_plan_admits_is_asked_for(service: tuple[type[_Answers], HttpStore], said: int, read: int) -> None:
    answers, store = service
    answers.body = json.dumps({"stored": 0, "runs": [], "admitted": said}).encode()
    assert store.admitted(GRANT, ENGINE, HASHES) == read
    assert json.loads(answers.seen[0][3])["with_admitted"] is True


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"admitted": true}', b'{"admitted": "2"}', b'{"admitted": null}']
)
def test_an_answer_that_says_nothing_of_it_is_none(service: tuple[type[_Answers], HttpStore], body: bytes) -> None:
    answers, store = service
    answers.body = body
    with pytest.raises(StoreFailed):
        store.admitted(GRANT, ENGINE, HASHES)
    answers.status = 401
    assert store.admitted(GRANT, ENGINE, HASHES) == 0


def test_a_look_up_carries_the_grant(service: tuple[type[_Answers], HttpStore]) -> None:
    answers, store = service
    answers.body = json.dumps({"stored": 2, "runs": [{**RUN, "more": "fields"}]}).encode()
    assert store.lookup(GRANT, ENGINE, HASHES) == [StoredRun("0198-a", 0, 2, 1, 5, sha(b"bytes"))]
    method, path, headers, body = answers.seen[0]
    assert (method, path, headers["Authorization"]) == ("POST", "/v1/kv/blocks/lookup", "Bearer kvg1.x")
    assert json.loads(body) == {"engine": ENGINE, "block_hashes": HASHES}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"runs": 5}', b'{"runs": [5]}', b"\xff", json.dumps({"runs": [{**RUN, "count": "2"}]}).encode(),
        json.dumps({"runs": [{**RUN, "first": -1}]}).encode(), json.dumps({"runs": [{**RUN, "checksum": "x"}]}).encode(),
        json.dumps({"runs": [{**RUN, "kv_memory_id": "../../v1/memories"}]}).encode(),
        json.dumps({"runs": [{**RUN, "kv_memory_id": 5}]}).encode(),
    ],
)  # fmt: skip
def test_another_answer_is_a_failure(service: tuple[type[_Answers], HttpStore], body: bytes) -> None:
    answers, store = service
    answers.body = body
    with pytest.raises(StoreFailed):
        store.lookup(GRANT, ENGINE, HASHES)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_grant_that_reaches_nothing_finds_nothing(service: tuple[type[_Answers], HttpStore], status: int) -> None:
    answers, store = service
    answers.status = status
    assert store.lookup(GRANT, ENGINE, HASHES) == []
    with pytest.raises(NotThere):
        store.load(GRANT, StoredRun("a", 0, 1, 0, 1, ""))


@pytest.mark.parametrize("status", [409, 413, 422, 429, 500, 503, 507])
def test_a_refusal_is_a_failure(service: tuple[type[_Answers], HttpStore], status: int) -> None:
    answers, store = service
    answers.status = status
    with pytest.raises(StoreFailed, match=str(status)):
        store.save(GRANT, engine=ENGINE, first=0, hashes=HASHES[:1], checksum=sha(b"data"), data=b"data")


def test_a_file_is_sent_as_it_is(service: tuple[type[_Answers], HttpStore]) -> None:
    answers, store = service
    for status, new in ((201, True), (200, False)):
        answers.status = status
        assert store.save(GRANT, engine=ENGINE, first=3, hashes=HASHES[:2], checksum=sha(b"data"), data=b"data") is new
    _, path, headers, body = answers.seen[0]
    assert path.startswith("/v1/kv/memories?")
    for said in (
        f"engine={ENGINE}",
        "first_block=3",
        "count=2",
        f"checksum={sha(b'data')}",
        "plan_id=plan",
        "codec=raw",
    ):
        assert said in path
    assert (headers["Content-Type"], body) == ("application/octet-stream", b"data")


@pytest.mark.parametrize("status", [200, 401, 403, 404, 410])
def test_a_damaged_file_is_told_by_the_right_of_its_grant(
    service: tuple[type[_Answers], HttpStore], status: int
) -> None:
    answers, store = service
    answers.status, answers.body = status, b'{"sound": false, "reason": "damaged"}'
    store.check(GRANT, StoredRun("0198-a", 0, 1, 0, 1, ""))
    ((method, path, headers, body),) = answers.seen
    assert (method, path, headers["Authorization"]) == ("POST", "/v1/kv/memories/0198-a/check", "Bearer kvg1.x")
    assert body == b""


@pytest.mark.parametrize("status", [422, 429, 500, 503])
def test_a_service_that_does_not_look_is_a_failure(service: tuple[type[_Answers], HttpStore], status: int) -> None:
    answers, store = service
    answers.status = status
    with pytest.raises(StoreFailed, match=str(status)):
        store.check(GRANT, StoredRun("a", 0, 1, 0, 1, ""))


def test_a_service_that_is_not_there_fails_at_once() -> None:
    store = HttpStore("http://127.0.0.1:9")
    with pytest.raises(StoreFailed, match="does not answer"):
        store.lookup(GRANT, ENGINE, HASHES)
    store.close()


@pytest.mark.parametrize(
    "said",
    [
        {}, {"url": "http://a", "folder": "/b"}, {"url": "http://a", "thread": 1}, {"url": "http://a", "threads": 0},
        {"url": "http://a", "threads": True}, {"folder": "/b", "pending_mb": -1}, {"folder": "/b", "drain_s": -1},
        {"folder": "/b", "drain_s": "x"}, {"folder": "/b", "prefill_tokens_per_s": float("nan")},
        {"folder": "/b", "prefill_tokens_per_s": 0}, {"url": "http://a", "lookup_s": "2"},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_said(said: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        read_settings(said)


def test_settings_name_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(read_settings({"folder": str(tmp_path)}).store(), FolderStore)
    over_http = read_settings({"url": "http://127.0.0.1:8000", "threads": 4}).store()
    assert isinstance(over_http, HttpStore)
    over_http.close()
    monkeypatch.setenv("MEMORY_SERVICE_API_KEY", " a, b ,,")
    assert api_keys() == ["a", "b"]
