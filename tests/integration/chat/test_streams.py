"""Streams: event by event as they come, with nothing held meanwhile; broken ones say so."""

import json
import socket
import threading
import time
from typing import Any

import httpx
from sqlalchemy.pool import QueuePool

from memory_service.api.metrics import Metrics
from tests.waiting import eventually

CHAT = "/openai/v1/chat/completions"


def said(events: list[Any]) -> str:
    chunks = [one for one in events if one != "[DONE]" and one.get("choices")]
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks)


def test_a_stream_arrives_whole_and_names_its_memories(chats: Any, model: Any) -> None:
    lyon = chats.remember("Ana moved to Lyon in March.")
    events = chats.events("Where does Ana live?", stream_options={"include_usage": True})
    assert said(events) == "Noted, thank you."
    assert events[-1] == "[DONE]"
    assert events[-2]["usage"]["total_tokens"] == 14
    assert [one["id"] for one in events[0]["memory"]["memories"]] == [lyon]
    assert all("memory" not in one for one in events[1:-1])
    assert "Lyon" in str(model.last.body)
    assert model.last.body["stream"] is True


def test_events_but_the_first_are_passed_on_byte_by_byte(chats: Any, model: Any) -> None:
    answer = chats.post("Hello there", stream=True)
    direct = httpx.post(f"{model.url}/chat/completions", json=model.last.body)
    assert answer.text.split("\n\n")[1:] == direct.text.split("\n\n")[1:]
    assert ": still here" in answer.text


def test_events_are_not_held_back(chats: Any, model: Any) -> None:
    model.go_on = threading.Event()
    with chats.http.stream("POST", CHAT, json={"messages": [{"role": "user", "content": "Hi"}], "stream": True}) as got:
        pieces = got.iter_bytes()
        first = next(pieces)  # the model waits until we have it
        assert b"data: " in first
        assert b"DONE" not in first
        model.go_on.set()
        assert b"[DONE]" in b"".join(pieces)


def test_slow_streams_hold_no_connection_and_no_thread(chats: Any, model: Any, running: Any) -> None:
    chats.remember("Ana moved to Lyon in March.")
    services = running[1].state.services
    pool = services.database.engine.pool
    assert isinstance(pool, QueuePool)
    model.go_on = threading.Event()
    body = {"messages": [{"role": "user", "content": "Where does Ana live?"}], "stream": True}
    many, texts = 60, []  # more than there are threads for requests, or connections

    def ask() -> None:
        texts.append(httpx.post(chats.url + CHAT, json=body, headers=dict(chats.http.headers), timeout=60).text)

    threads = [threading.Thread(target=ask) for _ in range(many)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: len(model.sent) == many, timeout_s=30)
    # Others use the pool for moments: who last used a key is written beside.
    assert eventually(lambda: pool.checkedout() == 0, timeout_s=5)
    assert chats.http.post("/v1/search", json={"query": "Ana"}, timeout=5).status_code == 200
    model.go_on.set()
    for thread in threads:
        thread.join(30)
    assert all("[DONE]" in text for text in texts)
    assert len(texts) == many


def test_a_stream_that_breaks_off_says_so(chats: Any, model: Any) -> None:
    for broken in ({"events": 3}, {"finish": False}):
        model.reset()
        for name, value in broken.items():
            setattr(model.behaviour, name, value)
        events = chats.events("Hello there")
        assert events[-1]["error"]["code"] == "upstream_failed"
        assert "[DONE]" not in events


def test_a_stream_that_pauses_too_long_is_ended(chats: Any, model: Any) -> None:
    model.behaviour.pause_s = 4
    events = chats.events("Hello there")
    assert "ReadTimeout" in events[-1]["error"]["message"]


def test_a_client_that_hangs_up_ends_the_models_work(chats: Any, model: Any, running: Any) -> None:
    model.behaviour.text = " ".join(f"word{n}" for n in range(2_000))
    model.behaviour.pause_s = 0.02
    host, port = chats.url.removeprefix("http://").split(":")
    body = json.dumps(
        {
            "messages": [{"role": "user", "content": "I moved to Lyon, and then?"}],
            "stream": True,
            "memory": {"remember": True},
        }
    )
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {chats.key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall((head + body).encode())
        received = b""
        while b"word3" not in received:
            received += raw.recv(65536)
    assert model.hung_up.wait(10)
    # The user's turn is kept, the half reply is not.
    (kept,) = chats.wait_for(1)
    assert kept["content"] == "I moved to Lyon, and then?"
    time.sleep(0.3)
    assert len(chats.memories()) == 1
    metrics: Metrics = running[1].state.services.metrics
    assert b'memory_service_chat_answers_total{outcome="hung_up"}' in metrics.render()


def test_an_answer_that_is_no_stream_is_passed_on_as_it_is(chats: Any, model: Any) -> None:
    model.behaviour.raw = b'{"id": "x", "choices": [], "object": "chat.completion"}'
    answer = chats.post("Hello there", stream=True)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["memory"]["memories"] == []
