"""A line of a bundle: what it says it holds, whose it is, and the record that it is, or why it is refused."""

from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from memory_service.bundle.records import (
    BlockRecord,
    DocumentRecord,
    DocumentTextRecord,
    LinkRecord,
    MemoryRecord,
    NamespaceRecord,
    PolicyRecord,
    Record,
)
from memory_service.errors import MemoryServiceError
from memory_service.json_values import escape, faults, parse_json

MAX_DETAIL: Final = 300
MAX_NAME: Final = 256  # characters of whom a memory belongs to, and of a namespace
OWNERS: Final = ("namespace", "user_id", "agent_id", "session_id")

# In this order an import takes them: what points at something comes after it.
RECORDS: Final[dict[str, type[Record]]] = {
    "namespace": NamespaceRecord,
    "policy": PolicyRecord,
    "block": BlockRecord,
    "memory": MemoryRecord,
    "link": LinkRecord,
    "document": DocumentRecord,
    "document_text": DocumentTextRecord,
}
UNKNOWN: Final = "unknown"  # the kind of a line that is none of them


class Refused(Exception):
    """A line or what it says cannot be taken; nothing of it is quoted."""

    def __init__(self, code: str, detail: str) -> None:
        """Keep a code for programs and a sentence for people."""
        super().__init__(code)
        self.code = code
        # It may name a field whose name is no text that could be stored.
        self.detail = detail[:MAX_DETAIL].replace("\0", "?").encode(errors="replace").decode()


def parse_line(raw: bytes) -> dict[str, Any]:
    """Return the JSON object on a line, its values not looked at yet.

    Raises:
        Refused: there is none.
    """
    try:
        parsed = parse_json(raw)
    except MemoryServiceError as error:
        raise Refused(error.specific_code, error.detail) from error
    if not isinstance(parsed, dict):
        raise Refused("invalid_json", "The line is not a JSON object.")
    return parsed


def kind_of(parsed: dict[str, Any]) -> str:
    """Return which kind of record a line holds."""
    kind = parsed.get("type")
    return kind if isinstance(kind, str) and kind in RECORDS else UNKNOWN


def owners_named(parsed: dict[str, Any]) -> dict[str, str | None]:
    """Return whose a line is to be, as far as it says so itself; a value that no record takes counts as absent.

    >>> owners_named({"type": "block", "namespace": "default", "user_id": "ana", "agent_id": 7})
    {'namespace': 'default', 'user_id': 'ana', 'agent_id': None, 'session_id': None}
    """
    said = {name: parsed.get(name) for name in OWNERS}
    return {
        name: v if isinstance(v, str) and len(v) <= MAX_NAME and not faults(v) else None for name, v in said.items()
    }


def item_named(parsed: dict[str, Any]) -> str | None:
    """Return the id of what a line holds: of the text of a document that of the document.

    >>> item_named({"type": "link", "id": "018F3C1E-7B1A-7C3D-9E2F-5A6B7C8D9E0F"}), item_named({"id": []})
    ('018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f', None)
    """
    try:
        return str(UUID(parsed.get("document_id" if parsed.get("type") == "document_text" else "id")))
    except (ValueError, TypeError, AttributeError):
        return None


def memories_named(parsed: dict[str, Any]) -> list[UUID]:
    """Return the memories whose words a line may hold."""
    if parsed.get("type") == "memory":
        named = [parsed.get("id")]
    elif parsed.get("type") == "document_text" and isinstance(parsed.get("chunks"), list):
        named = [chunk.get("memory_id") for chunk in parsed["chunks"] if isinstance(chunk, dict)]
    else:
        return []
    found = []
    for one in named:
        try:
            found.append(UUID(one))
        except (ValueError, TypeError, AttributeError):
            continue  # It names no memory: the line will be refused when its turn comes.
    return found


def read_record(raw: bytes) -> Record:
    """Return the record on a line.

    Raises:
        Refused: it is none that this release knows, or its fields are wrong.
    """
    return record_of(parse_line(raw))


def record_of(parsed: dict[str, Any]) -> Record:
    """Return the record that a JSON object is.

    Raises:
        Refused: it is none that this release knows, or its fields are wrong.
    """
    kind = kind_of(parsed)
    if kind == UNKNOWN:
        raise Refused("unknown_record_type", f"This release knows {', '.join(RECORDS)}.")
    if found := faults(parsed):
        raise Refused("invalid_request", f"{found[0].pointer}: {found[0].detail}")
    try:
        return RECORDS[kind].model_validate(parsed)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        pointer = "".join(f"/{escape(str(part))}" for part in first["loc"])
        raise Refused("invalid_request", f"{pointer}: {first['msg'].removeprefix('Value error, ')}") from error
    except MemoryServiceError as error:
        raise Refused(error.specific_code, error.detail) from error
