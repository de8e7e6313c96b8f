"""The worked examples in docstrings of every package beside this file are true; those of CrewAI run in its own environment."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLES = [
    ".".join(path.relative_to(source).with_suffix("").parts)
    for source in sorted(HERE.glob("*/src"))
    if source.parent.name != "crewai"
    for path in sorted(source.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_are_true(module: str) -> None:
    """Run the examples of one module."""
    assert doctest.testmod(import_module(module), raise_on_error=True).attempted


def test_examples_are_found() -> None:
    """Notice when the search for examples finds none any more."""
    assert {"memory_client", "memory_langgraph", "memory_mcp", "memory_vllm"} <= {one.split(".")[0] for one in EXAMPLES}
