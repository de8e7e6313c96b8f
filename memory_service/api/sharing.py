"""What API processes behind one socket have in common: files of a folder, mapped into the memory of each.

A process that runs alone has the same in memory of its own.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from memory_service.mapping import mapped

_WORD: Final = struct.Struct("=Q")
# Whose, until when it counts, how many in this window, how many in the one before.
_SLOT: Final = struct.Struct("=Qddd")
_PROBED: Final = 8  # slots that one may stand in


class Mark:
    """A number that changes when something happened that all processes must know of."""

    def __init__(self, file: Path | None = None) -> None:
        """Open the number of a file; None for one of this process."""
        self._memory = mapped(file, _WORD.size)

    def read(self) -> int:
        """Return the number; it costs less than a microsecond."""
        number: int = _WORD.unpack_from(self._memory)[0]
        return number

    def change(self) -> None:
        """Change it. By chance, for two that count up at once would arrive at the same number."""
        self._memory[: _WORD.size] = os.urandom(_WORD.size)


class Windows:
    """How often each of many asked, in this window of time and in the one before: a table of fixed size.

    One may stand in eight of the slots. Those that no longer count are taken first; should all eight be busy, somebody who counts
    starts afresh, which begins to happen when a tenth of the table is: a bound on memory matters more than exact counts.
    """

    def __init__(self, slots: int, file: Path | None = None) -> None:
        """Open the table of a file; None for one of this process."""
        self._slots = slots
        self._memory = mapped(file, slots * _SLOT.size)
        self._file = None if file is None else os.open(file, os.O_RDWR)

    @contextmanager
    def of(self, who: object) -> Iterator["Window"]:
        """Lock the table and give what is known of one; what is changed meanwhile is kept."""
        key = int.from_bytes(blake2b(repr(who).encode(), digest_size=8).digest()) or 1
        with self._locked():
            window = self._find(key)
            yield window
            _SLOT.pack_into(self._memory, window.place, key, window.until, window.count, window.before)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if self._file is not None:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def clear(self) -> None:
        """Forget everybody."""
        with self._locked():
            self._memory[:] = bytes(len(self._memory))

    def _find(self, key: int) -> "Window":
        ending: Window | None = None
        for step in range(min(_PROBED, self._slots)):
            place = (key + step) % self._slots * _SLOT.size
            whose, until, count, before = _SLOT.unpack_from(self._memory, place)
            if whose == key:
                return Window(place, until, count, before)
            if ending is None or until < ending.until:
                ending = Window(place, until, 0.0, 0.0)
        assert ending is not None
        return Window(ending.place, 0.0, 0.0, 0.0)


class Window:
    """How often one asked; `until` is 0 for who is not known."""

    __slots__ = ("before", "count", "place", "until")

    def __init__(self, place: int, until: float, count: float, before: float) -> None:
        self.place = place
        self.until = until
        self.count = count
        self.before = before
