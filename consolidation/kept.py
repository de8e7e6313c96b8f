"""Neighbourhoods that a worker keeps between the turns of long runs, brought up to date when the next turn begins.

A run over much gives its worker back every minute or two. To read the vectors of a large namespace anew each time would take a
sixth of all turns. Postgres stays the truth: what was written or erased since is applied in the order in which transactions end
(`retrieval.feed` says how). Whoever erases lets go what its own process keeps of the tenant; in another process the vector of an
erased memory goes when the next run asks for the namespace, or with the rest once nobody did for a while.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from consolidation.loading import OpenTransaction, mean_vectors
from consolidation.neighbourhood import Neighbourhood, neighbourhood
from memory_service.storage import considered
from memory_service.storage.namespaces import Namespace
from retrieval.feed import BEGINNING

# The largest namespace that is read whole (`loading.MOST_READ`) takes less with up to 500 numbers in a vector. With 768 of them
# the limit is at 188,000 memories; larger namespaces are read anew each turn.
LIMIT_BYTES: Final = 384 << 20
IDLE_S: Final = 300.0  # after which a neighbourhood is let go
_BYTES_PER_SEAT: Final = 600  # ids, times and places beside the vector
_COPIED_AT_ONCE: Final = 8_192  # vectors


class Seat(NamedTuple):
    """Where a live memory stands, and which of its vectors is held."""

    observed_at: datetime
    id: UUID
    content_version: int
    user_id: str | None
    precision_tier: int
    expires_at: datetime | None


@dataclass(slots=True)
class _Held:
    encoder_id: int
    horizon: int
    near: Neighbourhood
    seats: dict[UUID, Seat]  # of those in it, in its order
    expires_at: datetime | None  # the first of them that does
    used_at: float = 0.0

    @property
    def bytes(self) -> int:
        return self.near.vectors.nbytes + _BYTES_PER_SEAT * len(self.seats)


class Kept:
    """The neighbourhoods of some namespaces, each by its tenant and itself. Not for use by several threads."""

    def __init__(
        self,
        *,
        limit_bytes: int = LIMIT_BYTES,
        idle_s: float = IDLE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep about so many bytes, none of it unused for longer than `idle_s`."""
        self._limit = limit_bytes
        self._idle_s = idle_s
        self._monotonic = monotonic
        self._held: OrderedDict[tuple[UUID, UUID], _Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def neighbourhood(
        self, open_transaction: OpenTransaction, tenant_id: UUID, namespace: Namespace, *, now: datetime
    ) -> Neighbourhood:
        """Return the live memories of a namespace with their vectors, as `loading.load_neighbourhood` reads them."""
        key = tenant_id, namespace.id
        # Taken out while it is worked on: half-applied changes would be taken for whole ones.
        held = self._held.pop(key, None)
        if held is not None and held.encoder_id != namespace.encoder_id:
            held = None
        held = _up_to_date(open_transaction, tenant_id, namespace, held, now=now)
        held.used_at = self._monotonic()
        if held.bytes <= self._limit:
            self._held[key] = held
            self._make_room()
        return held.near

    def drop_idle(self) -> None:
        """Let go what nobody asked for in a while."""
        since = self._monotonic() - self._idle_s
        for key in [key for key, held in self._held.items() if held.used_at < since]:
            del self._held[key]

    def drop(self, tenant_id: UUID) -> None:
        """Let go everything of a tenant."""
        for key in [key for key in self._held if key[0] == tenant_id]:
            del self._held[key]

    def _make_room(self) -> None:
        """Drop the longest unused until the rest fits; the one just used stays."""
        room = sum(held.bytes for held in self._held.values())
        while room > self._limit and len(self._held) > 1:
            room -= self._held.popitem(last=False)[1].bytes


def _up_to_date(
    open_transaction: OpenTransaction, tenant_id: UUID, namespace: Namespace, held: _Held | None, *, now: datetime
) -> _Held:
    since = BEGINNING if held is None else held.horizon
    with open_transaction() as session:
        rows = considered.places_since(session, tenant_id, namespace.id, since=since, now=now)
    before = {} if held is None else held.seats
    horizon = rows[0].horizon if rows else since
    left: set[UUID] = set()
    if held is not None and held.expires_at is not None and held.expires_at <= now:
        left |= {seat.id for seat in before.values() if seat.expires_at is not None and seat.expires_at <= now}
    fresh: list[Seat] = []
    for row in rows:
        seat = _seat(row) if row.live else None
        if before.get(row.id) == seat:
            continue  # written for something that matters nothing here, or never live
        left.add(row.id)
        if seat is not None:
            fresh.append(seat)
    if held is not None and not left:
        held.horizon = horizon
        return held
    vectors, there = mean_vectors(open_transaction, tenant_id, namespace, sorted(fresh))
    placed = sorted([*(seat for seat in before.values() if seat.id not in left), *there])
    if len(placed) > len(there):
        assert held is not None  # somebody has been placed before
        vectors = _merged(placed, held.near, {seat.id: row for row, seat in enumerate(there)}, vectors)
    users: dict[str | None, int] = {}
    near = neighbourhood(
        [seat.id for seat in placed],
        vectors,
        [users.setdefault(seat.user_id, len(users)) for seat in placed],
    )
    expiries = [seat.expires_at for seat in placed if seat.expires_at is not None]
    return _Held(namespace.encoder_id, horizon, near, {seat.id: seat for seat in placed}, min(expiries, default=None))


def _merged(
    placed: Sequence[Seat], near: Neighbourhood, fresh: Mapping[UUID, int], vectors: NDArray[np.float16]
) -> NDArray[np.float16]:
    """Return the vectors of memories in order, those of `fresh` from its rows of `vectors` and others as they were held.

    Beside what was held before nothing of the size of a namespace is allocated but what is returned.
    """
    merged = np.empty((len(placed), near.vectors.shape[1]), dtype=np.float16)
    for start in range(0, len(placed), _COPIED_AT_ONCE):
        block = placed[start : start + _COPIED_AT_ONCE]
        new = np.array([seat.id in fresh for seat in block])
        part = merged[start : start + len(block)]
        part[~new] = near.vectors[[near.place[seat.id] for seat in block if seat.id not in fresh]]
        if new.any():
            part[new] = vectors[[fresh[seat.id] for seat in block if seat.id in fresh]]
    return merged


def _seat(row: Any) -> Seat:
    return Seat(row.observed_at, row.id, row.content_version, row.user_id, row.precision_tier, row.expires_at)
