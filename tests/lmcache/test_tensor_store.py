"""LMCache keeps the tensors, the service says of what: shared by engines, apart for tenants, gone once a memory is erased."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.lmcache.conftest import TensorStore
from tests.vllm.engine import BLOCK, HITS, Answer, Engine

pytestmark = pytest.mark.timeout(1800)

SYSTEM = "Be brief."
TEXTS = [
    f"Note {n}: the spare key of boat house {n} hangs behind the old clock in hall {n}, beside the tide table."
    for n in range(9)
]
# Longer than two blocks, so that a conversation fills blocks of its own.
QUESTION = [
    {"role": "user", "content": "Where does the key hang? " + "I looked in the hall and beside the stove. " * 12}
]
NEAR = 1e-4


def wait_for(done: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def remember(client: httpx.Client, name: str) -> list[str]:
    ids = []
    for text in TEXTS:
        answer = client.post("/v1/memories", json={"content": f"{name}: {text}", "extract": "none"})
        assert answer.status_code == 201, answer.text
        ids.append(str(answer.json()["id"]))
    return ids


def plan(client: httpx.Client, ids: list[str]) -> dict[str, Any]:
    wait_for(lambda: bool(client.get("/v1/kv/engines").json()["data"]))
    body = {"model": "tiny", "system": SYSTEM, "memory_ids": ids, "messages": QUESTION, "hot_from": 0}
    answer = client.post("/v1/kv/plan", json=body)
    assert answer.status_code == 200, answer.text
    planned: dict[str, Any] = answer.json()
    return planned


def ask(one: Engine, planned: dict[str, Any], *, granted: bool = True) -> tuple[Answer, float]:
    """Return what an engine answers that has nothing in its own cache, and how many tokens came from elsewhere."""
    assert httpx.post(f"{one.url}/reset_prefix_cache", timeout=30).status_code == 200
    parameters = planned["kv_transfer_params"]["memory_service"] if granted else None
    with one.counting() as counted:
        answer = one.ask(planned["token_ids"], salt=planned["cache_salt"], parameters=parameters)
    return answer, counted[HITS]


def test_engines_share_what_a_plan_admits_until_a_memory_in_it_is_erased(
    engines: list[Engine], tensors: TensorStore, clients: list[httpx.Client]
) -> None:
    (one, other), (ana, bo) = engines, clients
    ids = remember(ana, "Mia")
    planned = plan(ana, ids)
    admitted = planned["admitted_blocks"]
    assert 4 <= admitted < len(planned["blocks"]) - 1
    before = tensors.objects()
    computed, hits = ask(one, planned)
    assert hits == 0
    wait_for(lambda: tensors.objects() > before)

    # Another process loads them: what the plan admits, and nothing of the conversation behind it.
    loaded, hits = ask(other, plan(ana, ids))
    assert hits == admitted * BLOCK
    assert loaded.tokens == computed.tokens
    assert loaded.furthest(computed) <= NEAR
    # Twice in one process: nothing more was saved by the second.
    time.sleep(1)
    again, hits = ask(one, plan(ana, ids))
    assert hits == admitted * BLOCK
    assert again.tokens == computed.tokens
    assert tensors.objects() == before + admitted

    # Another tenant says the same to the same model.
    theirs = plan(bo, remember(bo, "Mia"))
    assert theirs["token_ids"] == planned["token_ids"]
    for engine in engines:
        _, hits = ask(engine, {**theirs, "kv_transfer_params": planned["kv_transfer_params"]})
        assert hits == 0, "a grant of another tenant's"
    answer, hits = ask(one, theirs)
    assert hits == 0
    assert answer.tokens == computed.tokens

    # Without a grant LMCache is not asked, though it has the tokens.
    held = tensors.objects()
    answer, hits = ask(other, planned, granted=False)
    assert hits == 0
    assert answer.tokens == computed.tokens
    assert tensors.objects() == held

    # An erasure takes effect with its answer, wherever the tensors lie.
    erased = ana.delete(f"/v1/memories/{ids[0]}", params={"erase": True})
    assert erased.status_code == 202, erased.text
    for engine in engines:
        answer, hits = ask(engine, planned)
        assert hits == 0
        assert answer.tokens == computed.tokens
    rest = plan(ana, ids[1:])
    assert ask(one, rest)[1] < admitted * BLOCK

    # They lie there until they are evicted, or until its operator empties the server.
    assert tensors.objects() > 0
    assert httpx.post(f"{tensors.url}/cache/clear", json={"tier": "l1", "force": True}, timeout=30).status_code == 200
    assert tensors.objects() == 0


def test_a_memory_that_changed_is_computed_again(
    engines: list[Engine], tensors: TensorStore, clients: list[httpx.Client]
) -> None:
    (one, other), (ana, _) = engines, clients
    ids = remember(ana, "Tom")
    planned = plan(ana, ids)
    before = tensors.objects()
    computed, _ = ask(one, planned)
    wait_for(lambda: tensors.objects() > before)
    assert ask(other, planned)[1] == planned["admitted_blocks"] * BLOCK
    changed = ana.patch(f"/v1/memories/{ids[3]}", json={"content": "Tom: the key is lost."})
    assert changed.status_code == 200, changed.text
    answer, hits = ask(other, planned)
    assert hits == 0
    assert answer.tokens == computed.tokens


def test_a_server_that_has_ended_costs_an_engine_nothing_but_time(
    engines: list[Engine], tensors: TensorStore, clients: list[httpx.Client]
) -> None:
    """The last test: afterwards there is no server."""
    one, ana = engines[0], clients[0]
    planned = plan(ana, remember(ana, "Eva"))
    computed, _ = ask(one, planned, granted=False)
    tensors.process.terminate()
    tensors.process.wait(timeout=60)
    answer, hits = ask(one, planned)
    assert hits == 0
    assert answer.tokens == computed.tokens
