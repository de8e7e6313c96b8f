"""Core memory blocks: short texts that an agent always sees and edits in place; every state stays in the history."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.errors import Conflict, Forbidden, InvalidRequest, NotFound, PreconditionFailed, TooLarge
from memory_service.lifecycle.moments import not_before
from memory_service.lifecycle.records import rfc3339
from memory_service.lifecycle.redacting import redacted_in
from memory_service.lifecycle.redaction_notes import note_redacted_in
from memory_service.redaction.policy import Do
from memory_service.redaction.redactor import Counts, Redactor
from memory_service.storage import blocks, erased_records
from memory_service.storage.blocks import Address
from memory_service.storage.redactions import redactors_in
from memory_service.storage.sql import Row

DEFAULT_LIMIT: Final = 5_000  # characters; about as many tokens as a context has by default
MAX_LIMIT: Final = 65_536

# What an edit says, beside the value: the rest of a state follows from it.
CONTENT: Final = ("value", "description", "max_characters", "read_only", "metadata")


@dataclass(frozen=True, slots=True)
class Condition:
    """What the caller has seen: the versions of If-Match (None: any), or with If-None-Match that there is no block."""

    versions: Collection[int] | None = None
    absent: bool = False

    def check(self, present: Row | None) -> None:
        """Refuse a change of something other than what the caller has seen.

        Raises:
            PreconditionFailed: naming the present version.
        """
        if self.absent and present is not None:
            raise PreconditionFailed(f"There is a block at this address, at version {present['version']}.")
        if self.versions is None:
            return
        if present is None:
            raise PreconditionFailed("If-Match names a version, and there is no block at this address.")
        if present["version"] not in self.versions:
            named = ", ".join(str(version) for version in sorted(self.versions)[:5])
            raise PreconditionFailed(
                f"The block is at version {present['version']}, If-Match names {named}. Read it again, then repeat the change."
            )


@dataclass(frozen=True, slots=True)
class NewValue:
    """What an edit says of the value of a block: only these words are the caller's."""

    said: str
    at: str  # the JSON pointer where that stands in the request
    of: Callable[[str, str], str]  # makes the new value of the present one and of what was said


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to change of a block, and who says so."""

    operation: str  # what the history calls this
    changes: Mapping[str, Any]  # columns of a state and their new values, without the value
    value: NewValue | None  # None leaves it
    edited_by: str | None


def absent(at: Address) -> NotFound:
    """Return the error for an address without a live block."""
    return NotFound(
        f"There is no block {at.label!r} at this address; namespace, user_id and agent_id are part of it.",
        code="block_not_found",
    )


def live(row: RowMapping | None, at: Address) -> RowMapping:
    """Return the row of a live block.

    Raises:
        NotFound: there is none, or it was archived.
    """
    if row is None or row["archived"]:
        raise absent(at)
    return row


def put(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    at: Address,
    content: Mapping[str, Any],
    *,
    edited_by: str | None,
    condition: Condition,
    now: datetime,
) -> bool:
    """Write a whole block; say whether there was none before. The same content again makes no version.

    Raises:
        PreconditionFailed: the caller has seen something else.
        Conflict: the block is read-only.
        TooLarge: the value is longer than the block's limit.
        InvalidRequest: a redaction policy refuses something in it.
    """
    counts = Counts()
    said = redacted_in(redactors_in(session), namespace_id, {**content, "edited_by": edited_by}, counts=counts)
    content, edited_by = {name: said[name] for name in content}, said["edited_by"]
    _check_length(content)
    row = blocks.lock_block(session, tenant_id, namespace_id, at)
    if row is None:
        condition.check(None)
        state = {**content, "archived": False, "operation": "put", "edited_by": edited_by}
        if blocks.insert_block(session, tenant_id, namespace_id, at, state, now=now):
            note_redacted_in(session, tenant_id, [(namespace_id, counts)], now=now, of="blocks")
            return True
        row = blocks.lock_block(session, tenant_id, namespace_id, at)
        assert row is not None, "a block is deleted only by an erasure, which waits for its lock"
    condition.check(None if row["archived"] else row)
    if not row["archived"]:
        _check_writable(row)
        if _same(row, content):
            return False
    state = {**content, "archived": False}
    _next(session, tenant_id, row, state, counts, operation="put", edited_by=edited_by, now=now)
    return bool(row["archived"])


def edit(
    session: Session,
    tenant_id: UUID,
    namespace_id: UUID,
    at: Address,
    wanted: Edit,
    *,
    may_unlock: bool,
    condition: Condition,
    now: datetime,
) -> None:
    """Change parts of a block; a change that changes nothing makes no version.

    Args:
        session: the caller's transaction.
        tenant_id: whose block.
        namespace_id: where it lies.
        at: its address there.
        wanted: what is to change.
        may_unlock: whether the caller may take `read_only` off.
        condition: what the caller has seen.
        now: the moment of the change.

    Raises:
        NotFound: there is no such block.
        PreconditionFailed: the caller has seen another version.
        Conflict: the block is read-only and stays so; or `NewValue.of` refuses.
        Forbidden: the caller may not take `read_only` off.
        TooLarge: the value would be longer than the limit.
        InvalidRequest: a redaction policy refuses something that the caller says.
    """
    row = live(blocks.lock_block(session, tenant_id, namespace_id, at), at)
    condition.check(row)
    if row["read_only"]:
        if wanted.changes.get("read_only", True):
            _check_writable(row)
        elif not may_unlock:
            raise Forbidden("Taking read_only off a block needs a key with the scope admin.")
    redactors = redactors_in(session)
    # Only what the caller says is refused; what is carried on may be older than the policy, and is masked.
    counts = Counts()
    given = redacted_in(redactors, namespace_id, {**wanted.changes, "edited_by": wanted.edited_by}, counts=counts)
    edited_by = given.pop("edited_by")
    content = {name: given.get(name, row[name]) for name in CONTENT}
    if wanted.value is not None:
        content["value"] = _made(wanted.value, row["value"], redactors.by_id.get(namespace_id), counts)
    content = redacted_in(redactors, namespace_id, content, refusing=False, counts=counts)
    if _same(row, content):
        return
    _check_length(content)
    state = {**content, "archived": False}
    _next(session, tenant_id, row, state, counts, operation=wanted.operation, edited_by=edited_by, now=now)


def _made(new: NewValue, present: str, redactor: Redactor | None, counts: Counts) -> str:
    """Return the new value of a block, with what the caller says redacted.

    Raises:
        InvalidRequest: a policy refuses it, by itself or beside what is there.
    """
    if redactor is None:
        return new.of(present, new.said)
    value = new.of(present, redactor.text(new.said, counts, at=new.at))
    _check_joined(redactor, present, value, at=new.at)
    return value


def _check_joined(redactor: Redactor, before: str, value: str, *, at: str) -> None:
    """Refuse a value in which what was said became, with what was there, what a rule refuses.

    Raises:
        InvalidRequest: it did; where the value held such a thing before, it is masked instead.
    """
    try:
        redactor.text(value, Counts(), at=at)
    except InvalidRequest:
        found = Counts()
        redactor.masking.text(before, found)
        if not any(found[rule.name] for rule in redactor.policy.rules if rule.do is Do.REFUSE):
            raise


def archive(
    session: Session, tenant_id: UUID, namespace_id: UUID, at: Address, *, condition: Condition, now: datetime
) -> None:
    """Take a block away; its history stays, and a PUT at its address goes on with it.

    Raises:
        NotFound, PreconditionFailed, Conflict: as `edit`.
    """
    row = live(blocks.lock_block(session, tenant_id, namespace_id, at), at)
    condition.check(row)
    _check_writable(row)
    content = {name: row[name] for name in CONTENT}
    state = {**content, "archived": True}
    _next(session, tenant_id, row, state, Counts(), operation="delete", edited_by=None, now=now)


def erase(
    session: Session, tenant_id: UUID, namespace_id: UUID, at: Address, *, condition: Condition, now: datetime
) -> None:
    """Remove a block, archived or not, with every text it ever had; only its id stays known as erased.

    Raises:
        NotFound: there never was one.
        PreconditionFailed: the caller has seen another version.
    """
    row = blocks.lock_block(session, tenant_id, namespace_id, at)
    if row is None:
        raise absent(at)
    condition.check(row)
    erased_records.bury(session, tenant_id, "block", [row["id"]], now=now)
    blocks.erase(session, tenant_id, [row["id"]])


def _next(
    session: Session,
    tenant_id: UUID,
    row: RowMapping,
    state: Mapping[str, Any],
    counts: Counts,
    *,
    operation: str,
    edited_by: str | None,
    now: datetime,
) -> None:
    whole = {**state, "operation": operation, "edited_by": edited_by}
    # What is carried on may be older than the policy.
    whole = redacted_in(redactors_in(session), row["namespace_id"], whole, refusing=False, counts=counts)
    now = not_before(now, [row])
    blocks.add_version(session, tenant_id, row["id"], row["version"] + 1, whole, now=now)
    note_redacted_in(session, tenant_id, [(row["namespace_id"], counts)], now=now, of="blocks")


def _same(row: Row, content: Mapping[str, Any]) -> bool:
    """Compare as JSON does: for Python true is 1, also deep inside metadata."""
    before, after = ({name: state[name] for name in CONTENT} for state in (row, content))
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


def _check_writable(row: Row) -> None:
    if row["read_only"]:
        raise Conflict(
            "The block is read-only; PATCH it with read_only false first, which needs a key with the scope admin.",
            code="block_read_only",
        )


def _check_length(content: Mapping[str, Any]) -> None:
    length, most = len(content["value"]), content["max_characters"]
    if length > most:
        raise TooLarge(
            f"The value would have {length:,} characters, and the block holds {most:,}. Shorten it, or raise the limit of "
            "the block with PATCH.",
            code="block_too_long",
        )


def block_json(row: Row) -> dict[str, Any]:
    """Return a block as the outside sees it."""
    return {
        "id": str(row["id"]),
        "label": row["label"],
        "namespace": row["namespace"],
        "user_id": row["user_id"],
        "agent_id": row["agent_id"],
        **_state_json(row),
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
    }


def version_json(row: Row) -> dict[str, Any]:
    """Return one state of a block, with what made it and while it was the known one."""
    return {
        **_state_json(row),
        "operation": row["operation"],
        "archived": row["archived"],
        "known_from": rfc3339(row["known_from"]),
        "known_to": rfc3339(row["known_to"]),
    }


def _state_json(row: Row) -> dict[str, Any]:
    return {
        "value": row["value"],
        "description": row["description"],
        "limit": row["max_characters"],
        "characters": len(row["value"]),
        "read_only": row["read_only"],
        "metadata": row["metadata"],
        "edited_by": row["edited_by"],
        "version": row["version"],
    }
