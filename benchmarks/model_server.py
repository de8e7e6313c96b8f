"""A tiny server that speaks OpenAI's protocol, JSON and events, and misbehaves when told to. Standard library only.

It stands in for a model where what matters is what reaches it and what becomes of its answers. It keeps what it was sent.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}


@dataclass(frozen=True)
class Sent:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class Behaviour:
    """How the next answers are given."""

    text: str = "Noted, thank you."
    status: int = 200
    raw: bytes | None = None  # instead of an answer
    headers: Mapping[str, str] = field(default_factory=dict)
    message: Mapping[str, Any] | None = None  # instead of the text
    drop: bool = False  # hang up without a word
    pause_s: float = 0.0  # before the answer, and between the events of a stream
    events: int | None = None  # break off after so many events
    finish: bool = True  # say that it is done


class ModelServer:
    """A running server; `sent` is what it was asked, oldest first."""

    def __init__(self) -> None:
        """Start on a free port."""
        self.sent: list[Sent] = []
        self.behaviour = Behaviour()
        self.hung_up = threading.Event()
        self.streaming = threading.Event()
        self.go_on: threading.Event | None = None  # waited for after the first event of a stream
        owner = self

        class Handler(_Handler):
            server_of = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def last(self) -> Sent:
        """Return the last request."""
        return self.sent[-1]

    def reset(self) -> None:
        """Forget what was sent, and behave."""
        self.sent.clear()
        self.behaviour = Behaviour()
        self.hung_up.clear()
        self.streaming.clear()
        self.go_on = None

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Run a server as long as the context lasts."""
    server = ModelServer()
    try:
        yield server
    finally:
        server.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # The five of the standard library are gone when twenty ask at once: the kernel drops the rest, and they try again
    # after one second and after three.
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The end of an answer must not wait for an acknowledgement of its beginning.
    disable_nagle_algorithm = True
    server_of: ModelServer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._take(None)
        listed = [{"id": "tiny", "object": "model", "created": 1, "owned_by": "tests"}]
        self._reply(self.server_of.behaviour, {"object": "list", "data": listed})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._take(body)
        behaviour = self.server_of.behaviour
        if behaviour.drop:
            self.close_connection = True
            return
        if behaviour.pause_s and not body.get("stream"):
            time.sleep(behaviour.pause_s)
        if body.get("stream") and behaviour.status == 200 and behaviour.raw is None:
            self._stream(behaviour, body)
        else:
            self._reply(behaviour, _completion(behaviour, body))

    def _take(self, body: Any) -> None:
        self.server_of.sent.append(Sent(self.path, {k.lower(): v for k, v in self.headers.items()}, body))

    def _reply(self, behaviour: Behaviour, document: Any) -> None:
        content = behaviour.raw if behaviour.raw is not None else json.dumps(document).encode()
        self.send_response(behaviour.status)
        for name, value in ({"Content-Type": "application/json"} | dict(behaviour.headers)).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, behaviour: Behaviour, body: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for number, event in enumerate(_events(behaviour, body)):
                if behaviour.events is not None and number >= behaviour.events:
                    self.close_connection = True
                    return
                self._chunk(event)
                if number == 0:
                    self.server_of.streaming.set()
                    while self.server_of.go_on is not None and not self.server_of.go_on.wait(0.5):
                        self._chunk(b": still here\n\n")
                time.sleep(behaviour.pause_s)
            self._chunk(b"")
        except OSError:
            self.server_of.hung_up.set()
            self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _completion(behaviour: Behaviour, body: Mapping[str, Any]) -> dict[str, Any]:
    message = behaviour.message or {"role": "assistant", "content": behaviour.text}
    choices = [
        {"index": n, "message": dict(message), "finish_reason": "stop", "logprobs": None}
        for n in range(body.get("n") or 1)
    ]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body.get("model", "tiny"),
        "choices": choices,
        "usage": USAGE,
    }


def _events(behaviour: Behaviour, body: Mapping[str, Any]) -> Iterator[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body.get("model", "tiny")}

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        return f"data: {json.dumps({**head, 'choices': choices, **more})}\n\n".encode()

    choose: Callable[[dict[str, Any], str | None], list[dict[str, Any]]] = lambda delta, reason: [  # noqa: E731
        {"index": n, "delta": delta, "finish_reason": reason} for n in range(body.get("n") or 1)
    ]
    yield event(choose({"role": "assistant", "content": ""}, None))
    yield b": still here\n\n"
    words = behaviour.text.split(" ")
    for number, word in enumerate(words):
        yield event(choose({"content": word if number == 0 else f" {word}"}, None))
    if not behaviour.finish:
        return
    yield event(choose({}, "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield event([], usage=USAGE)
    yield b"data: [DONE]\n\n"
