"""What a plan still admits, for engines whose tensors lie in another store than ours."""

from typing import Any

import pytest

from tests.integration.kv.engine_files import ENGINE
from tests.integration.kv.test_sources import CHANGES


@pytest.fixture
def planned(me: Any, plan: Any, remember: Any) -> tuple[list[str], Any]:
    ids = [remember("The first thing to know is a lighthouse."), remember("The second one is a choir.")]
    return ids, plan(me, ids, admitted=4)


def test_it_says_so_where_it_is_asked(planned: Any, engine_client: Any) -> None:
    (_, one), engine = planned, engine_client(planned[1].grant)
    assert engine.look_up(one.hashes, with_admitted=True).json() == {"stored": 0, "runs": [], "admitted": 4}
    assert engine.look_up(one.hashes[:3], with_admitted=True).json()["admitted"] == 3
    assert engine.look_up(one.hashes).json() == {"stored": 0, "runs": []}
    for others in (one.hashes[1:], [], ["ab" * 32]):
        assert engine.look_up(others, with_admitted=True).json()["admitted"] == 0
    assert engine.look_up([*one.hashes[:2], "ab" * 32], with_admitted=True).json()["admitted"] == 2


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_memory_ends_it(me: Any, planned: Any, engine_client: Any, change: str) -> None:
    ids, one = planned
    answer = CHANGES[change](me, ids[1])
    assert answer.status_code < 300, answer.text
    assert engine_client(one.grant).look_up(one.hashes, with_admitted=True).json()["admitted"] == 0


def test_an_erasure_ends_it(me: Any, planned: Any, engine_client: Any) -> None:
    ids, one = planned
    assert me.delete(f"/v1/memories/{ids[0]}", params={"erase": True}).status_code == 202
    assert engine_client(one.grant).look_up(one.hashes, with_admitted=True).json()["admitted"] == 0


def test_a_key_without_a_plan_admits_nothing(me: Any, planned: Any) -> None:
    body = {"engine": ENGINE, "block_hashes": list(planned[1].hashes), "with_admitted": True}
    assert me.post("/v1/kv/blocks/lookup", json=body).json()["admitted"] == 0
    body["plan_id"] = str(planned[1].plan_id)
    assert me.post("/v1/kv/blocks/lookup", json=body).json()["admitted"] == 4
