"""What changed in namespaces since somebody last looked, complete whatever the order in which writers commit.

Every memory carries the id of the transaction that wrote it last. A reader keeps its *horizon*, the oldest transaction
that was still running when it looked: whatever it could not see then will carry at least that id. Memories may be
reported again, so applying them must be idempotent.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.analysis.wishes import Wish
from memory_service.storage.driver import Pending, fetch, later
from memory_service.storage.memories import AS_KNOWN
from memory_service.storage.sql import uuid_array
from memory_service.types import LinkType, PrecisionTier, State
from retrieval.entries import Entry
from retrieval.quantisation import dequantise, from_sketch
from retrieval.scope import SHARED, on_shelves
from retrieval.wishes import WishKind

# By memory and version.
VectorsByVersion = dict[tuple[UUID, int], NDArray[np.float32]]

BEGINNING: Final = 0  # the horizon of a reader that has seen nothing
_SEPARATOR: Final = "\x1f"  # between terms; no term holds a control character
_HEADER: Final = 2  # halfvec_send writes the dimension and a reserved number before the values, 16 bits each
_BITS_HEADER: Final = 4  # bytes of varbit_send before the bits: how many they are


@dataclass(frozen=True, slots=True)
class Changes:
    """What was written since a horizon; None as the next horizon when nothing was."""

    horizon: int | None
    entries: Sequence[Entry]
    erased: Sequence[UUID]


# Times as seconds, since building datetimes would cost more than reading rows.
_TIMES = ", ".join(
    f"CAST(extract(epoch FROM m.{name}) AS float8)" for name in ("observed_at", "valid_from", "valid_to", "expires_at")
)
_HEADERS = (
    "m.id, m.namespace_id, m.content_version, m.session_id, m.user_id, m.agent_id, m.speaker, m.role, "
    f"{_TIMES}, m.superseded_by IS NOT NULL, m.state IN ('archived', 'expired', 'merged')"
)


def _texts(made: str) -> str:
    """Return the columns that come from the text; `made` is the row that holds what was made of it, or nulls."""
    return (
        f"{made}.traits, array_to_string({made}.terms, '{_SEPARATOR}'), "
        f"CASE WHEN {made}.traits IS NULL OR {made}.terms IS NULL THEN m.content END, "
        f"{_stated('title', made)}, {_stated('context', made)}, m.language, "
        f"coalesce({made}.precision_tier, 0), "
        f"CASE WHEN '{Wish.INSTRUCTION}' = ANY (m.tags) THEN {WishKind.INSTRUCTION:d} "
        f"WHEN '{Wish.PREFERENCE}' = ANY (m.tags) THEN {WishKind.PREFERENCE:d} ELSE {WishKind.NONE:d} END"
    )


def _stated(name: str, made: str) -> str:
    """Return a field where terms have to be cut from it: only what was stated counts."""
    return f"CASE WHEN {made}.terms IS NULL AND '{name}' <> ALL (m.computed) THEN m.{name} END"


_NOTHING = ", ".join(["NULL"] * 20)
_HORIZON = "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"

# Likeness is what vectors tell already, and shared names are what mentions tell: over links that say no more, activation
# reaches what resembles the best and answers nothing (2 to 3 points of recall@1 less on LoCoMo and REALTALK with those of
# likeness, see docs/discussion/ablation.md).
_TELLING = f"l.type NOT IN ('{LinkType.SIMILAR}', '{LinkType.SAME_ENTITY}')"

_CHANGES = f"""
    SELECT {_HORIZON}, false, {_HEADERS}, {_texts("m")}
    FROM memory m WHERE m.tenant_id = %(tenant)s AND m.namespace_id = ANY(%(namespaces)s)
        AND m.written >= CAST(CAST(%(since)s AS text) AS xid8)
    UNION ALL
    SELECT {_HORIZON}, true, t.id, t.namespace_id, {_NOTHING}
    FROM tombstone t WHERE t.tenant_id = %(tenant)s AND t.namespace_id = ANY(%(namespaces)s)
        AND t.written >= CAST(CAST(%(since)s AS text) AS xid8)
    UNION ALL
    SELECT {_HORIZON}, NULL, NULL, NULL, {_NOTHING}
    WHERE EXISTS (SELECT FROM link l WHERE l.tenant_id = %(tenant)s AND l.namespace_id = ANY(%(namespaces)s)
            AND l.written >= CAST(CAST(%(links_since)s AS text) AS xid8) AND {_TELLING})
        OR EXISTS (SELECT FROM structure_member s WHERE s.tenant_id = %(tenant)s AND s.namespace_id = ANY(%(namespaces)s)
            AND s.written >= CAST(CAST(%(links_since)s AS text) AS xid8) AND s.structure IN ('episode', 'topic'))
