"""A mem0 export: what `get_all`, `search` and the export calls of its servers and its library answer, as JSON or JSON lines.

Every shape holds records of the same fields: a list of them, `{"results": [...]}` (one page or all), `{"memories": [...]}`, or a
record a line.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from memory_service.importers.report import Item, Report, Unreadable

KEY: Final = "mem0"  # in the metadata: what has no place of its own here
TEXTS: Final = ("memory", "text", "content", "data")
LISTS: Final = ("results", "memories", "data")
MAX_TAGS, MAX_NAME = 64, 256
_SCOPES: Final = {
    "user_id": "user_id",
    "agent_id": "agent_id",
    "run_id": "session_id",
    "actor_id": "speaker",
    "role": "role",
}
# How well a record answered some search says nothing about it.
_ABOUT_THE_ANSWER: Final = frozenset({"score", "event", "score_details"})


def is_mem0(beginning: str) -> bool:
    """Say whether a file begins as one of these does.

    >>> is_mem0('{"results": [{"id": "1", "memory": "likes tea"'), is_mem0('{"type": "entity", "name": "Ada"')
    (True, False)
    """
    return '"memory"' in beginning and '"id"' in beginning and '"type":"entity"' not in beginning.replace(" ", "")


def items(path: Path, report: Report, *, namespace: str = "default") -> Iterator[Item]:
    """Yield the memories of an export.

    Raises:
        Unreadable: it is neither JSON nor lines of it, or holds no list of records.
    """
    for place, record in _records(path):
        report.read += 1
        item = _item(record, report, place, namespace=namespace) if isinstance(record, Mapping) else None
        if not isinstance(record, Mapping):
            report.leave_out("not_an_object", place)
        if item is not None:
            report.items += 1
            yield item


def _records(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise Unreadable("The file is not text in UTF-8.") from error
    except ValueError:
        yield from _lines(path)
        return
    found = whole
    if isinstance(whole, Mapping):
        lists = [whole[name] for name in LISTS if isinstance(whole.get(name), list)]
        found = lists[0] if lists else [whole]
    if not isinstance(found, list):
        raise Unreadable("The file holds no list of memories.")
    for number, record in enumerate(found):
        yield f"record {number + 1}", record


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield f"line {number}", json.loads(line)
            except ValueError as error:
                raise Unreadable(f"Line {number} is not JSON.") from error


def _item(record: Mapping[str, Any], report: Report, place: str, *, namespace: str) -> Item | None:
    text_field = next((name for name in TEXTS if isinstance(record.get(name), str) and record[name].strip()), None)
    if text_field is None:
        report.leave_out("no_text", place)
        return None
    metadata = dict(record["metadata"]) if isinstance(record.get("metadata"), Mapping) else {}
    item: Item = {
        "content": record[text_field],
        "namespace": namespace,
        "memory_type": "semantic",
        # What changed there since the last import takes the place of what it was.
        "on_conflict": "supersede",
    }
    aside: dict[str, Any] = {}
    for name, value in record.items():
        if name in (text_field, "metadata") and (name != "metadata" or isinstance(value, Mapping)):
            continue
        if value is None or value in ([], {}) or name in _ABOUT_THE_ANSWER:
            continue
        if not _placed(item, metadata, name, value):
            aside[name] = value
    for name in aside:
        report.kept_as_metadata[name] += 1
    if aside:
        metadata[KEY] = {**aside, **(metadata[KEY] if isinstance(metadata.get(KEY), Mapping) else {})}
    if metadata:
        item["metadata"] = metadata
    return item


def _placed(item: Item, metadata: dict[str, Any], name: str, value: Any) -> bool:
    """Put a field where it belongs; false when it has no such place."""
    if name == "id":
        if not 1 <= len(str(value)) <= MAX_NAME:
            return False
        item["external_id"] = str(value)
        return True
    if name in _SCOPES and isinstance(value, str) and 1 <= len(value) <= MAX_NAME:
        item[_SCOPES[name]] = value
        return True
    if name == "app_id" and metadata.get("app_id", value) == value:
        metadata["app_id"] = value
        return True
    if name == "categories" and isinstance(value, list):
        tags = [one for one in value if isinstance(one, str) and 1 <= len(one) <= MAX_NAME]
        item["tags"] = tags[:MAX_TAGS]
        return len(item["tags"]) == len(value)
    if name == "created_at" and (moment := moment_of(value)) is not None:
        item["observed_at"] = moment.isoformat()
        return True
    if name == "expiration_date" and (moment := end_of(value)) is not None:
        item["expires_at"] = moment.isoformat()
        return True
    return False


def moment_of(value: Any) -> datetime | None:
    """Return a time that was written with or without a zone, which is then UTC; None for anything else.

    >>> moment_of("2024-07-01T09:00:00-07:00").isoformat(), moment_of("2024-07-01 09:00").isoformat(), moment_of("soon")
    ('2024-07-01T16:00:00+00:00', '2024-07-01T09:00:00+00:00', None)
    """
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def end_of(value: Any) -> datetime | None:
    """Return the end of a day that is written as a date, or a time.

    >>> end_of("2024-07-01").isoformat(), end_of("2024-07-01T09:00:00Z").isoformat(), end_of(7)
    ('2024-07-02T00:00:00+00:00', '2024-07-01T09:00:00+00:00', None)
    """
    if isinstance(value, str) and len(value) == len("2024-07-01"):
        try:
            return datetime.combine(date.fromisoformat(value), time(), tzinfo=UTC) + timedelta(days=1)
        except (ValueError, OverflowError):
            return None
    return moment_of(value)
