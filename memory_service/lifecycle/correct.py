"""Correct: change fields of a memory as a new version of it; the old one stays in its history."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.analysis.memory_terms import language_of, memory_terms
from memory_service.analysis.traits import traits
from memory_service.analysis.trust import judge, trust_of
from memory_service.errors import Conflict, Gone, NotFound, PreconditionFailed
from memory_service.lifecycle.archive import restore
from memory_service.lifecycle.draft import DEFAULT_IMPORTANCE, Chunk, content_hash, identity_of
from memory_service.lifecycle.moments import check_validity, not_before
from memory_service.storage import (
    entities,
    erasure,
    facts,
    formation,
    lineage,
    memories,
    pending,
    search_index,
    time_mentions,
)
from memory_service.storage.identities import free_identities
from memory_service.storage.languages import note_languages
from memory_service.types import State

# Fields whose change makes the memory found by other words.
KEYWORD_FIELDS = frozenset({"content", "title", "observed_at", "context", "language"})

# What a field that rules filled in goes back to when the text is another one; what is not here stays as it is.
_EMPTY: Final[Mapping[str, Any]] = {
    "language": None,
    "title": None,
    "context": None,
    "keywords": [],
    "tags": [],
    "entities": [],
}

# Of these only what was stated is found by its words, so that stating what rules had written is a change.
_FOUND_IF_STATED: Final = frozenset({"title", "context"})

# Fields that decide whether a new memory is a duplicate of this one.
IDENTITY_FIELDS = frozenset({"content", "user_id", "agent_id", "session_id", "observed_at", "external_id"})


def load_for_change(
    session: Session, tenant_id: UUID, memory_id: UUID, *, if_match: Collection[int] | None
) -> RowMapping:
    """Lock a memory and check that the caller has seen its present version.

    Raises:
        NotFound: there is no such memory in this tenant.
        Gone: it was erased.
        PreconditionFailed: If-Match names other versions.
    """
    row = memories.lock_memories(session, tenant_id, [memory_id]).get(memory_id)
    if row is None:
        raise missing(session, tenant_id, memory_id)
    if if_match is not None and row["version"] not in if_match:
        named = ", ".join(str(version) for version in sorted(if_match)[:5])
        raise PreconditionFailed(
            f"The memory is at version {row['version']}, If-Match names {named}. Read it again, then repeat the change."
        )
    return row


def missing(session: Session, tenant_id: UUID, memory_id: UUID) -> Gone | NotFound:
    """Return the error for a memory that is not there: erased, or never seen in this tenant."""
    if erasure.is_erased(session, tenant_id, memory_id):
        return Gone(f"Memory {memory_id} was erased.")
    return NotFound(f"There is no memory {memory_id}.", code="memory_not_found")


def correct(
    session: Session,
    tenant_id: UUID,
    memory_id: UUID,
    changes: Mapping[str, Any],
    *,
    chunks: tuple[Chunk, ...] | None,
    encoder_id: int,
    if_match: Collection[int] | None,
    now: datetime,
) -> None:
    """Apply changed fields; a change that changes nothing makes no version.

    Args:
        session: the caller's transaction.
        tenant_id: whose memory.
        memory_id: which memory.
        changes: columns of `memory` and their new values.
        chunks: the encoded new content when `changes` has one.
        encoder_id: which encoder made the chunks.
        if_match: the versions the caller will change, None for any.
        now: the moment of the change.

    Raises:
        NotFound, Gone, PreconditionFailed: as `load_for_change`.
        InvalidRequest: validity would end before it begins.
    """
    old = load_for_change(session, tenant_id, memory_id, if_match=if_match)
    now = not_before(now, [old])
    if _revives(old, changes, now=now):
        # Its end is moved into the future: it lives again, as if it had been restored first.
        restore(session, tenant_id, [memory_id], now=now)
        old = load_for_change(session, tenant_id, memory_id, if_match=None)
    new = {
        name: value
        for name, value in changes.items()
        if not _same(old[name], value) or (name in _FOUND_IF_STATED and name in old["computed"])
    }
    computed = [name for name in old["computed"] if name not in changes]
    if "content" in new:
        # What rules found in the old text goes with it; they will look at the new one.
        new |= taken_back(computed)
        computed = [name for name in computed if name == "importance"]
    if not new:
        if computed != old["computed"]:
            pending.keep_stated(session, tenant_id, memory_id, computed)
        return
    new["computed"] = computed
    if new.keys() & {"valid_from", "valid_to"}:
        check_validity(new.get("valid_from", old["valid_from"]), new.get("valid_to", old["valid_to"]))
    if "external_id" in new and new["external_id"] is not None:
        held = memories.find_by_external_ids(session, tenant_id, [(old["namespace_id"], new["external_id"])])
        if held:
            raise Conflict(f"Memory {held[0]['id']} holds this external_id.", code="external_id_conflict")
    archived = old["archived_at"] is not None
    if "pinned" in new and not archived:
        new["state"] = State.FROZEN if new["pinned"] else State.ACTIVATED
    merged = {**old, **new}
    if KEYWORD_FIELDS & new.keys():
        language = language_of(merged["content"], merged["language"])
        note_languages(session, tenant_id, [(old["namespace_id"], language)])
        new["traits"] = traits(merged["content"], language).pack()
        new["terms"] = list(
            memory_terms(
                merged["content"],
                language=language,
                speaker=merged["speaker"],
                observed_at=merged["observed_at"],
                title=merged["title"],
                context=merged["context"],
                computed=computed,
            )
        )
    if "content" in new:
        new["content_hash"] = content_hash(new["content"])
        new |= _trust(session, tenant_id, merged)
    if IDENTITY_FIELDS & new.keys() and old["dedupe_hash"] is not None:
        # It counts as the same as what it says now, no longer as what it said; beside a copy it counts as nothing.
        wanted = (memory_id, old["namespace_id"], identity_of(merged), merged["external_id"])
        new["dedupe_hash"] = free_identities(session, tenant_id, [wanted]).get(memory_id)
    memories.keep_versions(session, tenant_id, [memory_id], now=now)
    if "content" in new:
        entities.end_mentions(session, tenant_id, [memory_id], now=now)
        formation.unlink_echo(session, tenant_id, memory_id, now=now)
    if KEYWORD_FIELDS & new.keys():
        _refind(session, tenant_id, old, new, chunks=chunks, encoder_id=encoder_id, now=now)
        if new.keys() & {"content", "observed_at"}:
            facts.end_facts(session, tenant_id, [memory_id], now=now)
            time_mentions.outdate(session, tenant_id, memory_id, now=now)
    else:
        memories.update_memories(session, tenant_id, [memory_id], new, now=now)
    if "expires_at" in new and not archived:
        search_index.set_expiry(session, tenant_id, memory_id, now=now)


def taken_back(computed: Collection[str]) -> dict[str, Any]:
    """Return what fields are again before the background has looked at a text.

    >>> taken_back(["keywords", "language", "importance"])
    {'keywords': [], 'language': None, 'importance': 0.5, 'surprise': None}
    """
    before: dict[str, Any] = {}
    for name in computed:
        if name == "importance":
            before |= {"importance": DEFAULT_IMPORTANCE, "surprise": None}
        elif name == "derivation":
            before |= {"derivation_method": "verbatim", "derivation_parents": []}
        elif name in _EMPTY:
            before[name] = _EMPTY[name]
    return before


def _trust(session: Session, tenant_id: UUID, row: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a new text as one of the same source; what was derived is never trusted more than it was."""
    kind = next((source.kind for source in lineage.sources_of(session, tenant_id, [row["id"]])), None)
    trust = judge(row["content"], kind)
    if not row["derivation_parents"]:
        return {"trust": trust.value, "flags": list(trust.flags)}
    flags = list(dict.fromkeys([*trust.flags, *row["flags"]]))
    return {"trust": trust_of([row["trust"]], own=trust.value), "flags": flags}