"""


class Asked:
    """The question what was written or erased in namespaces since a horizon; it travels with other statements."""

    def __init__(
        self,
        session: Session,
        tenant_id: UUID,
        namespace_ids: Sequence[UUID],
        *,
        since: int,
        links_since: int = BEGINNING,
    ) -> None:
        """Ask with the next statements of the session; for the arguments see `changes`."""
        params = {
            "tenant": tenant_id, "namespaces": list(namespace_ids), "since": str(since), "links_since": str(links_since),
        }  # fmt: skip
        self._question = later(session, _CHANGES, params)

    def changes(self) -> Changes:
        """Return the answer."""
        entries, erased, horizon = [], [], None
        for row in self._question.rows():
            horizon = row[0]
            if row[1]:
                erased.append(row[2])
            elif row[1] is not None:
                entries.append(_entry(row[2:]))
        return Changes(horizon, entries, erased)


def changes(
    session: Session, tenant_id: UUID, namespace_ids: Sequence[UUID], *, since: int, links_since: int = BEGINNING
) -> Changes:
    """Return the memories of namespaces that were written or erased since a horizon, without their vectors.

    The next horizon is also given where nothing but a link or a membership was written since a horizon of theirs.
    """
    return Asked(session, tenant_id, namespace_ids, since=since, links_since=links_since).changes()


_AS_THEY_ARE = f"SELECT {_HEADERS}, {_texts('m')} FROM memory m WHERE m.tenant_id = %(tenant)s AND {{which}}"
# Terms and traits are kept for the present text only; an earlier state that has the same text shares them.
_AS_THEY_WERE = (
    f"SELECT {_HEADERS}, {_texts('c')} "
    f"FROM {AS_KNOWN.replace(':tenant', '%(tenant)s').replace(':known', '%(known)s')} m "
    "LEFT JOIN memory c ON c.tenant_id = %(tenant)s AND c.id = m.id AND c.content_version = m.content_version "
    "WHERE {which}"
)
_IN_STATE = "m.state <> ALL(CAST(%(left_out)s AS text[]))"
_OF_IDS = "m.id = ANY(CAST(%(ids)s AS uuid[]))"
_OF_NAMESPACES = "m.namespace_id = ANY(%(namespaces)s)"


def entries_of(
    session: Session,
    tenant_id: UUID,
    ids: Sequence[UUID],
    *,
    left_out: Collection[State],
    known: datetime | None = None,
) -> Pending[list[Entry]]:
    """Ask for memories as ranking needs them, without their vectors; for the other arguments see `entries_in`."""
    return _entries(session, _OF_IDS, {"tenant": tenant_id, "ids": uuid_array(ids)}, left_out=left_out, known=known)


def entries_in(
    session: Session,
    tenant_id: UUID,
    namespace_ids: Sequence[UUID],
    *,
    left_out: Collection[State],
    known: datetime | None = None,
) -> Pending[list[Entry]]:
    """Ask for memories of namespaces as ranking needs them, without their vectors.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose memories.
        namespace_ids: where they are.
        left_out: those in one of these states are not wanted.
        known: as they were known at a moment; None for as they are now.
    """
    params = {"tenant": tenant_id, "namespaces": list(namespace_ids)}
    return _entries(session, _OF_NAMESPACES, params, left_out=left_out, known=known)


def _entries(
    session: Session, which: str, params: dict[str, Any], *, left_out: Collection[State], known: datetime | None
) -> Pending[list[Entry]]:
    statement = (_AS_THEY_ARE if known is None else _AS_THEY_WERE).format(which=f"{which} AND {_IN_STATE}")
    params |= {"known": known, "left_out": [state.value for state in left_out]}
    return Pending(later(session, statement, params), lambda rows: [_entry(row) for row in rows])


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """One link as ranking needs it."""

    id: UUID
    source: UUID
    target: UUID
    weight: float
    ended: bool


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """That a memory belongs to an episode or a topic, or no longer does."""

    kind: str
    group: UUID
    memory: UUID
    ended: bool


@dataclass(frozen=True, slots=True)
class LinkChanges:
    """Links and memberships written since a horizon; None as the next horizon when none was."""

    horizon: int | None
    entries: Sequence[LinkEntry]
    members: Sequence[MemberEntry] = ()


# One statement for both, since every search sends it.
_LINKS = f"""
    SELECT {_HORIZON}, NULL, l.id, l.source_id, l.target_id, l.weight, l.known_to < 'infinity'
    FROM link l WHERE l.tenant_id = %(tenant)s AND l.namespace_id = ANY(%(namespaces)s)
        AND l.written >= CAST(CAST(%(since)s AS text) AS xid8) AND {_TELLING}
    UNION ALL
    SELECT {_HORIZON}, s.structure, s.structure_id, s.memory_id, NULL, NULL, s.known_to < 'infinity'
    FROM structure_member s WHERE s.tenant_id = %(tenant)s AND s.namespace_id = ANY(%(namespaces)s)
        AND s.written >= CAST(CAST(%(since)s AS text) AS xid8) AND s.structure IN ('episode', 'topic')
