"""The session beside the SDK's own, and under its real runner."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from agents import Agent, ModelResponse, Runner, Session, SQLiteSession, Usage, function_tool, set_tracing_disabled
from agents.memory import SessionSettings
from agents.models.interface import Model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_client import AsyncMemoryClient
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from memory_openai_agents import ItemsRejected, MemoryServiceSession
from memory_openai_agents.items import is_plain

set_tracing_disabled(True)

Items = list[Any]

CALL = {
    "type": "function_call",
    "name": "weather",
    "arguments": '{"city":"Porto"}',
    "call_id": "c1",
    "status": "completed",
}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "Sunny"}
HISTORY: Items = [
    {"role": "user", "content": "What is the weather in Porto?"},
    CALL,
    OUTPUT,
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Sunny.", "annotations": []}]},
    {"role": "user", "content": [{"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}]},
]


@asynccontextmanager
async def opened(service: Any, **options: Any) -> AsyncIterator[MemoryServiceSession]:
    async with AsyncMemoryClient(service.url, service.api_key) as client:
        options.setdefault("session_id", f"s-{secrets.token_hex(6)}")
        options.setdefault("namespace", f"tests/{secrets.token_hex(6)}")
        yield MemoryServiceSession(options.pop("session_id"), client, **options)


def run(service: Any, work: Callable[[MemoryServiceSession], Awaitable[None]], **options: Any) -> None:
    async def go() -> None:
        async with opened(service, **options) as session:
            await work(session)

    asyncio.run(go())


def test_it_is_a_session(service: Any) -> None:
    async def work(session: MemoryServiceSession) -> None:
        assert isinstance(session, Session)
        assert await session.get_items() == []
        assert await session.pop_item() is None
        await session.clear_session()
        await session.add_items([])
        await session.add_items(HISTORY)
        assert await session.get_items() == HISTORY
        assert await session.get_items(limit=2) == HISTORY[-2:]
        assert await session.get_items(limit=0) == []
        assert await session.pop_item() == HISTORY[-1]
        await session.add_items(HISTORY[:1])  # Said twice is no duplicate.
        assert await session.get_items() == [*HISTORY[:-1], HISTORY[0]]
        await session.clear_session()
        assert await session.get_items() == []
        await session.add_items(HISTORY[:1])
        assert await session.get_items() == HISTORY[:1]

    run(service, work)


@pytest.mark.parametrize(
    "output",
    [
        "x" * 150_000,
        "a\x00b",
        "a\ud800b",
        '"' * 70_000,
        "ü" * 40_000,
        " " * 70_000,
        "",
        [{"type": "input_text", "text": "\u200b"}],
    ],
    ids=["long", "nul", "surrogate", "quotes", "wide", "spaces", "empty", "invisible"],
)
def test_an_item_comes_back_as_it_was(service: Any, output: Any) -> None:
    item: Any = {**OUTPUT, "output": output}
    said: Any = {"role": "user", "content": output[:1_000]}

    async def work(session: MemoryServiceSession) -> None:
        await session.add_items([CALL, item, said, {"role": "user", "content": "after"}])  # type: ignore[list-item]
        assert await session.get_items() == [CALL, item, said, {"role": "user", "content": "after"}]
        assert await session.get_items(limit=2) == [said, {"role": "user", "content": "after"}]
        await session.pop_item()
        assert await session.pop_item() == said
        assert await session.pop_item() == item
        assert await session.get_items() == [CALL]

    run(service, work)


@pytest.mark.parametrize("number", [1e23, -1.5e300, -0.0, 0.0, 1.0, 1764442655123456512.0, 2**63])
def test_a_number_stays_what_it_is(service: Any, number: float) -> None:
    async def work(session: MemoryServiceSession) -> None:
        await session.add_items([{**OUTPUT, "output": [number]}])  # type: ignore[list-item]
        (item,) = await session.get_items()
        assert repr(item) == repr({**item, "output": [number]})

    run(service, work)


def test_a_long_history_goes_in_calls_that_the_service_takes(service: Any) -> None:
    async def work(session: MemoryServiceSession) -> None:
        texts: Items = [{"role": "user", "content": f"Page {n}. " + "x" * 48_000} for n in range(45)]
        numbers: Items = [{**OUTPUT, "output": [[0] * 25_000]} for _ in range(9)]
        await session.add_items([*texts, *numbers])
        assert await session.get_items() == [*texts, *numbers]

    run(service, work)


def test_what_was_erased_may_be_said_anew(service: Any) -> None:
    async def work(session: MemoryServiceSession) -> None:
        await session.add_items([{"role": "user", "content": "Hello"}, CALL])  # type: ignore[list-item]
        namespace = session._place.namespace
        erased = await session._client.erasures.start(filter={"session_id": session.session_id})
        await erased.wait()
        assert await session.get_items() == []
        again = MemoryServiceSession("later", session._client, namespace=namespace)
        turns: Items = [{"role": "user", "content": "Hello"}, CALL, OUTPUT]
        await again.add_items(turns)
        assert await again.get_items() == turns

    run(service, work)


def test_users_may_call_their_sessions_alike(service: Any) -> None:
    namespace = f"tests/{secrets.token_hex(6)}"

    async def work(ana: MemoryServiceSession) -> None:
        bob = MemoryServiceSession("today", ana._client, namespace=namespace, user_id="bob")
        await ana.add_items([{"role": "user", "content": "My PIN is 4711."}])
        assert await bob.get_items() == []
        await bob.add_items([{"role": "user", "content": "Hello."}])
        await bob.clear_session()
        assert await bob.pop_item() is None
        assert await ana.get_items() == [{"role": "user", "content": "My PIN is 4711."}]

    run(service, work, session_id="today", namespace=namespace, user_id="ana")


def test_a_refusal_names_what_is_wrong(service: Any) -> None:
    async def work(session: MemoryServiceSession) -> None:
        with pytest.raises(ItemsRejected, match="/session_id: has more than 256 characters"):
            await session.add_items(HISTORY)

    run(service, work, session_id="x" * 300)


def test_what_is_plain() -> None:
    deep: Any = {}
    for _ in range(20):
        deep = {"a": deep}
    assert is_plain(HISTORY[0])
    assert not any(map(is_plain, [deep, {"n": 2**63}, {"n": float("nan")}, {"t": "\x00"}, {"t": "x" * 70_000}]))


ITEMS = st.sampled_from(HISTORY) | st.text(max_size=5).map(lambda text: {"role": "user", "content": text})
STEPS = st.lists(
    st.tuples(st.just("add"), st.lists(ITEMS, max_size=3))
    | st.tuples(st.just("get"), st.none() | st.integers(0, 4))
    | st.tuples(st.just("pop"), st.none())
    | st.tuples(st.just("clear"), st.none()),
    min_size=1,
    max_size=8,
)


async def taken(session: Session, step: str, argument: Any) -> Any:
    match step:
        case "add":
            await session.add_items(argument)
        case "get":
            return await session.get_items(argument)
        case "pop":
            return await session.pop_item()
        case _:
            await session.clear_session()
    return None


def test_the_same_steps_as_in_the_session_of_the_sdk(service: Any) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def check(steps: "list[tuple[str, Any]]") -> None:
        async def work(ours: MemoryServiceSession) -> None:
            theirs = SQLiteSession(ours.session_id)
            try:
                for step, argument in steps:
                    assert await taken(ours, step, argument) == await taken(theirs, step, argument)
                assert await ours.get_items() == await theirs.get_items()
            finally:
                theirs.close()

        run(service, work)

    check()


def test_of_two_who_pop_each_gets_its_own(service: Any) -> None:
    async def work(session: MemoryServiceSession) -> None:
        items: Items = [{"role": "user", "content": f"Number {n}."} for n in range(8)]
        await session.add_items(items)
        popped: Items = list(await asyncio.gather(*(session.pop_item() for _ in range(8))))
        assert sorted(item["content"] for item in popped) == [item["content"] for item in items]
        assert await session.get_items() == []

    run(service, work)


def test_sessions_and_users_are_apart_but_what_was_said_is_found(service: Any) -> None:
    namespace = f"tests/{secrets.token_hex(6)}"

    async def work(session: MemoryServiceSession) -> None:
        await session.add_items([{"role": "user", "content": "My cat is called Zorro."}, CALL, OUTPUT])  # type: ignore[list-item]
        other = MemoryServiceSession("other", session._client, namespace=namespace, user_id="ana")
        assert await other.get_items() == []
        found = await session._client.search("What is the cat's name?", namespace=namespace, user_id="ana")
        # Calls of tools are no part of what was said.
        assert [one.memory.content for one in found.results] == ["My cat is called Zorro."]
        assert found.results[0].memory.session_id == "first"

    run(service, work, session_id="first", namespace=namespace, user_id="ana")


def test_the_settings_limit_what_a_run_is_given(service: Any) -> None:
    async def work(session: MemoryServiceSession) -> None:
        await session.add_items(HISTORY)
        assert await session.get_items() == HISTORY[-3:]
        assert await session.get_items(1) == HISTORY[-1:]

    run(service, work, session_settings=SessionSettings(limit=3))
    run(service, work, session_settings={"limit": 3})  # As the SDK's own sessions take it.


class ScriptedModel(Model):
    """Calls the tool once, then says how much of the history it was given."""

    def __init__(self) -> None:
        self.given: list[Items] = []

    async def get_response(self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any) -> ModelResponse:
        items = [input] if isinstance(input, str) else list(input)
        self.given.append(items)
        last = items[-1]
        output: Any
        if isinstance(last, dict) and last.get("type") == "function_call_output":
            text = ResponseOutputText(text=f"It is {last['output']}.", type="output_text", annotations=[])
            output = ResponseOutputMessage(
                id="m1", content=[text], role="assistant", status="completed", type="message"
            )
        else:
            output = ResponseFunctionToolCall(
                name="weather", arguments='{"city": "Porto"}', call_id=f"c{len(self.given)}", type="function_call"
            )
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


@function_tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def test_the_real_runner_goes_on_where_it_was(service: Any) -> None:
    async def work(session: MemoryServiceSession) -> None:
        model = ScriptedModel()
        agent = Agent(name="Helper", model=model, tools=[weather])
        first = await Runner.run(agent, "How is the weather?", session=session)
        assert first.final_output == "It is sunny in Porto."
        again = MemoryServiceSession(session.session_id, session._client, namespace=session._place.namespace)
        await Runner.run(agent, "And tomorrow?", session=again)
        kinds = [item.get("type", "message") for item in await again.get_items()]
        turn = ["message", "function_call", "function_call_output", "message"]
        assert kinds == turn * 2
        # The second run was given the whole first one.
        assert [item.get("type", "message") for item in model.given[2]] == [*turn, "message"]

    run(service, work)
