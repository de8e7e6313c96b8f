"""Redact what a caller wants stored: which fields of what hold words, and where they stand in a request. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from memory_service.redaction.redactor import Counts, Redactor
from memory_service.storage.redactions import Redactors
from memory_service.storage.sql import Row

# What holds words. Identifiers stay as they are, as things are found and erased by them: namespace, user_id, agent_id, session_id,
# external_id, labels.
TEXTS: Final[Mapping[str, str]] = {
    "content": "/content",
    "title": "/title",
    "context": "/context",
    "speaker": "/speaker",
    "role": "/role",
    "source_ref": "/source/ref",
    "description": "/description",
    "outcome": "/outcome",
    "edited_by": "/edited_by",
}
LISTS: Final = ("keywords", "tags", "entities")
VALUES: Final = ("metadata", "value", "input", "output")  # a text, or any JSON
IDENTIFIERS: Final = frozenset(
    {"namespace", "user_id", "agent_id", "session_id", "run_id", "external_id", "label", "id", "ids"}
)


def redacted_fields(fields: Row, redactor: Redactor, counts: Counts, *, below: str = "") -> dict[str, Any]:
    """Return those of some fields that hold words, redacted; lists are lists again, or tuples where they were.

    Raises:
        InvalidRequest: a rule refuses something (code `redaction_refused`).
    """
    made: dict[str, Any] = {}
    for name, value in fields.items():
        if value is None:
            continue
        if name in TEXTS:
            made[name] = redactor.text(value, counts, at=below + TEXTS[name])
        elif name in LISTS:
            made[name] = type(value)(redactor.texts(value, counts, at=f"{below}/{name}"))
        elif name in VALUES:
            made[name] = redactor.json(value, counts, at=f"{below}/{name}")
    return made


def redacted_in(
    redactors: Redactors,
    namespace_id: UUID,
    fields: Mapping[str, Any],
    *,
    refusing: bool = True,
    counts: Counts | None = None,
) -> dict[str, Any]:
    """Return fields of something in a namespace as its policy has them, those without words as they are.

    Where nothing is refused, what is refused is masked: of what is only carried on nobody could be told. What was replaced is
    added to `counts`.

    Raises:
        InvalidRequest: a rule refuses something.
    """
    redactor = redactors.by_id.get(namespace_id)
    if redactor is None:
        return dict(fields)
    counts = Counts() if counts is None else counts
    return {**fields, **redacted_fields(fields, redactor if refusing else redactor.masking, counts)}


def counted(counts: Counts) -> dict[str, int] | None:
    """Return how many values of each rule were replaced, as a memory shows it; None where none was.

    >>> counted(Counter()), counted(Counter({"phone": 1, "email": 2}))
    (None, {'email': 2, 'phone': 1})
    """
    return dict(sorted(counts.items())) or None


def added(before: Mapping[str, int] | None, more: Mapping[str, int] | None) -> dict[str, int] | None:
    """Return the counts of a memory after another write to it.

    >>> added({"email": 1}, {"email": 1, "card": 2}), added(None, None)
    ({'card': 2, 'email': 2}, None)
    """
    return counted(Counter(before or {}) + Counter(more or {}))
