"""What OpenAI's own client makes of the proxy: answers, streams, errors and retries."""

import asyncio
import time
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

USER = "user"


def ask(client: OpenAI, text: str, *, memory: dict[str, Any], **options: Any) -> Any:
    return client.chat.completions.create(
        model="tiny", messages=[{"role": USER, "content": text}], extra_body={"memory": memory}, **options
    )


@pytest.fixture
def told(service: Any, namespace: str) -> str:
    """Return the id of a memory in this test's namespace."""
    with service.http() as http:
        made = http.post("/v1/memories", json={"content": "Ana moved to Lyon in March.", "namespace": namespace})
        return str(made.json()["id"])


def test_an_answer_names_the_memories(openai_client: OpenAI, model: Any, namespace: str, told: str) -> None:
    answer = ask(openai_client, "Where does Ana live?", memory={"namespace": namespace})
    assert answer.choices[0].message.content == "Noted, thank you."
    assert answer.usage.total_tokens == 14
    assert answer.memory["memories"] == [{"id": told, "version": 1, "marker": "[1]"}]
    assert "Ana moved to Lyon in March." in model.last.body["messages"][0]["content"]
    assert "memory" not in model.last.body


def test_headers_of_the_client_say_it_too(service: Any, model: Any, namespace: str, told: str) -> None:
    with OpenAI(
        base_url=f"{service.url}/openai/v1",
        api_key=service.api_key,
        default_headers={"X-Memory-Namespace": namespace},
    ) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="tiny", messages=[{"role": "user", "content": "Where does Ana live?"}]
        )
    assert raw.headers["x-memory-search-id"]
    assert "Lyon" in str(model.last.body)


def test_a_stream_is_a_stream(openai_client: OpenAI, model: Any, namespace: str, told: str) -> None:
    chunks = list(
        ask(
            openai_client,
            "Where does Ana live?",
            memory={"namespace": namespace},
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Noted, thank you."
    assert chunks[-1].usage.total_tokens == 14
    assert [one["id"] for one in chunks[0].memory["memories"]] == [told]


def test_the_helper_for_streams_gathers_it(openai_client: OpenAI, model: Any, namespace: str, told: str) -> None:
    with openai_client.chat.completions.stream(
        model="tiny",
        messages=[{"role": "user", "content": "Where does Ana live?"}],
        extra_body={"memory": {"namespace": namespace}},
    ) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == "Noted, thank you."


def test_the_awaited_client(service: Any, model: Any, namespace: str, told: str) -> None:
    async def run() -> list[str]:
        async with AsyncOpenAI(base_url=f"{service.url}/openai/v1", api_key=service.api_key) as client:
            asked = [
                client.chat.completions.create(
                    model="tiny",
                    messages=[{"role": "user", "content": f"Where does Ana live, {n}?"}],
                    extra_body={"memory": {"namespace": namespace}},
                )
                for n in range(8)
            ]
            return [str(answer.choices[0].message.content) for answer in await asyncio.gather(*asked)]

    assert asyncio.run(run()) == ["Noted, thank you."] * 8


def test_a_broken_stream_is_raised(openai_client: OpenAI, model: Any, namespace: str) -> None:
    model.behaviour.events = 3
    with pytest.raises(openai.APIError, match="broke off"):
        list(ask(openai_client, "Hello there", memory={"namespace": namespace}, stream=True))


def test_errors_are_those_that_the_client_knows(openai_client: OpenAI, service: Any, model: Any) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="top_k") as refused:
        ask(openai_client, "Hello there", memory={"top_k": 0})
    assert refused.value.code == "invalid_request"
    assert refused.value.param == "/memory/top_k"
    with (
        OpenAI(base_url=f"{service.url}/openai/v1", api_key="nobody") as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        ask(stranger, "Hello there", memory={})
    model.behaviour.status, model.behaviour.raw = 429, b'{"error": {"message": "slow down", "code": "rate"}}'
    with pytest.raises(openai.RateLimitError, match="slow down"):
        ask(openai_client, "Hello there", memory={})
    model.reset()
    model.behaviour.drop = True
    with pytest.raises(openai.InternalServerError) as failed:
        ask(openai_client, "Hello there", memory={})
    assert (failed.value.status_code, failed.value.code) == (502, "upstream_unreachable")


def test_the_clients_own_retries_remember_a_turn_once(service: Any, model: Any, namespace: str) -> None:
    model.behaviour.drop = True
    memory = {"namespace": namespace, "remember": True}
    with OpenAI(base_url=f"{service.url}/openai/v1", api_key=service.api_key, max_retries=2) as client:
        with pytest.raises(openai.InternalServerError):
            ask(client, "I moved to Lyon.", memory=memory)
        assert len(model.sent) == 3
        model.reset()
        ask(client, "I moved to Lyon.", memory=memory)
    deadline = time.monotonic() + 15
    with service.http() as http:
        while time.monotonic() < deadline:
            found = http.get("/v1/memories", params={"namespace": namespace}).json()["data"]
            if len(found) >= 2:
                break
            time.sleep(0.1)
    assert [one["content"] for one in found] == ["Noted, thank you.", "I moved to Lyon."]


def test_tools_pass(openai_client: OpenAI, model: Any, namespace: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Lyon"}'}}
    model.behaviour.message = {"role": "assistant", "content": None, "tool_calls": [call]}
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    answer = ask(openai_client, "What is the weather?", memory={"namespace": namespace}, tools=[tool])
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"city":"Lyon"}'
    assert model.last.body["tools"] == [tool]


def test_models(openai_client: OpenAI, model: Any) -> None:
    assert [one.id for one in openai_client.models.list()] == ["tiny"]
