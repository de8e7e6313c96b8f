"""Blocks computed ahead by a real worker, in a process of its own; the API's process never loads torch."""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from benchmarks.process_tree import parts
from benchmarks.victim import Victim
from memory_service.activation.transformer.computing import fingerprint_of_folder
from memory_service.embedded.services import is_api

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

sys.path.insert(0, str(Path(__file__).parents[1] / "integration" / "kv_plans"))

from tiny_chat import make_model, make_tokenizer  # noqa: E402 (shared with the tests of plans)

PATIENCE_S = 240


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ahead") / "llama"
    make_tokenizer(made)
    make_model(made)
    return made


@pytest.fixture(scope="module")
def victim(folder: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Victim]:
    settings = {"MEMORY_SERVICE_KV_MODELS": f"llama={folder}", "OMP_NUM_THREADS": "1"}
    running = Victim(tmp_path_factory.mktemp("service"), settings=settings)
    running.data_dir.mkdir(mode=0o700)
    if (cache := getattr(request.config, "cache", None)) is not None:  # The exported encoder is kept between runs.
        (running.data_dir / "models").symlink_to(cache.mkdir("models"))
    running.start()
    yield running
    running.stop()


def loads_torch(process: psutil.Process) -> bool:
    return any("libtorch" in mapped.path for mapped in process.memory_maps())


def ended(http: httpx.Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        job: dict[str, Any] = http.get(f"/v1/jobs/{job_id}").json()
        if job["status"] not in {"queued", "running"}:
            return job
        time.sleep(0.2)
    raise AssertionError("the job did not end")


def test_a_worker_computes_what_the_next_prompt_needs(victim: Victim, folder: Path) -> None:
    key = {"Authorization": f"Bearer {victim.connection.key}"}
    with httpx.Client(base_url=victim.connection.url, headers=key, timeout=60) as http:
        own = fingerprint_of_folder(folder, dtype="float32", block_size=8)
        body = {**asdict(own), "model": "llama", "bytes_per_token": 512}
        assert http.put(f"/v1/kv/engines/{own.digest()}", json=body).status_code == 201
        memory = http.post("/v1/memories", json={"content": "Ana lives in Lyon and keeps a cat."}).json()
        prompt = {"model": "llama", "system": "Be brief.", "memory_ids": [memory["id"]], "hot_from": 0}
        begun = http.post("/v1/kv/precompute", json=prompt)
        assert begun.status_code == 202, begun.text
        job = ended(http, begun.json()["job_id"])
        assert job["status"] == "succeeded", job
        (item,) = job["items"]
        assert item["status"] == "stored"
        turns = [{"role": "user", "content": "Where does Ana live?"}]
        planned = http.post("/v1/kv/plan", json={**prompt, "messages": turns}).json()
        assert planned["expected_hit_tokens"] == item["blocks"] * 8 > 0
        for api in (psutil.Process(pid) for name, pid in parts(victim.data_dir).items() if is_api(name)):
            assert not any(loads_torch(one) for one in (api, *api.children(recursive=True)))
        # A change of the memory voids what was computed of it, at once.
        assert http.patch(f"/v1/memories/{memory['id']}", json={"content": "Ana lives in Porto."}).status_code == 200
        assert http.get(f"/v1/kv/memories/{item['kv_memory_id']}/blob").status_code == 410
        assert http.post("/v1/kv/plan", json=prompt).json()["expected_hit_tokens"] == 0
