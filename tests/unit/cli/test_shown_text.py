import doctest
import json
import os
import pty
import select
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.provenance import CHECKOUT
from memory_service.cli import ages, paths, shown_text
from memory_service.cli.main import app
from memory_service.cli.shown_text import STEERING, block, json_text, line

runner = CliRunner()

CLEARS_THE_SCREEN = "safe \x1b[2J\x1b]0;title\x07 \x9b31m \u202ereversed\u2066 \r\n second\tline \x00\x7f \U000e0041"


@pytest.mark.parametrize("module", [ages, paths, shown_text])
def test_the_worked_examples_hold(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("shown", [block, line])
def test_nothing_that_steers_a_terminal_is_left(shown: Any) -> None:
    text = shown(CLEARS_THE_SCREEN + "\ud800")
    assert not STEERING.search(text)
    assert "safe" in text
    text.encode()


def test_words_of_all_languages_stay_as_they_are() -> None:
    text = "naïve 日本語 עברית العربية 👩‍👩‍👧 e\u0301"
    assert block(text) == text


def test_json_is_harmless_and_the_same_value() -> None:
    value = {"content": CLEARS_THE_SCREEN + "\ud800 日本"}
    assert not STEERING.search(json_text(value, indent=2))
    assert json.loads(json_text(value)) == value
    assert "日本" in json_text(value)


def memory(content: str) -> dict[str, Any]:
    return {
        "id": "01a218fe-6dd4-70f0-aead-5fb3aba48e20",
        "content": content,
        "memory_type": "episodic",
        "observed_at": "2026-11-26T17:54:17.147743Z",
        "source": {"speaker": "Ev\x1b[1me"},
    }


def on_a_terminal(words: list[str], **environment: str) -> str:
    """Return what a command writes to a terminal of 100 columns."""
    leader, follower = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "memory_service.cli.main", *words],
        stdin=follower, stdout=follower, stderr=follower,
        env={**kept, "TERM": "xterm", "COLUMNS": "100", "PYTHONPATH": str(CHECKOUT), **environment},
    )  # fmt: skip
    os.close(follower)
    written = b""
    while True:
        ready, _, _ = select.select([leader], [], [], 30)
        assert ready, written
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # The other end is closed: how Linux says that a terminal has ended.
            break
        if not chunk:
            break
        written += chunk
    os.close(leader)
    process.wait(30)
    return written.decode()


@pytest.fixture
def hostile(environment: Any) -> Any:
    listed = {"data": [memory(CLEARS_THE_SCREEN)], "has_more": False, "next_cursor": None}
    environment.answers["/v1/memories/query"] = lambda body: (200, listed)
    result = {"rank": 1, "score": 1.0, "memory": memory(CLEARS_THE_SCREEN), "why": "matches \x1b[5m", "channels": {}}
    answer = {"search_id": "s1", "results": [result], "confidence": 0.1, "abstain": True}
    environment.answers["/v1/search"] = lambda body: (200, answer)
    packed = {"text": CLEARS_THE_SCREEN, "citations": [], "tokens": 3, "search_id": "s1"}
    environment.answers["/v1/context"] = lambda body: (200, packed)
    return environment


@pytest.mark.parametrize("words", [["list"], ["search", "x"], ["context", "x"], ["list", "--json"]])
def test_a_hostile_memory_does_nothing_to_a_terminal(hostile: Any, words: list[str]) -> None:
    text = on_a_terminal(words, NO_COLOR="1")
    for sequence in ("\x1b[2J", "\x1b]0;", "\x07", "\x9b", "\u202e", "\x00", "\x1b[5m"):
        assert sequence not in text
    assert "\\x1b[2J" in text or "\\u001b[2J" in text


def test_a_hostile_refusal_does_nothing_to_a_terminal(environment: Any) -> None:
    problem = {"title": "Invalid", "detail": "bad \x1b[2J name", "code": "invalid_request"}
    environment.answers["/v1/search"] = lambda body: (422, problem)
    result = runner.invoke(app, ["search", "x"])
    assert result.exit_code == 5
    assert "\\x1b[2J" in result.stderr


def test_a_pipe_gets_the_packed_text_as_it_is(hostile: Any) -> None:
    assert runner.invoke(app, ["context", "x"]).stdout_bytes == (CLEARS_THE_SCREEN + "\n").encode()


def test_colours_are_for_terminals_and_can_be_refused(hostile: Any) -> None:
    assert "\x1b[36m" in on_a_terminal(["search", "x"])
    assert "\x1b[36m" not in on_a_terminal(["search", "x"], NO_COLOR="1")
    assert "\x1b" not in runner.invoke(app, ["search", "x"]).output


def test_a_table_on_a_terminal_has_headings_and_in_a_pipe_has_tabs(hostile: Any) -> None:
    assert on_a_terminal(["list"], TERM="dumb").split()[:4] == ["id", "age", "type", "memory"]
    [row] = runner.invoke(app, ["list"]).stdout.splitlines()
    assert row.split("\t")[0] == memory("")["id"]
    assert row.count("\t") == 3
