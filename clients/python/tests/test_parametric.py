"""A cube is registered, taught by the worker, asked, merged and taken back."""

from typing import Any
from uuid import uuid4

import pytest
from either_way import every, got

from memory_client import Conflict
from memory_client.models import CubeDetail

pytestmark = pytest.mark.anyio


async def test_a_cube_learns_what_a_cue_brings(client: Any) -> None:
    space = f"cubes/{uuid4().hex[:8]}"
    cube = await got(client.parametric.create("desk", namespace=space))
    assert isinstance(cube, CubeDetail)
    assert (cube.state, cube.gamma, cube.capacity.used) == ("empty", 1.0, 0)
    with pytest.raises(Conflict) as taken:
        await got(client.parametric.create("desk", namespace=space))
    assert taken.value.code == "name_taken"
    boat = (await got(client.add("It lies under the willow.", namespace=space))).id
    key = (await got(client.add("It hangs behind the blue door.", namespace=space))).id
    pairs = [{"cue": "Where is the boat?", "memory_id": boat}, {"cue": "And the spare key?", "memory_id": key}]
    job = await got((await got(client.parametric.train(cube.id, pairs))).wait())
    assert job.result["state"] == "active"
    said = await got(client.parametric.ask("Where is the boat?", namespaces=[space]))
    assert (said.abstain, said.results[0].memory.id, said.results[0].why.cue) == (False, boat, "Where is the boat?")
    assert [one.id for one in await every(client.parametric.list(namespace=space))] == [cube.id]
    with pytest.raises(Conflict) as none:
        await got(client.parametric.roll_back(cube.id))
    assert none.value.code == "version_not_kept"
    with pytest.raises(Conflict) as nothing:
        await got(client.parametric.train(cube.id))
    assert nothing.value.code == "nothing_to_learn"
    other = await got(client.parametric.create("shed", namespace=space))
    with pytest.raises(Conflict) as empty:
        await got(client.parametric.merge([cube.id, other.id], "both"))
    assert empty.value.code == "parametric_empty"
    assert (await got(client.parametric.get(cube.id))).versions[0].active
    for one in (cube, other):
        await got(client.parametric.delete(one.id))
