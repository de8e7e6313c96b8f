"""Update and judge: a change makes the next version of a memory, as PATCH below `/v1` does."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.api.compat.mem0.filters import APP_ID
from memory_service.api.compat.mem0.finding import read_row
from memory_service.api.memory_models import MemoryPatch
from memory_service.api.problems import invalid_request
from memory_service.api.services import Services
from memory_service.api.writing import encoding_of, nudge_enrichment
from memory_service.errors import FieldError
from memory_service.lifecycle.correct import correct
from memory_service.lifecycle.draft import NewText
from memory_service.lifecycle.redacting import redacted_in
from memory_service.lifecycle.reinforce import take_feedback
from memory_service.storage import memories
from memory_service.storage.ids import new_id
from memory_service.storage.redactions import redactors_in
from memory_service.storage.sql import Row
from memory_service.types import Caller

Changes = Mapping[str, Any]


def encoded(services: Services, caller: Caller, changes: Sequence[tuple[UUID, Changes]]) -> Sequence[NewText | None]:
    """Encode the new texts among changes, before a connection is taken; None where the text stays."""
    texts = [(memory_id, change["content"]) for memory_id, change in changes if "content" in change]
    made = iter(encoding_of(services, caller).new_texts(texts) if texts else ())
    return [next(made) if "content" in change else None for _, change in changes]


def update(
    session: Session,
    services: Services,
    caller: Caller,
    namespace: str,
    changes: Sequence[tuple[UUID, Changes]],
    texts: Sequence[NewText | None],
    *,
    now: datetime,
) -> None:
    """Change memories, all of them or none.

    Raises:
        NotFound: one of them is not there.
        TooLarge: what is added to the metadata of one makes them too large.
    """
    ids = [memory_id for memory_id, _ in changes]
    memories.lock_memories(session, caller.tenant_id, ids)
    redactors = redactors_in(session)

    def carried(row: Row) -> Mapping[str, Any]:
        # What is there may be older than the policy, and nobody says it now.
        kept: dict[str, Any] = redacted_in(
            redactors, row["namespace_id"], {"metadata": row["metadata"]}, refusing=False
        )["metadata"]
        return kept

    for (memory_id, change), text in zip(changes, texts, strict=True):
        row = read_row(session, caller, memory_id, namespace)
        correct(
            session,
            caller.tenant_id,
            memory_id,
            _merged(carried(row), change),
            chunks=None if text is None else text.chunks,
            encoded=None if text is None else text.content,
            encoding=encoding_of(services, caller),
            if_match=None,
            now=now,
        )
    nudge_enrichment(session, services, caller)


def _merged(metadata: Mapping[str, Any], change: Changes) -> Changes:
    """Add given metadata to those there are, as mem0 does: keys that are not named stay."""
    if "metadata" not in change:
        return change
    if change["metadata"].get(APP_ID, metadata.get(APP_ID)) != metadata.get(APP_ID):
        raise invalid_request([FieldError(f"/metadata/{APP_ID}", "says whose the memory is and cannot be changed")])
    # Validated again: together they may be too large.
    merged = MemoryPatch(metadata={**metadata, **change["metadata"]}).metadata
    return {**change, "metadata": merged}


def judge(
    session: Session, caller: Caller, memory_id: UUID, namespace: str, *, useful: bool | None, now: datetime
) -> None:
    """Let a memory hold longer or fade sooner by what a person thinks of it; None changes nothing.

    Raises:
        NotFound: it is not there.
    """
    read_row(session, caller, memory_id, namespace)
    if useful is not None:
        # It names no search, so that it stands by itself among the recalls: rank 0 of none.
        take_feedback(
            session, caller.tenant_id, new_id(), memory_id, rank=0, score=0.0, useful=useful, cited=False, now=now
        )
