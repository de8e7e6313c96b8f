"""The example: a real graph with a scripted model, remembering over two threads."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memory_langgraph import MemoryServiceStore

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "agent.py"


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("agent_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_one_thread_was_told_the_next_one_knows(store: MemoryServiceStore, example: Any) -> None:
    agent = example.make_agent(store)

    def say(text: str, user: str, thread: str) -> str:
        return str(example.say(agent, text, user_id=user, thread_id=thread))

    assert say("Is there any food I should avoid?", "ana", "sunday") == "I do not know that."
    assert say("I am allergic to peanuts.", "ana", "monday") == "I will remember that."
    assert say("My sister lives in Porto.", "ana", "monday") == "I will remember that."
    assert say("Is there any food I should avoid?", "ana", "friday") == "You once said: I am allergic to peanuts."
    assert say("Where does my sister live?", "ana", "friday") == "You once said: My sister lives in Porto."
    # Nobody else knows.
    assert say("Is there any food I should avoid?", "bob", "monday") == "I do not know that."
    assert {item.value["text"] for item in store.search(("users", "ana"))} == {
        "I am allergic to peanuts.",
        "My sister lives in Porto.",
    }
    # And a new process with the same store knows it, too.
    again = example.make_agent(store)
    assert "peanuts" in example.say(again, "Is there any food I should avoid?", user_id="ana", thread_id="friday")


def test_it_runs_as_a_program(service: Any) -> None:
    env = {**os.environ, "MEMORY_SERVICE_URL": service.url, "MEMORY_SERVICE_API_KEY": service.api_key}
    done = subprocess.run([sys.executable, EXAMPLE], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "You once said: I am allergic to peanuts." in done.stdout
    assert "You once said: My sister lives in Porto." in done.stdout
