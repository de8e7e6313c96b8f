"""Read memories into `Gathering`: what the database keeps of them, and what has to be worked out from their texts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.analysis.memory_terms import language_of, memory_terms
from memory_service.analysis.traits import traits
from memory_service.storage.entities import Naming, naming_of
from memory_service.storage.namespaces import Namespace
from memory_service.storage.time_mentions import spans_of
from retrieval.encoders import Widths, spread
from retrieval.entries import Annotations, Entry, Vectors
from retrieval.feed import entries_in, entries_of, links_known, members_known, vectors_of
from retrieval.gathering import Gathering

_TOGETHER: Final = 1_000  # memories whose annotations are read by one statement; more at once cost more each

_NOBODY: Final = Naming((), ())

VectorsByVersion = Mapping[tuple[UUID, int], NDArray[np.float32]]


def completed(entry: Entry) -> Entry:
    """Cut the terms and read the traits that are not stored, as those of earlier texts are."""
    text = entry.content or ""
    if entry.terms is None:
        observed_at = datetime.fromtimestamp(entry.observed_at, UTC)
        cut = memory_terms(
            text,
            language=language_of(text, entry.language),
            speaker=entry.speaker,
            observed_at=observed_at,
            title=entry.title,
            context=entry.context,
        )
        entry = replace(entry, terms=cut)
    if entry.traits is None:
        entry = replace(entry, traits=traits(text, entry.language).pack())
    return entry


def with_vectors(gathering: Gathering, entries: Sequence[Entry], vectors: VectorsByVersion) -> list[UUID]:
    """Add memories with their vectors, and return those added; one without vectors changed again since it was listed."""
    added = []
    for entry in entries:
        found = vectors.get((entry.id, entry.content_version))
        if found is not None or not gathering.needs_vectors(entry):
            added.append((entry, Vectors(found) if found is not None else None))
    gathering.add_all(added)
    return [entry.id for entry, _ in added]


def annotate(
    session: Session,
    tenant_id: UUID,
    gathering: Gathering,
    namespace_ids: Sequence[UUID],
    ids: Sequence[UUID],
    *,
    known: datetime | None = None,
) -> None:
    """Note what the background found in memories: moments they speak of, whom and what they name."""
    if not ids:
        return
    spans: dict[UUID, tuple[tuple[float, float], ...]] = {}
    naming: dict[UUID, Naming] = {}
    for start in range(0, len(ids), _TOGETHER):
        some = ids[start : start + _TOGETHER]
        spans |= spans_of(session, tenant_id, namespace_ids, some, known=known)
        naming |= naming_of(session, tenant_id, namespace_ids, some, known=known)
    nothing_before = gathering.unannotated
    for memory_id in ids:
        names = naming.get(memory_id, _NOBODY)
        if nothing_before and names is _NOBODY and memory_id not in spans:
            continue  # There is nothing that this would take back.
        gathering.annotate(memory_id, Annotations(spans.get(memory_id, ()), names.entities, names.aliases))


def snapshot(
    session: Session,
    tenant_id: UUID,
    namespaces: Sequence[Namespace],
    *,
    known: datetime | None,
    at: datetime,
    archived: bool,
    widths: Widths = MappingProxyType({}),
) -> Gathering:
    """Gather whole namespaces as they are now or were known at a moment.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose namespaces.
        namespaces: which.
        known: as of when; None for now.
        at: the same moment, or the present one; links count as far as they were known then.
        archived: archived and expired memories are gathered too.
        widths: the dimensions of the encoders, where the query has vectors of several.
    """
    ids = [namespace.id for namespace in namespaces]
    return _gathered(
        session, tenant_id, namespaces, entries_in(session, tenant_id, ids, known=known), known=known, at=at,
        archived=archived, only=None, widths=widths,
    )  # fmt: skip


def gathered(
    session: Session,
    tenant_id: UUID,
    namespaces: Sequence[Namespace],
    ids: Sequence[UUID],
    *,
    known: datetime | None,
    at: datetime,
    archived: bool,
    terms: Collection[str],
    widths: Widths = MappingProxyType({}),
) -> Gathering:
    """Gather some memories for a query of these terms; for the other arguments see `snapshot`."""
    return _gathered(
        session, tenant_id, namespaces, entries_of(session, tenant_id, ids, known=known), known=known, at=at,
        archived=archived, only=frozenset(terms), widths=widths,
    )  # fmt: skip


def _as_asked(entry: Entry) -> Entry:
    """Complete a memory; archived ones are asked for, then: to ranking they are like the others."""
    entry = completed(entry)
    return replace(entry, archived=False) if entry.archived else entry


def _gathered(
    session: Session,
    tenant_id: UUID,
    namespaces: Sequence[Namespace],
    found: Sequence[Entry],
    *,
    known: datetime | None,
    at: datetime,
    archived: bool,
    only: frozenset[str] | None,
    widths: Widths,
) -> Gathering:
    whole = only is None
    entries = [_as_asked(entry) for entry in found if archived or not entry.archived]
    namespace_ids = [namespace.id for namespace in namespaces]
    gathering = Gathering(only=only)
    found_on = []
    for shelf, encoder_id in sorted({(namespace.shelf, namespace.encoder_id) for namespace in namespaces}):
        there = {n.id for n in namespaces if (n.shelf, n.encoder_id) == (shelf, encoder_id)}
        inside = [entry for entry in entries if entry.namespace_id in there]
        vectors = vectors_of(
            session, tenant_id, sorted(there), shelf=shelf, encoder_id=encoder_id,
            ids=None if whole else [entry.id for entry in inside],
        )  # fmt: skip
        found_on.append((encoder_id, there, inside, vectors))
    # A query without vectors names no widths; those of the memories have to fit each other all the same.
    widths = widths or {one: next(iter(vs.values())).shape[1] for one, _, _, vs in found_on if vs}
    for encoder_id, there, inside, narrow in found_on:
        wide = {key: spread(value, encoder_id, widths) for key, value in narrow.items()}
        added = with_vectors(gathering, inside, wide)
        annotate(session, tenant_id, gathering, sorted(there), added, known=known)
    source_ids = None if whole else [entry.id for entry in entries]
    for link in links_known(session, tenant_id, namespace_ids, at=at, ids=source_ids):
        gathering.link(link.id, link.source, link.target, link.weight)
    for member in members_known(session, tenant_id, namespace_ids, at=at, ids=source_ids):
        gathering.join(member.kind, member.group, member.memory)
    return gathering
