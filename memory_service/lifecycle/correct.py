"""Correct: change fields of a memory as a new version of it; the old one stays in its history."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.analysis.attribution import said_from
from memory_service.analysis.memory_terms import language_of, memory_terms
from memory_service.analysis.traits import traits
from memory_service.analysis.trust import judge, trust_of
from memory_service.errors import Conflict, Gone, NotFound, PreconditionFailed
from memory_service.lifecycle.archive import restore
from memory_service.lifecycle.completing import busy, completed
from memory_service.lifecycle.draft import DEFAULT_IMPORTANCE, Chunk, Encoding, content_hash, identity_of
from memory_service.lifecycle.moments import check_validity, not_before
from memory_service.lifecycle.redacting import added, counted, redacted_fields
from memory_service.lifecycle.redaction_notes import Noted, note_redacted
from memory_service.redaction.redactor import Counts
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
from memory_service.storage.namespaces import encoders_of
from memory_service.storage.redactions import redactors_in
from memory_service.storage.sql import Row
from memory_service.types import State

# Fields whose change makes the memory found by other words.
KEYWORD_FIELDS = frozenset({"content", "title", "observed_at", "context", "language"})

# What a field that rules filled in goes back to when the text is another one; what is not here stays as it is.
_EMPTY: Final[Mapping[str, Any]] = {
    "language": None,
    "speaker": None,
    "role": None,
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


@dataclass(frozen=True, slots=True)
class Correction:
    """What one memory is to say from now on."""

    memory_id: UUID
    changes: Mapping[str, Any]  # columns of `memory` and their new values
    chunks: tuple[Chunk, ...] | None = None  # the encoded new content when `changes` has one
    redactions: Mapping[str, int] | None = None  # what was redacted in the changes before they came here, by rule
    encoded: str | None = None  # the text that `chunks` are of, where a policy made it another one than `changes` have


@dataclass(frozen=True, slots=True)
class _Change:
    """A correction that changes something: the locked row, and every column that gets another value."""

    old: Row
    new: dict[str, Any]
    chunks: tuple[Chunk, ...] | None

    @property
    def id(self) -> UUID:
        return UUID(str(self.old["id"]))

    @property
    def archived(self) -> bool:
        return self.old["archived_at"] is not None

    def names(self, *fields: str) -> bool:
        """Say whether one of these fields changes."""
        return not self.new.keys().isdisjoint(fields)

    def merged(self) -> dict[str, Any]:
        """Return the row as it will be."""
        return {**self.old, **self.new}


def correct(
    session: Session,
    tenant_id: UUID,
    memory_id: UUID,
    changes: Mapping[str, Any],
    *,
    chunks: tuple[Chunk, ...] | None,
    encoded: str | None = None,
    encoding: Encoding | None = None,
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
        encoded: the text that `chunks` are of; None: the content in `changes`.
        encoding: makes the vectors that the namespace needs and `chunks` lacks; None refuses as busy.
        if_match: the versions the caller will change, None for any.
        now: the moment of the change.

    Raises:
        NotFound, Gone, PreconditionFailed: as `load_for_change`.
        InvalidRequest: validity would end before it begins, or a redaction policy refuses something.
        Conflict: another memory holds the new external_id.
    """
    old = load_for_change(session, tenant_id, memory_id, if_match=if_match)
    wanted = Correction(memory_id, changes, chunks, encoded=encoded)
    correct_locked(session, tenant_id, {memory_id: old}, [wanted], encoding=encoding, now=now)


def correct_locked(
    session: Session,
    tenant_id: UUID,
    rows: Mapping[UUID, RowMapping],
    wanted: Sequence[Correction],
    *,
    encoding: Encoding | None,
    now: datetime,
) -> None:
    """Apply corrections of locked memories, one each, as a whole: about as many statements for a thousand as for one.

    Args:
        session: the caller's transaction.
        tenant_id: whose memories.
        rows: the memories as `memories.lock_memories` returned them.
        wanted: what becomes of which; a memory stands there once.
        encoding: makes the vectors that the namespace needs and `chunks` lacks; None refuses as busy.
        now: the moment of the change, the same for all.

    Raises:
        InvalidRequest, Conflict: as `correct`.
    """
    now = not_before(now, rows.values())
    if again := [c.memory_id for c in wanted if _revives(rows[c.memory_id], c.changes, now=now)]:
        # They live again, as if they had been restored first.
        restore(session, tenant_id, again, now=now)
        rows = {**rows, **memories.lock_memories(session, tenant_id, again)}
    wanted = _redacted(session, tenant_id, rows, wanted, encoding=encoding, now=now)
    found = [_difference(rows[c.memory_id], c) for c in wanted]
    _keep_stated(session, tenant_id, found)
    changes = [change for change in found if change.new.keys() - {"computed"}]
    if changes:
        _derive(session, tenant_id, changes)
        _write(session, tenant_id, changes, encoding=encoding, now=now)


