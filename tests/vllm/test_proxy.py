"""Chats through the proxy with a real vLLM behind it: answers, streams, and salts that are ours."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

from memory_service.api.app import create_app
from memory_service.chat_model.cache_salt import cache_salt

CHAT = "/openai/v1/chat/completions"
FACT = "The spare key of the boat house hangs behind the old clock in the hall, next to the tide table."


@pytest.fixture(scope="module")
def proxy_url(settings: Any, vllm_url: str) -> Iterator[str]:
    configured = settings.model_copy(
        update={
            "upstream_url": vllm_url,
            "upstream_kind": "vllm",
            "upstream_salt_secret": SecretStr("salt"),
            "upstream_timeout_s": 120.0,
        }
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(configured), host="127.0.0.1", port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 120
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


def body(text: str = "Where does the spare key of the boat house hang?", **more: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    return {"model": "tiny", "messages": messages, "max_tokens": 8, "temperature": 0, **more}


def cached(vllm_url: str) -> float:
    """Return how many tokens vLLM has found in its prefix cache so far."""
    lines = httpx.get(vllm_url.removesuffix("/v1") + "/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:prefix_cache_hits_total"))


def test_a_real_server_answers_through_the_proxy(proxy_url: str, vllm_url: str, make_tenant: Any) -> None:
    one, two = make_tenant(), make_tenant()
    clients = [
        httpx.Client(base_url=proxy_url, headers={"Authorization": f"Bearer {key}"}, timeout=180)
        for _, key in (one, two)
    ]
    for client in clients:
        for n in range(8):
            client.post("/v1/memories", json={"content": f"{FACT} Note number {n}."}).raise_for_status()
    first = clients[0].post(CHAT, json=body())
    assert first.status_code == 200, first.text
    answer = first.json()
    assert len(answer["memory"]["memories"]) == 8
    alone = httpx.post(f"{vllm_url}/chat/completions", json=body(), timeout=180).json()
    # The memories were read by the model: its prompt is longer by them.
    assert answer["usage"]["prompt_tokens"] > alone["usage"]["prompt_tokens"] + 100

    # The same prompt again is found in the tenant's own prefixes, with the same words.
    before = cached(vllm_url)
    again = clients[0].post(CHAT, json=body()).json()
    assert cached(vllm_url) > before
    assert again["choices"][0]["message"]["content"] == answer["choices"][0]["message"]["content"]

    # Another tenant says the same and even names the first one's salt: nothing of it is found.
    before = cached(vllm_url)
    theirs = clients[1].post(CHAT, json=body(cache_salt=cache_salt(b"salt", one[0])))
    assert theirs.status_code == 200, theirs.text
    assert theirs.json()["usage"]["prompt_tokens"] == answer["usage"]["prompt_tokens"]
    assert cached(vllm_url) == before

    # An empty salt is an error of vLLM's, foreign tokens would replace the prompt: neither arrives.
    tampered = clients[0].post(CHAT, json=body(cache_salt="", kv_transfer_params={"prompt_token_ids": [1, 2, 3]}))
    assert tampered.status_code == 200, tampered.text
    assert tampered.json()["choices"][0]["message"]["content"] == answer["choices"][0]["message"]["content"]

    with clients[0].stream("POST", CHAT, json=body(stream=True, stream_options={"include_usage": True})) as stream:
        events = [line.removeprefix("data: ") for line in stream.iter_lines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    assert '"memory"' in events[0]
    assert '"prompt_tokens"' in events[-2]

    refused = clients[0].post(CHAT, json=body(model="another"))
    assert refused.status_code == 404
    assert "another" in refused.json()["error"]["message"]
    for client in clients:
        client.close()
