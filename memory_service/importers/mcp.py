"""The file of the reference MCP memory server: lines of entities with observations, and of relations between them.

What comes of it is what our own MCP server stores when an agent calls the same tools, so that `read_graph` shows it: a memory
for each entity, observation and relation, known by an id that follows from what it says.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from memory_service.importers.report import Item, Report, Unreadable

KEY: Final = "mcp_graph"  # in the metadata of every element
PREFIX: Final = "mcp-graph:"
MAX_NAME, MAX_TITLE = 256, 4096
_ENTITY: Final = frozenset({"type", "name", "entityType", "observations"})
_RELATION: Final = frozenset({"type", "from", "to", "relationType"})


def is_mcp(beginning: str) -> bool:
    """Say whether a file begins as one of these does.

    >>> is_mcp('{"type":"entity","name":"Ada","entityType":"person"'), is_mcp('{"results": [')
    (True, False)
    """
    first = beginning.lstrip().split("\n", 1)[0].replace(" ", "")
    return first.startswith("{") and ('"type":"entity"' in first or '"type":"relation"' in first)


def items(path: Path, report: Report, *, namespace: str = "default", user_id: str | None = None) -> Iterator[Item]:
    """Yield the elements of a graph.

    Raises:
        Unreadable: it is not text in UTF-8, or a line is not JSON.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                report.read += 1
                for item in _items(_parsed(line, number), report, f"line {number}", user_id=user_id):
                    report.items += 1
                    yield {**item, "namespace": namespace, **({"user_id": user_id} if user_id is not None else {})}
    except UnicodeDecodeError as error:
        raise Unreadable("The file is not text in UTF-8.") from error


def _parsed(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise Unreadable(f"Line {number} is not JSON.") from error


def _items(record: Any, report: Report, place: str, *, user_id: str | None) -> Iterator[Item]:
    match record:
        case {"type": "entity", "name": str(name), "entityType": str(kind)} if name.strip():
            aside = _aside(record, _ENTITY, report)
            facts = {"kind": "entity", "entity": name, "type": kind}
            yield _element(["entity", name], f"{name} ({kind})", (name,), facts, aside, user_id=user_id)
            observations = record.get("observations") or []
            for at, text in enumerate(observations if isinstance(observations, list) else [observations], start=1):
                if not isinstance(text, str) or not text.strip():
                    report.leave_out("no_text", f"{place}, observation {at}")
                    continue
                facts = {"kind": "observation", "entity": name}
                yield _element(["observation", name, text], f"{name}: {text}", (name,), facts, {}, user_id=user_id)
        case {"type": "relation", "from": str(source), "to": str(target), "relationType": str(kind)}:
            aside = _aside(record, _RELATION, report)
            facts = {"kind": "relation", "from": source, "to": target, "type": kind}
            content = f"{source} {kind} {target}"
            if not content.strip():
                report.leave_out("no_text", place)
                return
            key = ["relation", source, target, kind]
            yield _element(key, content, (source, target), facts, aside, user_id=user_id)
        case _:
            report.leave_out("unknown_record", place)


def _aside(record: Mapping[str, Any], known: frozenset[str], report: Report) -> dict[str, Any]:
    aside = {name: value for name, value in record.items() if name not in known}
    for name in aside:
        report.kept_as_metadata[name] += 1
    return aside


def _element(
    key: Sequence[str],
    content: str,
    names: Sequence[str],
    facts: Mapping[str, Any],
    aside: Mapping[str, Any],
    *,
    user_id: str | None,
) -> Item:
    # Unique in a namespace, in which each user has a graph of their own.
    digest = hashlib.sha256(json.dumps([user_id, *key]).encode()).hexdigest()
    return {
        "external_id": f"{PREFIX}{key[0]}:{digest[:40]}",
        "content": content,
        "title": " ".join(names)[:MAX_TITLE],
        "entities": [name for name in dict.fromkeys(names) if name.strip() and len(name) <= MAX_NAME],
        "memory_type": "semantic",
        "metadata": {KEY: dict(facts), **({"mcp": dict(aside)} if aside else {})},
        "on_conflict": "skip",
    }
