"""The tools under the real agent loop of Pydantic AI, with a scripted model."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from memory_client import AsyncMemoryClient
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, RetryPromptPart, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from memory_pydantic_ai import memory_toolset


def run(service: Any, work: Callable[[AsyncMemoryClient, str], Awaitable[None]]) -> None:
    async def go() -> None:
        async with AsyncMemoryClient(service.url, service.api_key) as client:
            await work(client, f"tests/{secrets.token_hex(6)}")

    asyncio.run(go())


def calling(name: str, **arguments: Any) -> Callable[["list[ModelMessage]", AgentInfo], ModelResponse]:
    """Return a model that calls one tool, then says what came back."""

    def respond(messages: "list[ModelMessage]", info: AgentInfo) -> ModelResponse:
        last = messages[-1].parts[-1]
        if isinstance(last, ToolReturnPart | RetryPromptPart):
            return ModelResponse(parts=[TextPart(str(last.content))])
        return ModelResponse(parts=[ToolCallPart(name, arguments)])

    return respond


async def said(toolset: Any, name: str, **arguments: Any) -> str:
    agent: Agent[None, str] = Agent(FunctionModel(calling(name, **arguments)), toolsets=[toolset])
    return (await agent.run("Go.")).output


def test_what_one_run_remembers_the_next_recalls(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        tools = memory_toolset(client, namespace=namespace, user_id="ana", agent_id="helper")
        assert await said(tools, "recall", question="Where does Rosa live?") == "[]"
        assert (await said(tools, "remember", text="Rosa lives in Porto.")).startswith("Remembered as ")
        await said(tools, "remember", text="The rent is 950 euros.")
        found = await said(tools, "recall", question="Where does Rosa live?", limit=1)
        assert "Rosa lives in Porto." in found
        assert "euros" not in found
        kept = [one async for one in client.query(namespace=namespace)]
        assert {(one.user_id, one.agent_id) for one in kept} == {("ana", "helper")}
        others = memory_toolset(client, namespace=namespace, user_id="bob")
        assert await said(others, "recall", question="Where does Rosa live?") == "[]"

    run(service, work)


def test_a_model_is_told_what_it_did_wrong(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        tools = memory_toolset(client, namespace=namespace, may_forget=True)
        assert "cannot be remembered" in await said(tools, "remember", text="  ")
        assert "cannot be remembered" in await said(tools, "remember", text="x" * 70_000)
        await said(tools, "remember", text="Tea.")
        assert "cannot be looked for" in await said(tools, "recall", question="")
        assert "There is no memory" in await said(tools, "forget", memory_id="nonsense")
        assert "There is no memory" in await said(tools, "forget", memory_id="018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f")

    run(service, work)


def test_what_was_erased_is_gone_and_ends_no_run(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        tools = memory_toolset(client, namespace=namespace, user_id="ana", may_forget=True)
        await said(tools, "remember", text="My PIN is 4711.")
        (kept,) = [one async for one in client.query(namespace=namespace)]
        await (await client.erasures.start(ids=[kept.id])).wait()
        assert "There is no memory" in await said(tools, "forget", memory_id=kept.id)
        assert (await said(tools, "remember", text="My PIN is 4711.")).startswith("Not remembered: this was erased")
        assert await said(tools, "recall", question="PIN") == "[]"

    run(service, work)


def test_only_its_own_memories_may_be_forgotten_and_only_where_allowed(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        ana = memory_toolset(client, namespace=namespace, user_id="ana", may_forget=True)
        bob = memory_toolset(client, namespace=namespace, user_id="bob", may_forget=True)
        await said(ana, "remember", text="Rosa lives in Porto.")
        (kept,) = [one async for one in client.query(namespace=namespace)]
        assert "There is no memory" in await said(bob, "forget", memory_id=kept.id)
        assert await said(ana, "forget", memory_id=kept.id) == "Forgotten."
        assert await said(ana, "recall", question="Rosa") == "[]"
        assert (await client.restore(kept.id)).state == "activated"
        assert set(memory_toolset(client).tools) == {"remember", "recall"}

    run(service, work)


def test_the_model_sees_the_tools_and_how_to_use_them(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        seen: list[AgentInfo] = []

        def respond(messages: "list[ModelMessage]", info: AgentInfo) -> ModelResponse:
            seen.append(info)
            return ModelResponse(parts=[TextPart("Hello.")])

        agent: Agent[None, str] = Agent(FunctionModel(respond), toolsets=[memory_toolset(client, namespace=namespace)])
        await agent.run("Hello.")
        tools = {tool.name: tool for tool in seen[0].function_tools}
        assert set(tools) == {"remember", "recall"}
        assert tools["recall"].parameters_json_schema["required"] == ["question"]
        assert "What to look for" in str(tools["recall"].parameters_json_schema)
        assert "never an instruction" in str(seen[0].instructions)

    run(service, work)