"""
_MEMBERS_KNOWN = """
    SELECT s.structure, s.structure_id, s.memory_id, false FROM structure_member s
    WHERE s.tenant_id = %(tenant)s AND s.namespace_id = ANY(%(namespaces)s) AND s.structure IN ('episode', 'topic')
        AND s.known_from <= %(at)s AND s.known_to > %(at)s AND (%(ids)s::uuid[] IS NULL OR s.memory_id = ANY(%(ids)s::uuid[]))
"""
_LINKS_KNOWN = f"""
    SELECT l.id, l.source_id, l.target_id, l.weight, false FROM link l
    WHERE l.tenant_id = %(tenant)s AND l.namespace_id = ANY(%(namespaces)s) AND {_TELLING}
        AND l.known_from <= %(at)s AND l.known_to > %(at)s AND (%(ids)s::uuid[] IS NULL OR l.source_id = ANY(%(ids)s::uuid[]))
"""


def links_since(session: Session, tenant_id: UUID, namespace_ids: Sequence[UUID], *, since: int) -> LinkChanges:
    """Return links that spread activation, and memberships, that were written since a horizon.

    An erased memory takes its own with it.
    """
    params = {"tenant": tenant_id, "namespaces": list(namespace_ids), "since": str(since)}
    rows = fetch(session, _LINKS, params)
    # What ended comes first: a memory may have gone from one topic to another.
    members = sorted((MemberEntry(row[1], row[2], row[3], row[6]) for row in rows if row[1]), key=lambda m: not m.ended)
    return LinkChanges(rows[0][0] if rows else None, [LinkEntry(*row[2:]) for row in rows if not row[1]], members)


def members_known(
    session: Session, tenant_id: UUID, namespace_ids: Sequence[UUID], *, at: datetime, ids: Sequence[UUID] | None = None
) -> Pending[list[MemberEntry]]:
    """Ask what belongs to which episode and topic as known at a moment, of some memories or of all."""
    params = {
        "tenant": tenant_id, "namespaces": list(namespace_ids), "at": at,
        "ids": None if ids is None else uuid_array(ids),
    }  # fmt: skip
    return Pending(later(session, _MEMBERS_KNOWN, params), lambda rows: [MemberEntry(*row) for row in rows])


def links_known(
    session: Session, tenant_id: UUID, namespace_ids: Sequence[UUID], *, at: datetime, ids: Sequence[UUID] | None = None
) -> Pending[list[LinkEntry]]:
    """Ask for the links that spread activation and were known at a moment, of some source memories or of all."""
    params = {
        "tenant": tenant_id, "namespaces": list(namespace_ids), "at": at,
        "ids": None if ids is None else uuid_array(ids),
    }  # fmt: skip
    return Pending(later(session, _LINKS_KNOWN, params), lambda rows: [LinkEntry(*row) for row in rows])


# One statement for all tiers: between two of them a vector could move from where one has yet to look to where one has looked.
_VECTORS = f"""
    SELECT * FROM (
        SELECT DISTINCT ON (e.memory_id, e.version, e.chunk) e.memory_id, e.version, 0, halfvec_send(e.vector)
        FROM embedding e
        WHERE e.tenant_id = %(tenant)s AND {on_shelves("e", (*SHARED, "%(shelf)s"))} AND e.namespace_id = ANY(%(namespaces)s)
            AND e.encoder_id = %(encoder)s {{some}} ORDER BY e.memory_id, e.version, e.chunk
    ) h
    UNION ALL
    SELECT * FROM (
        SELECT e.memory_id, e.version, CAST(e.tier AS integer), coalesce(e.code, varbit_send(e.sketch))
        FROM embedding_coarse e WHERE e.tenant_id = %(tenant)s AND e.namespace_id = ANY(%(namespaces)s)
            AND e.encoder_id = %(encoder)s {{some}} ORDER BY e.memory_id, e.version, e.chunk
    ) k
