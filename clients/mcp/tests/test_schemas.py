"""The pinned tools are pinned: whoever changes one changes this snapshot, and says why in the changelog."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from memory_mcp.failures import ToolFailure
from memory_mcp.pinned import PINNED
from memory_mcp.reference.tools import REFERENCE
from memory_mcp.tool import Tool, read_arguments

SNAPSHOT = Path(__file__).parent / "pinned_tools.json"


def test_pinned_tools_are_as_they_were() -> None:
    listed = [tool.listed().model_dump(mode="json", by_alias=True, exclude_none=True) for tool in PINNED]
    assert listed == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_there_are_five() -> None:
    assert [tool.name for tool in PINNED] == ["remember", "recall", "get_context", "correct", "forget"]


@pytest.mark.parametrize("tool", [*PINNED, *REFERENCE], ids=lambda tool: tool.name)
def test_schemas_are_valid_strict_and_plain(tool: Tool[Any]) -> None:
    listed = tool.listed()
    for schema in (listed.input_schema, listed.output_schema):
        assert schema is not None
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
    assert listed.input_schema["additionalProperties"] is False
    text = json.dumps(listed.input_schema)
    assert "anyOf" not in text, "unions confuse hosts that translate schemas"
    assert '"title"' not in text.replace('"title": {', "")
    assert '"null"' not in text


@pytest.mark.parametrize("tool", PINNED, ids=lambda tool: tool.name)
def test_descriptions_say_when_and_when_not(tool: Tool[Any]) -> None:
    assert "Call it" in tool.description or "Call recall first" in tool.description
    assert "Do not call it" in tool.description
    assert len(tool.description) < 1024, "some hosts cut longer ones"
    for name, argument in tool.listed().input_schema["properties"].items():
        assert argument.get("description"), name


def test_hints() -> None:
    hints = {t.name: (t.hints.read_only, t.hints.destructive, t.hints.idempotent) for t in PINNED}
    assert hints == {
        "remember": (False, False, True),
        "recall": (True, False, True),
        "get_context": (True, False, True),
        "correct": (False, False, False),
        "forget": (False, True, True),
    }


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("remember", {}, "content: Field required"),
        ("remember", {"content": ""}, "content"),
        ("remember", {"content": 5}, "content: Input should be a valid string"),
        ("remember", {"content": "x", "colour": "red"}, "colour: Extra inputs"),
        ("remember", {"content": "x" * 65_537}, "content"),
        ("remember", {"content": "x", "observed_at": "2026-05-01"}, "observed_at"),
        ("remember", {"content": "x", "importance": 1.5}, "importance"),
        ("remember", {"content": "x", "importance": float("nan")}, "importance"),
        ("recall", {"query": "x", "limit": "5"}, "limit"),
        ("recall", {"query": "x", "limit": 51}, "limit"),
        ("recall", {"query": "x", "namespace": "a//b"}, "namespace"),
        ("get_context", {"query": "x", "token_budget": 5}, "token_budget"),
        ("correct", {"memory_id": "", "content": "x"}, "memory_id"),
        ("correct", {"memory_id": "x", "how": "delete"}, "how"),
        ("forget", {"memory_ids": []}, "memory_ids"),
        ("forget", {"memory_ids": ["x"], "erase": "yes"}, "erase"),
    ],
)
def test_wrong_arguments_are_named(name: str, arguments: dict[str, Any], said: str) -> None:
    tool = next(tool for tool in PINNED if tool.name == name)
    with pytest.raises(ToolFailure) as failure:
        read_arguments(tool.arguments, arguments)
    assert failure.value.code == "invalid_arguments"
    assert said in failure.value.message


def test_null_counts_as_left_out() -> None:
    recall = next(tool for tool in PINNED if tool.name == "recall")
    assert read_arguments(recall.arguments, {"query": "x", "tags": None, "limit": None}).limit == 10


def test_many_problems_are_cut() -> None:
    remember = PINNED[0]
    with pytest.raises(ToolFailure, match="and 3 more"):
        read_arguments(remember.arguments, {f"x{n}": 1 for n in range(7)})
