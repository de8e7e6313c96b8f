"""Foreign files become items of a batch: what they say, where it lies, and nothing dropped without a word."""

import json
from pathlib import Path
from typing import Any

import pytest

from memory_service.api.memory_models import MemoryIn
from memory_service.importers.registry import SOURCES, convert, sniff
from memory_service.importers.report import Report, Unreadable

FIXTURES = Path(__file__).parent / "fixtures"
Item = dict[str, Any]


def read(path: Path | str, **options: Any) -> tuple[list[Item], Report]:
    report = Report()
    found = list(convert(str(path), report, **options))
    assert report.items == len(found)
    for item in found:
        MemoryIn.model_validate(item)  # The service takes every one of them.
    return found, report


def written(tmp_path: Path, content: Any, name: str = "file") -> Path:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mem0_oss_get_all.json", "mem0"), ("mem0_oss_search.json", "mem0"), ("mcp_memory.jsonl", "mcp")],
)
def test_a_file_is_known_by_its_beginning(name: str, kind: str) -> None:
    assert sniff(str(FIXTURES / name)) == kind


def test_what_mem0_answered_becomes_memories() -> None:
    items, report = read(FIXTURES / "mem0_oss_get_all.json")
    assert (report.read, report.left_out) == (4, {})
    by_text = {item["content"]: item for item in items}
    bees = by_text["Vera keeps two hives of bees behind the mill. (since spring)"]
    assert bees["external_id"] == "2823fc8e-23fa-496f-86dc-3a92dc7ffb60"
    assert bees["user_id"] == "vera"
    assert bees["observed_at"] == "2026-11-26T18:17:35.206029+00:00"
    assert bees["metadata"] == {
        "source": "letter",
        "page": 3,
        "mem0": {"hash": "573f342652aeeee9e16ee9e1d4ed9229", "updated_at": "2026-11-26T18:17:35.489953+00:00"},
    }
    ferry = by_text["My ferry leaves at seven."]
    assert {name: ferry[name] for name in ("user_id", "agent_id", "session_id", "speaker", "role")} == {
        "user_id": "vera", "agent_id": "helper", "session_id": "trip-1", "speaker": "Vera", "role": "user",
    }  # fmt: skip
    assert by_text["The bees like heather."]["expires_at"] == "2031-05-02T00:00:00+00:00"
    assert report.kept_as_metadata == {"hash": 4, "updated_at": 4}
    found, _ = read(FIXTURES / "mem0_oss_search.json")
    assert {item["external_id"] for item in found} <= {item["external_id"] for item in items}


PLATFORM = {
    "id": "m-1",
    "memory": "Vera prefers the early ferry.",
    "user_id": "vera",
    "app_id": "travel",
    "metadata": None,
    "categories": ["travel", "habits"],
    "created_at": "2024-07-01T09:00:00-07:00",
    "updated_at": "2024-07-02T09:00:00-07:00",
    "expiration_date": None,
    "structured_attributes": {"day": 1},
    "score": 0.7,
}


@pytest.mark.parametrize(
    "whole",
    [
        [PLATFORM],
        {"results": [PLATFORM]},
        {"count": 1, "next": None, "previous": None, "results": [PLATFORM]},
        {"memories": [PLATFORM]},
        PLATFORM,
        json.dumps(PLATFORM) + "\n" + "\n",
    ],
    ids=["list", "results", "page", "memories", "one", "lines"],
)
def test_every_shape_of_the_platform_is_read(tmp_path: Path, whole: Any) -> None:
    (item,), report = read(written(tmp_path, whole), kind="mem0", namespace="from/mem0")
    assert item["content"] == "Vera prefers the early ferry."
    assert item["namespace"] == "from/mem0"
    assert item["tags"] == ["travel", "habits"]
    assert item["observed_at"] == "2024-07-01T16:00:00+00:00"
    assert item["metadata"]["app_id"] == "travel"
    assert report.kept_as_metadata == {"updated_at": 1, "structured_attributes": 1}


