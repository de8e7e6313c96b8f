"""Namespaces that a search process keeps in memory, brought up to date from Postgres in the transaction of every search.

Postgres stays the truth: what is read here was committed before the search began, and every result is read from its record
again, under row level security, before it is answered. What was not used for long is dropped when memory is short.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.storage.namespaces import Namespace
from retrieval.corpus import Corpus
from retrieval.feed import BEGINNING, Asked, Changes, changes, links_since, vectors_of
from retrieval.gathering import Gathering
from retrieval.reading import annotate, completed, with_vectors
from retrieval.recent import Recent
from retrieval.rows import Rows

_ALL_AT_ONCE: Final = 2_000  # from so many changed memories on, the vectors of whole namespaces are read in one scan
_MOST_TOGETHER: Final = 50  # namespaces that are kept as one, because they are searched together
# What was used within so many seconds is not dropped for something else: two sets of namespaces that do not fit side by
# side would be read anew for every search.
_IN_USE_S: Final = 60.0
_EXPECTED_BYTES: Final = 4_000  # per memory, before it is known
_MOST_CONDITIONS: Final = 64  # per set of namespaces, a byte for each memory
_MOST_CALLED: Final = 50  # names per set of namespaces of which is remembered whom they mean
_MOST_CORPORA: Final = 1_000  # kept as they were last seen; each holds the names of at most 200 speakers

Key = tuple[UUID, frozenset[UUID]]


@dataclass(frozen=True, slots=True)
class View:
    """Namespaces as they stood when the search looked."""

    rows: Rows
    live: NDArray[np.bool_]  # (n,) not expired
    # Which rows satisfy conditions on their records, by the conditions; holds until something is written.
    satisfying: Recent[str, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Look:
    """A look at what was written to namespaces, under way."""

    asked: Asked
    resident: "_Resident"  # as they were kept then: they may have been dropped and read anew since
    turn: int  # how often they had been brought up to date when it was asked


@dataclass(slots=True)
class _Resident:
    gathering: Gathering = field(default_factory=Gathering)
    horizon: int = BEGINNING
    link_horizon: int = BEGINNING
    rows: Rows | None = None
    expires_at: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    satisfying: Recent[str, NDArray[np.bool_]] = field(default_factory=lambda: Recent(most=_MOST_CONDITIONS))
    bytes: int = 0
    used_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    encoder_id: int | None = None  # whose vectors are held
    turn: int = 0  # how often something was applied
    called: Recent[str, str] = field(default_factory=lambda: Recent(most=_MOST_CALLED))

    def begin_anew(self) -> None:
        """Forget everything; the next look reads it all."""
        self.gathering = Gathering()
        self.horizon = self.link_horizon = BEGINNING
        self.rows = None
        self.expires_at = np.empty(0)
        self.bytes = 0
        self.called = Recent(most=_MOST_CALLED)
        self.turn += 1


class Residents:
    """Sets of namespaces kept in memory, the longest unused first."""

    def __init__(self, *, limit_bytes: int, largest: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Keep about so many bytes, and no set of namespaces with more than `largest` memories."""
        self._limit = limit_bytes
        self._largest = largest
        self._monotonic = monotonic
        self._kept: OrderedDict[Key, _Resident] = OrderedDict()
        self._lock = threading.Lock()
        self.corpora = Recent[tuple[UUID, tuple[str, ...]], Corpus](most=_MOST_CORPORA)

    @property
    def bytes(self) -> int:
        """Estimate the memory held by all of them."""
        with self._lock:
            return sum(resident.bytes for resident in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def largest(self) -> int:
        """How many memories a set of namespaces may hold to be read whole."""
        return self._largest

    def admits(self, tenant_id: UUID, namespaces: Sequence[Namespace], documents: int) -> bool:
        """Say whether namespaces with so many memories together are kept, or may be without dropping what is in use."""
        if self._limit <= 0 or documents > self._largest or not 0 < len(namespaces) <= _MOST_TOGETHER:
            return False
        if documents * _EXPECTED_BYTES > self._limit:
            return False
        if len({(namespace.shelf, namespace.encoder_id) for namespace in namespaces}) > 1:
            return False
        recently = self._monotonic() - _IN_USE_S
        with self._lock:
            if _key(tenant_id, namespaces) in self._kept:
                return True
            busy = sum(resident.bytes for resident in self._kept.values() if resident.used_at >= recently)
        return busy + documents * _EXPECTED_BYTES <= self._limit

    def called(self, tenant_id: UUID, namespaces: Sequence[Namespace]) -> Recent[str, str]:
        """Return whom names meant that nobody bears, where searches of these namespaces asked; an erasure empties it."""
        with self._lock:
            resident = self._kept.get(_key(tenant_id, namespaces))
        return Recent(most=_MOST_CALLED) if resident is None else resident.called

    def look(self, session: Session, tenant_id: UUID, namespaces: Sequence[Namespace]) -> Look | None:
        """Ask what was written to namespaces since they were looked at last, with the next statements of the session.

        None where they are not kept yet: then there is nothing to compare with.
        """
        with self._lock:
            resident = self._kept.get(_key(tenant_id, namespaces))
        if resident is None:
            return None
        # In this order: should somebody apply something in between, the look is found to be an old one.
        turn, since, links_since = resident.turn, resident.horizon, resident.link_horizon
        ids = [namespace.id for namespace in namespaces]
        return Look(Asked(session, tenant_id, ids, since=since, links_since=links_since), resident, turn)

    def view(
        self,
        session: Session,
        tenant_id: UUID,
        namespaces: Sequence[Namespace],
        *,
        now: float,
        look: Look | None = None,
    ) -> View:
        """Bring namespaces up to date and show them as one.

        Args:
            session: the transaction of the search, of this tenant.
            tenant_id: who searches.
            namespaces: where; `admits` said that they may be kept.
            now: seconds since the epoch, for what has expired.
            look: one in this transaction, which saves asking again unless somebody else applied something meanwhile.
        """
        key = _key(tenant_id, namespaces)
        with self._lock:
            resident = self._kept.setdefault(key, _Resident())
            resident.used_at = self._monotonic()
            self._kept.move_to_end(key)
        # Who comes while a namespace is being read waits for it rather than reading it as well.
        with resident.lock:
            try:
                _bring_up_to_date(session, tenant_id, namespaces, resident, look)
            except BaseException:
                # Half-applied changes would be taken for whole ones, also by those who wait for the lock.
                resident.begin_anew()
                raise
            rows, expires_at, satisfying = resident.rows, resident.expires_at, resident.satisfying
        assert rows is not None  # just built
        self._make_room(but=key)
        return View(rows, ~(expires_at <= now), satisfying)

    def drop(self, tenant_id: UUID, namespaces: Sequence[Namespace]) -> None:
        """Drop namespaces that are kept and admitted no more; who searches them just now ends with what he has."""
        with self._lock:
            self._kept.pop(_key(tenant_id, namespaces), None)

    def forget(self, tenant_id: UUID) -> None:
        """Drop all that is kept of a tenant: it goes, and its texts must not stay in memory."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == tenant_id]:
                del self._kept[key]
        self.corpora.forget(lambda key: key[0] == tenant_id)

    def clear(self) -> None:
        """Drop everything that is kept."""
        with self._lock:
            self._kept.clear()
        self.corpora.forget(lambda _: True)

    def _make_room(self, *, but: Key) -> None:
        """Drop the longest unused until the rest fits; the one just used stays."""
        with self._lock:
            held = sum(resident.bytes for resident in self._kept.values())
            for key in [k for k in self._kept if k != but]:
                if held <= self._limit:
                    return
                held -= self._kept.pop(key).bytes


def _key(tenant_id: UUID, namespaces: Sequence[Namespace]) -> Key:
    return tenant_id, frozenset(namespace.id for namespace in namespaces)


def _bring_up_to_date(
    session: Session, tenant_id: UUID, namespaces: Sequence[Namespace], resident: _Resident, look: Look | None
) -> None:
    ids = [namespace.id for namespace in namespaces]
    if resident.encoder_id != namespaces[0].encoder_id:
        # The namespaces were cut over to another encoder, or rolled back: all vectors are others.
        resident.begin_anew()
        resident.encoder_id = namespaces[0].encoder_id
    if look is not None and look.resident is resident and look.turn == resident.turn:
        found = look.asked.changes()
    else:
        found = changes(session, tenant_id, ids, since=resident.horizon, links_since=resident.link_horizon)
    if found.horizon is None and resident.rows is not None:
        return
    resident.turn += 1
    # Also where no row changes: a condition may ask for what ranking does not know. A search that began before keeps the old.
    resident.satisfying = Recent(most=_MOST_CONDITIONS)
    if resident.gathering.worn or any(resident.gathering.holds(one) for one in found.erased):
        # Also after an erasure: its words and vectors must not stay in memory, in dropped rows neither.
        resident.begin_anew()
        found = changes(session, tenant_id, ids, since=BEGINNING)
    changed = _apply(session, tenant_id, namespaces, resident, found)
    if found.horizon is not None:
        resident.horizon = found.horizon
    if changed or resident.rows is None:
        resident.rows = resident.gathering.rows()
        resident.expires_at = resident.gathering.expires_at()
        resident.bytes = resident.gathering.bytes


def _apply(
    session: Session, tenant_id: UUID, namespaces: Sequence[Namespace], resident: _Resident, found: Changes
) -> bool:
    """Apply what changed; say whether anything did: what was written last is reported until a later write ends."""
    gathering = resident.gathering
    ids = [namespace.id for namespace in namespaces]
    before = gathering.changes
    for memory_id in found.erased:
        gathering.drop(memory_id)
    entries = [completed(entry) for entry in found.entries if not gathering.knows(entry)]
    new = [entry for entry in entries if gathering.needs_vectors(entry)]
    vectors = {}
    if new:
        vectors = vectors_of(
            session,
            tenant_id,
            ids,
            shelf=namespaces[0].shelf,
            encoder_id=namespaces[0].encoder_id,
            ids=None if len(new) >= _ALL_AT_ONCE else [entry.id for entry in new],
        )
    with_vectors(gathering, entries, vectors)
    # Also of those that are known: the background may have found something in them.
    annotate(session, tenant_id, gathering, ids, [entry.id for entry in found.entries if not entry.archived])
    links = links_since(session, tenant_id, ids, since=resident.link_horizon)
    for link in links.entries:
        if link.ended:
            gathering.unlink(link.id)
        else:
            gathering.link(link.id, link.source, link.target, link.weight)
    for member in links.members:
        if member.ended:
            gathering.part(member.kind, member.group, member.memory)
        else:
            gathering.join(member.kind, member.group, member.memory)
    if links.horizon is not None:
        resident.link_horizon = links.horizon
    return gathering.changes != before
