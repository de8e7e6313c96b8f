"""Two crews, one after the other: what the first learned is in the prompt of the second."""

from collections.abc import Callable
from typing import Any

import pytest
from crewai import Agent, Crew, Task
from crewai.memory.unified_memory import Memory

from memory_crewai import MemoryServiceStorage

# CrewAI reads fields of its own that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def crew(llm: Any, memory: Memory, work: str) -> Crew:
    agent = Agent(role="Researcher", goal="Find things out", backstory="Thorough.", llm=llm)
    task = Task(description=work, expected_output="One sentence.", agent=agent)
    return Crew(agents=[agent], tasks=[task], memory=memory, tracing=False)


def answer(text: str) -> str:
    return f"Thought: I know.\nFinal Answer: {text}"


def test_what_one_crew_learned_another_is_told(
    storage: MemoryServiceStorage, open_memory: Callable[..., Memory], scripted: Any
) -> None:
    first = scripted(
        text=answer("Rosa lives in Porto."),
        ExtractedMemories={"memories": ["Rosa lives in Porto."]},
        MemoryAnalysis={"suggested_scope": "/people", "categories": ["kin"], "importance": 0.7},
    )
    done = crew(first, open_memory(llm=first, root_scope="/crew/research"), "Find out where Rosa lives.").kickoff()
    assert "Rosa lives in Porto." in str(done)
    (kept,) = storage.list_records()
    assert (kept.content, kept.scope) == ("Rosa lives in Porto.", "/crew/research/agent/researcher/people")
    assert not any("Rosa lives in Porto." in prompt for wanted, prompt in first.asked if wanted == "text")

    second = scripted(text=answer("In Porto."), ExtractedMemories={"memories": []})
    crew(second, open_memory(llm=second, root_scope="/crew/research"), "Say in which city Rosa lives.").kickoff()
    assert any("Rosa lives in Porto." in prompt for wanted, prompt in second.asked if wanted == "text")
