"""Answers that can be waited for, where programs take them: into copies, and to other processes."""

import copy
import pickle
from typing import Any

import pytest
from either_way import got

pytestmark = pytest.mark.anyio


async def test_a_copy_waits_over_the_same_connections(client: Any, namespace: str) -> None:
    added = await got(client.add("Tom ran 5 km.", namespace=namespace))
    for one in (copy.deepcopy(added), added.model_copy(deep=True), copy.deepcopy({"state": [added]})["state"][0]):
        assert one == added
        assert one is not added
        assert one._executor is added._executor
    started = await got(copy.deepcopy(client).delete(added.id, erase=True))
    assert (await got(copy.deepcopy(started).wait())).status == "succeeded"


async def test_what_goes_to_another_process_is_the_answer_without_the_key(client: Any, namespace: str) -> None:
    added = await got(client.add("Tom ran 6 km.", namespace=namespace))
    many = await got(client.add(["Tom ran 7 km.", "Tom ran 8 km."], namespace=namespace))
    for one in (added, many):
        sent = pickle.dumps(one)
        assert client._executor.endpoint.api_key.encode() not in sent
        assert pickle.loads(sent).model_dump() == one.model_dump()
        assert one._executor is client._executor
