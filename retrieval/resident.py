"""Namespaces that a search process keeps in memory, brought up to date from Postgres in the transaction of every search.

Postgres stays the truth: what is read here was committed before the search began, and every result is read from its record
again, under row level security, before it is answered. A namespace is dropped when memory is short or it grows too large.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from memory_service.storage.namespaces import Namespace
from retrieval.entries import Vectors
from retrieval.feed import BEGINNING, Changes, annotations_of, changes, links_since, vectors_of
from retrieval.gathering import Gathering
from retrieval.rows import Rows

_ALL_AT_ONCE: Final = 2_000  # from so many changed memories on, the vectors of the whole namespace are read in one scan


@dataclass(frozen=True, slots=True)
class View:
    """A namespace as it stood when the search looked."""

    rows: Rows
    live: NDArray[np.bool_]  # (n,) neither archived nor expired


@dataclass(slots=True)
class _Resident:
    gathering: Gathering = field(default_factory=Gathering)
    horizon: int = BEGINNING
    link_horizon: int = BEGINNING
    rows: Rows | None = None
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Residents:
    """The namespaces kept in memory, the longest unused first."""

    def __init__(self, *, limit_bytes: int, largest: int) -> None:
        """Keep at most so many bytes, and no namespace with more than `largest` memories."""
        self._limit = limit_bytes
        self._largest = largest
        self._kept: OrderedDict[tuple[UUID, UUID], _Resident] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """Estimate the memory held by all of them."""
        with self._lock:
            return sum(resident.bytes for resident in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def admits(self, documents: int) -> bool:
        """Say whether a namespace of so many memories may be kept."""
        return self._limit > 0 and documents <= self._largest

    def view(self, session: Session, tenant_id: UUID, namespace: Namespace, *, now: float) -> View:
        """Bring a namespace up to date and show it.

        Args:
            session: the transaction of the search, of this tenant.
            tenant_id: who searches.
            namespace: where; `admits` said that it may be kept.
            now: seconds since the epoch, for what has expired.
        """
        key = (tenant_id, namespace.id)
        with self._lock:
            resident = self._kept.setdefault(key, _Resident())
            self._kept.move_to_end(key)
        # Who comes while a namespace is being read waits for it rather than reading it as well.
        with resident.lock:
            try:
                self._bring_up_to_date(session, tenant_id, namespace, resident)
            except BaseException:
                # Half-applied changes would be taken for whole ones.
                self._drop(key)
                raise
            rows = resident.rows
            assert rows is not None  # just built
            live = resident.gathering.live(now)[: len(rows)]
        self._make_room(but=key)
        return View(rows, live)

    def _bring_up_to_date(
        self, session: Session, tenant_id: UUID, namespace: Namespace, resident: _Resident
    ) -> None:
        found = changes(session, tenant_id, namespace.id, since=resident.horizon)
        if found.horizon is None and resident.rows is not None:
            return
        if resident.gathering.worn:
            resident.gathering, resident.link_horizon = Gathering(), BEGINNING
            found = changes(session, tenant_id, namespace.id, since=BEGINNING)
        self._apply(session, tenant_id, namespace, resident, found)
        if found.horizon is not None:
            resident.horizon = found.horizon
        resident.rows = resident.gathering.rows()
        resident.bytes = resident.gathering.bytes

    def _apply(
        self, session: Session, tenant_id: UUID, namespace: Namespace, resident: _Resident, found: Changes
    ) -> None:
        gathering = resident.gathering
        new = [entry.id for entry in found.entries if gathering.needs_vectors(entry)]
        vectors = {}
        if new:
            vectors = vectors_of(
                session,
                tenant_id,
                [namespace.id],
                shelf=namespace.shelf,
                encoder_id=namespace.encoder_id,
                ids=None if len(new) >= _ALL_AT_ONCE else new,
            )
        changed = []
        for entry in found.entries:
            text = vectors.get((entry.id, entry.content_version))
            if text is None and gathering.needs_vectors(entry):
                continue  # It changed again since it was listed, and will be listed again.
            gathering.add(entry, Vectors(text) if text is not None else None)
            changed.append(entry.id)
        for memory_id in found.erased:
            gathering.drop(memory_id)
        for memory_id, note in annotations_of(session, tenant_id, namespace.id, changed).items():
            gathering.annotate(memory_id, note)
        links = links_since(session, tenant_id, namespace.id, since=resident.link_horizon)
        for link in links.entries:
            if link.ended:
                gathering.unlink(link.id)
            else:
                gathering.link(link.id, link.source, link.target, link.weight)
        if links.horizon is not None:
            resident.link_horizon = links.horizon

    def _drop(self, key: tuple[UUID, UUID]) -> None:
        with self._lock:
            self._kept.pop(key, None)

    def _make_room(self, *, but: tuple[UUID, UUID]) -> None:
        """Drop the longest unused namespaces until the rest fits; the one just used stays."""
        with self._lock:
            held = sum(resident.bytes for resident in self._kept.values())
            for key in [k for k in self._kept if k != but]:
                if held <= self._limit:
                    return
                held -= self._kept.pop(key).bytes