def test_what_mem0_records_lack_or_hold_too_much_of_is_counted(tmp_path: Path) -> None:
    records = [
        {"id": "1"},
        {"id": "2", "memory": "  "},
        "text",
        {
            "id": "3",
            "memory": "kept",
            "user_id": "x" * 300,
            "categories": ["a" * 300, "b"],
            "created_at": "soon",
            "metadata": "?",
        },
        {"id": "x" * 300, "memory": "kept as well", "role": 7},
    ]
    items, report = read(written(tmp_path, records), kind="mem0")
    assert report.left_out == {"no_text": 2, "not_an_object": 1}
    assert report.places == {"no_text": ["record 1", "record 2"], "not_an_object": ["record 3"]}
    assert items[0]["metadata"]["mem0"].keys() == {"user_id", "categories", "created_at", "metadata"}
    assert items[0]["tags"] == ["b"]
    assert "external_id" not in items[1]
    assert items[1]["metadata"]["mem0"] == {"id": "x" * 300, "role": 7}
    assert report.to_json()["read"] == 5


def test_what_the_reference_server_wrote_becomes_the_graph_our_server_reads() -> None:
    items, report = read(FIXTURES / "mcp_memory.jsonl")
    assert (report.read, len(items), report.left_out) == (5, 9, {})
    assert [item["metadata"]["mcp_graph"]["kind"] for item in items] == [
        "entity", "observation", "observation", "entity", "observation", "entity", "observation", "relation", "relation",
    ]  # fmt: skip
    assert [item["content"] for item in items[:3]] == [
        "Vera (person)",
        "Vera: Keeps bees behind the mill",
        'Vera: Speaks Finnish: "hyvää päivää"',
    ]
    relation = items[-2]
    assert relation["content"] == "Vera lives_at The Mill"
    assert relation["entities"] == ["Vera", "The Mill"]
    assert relation["metadata"] == {
        "mcp_graph": {"kind": "relation", "from": "Vera", "to": "The Mill", "type": "lives_at"}
    }
    assert len({item["external_id"] for item in items}) == len(items)
    again, _ = read(FIXTURES / "mcp_memory.jsonl")
    assert again == items


def test_odd_lines_of_a_graph_are_counted(tmp_path: Path) -> None:
    lines = [
        {"type": "entity", "name": "A", "entityType": "x", "observations": ["fine", "", 7], "color": "red"},
        {"type": "entity", "name": "B"},
        {"type": "dream"},
        [1],
        {"type": "relation", "from": " ", "to": " ", "relationType": " "},
    ]
    items, report = read(written(tmp_path, "\n".join(json.dumps(line) for line in lines)), kind="mcp")
    assert [item["content"] for item in items] == ["A (x)", "A: fine"]
    assert items[0]["metadata"]["mcp"] == {"color": "red"}
    assert report.kept_as_metadata == {"color": 1}
    assert report.left_out == {"no_text": 3, "unknown_record": 3}


@pytest.mark.parametrize(
    ("content", "kind"), [("{", "mcp"), ("not json", "mem0"), ("7", "mem0"), ("", "mem0"), ("{}", None), ("", None)]
)
def test_what_cannot_be_read_is_said(tmp_path: Path, content: str, kind: str | None) -> None:
    if content == "" and kind == "mem0":
        assert read(written(tmp_path, content), kind=kind)[0] == []
        return
    with pytest.raises(Unreadable):
        read(written(tmp_path, content), kind=kind)


def test_what_is_not_there_or_unknown_is_said(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'[{"memory": "caf\xe9"}]')
    for source, kind in (
        (tmp_path / "nothing", None),
        (tmp_path / "nothing", "mem0"),
        (tmp_path / "latin", "mem0"),
        (tmp_path / "latin", "mcp"),
        (FIXTURES / "mcp_memory.jsonl", "zep"),
        (FIXTURES / "mcp_memory.jsonl", "langgraph"),
        ("postgresql://nobody@127.0.0.1:1/none", None),
    ):
        with pytest.raises(Unreadable) as caught:
            read(source, kind=kind)
        assert str(caught.value)
    assert set(SOURCES) == {"mem0", "mcp", "langgraph"}
