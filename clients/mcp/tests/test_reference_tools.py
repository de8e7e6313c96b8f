"""The nine tools answer as the reference memory server does, in text and in structure."""

import asyncio
import json
from typing import Any

import pytest
from mcp import Client

pytestmark = pytest.mark.anyio

NINE = [
    "create_entities",
    "create_relations",
    "add_observations",
    "delete_entities",
    "delete_observations",
    "delete_relations",
    "read_graph",
    "search_nodes",
    "open_nodes",
]
ADA = {"name": "Ada Lovelace", "entityType": "person", "observations": ["Wrote the first program", "Lives in London"]}
ENGINE = {"name": "Analytical Engine", "entityType": "machine", "observations": []}
WROTE = {"from": "Ada Lovelace", "to": "Analytical Engine", "relationType": "wrote_programs_for"}


async def ask(client: Client, tool: str, **arguments: Any) -> Any:
    """Call a tool and return what its text says, which its structure has to say, too."""
    result = await client.call_tool(tool, arguments)
    text = result.content[0].text  # type: ignore[union-attr]
    assert not result.is_error, text
    if tool.startswith("delete"):
        assert result.structured_content == {"success": True, "message": text}
        return text
    said = json.loads(text)
    if isinstance(said, list):
        assert list(result.structured_content.values()) == [said]
    else:
        assert result.structured_content == said
    return said


async def filled(client: Client) -> None:
    await ask(client, "create_entities", entities=[ADA, ENGINE])
    await ask(client, "create_relations", relations=[WROTE])


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_graph_from_first_to_last(connect: Any, namespace: str, mode: str) -> None:
    async with connect("--namespace", namespace, "--reference-tools", mode=mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools][5:] == NINE
        assert await ask(client, "read_graph") == {"entities": [], "relations": []}

        assert await ask(client, "create_entities", entities=[ADA, ENGINE, ADA]) == [ADA, ENGINE]
        assert await ask(client, "create_entities", entities=[{**ADA, "observations": ["other"]}]) == []
        assert await ask(client, "create_relations", relations=[WROTE, WROTE]) == [WROTE]
        assert await ask(client, "create_relations", relations=[WROTE]) == []
        assert await ask(client, "read_graph") == {"entities": [ADA, ENGINE], "relations": [WROTE]}

        added = await ask(
            client,
            "add_observations",
            observations=[
                {"entityName": ADA["name"], "contents": ["Lives in London", "Likes horses", "Likes horses"]},
                {"entityName": ENGINE["name"], "contents": ["Was never built"]},
            ],
        )
        assert added == [
            {"entityName": ADA["name"], "addedObservations": ["Likes horses"]},
            {"entityName": ENGINE["name"], "addedObservations": ["Was never built"]},
        ]
        opened = await ask(client, "open_nodes", names=[ADA["name"], "Nobody"])
        assert opened == {
            "entities": [{**ADA, "observations": [*ADA["observations"], "Likes horses"]}],
            "relations": [WROTE],
        }

        assert await ask(client, "search_nodes", query="NEVER BUILT") == {
            "entities": [{**ENGINE, "observations": ["Was never built"]}],
            "relations": [WROTE],
        }
        assert [e["name"] for e in (await ask(client, "search_nodes", query="Lovelace"))["entities"]] == [ADA["name"]]
        assert [e["name"] for e in (await ask(client, "search_nodes", query="mach"))["entities"]] == [ENGINE["name"]]

        said = await ask(
            client, "delete_observations", deletions=[{"entityName": ADA["name"], "observations": ["Likes horses"]}]
        )
        assert said == "Observations deleted successfully"
        said = await ask(
            client,
            "delete_observations",
            deletions=[
                {"entityName": ADA["name"], "observations": ["Likes horses"]},
                {"entityName": "Nobody", "observations": ["x"]},
            ],
        )
        assert said == "Deleted 0 of 2 observations. Entities not found: Nobody"
        # What was deleted can be said again.
        added = await ask(
            client, "add_observations", observations=[{"entityName": ADA["name"], "contents": ["Likes horses"]}]
        )
        assert added[0]["addedObservations"] == ["Likes horses"]

        assert await ask(client, "delete_relations", relations=[WROTE]) == "Relations deleted successfully"
        assert (await ask(client, "delete_relations", relations=[WROTE])).startswith("Deleted 0 of 1 relations.")
        await ask(client, "create_relations", relations=[WROTE])
        said = await ask(client, "delete_entities", entityNames=[ADA["name"], "Nobody"])
        assert said == "Deleted 1 of 2 entities. Not found: Nobody"
        left = await ask(client, "read_graph")
        assert left == {"entities": [{**ENGINE, "observations": ["Was never built"]}], "relations": []}
        assert await ask(client, "delete_entities", entityNames=[ENGINE["name"]]) == "Entities deleted successfully"
        assert await ask(client, "read_graph") == {"entities": [], "relations": []}


async def test_a_question_finds_what_is_meant(connect: Any, namespace: str) -> None:
    async with connect("--namespace", namespace, "--reference-tools") as client:
        await filled(client)
        found = await ask(client, "search_nodes", query="In which city does Ada Lovelace live?")
        assert ADA["name"] in [e["name"] for e in found["entities"]]


