"""Read memories into `Gathering`: what the database keeps of them, and what has to be worked out from their texts."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from memory_service.analysis.attribution import begins_with
from memory_service.analysis.memory_terms import language_of, memory_terms
from memory_service.analysis.traits import traits
from memory_service.storage.driver import Pending
from memory_service.storage.entities import Naming, naming_of
from memory_service.storage.namespaces import Namespace
from memory_service.storage.time_mentions import Span, spans_of
from memory_service.types import State
from retrieval.encoders import Widths, spread
from retrieval.entries import Annotations, Entry, Vectors
from retrieval.feed import (
    LinkEntry,
    MemberEntry,
    VectorsByVersion,
    entries_in,
    entries_of,
    links_known,
    members_known,
    vectors_asked,
)
from retrieval.gathering import Gathering

_TOGETHER: Final = 1_000  # memories whose annotations are read by one statement; more at once cost more each

_NOBODY: Final = Naming((), ())


def completed(entry: Entry) -> Entry:
    """Cut the terms and read the traits that are not stored, as those of earlier texts are."""
    text = entry.content or ""
    if entry.terms is None:
        observed_at = datetime.fromtimestamp(entry.observed_at, UTC)
        cut = memory_terms(
            text,
            language=language_of(text, entry.language),
            speaker=None if begins_with(text, entry.speaker or "") else entry.speaker,
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
    spans: dict[UUID, tuple[Span, ...]] = {}
    naming: dict[UUID, Naming] = {}
    for start in range(0, len(ids), _TOGETHER):
        some = ids[start : start + _TOGETHER]
        moments = spans_of(session, tenant_id, namespace_ids, some, known=known)
        naming |= naming_of(session, tenant_id, namespace_ids, some, known=known).result()
        spans |= moments.result()
    _note(gathering, ids, spans, naming)


def _note(
    gathering: Gathering,
    ids: Sequence[UUID],
    spans: Mapping[UUID, tuple[Span, ...]],
    naming: Mapping[UUID, Naming],
) -> None:
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
    expired: bool = False,
    widths: Widths = MappingProxyType({}),
) -> Gathering:
    """Gather whole namespaces as they are now or were known at a moment.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose namespaces.
        namespaces: which.
        known: as of when; None for now.
        at: the same moment, or the present one; links count as far as they were known then.
        archived: archived and merged memories are gathered too, whenever they would expire.
        expired: so are those whose state says that they have expired.
        widths: the dimensions of the encoders, where the query has vectors of several.
    """
    namespace_ids = [namespace.id for namespace in namespaces]
    left_out = _left_out(archived=archived, expired=expired)
    entries = _as_asked(entries_in(session, tenant_id, namespace_ids, left_out=left_out, known=known).result())
    gathering = Gathering()
    vectors = [one.result() for one in _vectors(session, tenant_id, namespaces, ids=None)]
    ids = _with_vectors(gathering, entries, vectors, widths)
    annotate(session, tenant_id, gathering, namespace_ids, ids, known=known)
    links = links_known(session, tenant_id, namespace_ids, at=at)
    _tie(gathering, links, members_known(session, tenant_id, namespace_ids, at=at))
    return gathering


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
    """Gather some memories for a query of these terms; for the other arguments see `snapshot`.

    Everything about them is asked in one message.
    """
    namespace_ids = [namespace.id for namespace in namespaces]
    found = entries_of(session, tenant_id, ids, left_out=_left_out(archived=archived), known=known)
    asked_vectors = _vectors(session, tenant_id, namespaces, ids=ids)
    spans = spans_of(session, tenant_id, namespace_ids, ids, known=known)
    naming = naming_of(session, tenant_id, namespace_ids, ids, known=known)
    links = links_known(session, tenant_id, namespace_ids, at=at, ids=ids)
    members = members_known(session, tenant_id, namespace_ids, at=at, ids=ids)
    gathering = Gathering(only=frozenset(terms))
    entries = _as_asked(found.result())
    added = _with_vectors(gathering, entries, [one.result() for one in asked_vectors], widths)
    _note(gathering, added, spans.result(), naming.result())
    _tie(gathering, links, members)
    return gathering


def _left_out(*, archived: bool, expired: bool = False) -> tuple[State, ...]:
    return (*(() if archived else (State.ARCHIVED, State.MERGED)), *(() if expired else (State.EXPIRED,)))


def _as_asked(found: Sequence[Entry]) -> list[Entry]:
    """Complete memories; those put away were asked for: they are to ranking like the others, whenever they would expire."""
    entries = [completed(entry) for entry in found]
    return [replace(entry, archived=False, expires_at=None) if entry.archived else entry for entry in entries]


@dataclass(frozen=True, slots=True)
class _Shelved:
    """The vectors of one encoder on one shelf, and whose they are."""

    encoder_id: int
    inside: frozenset[UUID]  # namespaces
    vectors: VectorsByVersion


def _vectors(
    session: Session, tenant_id: UUID, namespaces: Sequence[Namespace], *, ids: Sequence[UUID] | None
) -> list[Pending[_Shelved]]:
    """Ask for the vectors of some memories or of all, shelf by shelf."""
    groups: defaultdict[tuple[int, int], list[UUID]] = defaultdict(list)
    for namespace in namespaces:
        groups[namespace.shelf, namespace.encoder_id].append(namespace.id)
    return [
        vectors_asked(session, tenant_id, sorted(inside), shelf=shelf, encoder_id=encoder_id, ids=ids).then(
            partial(_Shelved, encoder_id, frozenset(inside))
        )
        for (shelf, encoder_id), inside in sorted(groups.items())
    ]


def _with_vectors(
    gathering: Gathering, entries: Sequence[Entry], shelves: Sequence[_Shelved], widths: Widths
) -> list[UUID]:
    """Add memories with their vectors, and return those added."""
    # A query without vectors names no widths; those of the memories have to fit each other all the same.
    widths = widths or {one.encoder_id: next(iter(one.vectors.values())).shape[1] for one in shelves if one.vectors}
    added: list[UUID] = []
    for one in shelves:
        wide = one.vectors
        if len(widths) > 1:
            wide = {key: spread(value, one.encoder_id, widths) for key, value in wide.items()}
        there = entries if len(shelves) == 1 else [entry for entry in entries if entry.namespace_id in one.inside]
        added += with_vectors(gathering, there, wide)
    return added


def _tie(gathering: Gathering, links: Pending[list[LinkEntry]], members: Pending[list[MemberEntry]]) -> None:
    """Note links and memberships, whether the memories are here or not."""
    for link in links.result():
        gathering.link(link.id, link.source, link.target, link.weight)
    for member in members.result():
        gathering.join(member.kind, member.group, member.memory)