def _redacted(
    session: Session,
    tenant_id: UUID,
    rows: Mapping[UUID, RowMapping],
    wanted: Sequence[Correction],
    *,
    encoding: Encoding | None,
    now: datetime,
) -> list[Correction]:
    """Return corrections as the policies of the memories' namespaces have them.

    A text is encoded again only where a policy came between its encoding and this transaction.

    Raises:
        InvalidRequest: a rule refuses something.
        Unavailable: there is nothing to encode with; the caller tries again.
    """
    redactors = redactors_in(session)
    if not redactors:
        return list(wanted)
    made, noted = [], list[Noted]()
    for one in wanted:
        redactor = redactors.by_id.get(rows[one.memory_id]["namespace_id"])
        if redactor is None:
            made.append(one)
            continue
        counts = Counts()
        changes = {**one.changes, **redacted_fields(one.changes, redactor, counts)}
        chunks = one.chunks
        encoded = one.changes.get("content") if one.encoded is None else one.encoded
        if chunks is not None and changes.get("content") != encoded:
            if encoding is None:
                raise busy()
            (chunks,) = encoding.chunks([changes["content"]])
        made.append(Correction(one.memory_id, changes, chunks, added(one.redactions, counted(counts))))
        if counts:
            noted.append((rows[one.memory_id]["namespace_id"], redactor, counts))
    note_redacted(session, tenant_id, noted, now=now)
    return made


def _difference(old: Row, wanted: Correction) -> _Change:
    """Return what a correction changes of a memory, and what follows from that alone. Pure.

    Raises:
        InvalidRequest: validity would end before it begins.
    """
    new = {
        name: value
        for name, value in wanted.changes.items()
        if not _same(old[name], value) or (name in _FOUND_IF_STATED and name in old["computed"])
    }
    if new.keys() - {"external_id"} and wanted.redactions:
        new["redactions"] = added(old["redactions"], wanted.redactions)
    computed = [name for name in old["computed"] if name not in wanted.changes]
    if "content" in new:
        # What rules found in the old text goes with it; they will look at the new one. Who speaks stays where it says the same.
        same = [name for name in ("speaker", "role") if name in computed and said_from(new["content"], [old[name]])]
        new |= taken_back([name for name in computed if name not in same])
        computed = [name for name in computed if name == "importance" or name in same]
    new["computed"] = computed
    if new.keys() & {"valid_from", "valid_to"}:
        check_validity(new.get("valid_from", old["valid_from"]), new.get("valid_to", old["valid_to"]))
    if "pinned" in new and old["archived_at"] is None:
        new["state"] = State.FROZEN if new["pinned"] else State.ACTIVATED
    change = _Change(old, new, wanted.chunks)
    if change.names(*KEYWORD_FIELDS):
        merged = change.merged()
        language = language_of(merged["content"], merged["language"])
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
    return change


def _keep_stated(session: Session, tenant_id: UUID, found: Sequence[_Change]) -> None:
    """Note fields that callers stated just as they were computed; that alone makes no version."""
    for change in found:
        if change.new.keys() == {"computed"} and change.new["computed"] != change.old["computed"]:
            pending.keep_stated(session, tenant_id, change.id, change.new["computed"])


