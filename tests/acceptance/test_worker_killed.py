"""A worker that is killed with -9 in the middle of its work loses nothing: a run is not done twice, a message is sent again."""

import json
import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import waiting
from tests.acceptance.house import House, open_house

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TALK = Path(__file__).parents[2] / "examples" / "conversation.jsonl"
ROUNDS = 8
PATIENCE_S = 240
eventually = partial(waiting.eventually, timeout_s=PATIENCE_S)

PENDING = """
    SELECT count(*) FROM memory m JOIN namespace n ON n.tenant_id = m.tenant_id AND n.id = m.namespace_id
    WHERE n.path = :path AND m.consolidated_version < m.content_version AND m.archived_at IS NULL
"""
STATE = """
    SELECT m.id, m.content, m.state, m.superseded_by, m.valid_to, m.title, m.keywords, m.tags, m.version
    FROM memory m JOIN namespace n ON n.tenant_id = m.tenant_id AND n.id = m.namespace_id WHERE n.path = :path ORDER BY m.id
"""
DOUBLED = """
    SELECT l.source_id, l.target_id, l.type FROM link l JOIN namespace n ON n.tenant_id = l.tenant_id AND n.id = l.namespace_id
    WHERE n.path = :path AND l.known_to = 'infinity' GROUP BY l.source_id, l.target_id, l.type HAVING count(*) > 1
"""
GAPS = """
    SELECT m.id FROM memory m JOIN namespace n ON n.tenant_id = m.tenant_id AND n.id = m.namespace_id
    LEFT JOIN memory_version v ON v.tenant_id = m.tenant_id AND v.id = m.id
    WHERE n.path = :path GROUP BY m.id, m.version HAVING count(v.version) <> m.version - 1
"""
# A change is an effect that is there: memories in the version that it left (or later), edges that were drawn.
HALVES = """
    SELECT c.changeset_id, c.change FROM change c JOIN changeset s ON s.tenant_id = c.tenant_id AND s.id = c.changeset_id
    JOIN namespace n ON n.tenant_id = s.tenant_id AND n.id = s.namespace_id
    LEFT JOIN memory m ON m.tenant_id = c.tenant_id AND m.id = c.memory_id
    LEFT JOIN link l ON l.tenant_id = c.tenant_id AND l.id = c.target_id
    WHERE n.path = :path AND ((c.change IN ('merge', 'supersede', 'revise') AND m.version < c.version_after)
        OR (c.change = 'join' AND l.id IS NULL))
"""


@pytest.fixture(scope="module")
def house(serve: Any, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = {
        "MEMORY_SERVICE_CONSOLIDATE_AFTER_S": "0",
        "MEMORY_SERVICE_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "MEMORY_SERVICE_WEBHOOK_TIMEOUT_S": "2",
    }
    with open_house(serve, tmp_path_factory.mktemp("killed"), data_dir=data_dir, **settings) as opened:
        yield opened


def test_nothing_is_lost_and_nothing_is_done_twice(house: House) -> None:
    path = "killed"
    lines = TALK.read_text(encoding="utf-8").splitlines()
    turns = [json.loads(line) for line in lines]
    # Said again, so that there is something to merge.
    again = [{**turn, "external_id": f"again-{turn['external_id']}", "session_id": "again"} for turn in turns[::7]]
    said = [*turns, *again]
    rng = random.Random(7)
    size = len(said) // ROUNDS + 1
    stored: dict[str, str] = {}
    for start in range(0, len(said), size):
        part = said[start : start + size]
        items = [
            {
                "content": turn["content"], "speaker": turn["name"], "session_id": turn["session_id"], "namespace": path,
                "observed_at": turn["observed_at"], "external_id": turn["external_id"],
            }
            for turn in part
        ]  # fmt: skip
        answer = house.client.post("/v1/memories/batch", json={"items": items})
        assert answer.status_code == 200, answer.text
        stored |= {r["id"]: item["content"] for r, item in zip(answer.json()["results"], items, strict=True)}
        worker = house.start_worker()
        # From before it is up to after it is done: sweeps come every ten seconds, nudges at once.
        time.sleep(rng.uniform(1.0, 14.0))
        house.kill(worker)
    worker = house.start_worker()
    try:
        assert eventually(lambda: house.rows(PENDING, path=path)[0][0] == 0), house.log.read_text()[-2000:]
    finally:
        house.kill(worker)
    state = {str(row.id): row for row in house.rows(STATE, path=path)}
    assert {i: row.content for i, row in state.items()} == stored
    assert house.rows(DOUBLED, path=path) == []
    assert house.rows(GAPS, path=path) == []
    assert house.rows(HALVES, path=path) == []
    for row in state.values():
        seen = {row.id}
        while row.state == "merged":
            row = state[str(row.superseded_by)]
            assert row.id not in seen
            seen.add(row.id)
    changesets = house.client.get("/v1/changesets", params={"namespace": path, "limit": 200}).json()["data"]
    assert changesets
    for changeset in changesets:  # the newest first
        answer = house.client.post(f"/v1/changesets/{changeset['id']}/revert")
        assert answer.status_code == 200, answer.text
    back = {str(row.id): row for row in house.rows(STATE, path=path)}
    assert {(row.state, row.superseded_by, row.title) for row in back.values()} == {("activated", None, None)}
    live = "SELECT count(*) FROM link l JOIN namespace n ON n.id = l.namespace_id WHERE n.path = :path AND l.known_to = 'infinity'"
    assert house.rows(live, path=path)[0][0] == 0


def test_a_message_on_its_way_is_sent_again(house: House) -> None:
    """Killed while the receiver has the message and has not answered: after the lease another worker sends it."""
    got: list[dict[str, Any]] = []
    answering = threading.Event()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            answering.wait(30)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    made = house.client.post("/v1/webhooks", json={"url": url, "events": ["memory.created"], "namespace": "told"})
    assert made.status_code == 201, made.text
    items = [{"content": f"Message number {n}.", "namespace": "told", "extract": "none"} for n in range(5)]
    results = house.client.post("/v1/memories/batch", json={"items": items}).json()["results"]
    worker = house.start_worker()
    try:
        assert eventually(lambda: bool(got))
    finally:
        house.kill(worker)
    (cut_off,) = got
    answering.set()
    worker = house.start_worker()
    try:
        path = f"/v1/webhooks/{made.json()['id']}/deliveries?status=delivered"
        assert eventually(lambda: len(house.client.get(path).json()["data"]) == len(items))
    finally:
        house.kill(worker)
        server.shutdown()
        server.server_close()
    assert {one["data"]["memory_id"] for one in got} == {one["id"] for one in results}
    assert sum(one["id"] == cut_off["id"] for one in got) == 2
    assert len(got) == len(items) + 1
