"""Items of a session as memories: what was said as text, and the item itself, so that it comes back as it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import copysign
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from memory_client import Memory

MARK = "openai_agents"  # the key in `metadata` under which we keep our own
MOST_BYTES = 60_000  # of a value; the service takes 64 KiB
MOST_DEPTH = 15
PART = 30_000  # characters of ASCII, which may double when they are written as JSON once more
MOST_TEXT = 64 * 1024  # bytes of a content
MOST_HINT = 400  # characters by which a person recognises what is not said; nobody searches for it
INTEGERS = range(-(2**63), 2**63)
WHOLE_FROM = 1e16  # From here on Python writes a number with an exponent, and the service one without.

# Calls of tools and their outputs lie beside the conversation, where no search for what was said comes across them.
TOOLS = "tool-items"


@dataclass(frozen=True)
class Place:
    """Where a session lies, and whose it is."""

    namespace: str
    session_id: str
    user_id: str | None = None
    agent_id: str | None = None

    def filter(self) -> dict[str, Any]:
        """Return what selects the memories of the session."""
        return {
            "session_id": self.session_id,
            "namespace": {"in": [self.namespace, f"{self.namespace}/{TOOLS}"]},
            f"metadata.{MARK}.item": {"exists": True},
            # Two users may call their sessions alike.
            **({} if self.user_id is None else {"user_id": self.user_id}),
        }


def bodies_of(item: Mapping[str, Any], place: Place, *, now: datetime) -> list[dict[str, Any]]:
    """Return the memories that hold an item: one, or several for one that is larger than a memory.

    Args:
        item: the item.
        place: where it goes.
        now: when it is said.

    Raises:
        TypeError: it is nothing that JSON has a form for.
    """
    said = said_in(item)
    item_id = uuid4().hex
    body = {
        "namespace": place.namespace if said else f"{place.namespace}/{TOOLS}",
        "session_id": place.session_id,
        "user_id": place.user_id,
        "agent_id": place.agent_id,
        "role": str(item.get("role") or "tool"),
        # Without a time the service takes a text that was erased for one that comes back by itself, and refuses it.
        "observed_at": now.isoformat(),
        # A history must be whole: a call without its output is refused by models. So its items do not fade.
        "pinned": True,
        **({} if said else {"extract": "none"}),
    }
    written = json.dumps(item)
    parts = [None] if is_plain(item) else [written[at : at + PART] for at in range(0, len(written), PART)]
    return [
        {
            **body,
            "content": _storable(said if said and not number else _hint(item, written[number * PART :])),
            "value": item if part is None else part,
            "metadata": {MARK: {"item": item_id, "part": number, "parts": len(parts), "plain": part is None}},
            # Repeating oneself is no duplicate.
            "external_id": f"{item_id}-{number}",
            **({"extract": "none"} if number else {}),
        }
        for number, part in enumerate(parts)
    ]


def said_in(item: Mapping[str, Any]) -> str | None:
    """Return what a message says, None for anything else.

    >>> said_in({"role": "user", "content": "Hello"})
    'Hello'
    >>> said_in({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]})
    'Hi'
    >>> said_in({"type": "function_call", "name": "f", "arguments": "{}", "call_id": "1"})
    """
    if item.get("type", "message") != "message":
        return None
    content = item.get("content")
    if isinstance(content, str):
        said = content
    elif isinstance(content, Iterable):
        texts = (part.get("text") for part in content if isinstance(part, Mapping))
        said = "\n".join(text for text in texts if isinstance(text, str))
    else:
        return None
    return said if any(character.isprintable() and not character.isspace() for character in said) else None


def is_plain(item: Any) -> bool:
    """Say whether the service can hold an item as it is: small, flat enough, of clean text and numbers."""
    try:
        written = json.dumps(item, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:  # A number that is none, or half of a surrogate pair.
        return False
    return len(written) <= MOST_BYTES and b"\\u0000" not in written and _is_flat(item, MOST_DEPTH)


def _is_flat(value: Any, depth: int) -> bool:
    if isinstance(value, Mapping):
        return depth > 0 and all(isinstance(k, str) and _is_flat(one, depth - 1) for k, one in value.items())
    if isinstance(value, list | tuple):
        return depth > 0 and all(_is_flat(one, depth - 1) for one in value)
    if isinstance(value, float):
        return abs(value) < WHOLE_FROM and (value != 0 or copysign(1, value) > 0)
    return not isinstance(value, int) or value in INTEGERS


def _hint(item: Mapping[str, Any], written: str) -> str:
    return f"{item.get('type', 'message')} {written[:MOST_HINT]}"


def _storable(text: str) -> str:
    clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace")
    return clean[:MOST_TEXT].decode("utf-8", "ignore")


@dataclass(frozen=True)
class Whole:
    """An item, and the memories that hold it."""

    item: Any
    ids: tuple[str, ...]


def whole_items(newest_first: Sequence[Memory]) -> list[Whole]:
    """Put items together again, newest first; one whose parts are not all there is left out."""
    found: dict[str, dict[int, Memory]] = {}
    for memory in newest_first:
        mark = memory.metadata[MARK]
        found.setdefault(mark["item"], {})[mark["part"]] = memory
    whole = []
    for parts in found.values():
        first = next(iter(parts.values())).metadata[MARK]
        if len(parts) == first["parts"]:
            ordered = [parts[number] for number in sorted(parts)]
            item = ordered[0].value if first["plain"] else json.loads("".join(part.value for part in ordered))
            whole.append(Whole(item, tuple(part.id for part in ordered)))
    return whole