def _derive(session: Session, tenant_id: UUID, changes: Sequence[_Change]) -> None:
    """Add to changes what depends on other rows: trust and identity.

    Raises:
        Conflict: another memory holds an external_id.
    """
    spaces = {
        (change.old["namespace_id"], language_of(merged["content"], merged["language"]))
        for change in changes
        if change.names(*KEYWORD_FIELDS)
        for merged in [change.merged()]
    }
    note_languages(session, tenant_id, sorted(spaces))
    keys = [
        (change.old["namespace_id"], change.new["external_id"])
        for change in changes
        if change.new.get("external_id") is not None
    ]
    if held := memories.find_by_external_ids(session, tenant_id, keys):
        raise Conflict(f"Memory {held[0]['id']} holds this external_id.", code="external_id_conflict")
    said_anew = [change for change in changes if "content" in change.new]
    if said_anew:
        kinds = lineage.kinds_of_sources(session, tenant_id, [change.id for change in said_anew])
        for change in said_anew:
            change.new.update(_trust(change.merged(), kinds.get(change.id)))
    # Each counts as the same as what it says now, no longer as what it said; beside a copy it counts as nothing.
    others = [change for change in changes if change.names(*IDENTITY_FIELDS) and change.old["dedupe_hash"] is not None]
    if others:
        identities = [
            (change.id, change.old["namespace_id"], identity_of(merged), merged["external_id"])
            for change in others
            for merged in [change.merged()]
        ]
        free = free_identities(session, tenant_id, identities)
        for change in others:
            change.new["dedupe_hash"] = free.get(change.id)


def _write(
    session: Session, tenant_id: UUID, changes: Sequence[_Change], *, encoding: Encoding | None, now: datetime
) -> None:
    """Keep the states that were, and store those that are."""
    memories.keep_versions(session, tenant_id, [change.id for change in changes], now=now)
    if said_anew := [change.id for change in changes if "content" in change.new]:
        entities.end_mentions(session, tenant_id, said_anew, now=now)
        formation.unlink_echoes(session, tenant_id, said_anew, now=now)
    found_anew = [change for change in changes if change.names(*KEYWORD_FIELDS)]
    if found_anew:
        search_index.close(session, tenant_id, [change.id for change in found_anew], now=now)
    memories.update_each(session, tenant_id, [(change.id, change.new) for change in changes], now=now)
    if found_anew:
        _refind(session, tenant_id, found_anew, encoding=encoding, now=now)
    if outdated := [change.id for change in changes if change.names("content", "observed_at")]:
        facts.end_facts(session, tenant_id, outdated, now=now)
        time_mentions.outdate(session, tenant_id, outdated, now=now)
    if ends := [c.id for c in changes if "expires_at" in c.new and not c.archived and not c.names(*KEYWORD_FIELDS)]:
        search_index.set_expiry(session, tenant_id, ends, now=now)


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


def _trust(row: Mapping[str, Any], kind: str | None) -> dict[str, Any]:
    """Judge a new text as one of the same source; what was derived is never trusted more than it was."""
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


def _revives(old: Row, changes: Mapping[str, Any], *, now: datetime) -> bool:
    """Say whether a change takes back why a memory left the results.

    The end of one that has expired is moved, or one that was merged says something else than what it was merged into.
    """
    if old["state"] == State.MERGED and "content" in changes and not _same(old["content"], changes["content"]):
        return True
    ended = old["expires_at"] is not None and old["expires_at"] <= now and old["state"] != State.ARCHIVED
    return ended and "expires_at" in changes and (changes["expires_at"] is None or changes["expires_at"] > now)


def _refind(
    session: Session, tenant_id: UUID, changes: Sequence[_Change], *, encoding: Encoding | None, now: datetime
) -> None:
    """Let memories be found by what they say now; by what they said they were found until now."""
    if same_text := [change.id for change in changes if "content" not in change.new or change.chunks is None]:
        search_index.reopen(session, tenant_id, same_text, now=now)
    texts = [change for change in changes if "content" in change.new and change.chunks is not None]
    if not texts:
        return
    encoders = encoders_of(session, tenant_id, {change.old["namespace_id"] for change in texts})
    complete = completed(
        [(change.new["content"], change.chunks or (), encoders[change.old["namespace_id"]]) for change in texts],
        encoding,
    )
    search_index.insert_embeddings(
        session,
        tenant_id,
        [
            search_index.EmbeddingRow(
                namespace_id=change.old["namespace_id"],
                encoder_id=encoder_id,
                memory_id=change.id,
                version=change.old["version"] + 1,
                chunk=number,
                span=chunk.span,
                # An archived memory keeps its new vectors and words closed until it is restored.
                expires_at=now if change.archived else change.merged()["expires_at"],
                vector=chunk.vector,
            )
            for change, by_encoder in zip(texts, complete, strict=True)
            for encoder_id, chunks in by_encoder.items()
            for number, chunk in enumerate(chunks)
        ],
        now=now,
    )
    ids = [change.id for change in texts]
    search_index.set_content_version(session, tenant_id, ids)
    search_index.post_terms(session, tenant_id, ids)
    search_index.count_again(session, tenant_id, ids)
