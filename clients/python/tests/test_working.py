from typing import Any

import pytest
from either_way import every, got

from memory_client import Conflict, NotFound, RouteNotFound, VersionConflict

pytestmark = pytest.mark.anyio


async def test_a_block_is_kept_in_view(client: Any, namespace: str) -> None:
    where = {"namespace": namespace, "user_id": "tom"}
    block = await got(client.blocks.put("human", "Tom likes coffee.", **where))
    assert (block.label, block.user_id, block.version) == ("human", "tom", 1)
    block = await got(client.blocks.update("human", append="He has a sister.", if_match=1, **where))
    assert block.value.splitlines() == ["Tom likes coffee.", "He has a sister."]
    block = await got(client.blocks.update("human", replace={"old": "coffee", "new": "tea"}, **where))
    assert (await got(client.blocks.get("human", **where))).value == block.value
    assert "tea" in block.value
    with pytest.raises(VersionConflict):
        await got(client.blocks.put("human", "Nothing.", if_match=1, **where))
    assert [one.version for one in await every(client.blocks.history("human", **where))] == [3, 2, 1]
    assert [one.id for one in await every(client.blocks.list(**where))] == [block.id]
    packed = await got(client.context("tea", include_blocks=["human"], **where))
    assert "tea" in packed.text
    assert await got(client.blocks.delete("human", **where)) is None
    with pytest.raises(NotFound):
        await got(client.blocks.get("human", **where))


async def test_tasks_make_a_tree(client: Any, namespace: str) -> None:
    root = await got(client.tasks.create("Plan a dinner", namespace=namespace, user_id="tom", run_id="friday"))
    assert (root.session_id, root.depth, root.status) == ("friday", 0, "open")
    shop = await got(client.tasks.create("Buy fish", parent_id=root.id))
    cook = await got(client.tasks.create("Cook", parent_id=root.id, depends_on=[shop.id]))
    assert not cook.ready
    running = await got(client.tasks.update(shop.id, status="running", if_match=shop.version))
    closed = await got(client.tasks.close(shop.id, outcome="Got trout.", if_match=running.version))
    assert closed.status == "succeeded"
    assert (await got(client.tasks.get(cook.id))).ready
    assert "trout" in (await got(client.tasks.context(cook.id))).text
    with pytest.raises(Conflict):
        await got(client.tasks.close(root.id))
    back = await got(client.tasks.rollback(shop.id, version=1))
    assert back.status == "open"
    new = await got(client.tasks.replace(cook.id, title="Order a pizza"))
    assert new.replaces == cook.id
    assert {one.id for one in await every(client.tasks.list(namespace=namespace, root_id=root.id, limit=2))} >= {new.id}
    assert len(await every(client.tasks.history(shop.id))) == back.version


async def test_what_the_service_does_not_offer_is_said_so(connect: Any, service: Any) -> None:
    """As where a service is older than its client: here there is no call at all at the address."""
    client = connect(f"{service.url}/elsewhere", service.api_key)
    with pytest.raises(RouteNotFound):
        await got(client.kv.stats())
    await got(client.close())
