"""What only the stdio transport has: a wire that nothing else may write to."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(id_: int, tool: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


@pytest.fixture
def environment(service: Any) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEMORY_")}
    return kept | {"MEMORY_SERVICE_URL": service.url, "MEMORY_SERVICE_API_KEY": service.api_key}


def start(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "memory_mcp", *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_only_the_protocol_is_on_stdout_and_the_end_of_input_is_the_end(
    environment: dict[str, str], namespace: str
) -> None:
    process = start(environment, "--log-level", "debug")
    lines = [INITIALIZE, INITIALIZED, call(2, "recall", query="x", namespace=namespace), call(3, "recall", nonsense=1)]
    raw = [json.dumps(line).encode() for line in lines]
    # Broken lines between them: no JSON, half of a surrogate pair, not UTF-8, no message.
    raw[2:2] = [
        b"",
        b"nonsense",
        b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"\\ud800"}}',
        b"\xff\xfe",
        b"[]",
    ]
    assert process.stdin is not None
    process.stdin.write(b"\n".join(raw) + b"\n")
    process.stdin.flush()
    assert process.stdout is not None
    answers = {}
    while not {1, 2, 3} <= answers.keys():
        answer = json.loads(process.stdout.readline())
        answers[answer.get("id")] = answer
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    for line in out.splitlines():
        json.loads(line)
    assert answers[2]["result"]["structuredContent"]["memories"] == []
    assert answers[3]["result"]["isError"]
    assert environment["MEMORY_SERVICE_API_KEY"].encode() not in err
    assert b"recall failed: invalid_arguments" in err


@pytest.mark.timeout(60)
def test_a_call_that_cannot_be_read_is_answered_and_the_next_one_too(
    environment: dict[str, str], namespace: str
) -> None:
    process = start(environment)
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(raw: bytes) -> dict[str, Any]:
        process.stdin.write(raw + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    ask(json.dumps(INITIALIZE).encode())
    # JSON.stringify spells half of a surrogate pair out, as of an emoji that was cut; a host would wait for ever.
    half = json.dumps(call(2, "remember", content="An emoji \ud83d, cut.", namespace=namespace)).encode()
    assert b"\\ud83d" in half
    answer = ask(half)
    assert answer["id"] == 2
    assert answer["result"]["isError"]
    assert "half of a character" in answer["result"]["content"][0]["text"]
    error = answer["result"]["structuredContent"]["error"]
    assert (error["code"], error["retryable"]) == ("invalid_arguments", False)
    # Of other requests an error of the protocol.
    answer = ask(b'{"jsonrpc":"2.0","id":"r","method":"resources/read","params":{"uri":"memory://recent?\\ud83d"}}')
    assert (answer["id"], answer["error"]["code"]) == ("r", -32602)
    answer = ask(b'{"jsonrpc":"2.0","id":3,"method":"tools/call","params":[1]}')
    assert (answer["id"], answer["error"]["code"]) == (3, -32600)
    answer = ask(json.dumps(call(4, "recall", query="emoji", namespace=namespace)).encode())
    assert (answer["id"], answer["result"]["structuredContent"]["memories"]) == (4, [])
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"Traceback" not in err
    assert b"Warning" not in err
    assert b"emoji" not in err


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once(environment: dict[str, str], stop: signal.Signals) -> None:
    process = start(environment)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1
    process.send_signal(stop)
    assert process.wait(5) == -stop
    _, err = process.communicate()
    assert b"Traceback" not in err


def test_the_command_line() -> None:
    for arguments, code in (
        (["--help"], 0),
        (["--version"], 0),
        (["--transport", "carrier-pigeon"], 2),
        (["--timeout", "0"], 2),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "memory_mcp", *arguments], capture_output=True, timeout=30, check=False
        )
        assert done.returncode == code, arguments
        assert b"Traceback" not in done.stderr