def _same(old: Any, new: Any) -> bool:
    """Compare as JSON does: for Python true is 1 and false is 0, also deep inside."""
    if isinstance(old, dict | list | bool | int | float) and isinstance(new, dict | list | bool | int | float):
        return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    return bool(old == new)


def _revives(old: RowMapping, changes: Mapping[str, Any], *, now: datetime) -> bool:
    """Say whether a change takes back the end of a memory that has expired."""
    ended = old["expires_at"] is not None and old["expires_at"] <= now and old["state"] != State.ARCHIVED
    return ended and "expires_at" in changes and (changes["expires_at"] is None or changes["expires_at"] > now)


def _refind(
    session: Session,
    tenant_id: UUID,
    old: RowMapping,
    new: dict[str, Any],
    *,
    chunks: tuple[Chunk, ...] | None,
    encoder_id: int,
    now: datetime,
) -> None:
    """Replace what the memory is found by: close the old postings and vectors, insert the new ones."""
    memory_id = old["id"]
    archived = old["archived_at"] is not None
    search_index.close(session, tenant_id, [memory_id], now=now)
    memories.update_memories(session, tenant_id, [memory_id], new, now=now)
    if "content" not in new or chunks is None:
        search_index.reopen(session, tenant_id, [memory_id], now=now)
        return
    version = old["version"] + 1
    expires_at = new.get("expires_at", old["expires_at"])
    search_index.insert_embeddings(
        session,
        tenant_id,
        [
            search_index.EmbeddingRow(
                namespace_id=old["namespace_id"],
                encoder_id=encoder_id,
                memory_id=memory_id,
                version=version,
                chunk=number,
                span=chunk.span,
                # An archived memory keeps its new vectors and words closed until it is restored.
                expires_at=now if archived else expires_at,
                vector=chunk.vector,
            )
            for number, chunk in enumerate(chunks)
        ],
        now=now,
    )
    search_index.set_content_version(session, tenant_id, memory_id)
    search_index.post_terms(session, tenant_id, [memory_id])
    if not archived:
        search_index.count_in(session, tenant_id, [(old["namespace_id"], 1)])
