"""Who may read a whole blob, and when: few at a time, and not again while the last look at it is young. One for each process."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from memory_service.errors import Unavailable

AT_ONCE: Final = 2
"""Blobs that are read at the same time, no two of one tenant: reading is the disk's and hashing the processor's, for everybody."""
SOUND_S: Final = 60.0
"""A blob found sound is not read again for so long by who saves what is kept."""
SOON_S: Final = 5.0
"""The same for who asks for a look, and for what was loaded since: somebody may have got something else than was saved."""
PATIENCE_S: Final = 5.0
WAITING: Final = 8
WAITING_OF_TENANT: Final = 4
"""Who waits holds a thread of the service, so the next one is sent away at once."""
REMEMBERED: Final = 10_000

_Key = tuple[UUID, UUID]


@dataclass(slots=True)
class Turn:
    """A look at one blob: whether all of it is to be read, and what its reader says of it then."""

    whole: bool
    sound: bool = False


@dataclass(slots=True)
class _Sound:
    since: float  # when the look began: what was harmed behind the reader's back counts as harmed after it
    loaded: bool = False


class Looks:
    """Lets callers look at blobs in turn, and remembers which were found sound. Made for threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, patience_s: float = PATIENCE_S) -> None:
        """Remember nothing yet."""
        self._clock, self._patience_s = clock, patience_s
        self._changed = threading.Condition()
        self._looking: set[UUID] = set()
        self._waiting: Counter[UUID] = Counter()
        self._sound: OrderedDict[_Key, _Sound] = OrderedDict()

    @contextmanager
    def turn(self, tenant_id: UUID, kv_memory_id: UUID, *, anew: bool) -> Iterator[Turn]:
        """Wait for a turn to read a blob; one that was found sound a moment ago needs none, and is not read.

        Args:
            tenant_id: whose blob it is.
            kv_memory_id: the record of the blob.
            anew: only a look of the last seconds counts, as for who could not use what was loaded.

        Raises:
            Unavailable: too many are being read; code ``busy``.
        """
        key = (tenant_id, kv_memory_id)
        turn = Turn(whole=self._enter(key, anew))
        if not turn.whole:
            yield turn
            return
        since = self._clock()
        try:
            yield turn
        finally:
            with self._changed:
                self._looking.discard(tenant_id)
                self._sound.pop(key, None)
                if turn.sound:
                    self._sound[key] = _Sound(since)
                    if len(self._sound) > REMEMBERED:
                        self._sound.popitem(last=False)
                self._changed.notify_all()

    def loaded(self, tenant_id: UUID, kv_memory_id: UUID) -> None:
        """Take down that a blob was sent to an engine: one that saves its blocks after that could not use it."""
        with self._changed:
            if known := self._sound.get((tenant_id, kv_memory_id)):
                known.loaded = True

    def _enter(self, key: _Key, anew: bool) -> bool:
        """Return whether the blob is to be read, once it may be."""
        tenant_id = key[0]

        def known() -> bool:
            found = self._sound.get(key)
            return found is not None and self._clock() - found.since < (SOON_S if anew or found.loaded else SOUND_S)

        def may() -> bool:
            return known() or (tenant_id not in self._looking and len(self._looking) < AT_ONCE)

        with self._changed:
            if not may():
                if self._waiting.total() >= WAITING or self._waiting[tenant_id] >= WAITING_OF_TENANT:
                    raise _busy()
                self._waiting[tenant_id] += 1
                try:
                    if not self._changed.wait_for(may, self._patience_s):
                        raise _busy()
                finally:
                    self._waiting[tenant_id] -= 1
                    self._waiting += Counter()  # Drops tenants of whom nobody waits.
            if known():
                return False
            self._looking.add(tenant_id)
            return True


def _busy() -> Unavailable:
    return Unavailable("Too many KV files are being compared; try again.", code="busy", retry_after_s=1)
