"""Supersede: close the validity of an old memory and let a new one take its place, in one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from memory_service.errors import Conflict, FieldError, InvalidRequest
from memory_service.lifecycle.completing import busy
from memory_service.lifecycle.draft import Draft, Encoding, Prepared, cut, dedupe_hash, settled
from memory_service.lifecycle.moments import check_validity, not_before
from memory_service.lifecycle.redacting import redacted_fields, redacted_in
from memory_service.lifecycle.redaction_notes import note_redacted
from memory_service.lifecycle.store import store_new
from memory_service.lifecycle.voices import computed_voice
from memory_service.redaction.redactor import Counts
from memory_service.storage import memories
from memory_service.storage.identities import free_identities
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import Namespace, get_namespace
from memory_service.storage.redactions import Redactors, redactors_in
from memory_service.storage.sql import Row
from memory_service.storage.supersessions import Replacement, link_superseded, mark_superseded

# What a successor takes over from the memory it replaces, unless the caller says otherwise.
INHERITED = ("user_id", "agent_id", "session_id", "memory_type", "speaker", "role")


def close_superseded(session: Session, tenant_id: UUID, replacements: Sequence[Replacement], *, now: datetime) -> None:
    """Give each old memory a version that says what replaced it and when it stopped being true.

    The old memory stays findable, ranked below its successor; it hands over its external_id.
    """
    ids = sorted({r.old_id for r in replacements})
    memories.lock_memories(session, tenant_id, ids)
    memories.keep_versions(session, tenant_id, ids, now=now)
    mark_superseded(session, tenant_id, replacements, now=now)


def in_place_of(old: Row, draft: Draft, *, given: Collection[str], redactors: Redactors) -> Draft:
    """Return a draft with what decides how it is read as it will be in the place of `old`: where it lies, and who says it."""
    stated = {name: old[name] for name in ("speaker", "role") if name not in old["computed"]}
    if redactor := redactors.by_path.get(old["namespace"]):
        # It may have been written down before the policy: the caller cannot be refused for it.
        stated |= redacted_fields(stated, redactor.masking, Counts())
    there = {"namespace": old["namespace"], **stated}
    return replace(draft, **{name: value for name, value in there.items() if name not in given})


def start_of_validity(draft: Draft, *, now: datetime) -> datetime:
    """Return when the new memory becomes true, and so the old one false."""
    return draft.valid_from or draft.observed_at or now


def supersede(
    session: Session,
    tenant_id: UUID,
    old: RowMapping,
    prepared: Prepared,
    *,
    given: Collection[str],
    encoding: Encoding,
    now: datetime,
) -> UUID:
    """Store `prepared` in the place of `old`; return the new memory's id.

    The successor lives in the namespace of the old memory and inherits its scope, type, speaker and external_id where
    `given` (the fields the caller named) does not say otherwise.

    Raises:
        Conflict: the old memory is archived or was superseded before, or another one holds the external_id.
        InvalidRequest: another namespace was named, the new memory would end before it begins, or a redaction policy
            refuses something in it.
    """
    if old["superseded_by"] is not None:
        raise Conflict(
            f"Memory {old['id']} was superseded by {old['superseded_by']}; supersede that one.",
            code="already_superseded",
        )
    if old["archived_at"] is not None:
        raise Conflict(f"Memory {old['id']} is archived; restore it before you supersede it.", code="archived")
    namespace: Namespace = get_namespace(session, tenant_id, old["namespace_id"])
    if "namespace" in given and prepared.draft.namespace != namespace.path:
        detail = f"A memory is superseded within its namespace, here {namespace.path!r}."
        raise InvalidRequest(detail, errors=(FieldError("/namespace", detail),))
    if prepared.draft.namespace != namespace.path:
        prepared = replace(prepared, draft=replace(prepared.draft, namespace=namespace.path))
    (prepared,) = settled([prepared], redactors_in(session), encoding=encoding, now=now)
    if prepared.refusal is not None:
        raise prepared.refusal
    # Who spoke is inherited as it was known: stated, or read from a text and then only where this one does not say it itself.
    read = [name for name in ("speaker", "role") if name in old["computed"]]
    inherited = {name: old[name] for name in (*INHERITED, "external_id") if name not in given and name not in read}
    voice = prepared.voice or computed_voice(old)
    # Who spoke may have been written down before the policy.
    inherited = redacted_in(redactors_in(session), namespace.id, inherited, refusing=False)
    draft = replace(prepared.draft, namespace=namespace.path, **inherited)
    now = not_before(now, [old])
    start = start_of_validity(draft, now=now)
    check_validity(start, draft.valid_to)
    _check_external_id(session, tenant_id, old, draft)
    memory_id = new_id()
    # Beside a copy of the same text it counts as nothing that a repeated post could duplicate.
    wanted = [(memory_id, old["namespace_id"], dedupe_hash(draft), draft.external_id)]
    identity = free_identities(session, tenant_id, wanted, leaving=[old["id"]]).get(memory_id)
    # Its words are those of the whole draft: who speaks may be inherited.
    language, words = cut(draft, observed_at=prepared.observed_at)
    item = replace(prepared, draft=draft, dedupe_hash=identity, terms=words, language=language, voice=voice)
    replacement = Replacement(old_id=old["id"], new_id=memory_id, valid_from=start)
    close_superseded(session, tenant_id, [replacement], now=now)
    if not store_new(session, tenant_id, [(memory_id, item, namespace, start)], encoding=encoding, now=now):
        raise busy()
    link_superseded(session, tenant_id, [replacement], now=now)
    if item.redactor is not None and item.redactions:
        note_redacted(session, tenant_id, [(namespace.id, item.redactor, item.redactions)], now=now)
    return memory_id


def _check_external_id(session: Session, tenant_id: UUID, old: RowMapping, draft: Draft) -> None:
    if draft.external_id is None:
        return
    held = memories.find_by_external_ids(session, tenant_id, [(old["namespace_id"], draft.external_id)])
    others = [row["id"] for row in held if row["id"] != old["id"]]
    if others:
        raise Conflict(f"Memory {others[0]} holds this external_id.", code="external_id_conflict")
