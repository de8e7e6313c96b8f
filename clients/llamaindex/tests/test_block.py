"""The block inside the real `Memory` of LlamaIndex."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.memory import Memory
from memory_client import AsyncMemoryClient, AuthenticationFailed, ConnectionFailed, ValidationFailed
from sqlalchemy.ext.asyncio import create_async_engine

from memory_llamaindex import MemoryServiceBlock


def run(service: Any, work: Callable[[AsyncMemoryClient, str], Awaitable[None]]) -> None:
    async def go() -> None:
        async with AsyncMemoryClient(service.url, service.api_key) as client:
            await work(client, f"tests/{secrets.token_hex(6)}")

    asyncio.run(go())


@asynccontextmanager
async def memory(block: MemoryServiceBlock, session_id: str) -> AsyncIterator[Memory]:
    engine = create_async_engine("sqlite+aiosqlite:///:memory:")  # Ours to close: `Memory` leaves its own one open.
    try:
        # So small that all but the latest messages leave the short-term memory at once.
        yield Memory.from_defaults(
            session_id=session_id,
            token_limit=60,
            chat_history_token_ratio=0.3,
            token_flush_size=10,
            memory_blocks=[block],
            tokenizer_fn=str.split,
            async_engine=engine,
        )
    finally:
        await engine.dispose()


def user(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, content=text)


FILLER = [user(f"Let us talk about something else now, number {n}, with a few more words.") for n in range(6)]


def test_what_left_the_short_term_memory_comes_back_in_another_session(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        block = MemoryServiceBlock(client=client, namespace=namespace, user_id="ana")
        async with memory(block, "first") as first:
            assert await first.aget(input=user("Hello?")) is not None  # Nothing was remembered yet.
            await first.aput_messages([user("My sister Rosa lives in Porto."), *FILLER])
        kept = [one async for one in client.query({"session_id": "first"}, namespace=namespace)]
        assert "My sister Rosa lives in Porto." in [one.content for one in kept]
        assert {one.user_id for one in kept} == {"ana"}
        async with memory(block, "second") as second:
            await second.aput(user("Where does my sister live?"))
            given = await second.aget()
        assert given[0].role == MessageRole.SYSTEM
        assert "My sister Rosa lives in Porto." in str(given[0].content)

    run(service, work)


def test_users_are_apart(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        ana = MemoryServiceBlock(client=client, namespace=namespace, user_id="ana")
        bob = MemoryServiceBlock(client=client, namespace=namespace, user_id="bob")
        await ana.aput([user("My PIN is 4711.")])
        assert "PIN is 4711" in await ana.aget([user("What is my PIN?")])
        assert "PIN is 4711" not in await bob.aget([user("What is my PIN?")])

    run(service, work)


def test_only_what_was_said_is_kept(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        block = MemoryServiceBlock(client=client, namespace=namespace)
        await block.aput(
            [
                ChatMessage(role=MessageRole.SYSTEM, content="You are helpful."),
                ChatMessage(role=MessageRole.TOOL, content="42"),
                ChatMessage(role=MessageRole.ASSISTANT, content=None),
                user(" \u200b"),
                user("Tea\x00 please. \ud800"),
                ChatMessage(role=MessageRole.ASSISTANT, content="x" * 70_000),
            ]
        )
        kept = [one async for one in client.query(namespace=namespace)]
        assert [one.content[:12] for one in reversed(kept)] == ["Tea\ufffd please.", "x" * 12]

    run(service, work)


def test_what_models_say_under_other_names_is_kept(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        block = MemoryServiceBlock(client=client, namespace=namespace)
        await block.aput([ChatMessage(role=role, content=f"I am a {role.value}.") for role in MessageRole])
        kept = [(one.source.role, one.content) async for one in client.query(namespace=namespace)]
        assert kept[::-1] == [
            ("user", "I am a user."),
            ("assistant", "I am a assistant."),
            ("assistant", "I am a chatbot."),
            ("assistant", "I am a model."),
        ]

    run(service, work)


def test_a_long_conversation_goes_in_calls_that_the_service_takes(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        block = MemoryServiceBlock(client=client, namespace=namespace)
        texts = [f"Page {n}. " + "x" * 60_000 for n in range(40)] + [f"Line {n}." for n in range(1_010)]
        await block.aput([user(text) for text in texts], session_id="long")
        kept = [one.content async for one in client.query({"session_id": "long"}, namespace=namespace, limit=500)]
        assert kept[::-1] == texts

    run(service, work)


def test_what_could_not_be_sent_goes_with_the_next_messages_and_is_stored_once(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        block = MemoryServiceBlock(client=client, namespace=namespace, user_id="ana")
        add_messages = client.add_messages

        async def away(*args: Any, **fields: Any) -> Any:
            raise ConnectionFailed("The memory service cannot be reached.", sent=False)

        async def unheard(*args: Any, **fields: Any) -> Any:
            await add_messages(*args, **fields)
            raise ConnectionFailed("The memory service broke off the connection.", sent=True)

        async with memory(block, "first") as first:
            for number, failure in enumerate((away, unheard)):
                monkeypatch.setattr(client, "add_messages", failure)
                with pytest.raises(ConnectionFailed):
                    await first.aput_messages([user(f"My sister number {number} is called Rosa."), *FILLER])
            monkeypatch.undo()
            await first.aput_messages(FILLER)
        kept = [one.content async for one in client.query({"session_id": "first"}, namespace=namespace, limit=200)]
        assert [text for text in kept[::-1] if "Rosa" in text] == [
            "My sister number 0 is called Rosa.",
            "My sister number 1 is called Rosa.",
        ]
        # What the service refuses is not tried for ever.
        with pytest.raises(ValidationFailed):
            await block.aput([user("Tea.")], session_id="x" * 300)
        await block.aput([user("Coffee.")], session_id="second")
        assert [one.content async for one in client.query({"session_id": "second"}, namespace=namespace)] == ["Coffee."]

    run(service, work)


def test_a_key_that_is_refused_loses_nothing_and_what_waits_is_bounded(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        monkeypatch.setattr("memory_llamaindex.block.MOST_WAITING", 2)
        async with AsyncMemoryClient(service.url, "ms_no_key_of_anybody") as nobody:
            block = MemoryServiceBlock(client=nobody, namespace=namespace)
            for number in range(3):
                with pytest.raises(AuthenticationFailed):
                    await block.aput([user(f"Fact {number}.")])
            block.client = client
            await block.aput([user("Fact 3.")])
        kept = [one.content async for one in client.query(namespace=namespace)]
        assert sorted(kept) == ["Fact 1.", "Fact 2.", "Fact 3."]

    run(service, work)


def test_the_question_is_what_the_user_said_last(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        block = MemoryServiceBlock(client=client, namespace=namespace)
        await block.aput([user("My sister Rosa lives in Porto."), user("The tariff of the tram is 2.80 euros.")])
        asked = [
            user("Where does my sister live?"),
            ChatMessage(role=MessageRole.ASSISTANT, content="I shall look the tariff of the tram up."),
            ChatMessage(role=MessageRole.TOOL, content="tariff tram euros"),
        ]
        best, other = [(await block.aget(some)).splitlines()[0] for some in (asked, asked[2:])]
        assert "Porto" in best
        assert "tariff" in other

    run(service, work)


@pytest.mark.parametrize("messages", [None, [], [user("")], [ChatMessage(role=MessageRole.USER, content=None)]])
def test_without_a_question_nothing_comes_back(service: Any, messages: "list[ChatMessage] | None") -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        block = MemoryServiceBlock(client=client, namespace=namespace)
        await block.aput([user("Tea.")])
        assert await block.aget(messages) == ""
        assert await block.aget([user("\ud800 tea " * 10_000)]) is not None

    run(service, work)


def test_the_budget_is_kept_and_truncation_takes_whole_lines(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        block = MemoryServiceBlock(client=client, namespace=namespace, token_budget=60)
        await block.aput([user(f"Fact number {n} is about green tea in the morning.") for n in range(30)])
        text = await block.aget([user("green tea")])
        assert 0 < len(text) <= 60 * 4
        shorter = await block.atruncate("one\ntwo\nthree", 1)
        assert shorter == "one\ntwo"
        assert await block.atruncate("one\ntwo\nthree", 100) is None

    run(service, work)


def test_a_block_that_has_nothing_to_say_may_be_shortened(service: Any) -> None:
    async def work(client: AsyncMemoryClient, namespace: str) -> None:
        async with memory(MemoryServiceBlock(client=client, namespace=namespace, priority=1), "first") as first:
            await first.aput(user("tea " * 100))  # By itself more than the memory is to hold.
            assert [one.content for one in await first.aget()] == ["tea " * 100]

    run(service, work)