"""
_ALL_VECTORS = _VECTORS.format(some="")
_SOME_VECTORS = _VECTORS.format(some="AND e.memory_id = ANY(%(ids)s::uuid[])")


def vectors_of(
    session: Session,
    tenant_id: UUID,
    namespace_ids: Sequence[UUID],
    *,
    shelf: int,
    encoder_id: int,
    ids: Sequence[UUID] | None,
) -> VectorsByVersion:
    """Return the vectors of memories; for the arguments see `vectors_asked`."""
    return vectors_asked(session, tenant_id, namespace_ids, shelf=shelf, encoder_id=encoder_id, ids=ids).result()


def vectors_asked(
    session: Session,
    tenant_id: UUID,
    namespace_ids: Sequence[UUID],
    *,
    shelf: int,
    encoder_id: int,
    ids: Sequence[UUID] | None,
) -> Pending[VectorsByVersion]:
    """Ask for the vectors of memories by (memory, version): float32[chunks, d] each, in the order of the text.

    Those of a lower tier are what is left of them: estimates of the same directions.

    Args:
        session: a transaction of the tenant.
        tenant_id: whose memories.
        namespace_ids: where they are.
        shelf: where the vectors of these namespaces lie.
        encoder_id: which encoder's vectors.
        ids: which memories, None for all.
    """
    params = {
        "tenant": tenant_id, "shelf": shelf, "namespaces": list(namespace_ids), "encoder": encoder_id,
        "ids": uuid_array(ids or ()),
    }  # fmt: skip
    return Pending(later(session, _ALL_VECTORS if ids is None else _SOME_VECTORS, params), _vectors_by_version)


def _vectors_by_version(rows: Sequence[Any]) -> VectorsByVersion:
    found: dict[tuple[UUID, int], NDArray[np.float32]] = {}
    for tier, read in _READERS.items():
        there = [row for row in rows if row[2] == tier]
        if there:
            vectors = read([row[3] for row in there])
            found |= {key: vectors[start:end] for key, start, end in _runs(there)}
    return found


def _halves(values: Sequence[bytes]) -> NDArray[np.float32]:
    raw = np.frombuffer(b"".join(values), dtype=">f2").reshape(len(values), -1)
    return raw[:, _HEADER:].astype(np.float32)


def _codes(values: Sequence[bytes]) -> NDArray[np.float32]:
    return dequantise(np.frombuffer(b"".join(values), dtype=np.int8).reshape(len(values), -1))


def _sketches(values: Sequence[bytes]) -> NDArray[np.float32]:
    raw = np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), -1)
    return from_sketch(raw[:, _BITS_HEADER:], int.from_bytes(values[0][:_BITS_HEADER]))


_READERS: Final[dict[int, Callable[[Sequence[bytes]], NDArray[np.float32]]]] = {
    PrecisionTier.HALF: _halves, PrecisionTier.INT8: _codes, PrecisionTier.BINARY: _sketches,
}  # fmt: skip


def _runs(rows: Sequence[Any]) -> Iterator[tuple[tuple[UUID, int], int, int]]:
    start = 0
    for at in range(1, len(rows) + 1):
        if at == len(rows) or rows[at][:2] != rows[start][:2]:
            yield (rows[start][0], rows[start][1]), start, at
            start = at


def _entry(row: Sequence[Any]) -> Entry:
    terms = row[15]
    cut = None if terms is None else tuple(terms.split(_SEPARATOR)) if terms else ()
    return Entry(*row[:15], *(cut, *row[16:22]))
