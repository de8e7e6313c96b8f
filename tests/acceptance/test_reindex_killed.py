"""A namespace changes its encoder while it is written to and erased from, and its worker is killed with -9 again and again."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests import waiting
from tests.acceptance.house import House, open_house

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WORDS = ("cat", "dog", "house", "mat", "ran", "sat", "big", "red")
TEXTS = [" ".join(words) for words in permutations(WORDS, 5)]
MEMORIES = 900
KILLS = 2
PATIENCE_S = 300
eventually = partial(waiting.eventually, timeout_s=PATIENCE_S)

VECTORS = """
    SELECT e.encoder_id, count(DISTINCT e.memory_id) FROM embedding e JOIN namespace n ON n.tenant_id = e.tenant_id
    AND n.id = e.namespace_id WHERE n.path = 'n' GROUP BY 1
"""
# What is found under one encoder only, or over another time than under the other.
UNEQUAL = """
    SELECT count(*) FROM (SELECT * FROM embedding WHERE encoder_id = 1) a
    FULL JOIN (SELECT * FROM embedding WHERE encoder_id = 2) b USING (tenant_id, namespace_id, memory_id, version, chunk)
    WHERE a.encoder_id IS NULL OR b.encoder_id IS NULL OR a.known_from <> b.known_from OR a.known_to <> b.known_to
"""


@dataclass
class Reindexed(House):
    """A house whose texts are found by their vectors."""

    def post(self, path: str, body: dict[str, Any], *, status: int) -> dict[str, Any]:
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def add(self, contents: list[str]) -> list[str]:
        items = [{"content": one, "namespace": "n", "extract": "none"} for one in contents]
        return [one["id"] for one in self.post("/v1/memories/batch", {"items": items}, status=200)["results"]]

    def nearest(self, query: str) -> str:
        body = {"query": query, "namespace": "n", "channels": {"vector": 1}, "top_k": 1}
        return str(self.post("/v1/search", body, status=200)["results"][0]["memory"]["content"])


@pytest.fixture
def house(serve: Any, data_dir: Path, save_tiny_model: Callable[..., Path], tmp_path: Path) -> Iterator[Reindexed]:
    settings = {
        "MEMORY_SERVICE_ENCODER": str(save_tiny_model("small")),
        "MEMORY_SERVICE_ENCODER_RUNTIME": "torch",  # an export of the tiny model takes a minute
        "MEMORY_SERVICE_RATE_LIMIT": "100000/minute",
    }
    with open_house(serve, tmp_path, data_dir=data_dir, **settings) as opened:
        yield Reindexed(**{one.name: getattr(opened, one.name) for one in fields(opened)})


def test_an_encoder_changes_under_writes_erasures_and_kills(house: Reindexed) -> None:
    rng = random.Random(5)
    said: dict[str, str] = {}
    for start in range(0, MEMORIES, 300):
        some = TEXTS[start : start + 300]
        said |= dict(zip(house.add(some), some, strict=True))
    coming = iter(TEXTS[MEMORIES:])
    to = house.post("/v1/encoders", {"name": "packaged-minilm"}, status=201)["id"]
    job_id = house.post(f"/v1/encoders/{to}/reindex", {"namespace": "n"}, status=202)["job_id"]

    def filled() -> int:
        return dict(tuple(row) for row in house.rows(VECTORS)).get(to, 0)

    def change_some() -> None:
        some = [next(coming) for _ in range(5)]
        said.update(zip(house.add(some), some, strict=True))
        for one in rng.sample(sorted(said), 3):
            del said[one]
            assert house.client.delete(f"/v1/memories/{one}", params={"erase": True}).status_code == 202
        corrected = rng.choice(sorted(said))
        said[corrected] = next(coming)
        answer = house.client.patch(f"/v1/memories/{corrected}", json={"content": said[corrected]})
        assert answer.status_code == 200, answer.text

    killed_at = []
    for number in range(1, KILLS + 1):
        worker = house.start_worker()
        try:
            enough = number * MEMORIES // (KILLS + 2)
            assert eventually(lambda enough=enough: filled() > enough, every_s=0.05), house.log.read_text()[-2000:]
            change_some()
        finally:
            house.kill(worker)
        killed_at.append(filled())
        change_some()
        assert house.client.get(f"/v1/jobs/{job_id}").json()["status"] == "running"
        refused = house.post(f"/v1/encoders/{to}/reindex/cut-over", {"namespace": "n", "force": True}, status=409)
        assert refused["code"] == "reindex_incomplete"
        for one in rng.sample(sorted(said), 10):
            assert house.nearest(said[one]) == said[one]
    assert all(at < MEMORIES for at in killed_at), "it was killed in the middle"

    worker = house.start_worker()
    try:

        def quiet() -> bool:
            open_jobs = "SELECT count(*) FROM job WHERE status IN ('queued', 'running')"
            return bool(house.rows(open_jobs)[0][0] == 0)

        assert eventually(quiet), house.log.read_text()[-2000:]
        job = house.client.get(f"/v1/jobs/{job_id}").json()
        assert job["status"] == "succeeded", job
        assert job["items"][0]["status"] == "ready"
        assert dict(tuple(row) for row in house.rows(VECTORS)) == {1: len(said), to: len(said)}
        assert house.rows(UNEQUAL)[0][0] == 0, "under both, over the same times"
        house.post(f"/v1/encoders/{to}/reindex/cut-over", {"namespace": "n", "force": True}, status=200)
        for one in rng.sample(sorted(said), 40):
            assert house.nearest(said[one]) == said[one]
        dropping = house.post(f"/v1/encoders/{to}/reindex/finish", {"namespace": "n"}, status=202)["data"][0]["job_id"]
        with house.engine.begin() as connection:
            # Searches that began before the turn have long ended; the test need not wait a minute to know.
            connection.execute(text("UPDATE reindex SET turned_at = turned_at - interval '2 minutes'"))
            connection.execute(text("UPDATE job SET lease_until = NULL WHERE kind = 'drop_vectors'"))
        assert eventually(quiet), house.log.read_text()[-2000:]
        assert house.client.get(f"/v1/jobs/{dropping}").json()["status"] == "succeeded"
        assert dict(tuple(row) for row in house.rows(VECTORS)) == {to: len(said)}
        for one in rng.sample(sorted(said), 20):
            assert house.nearest(said[one]) == said[one]
    finally:
        house.kill(worker)