async def test_entities_have_to_be_there(connect: Any, namespace: str) -> None:
    async with connect("--namespace", namespace, "--reference-tools") as client:
        await filled(client)
        for tool, arguments in (
            ("add_observations", {"observations": [{"entityName": "Nobody", "contents": ["x"]}]}),
            ("create_relations", {"relations": [{**WROTE, "to": "Nobody"}]}),
        ):
            result = await client.call_tool(tool, arguments)
            assert result.is_error
            assert result.content[0].text == "Entity with name Nobody not found"  # type: ignore[union-attr]
        assert await ask(client, "read_graph") == {"entities": [ADA, ENGINE], "relations": [WROTE]}


async def test_both_kinds_of_tools_see_the_same_memories(connect: Any, namespace: str) -> None:
    async with connect("--namespace", namespace, "--reference-tools") as client:
        await filled(client)
        found = (await client.call_tool("recall", {"query": "Where does Ada Lovelace live?"})).structured_content[
            "memories"
        ]
        memory = next(m for m in found if m["content"] == "Ada Lovelace: Lives in London")
        await client.call_tool("correct", {"memory_id": memory["id"], "content": "Ada Lovelace: Lives in Surrey"})
        await client.call_tool("remember", {"content": "The Analytical Engine has a store and a mill."})
        (ada,) = (await ask(client, "open_nodes", names=[ADA["name"]]))["entities"]
        assert ada["observations"] == ["Wrote the first program", "Lives in Surrey"]
        assert len((await ask(client, "read_graph"))["entities"]) == 2, "what remember stored is no entity"


async def test_each_user_has_a_graph(stdio: Any, service: Any, namespace: str) -> None:
    who = {"MEMORY_SERVICE_URL": service.url, "MEMORY_SERVICE_API_KEY": service.api_key}
    arguments = ("--namespace", namespace, "--reference-tools", "--user-id")
    async with stdio(*arguments, "ada", **who) as one, stdio(*arguments, "bob", **who) as two:
        assert await ask(one, "create_entities", entities=[ADA]) == [ADA]
        assert await ask(two, "create_entities", entities=[ADA]) == [ADA]
        await ask(two, "delete_entities", entityNames=[ADA["name"]])
        assert (await ask(one, "read_graph"))["entities"] == [ADA]
        assert (await ask(two, "read_graph"))["entities"] == []


async def test_two_agents_at_once_store_everything_once(connect: Any, namespace: str) -> None:
    async with connect("--namespace", namespace, "--reference-tools") as client:
        await ask(client, "create_entities", entities=[{**ADA, "observations": []}])
        facts = [f"Fact {n}" for n in range(20)]
        answers = await asyncio.gather(
            *(
                ask(client, "add_observations", observations=[{"entityName": ADA["name"], "contents": facts}])
                for _ in range(4)
            )
        )
        assert sum(len(answer[0]["addedObservations"]) for answer in answers) == len(facts)
        (ada,) = (await ask(client, "read_graph"))["entities"]
        assert sorted(ada["observations"]) == sorted(facts)


async def test_many_entities(stdio: Any, service: Any, namespace: str) -> None:
    who = {"MEMORY_SERVICE_URL": service.url, "MEMORY_SERVICE_API_KEY": service.api_key}
    async with stdio("--namespace", namespace, "--reference-tools", **who) as client:
        many = [{"name": f"Entity {n}", "entityType": "thing", "observations": [f"Has number {n}"]} for n in range(700)]
        assert await ask(client, "create_entities", entities=many) == many
        assert (await ask(client, "read_graph"))["entities"] == many
        assert len((await ask(client, "open_nodes", names=[e["name"] for e in many]))["entities"]) == 700
        assert (
            await ask(client, "delete_entities", entityNames=[e["name"] for e in many])
            == "Entities deleted successfully"
        )
        assert (await ask(client, "read_graph"))["entities"] == []


async def test_what_is_empty(connect: Any, namespace: str) -> None:
    async with connect("--namespace", namespace, "--reference-tools") as client:
        assert await ask(client, "create_entities", entities=[]) == []
        assert await ask(client, "create_relations", relations=[]) == []
        assert await ask(client, "add_observations", observations=[]) == []
        assert await ask(client, "open_nodes", names=[]) == {"entities": [], "relations": []}
        assert await ask(client, "search_nodes", query="") == {"entities": [], "relations": []}
        await filled(client)
        assert len((await ask(client, "search_nodes", query=""))["entities"]) == 2, "everything holds the empty piece"


async def test_what_is_refused_takes_nothing_with_it(connect: Any, namespace: str) -> None:
    async with connect("--namespace", namespace, "--reference-tools") as client:
        observations = ["Kept", "Bad \x00", "ä" * 50_000, "Kept, too"]
        result = await client.call_tool("create_entities", {"entities": [{**ADA, "observations": observations}]})
        assert result.is_error
        error = result.structured_content["error"]
        assert error["code"] == "partly_stored"
        assert "3 elements were stored, 2 were refused: number 3" in error["message"]
        (ada,) = (await ask(client, "read_graph"))["entities"]
        assert ada["observations"] == ["Kept", "Kept, too"]


async def test_more_text_than_one_request_holds(stdio: Any, service: Any, namespace: str) -> None:
    who = {"MEMORY_SERVICE_URL": service.url, "MEMORY_SERVICE_API_KEY": service.api_key}
    async with stdio("--namespace", namespace, "--reference-tools", **who) as client:
        long = {**ADA, "observations": [f"{n} " + "x" * 49_000 for n in range(45)]}
        assert await ask(client, "create_entities", entities=[long]) == [long]
