"""Which rows belong together, followed while rows and memberships come and go in any order."""

from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.rows import NONE

_GROWTH: Final = 1.5


class Groups:
    """One group, or none, of every memory; a column of numbers that is copied before what was given away would change."""

    def __init__(self) -> None:
        self._of: dict[UUID, int] = {}  # of memories, whether they have a row or not
        self._number: dict[UUID, int] = {}  # of groups
        self._column: NDArray[np.int32] = np.full(16, NONE, np.int32)
        self._given = False

    def __len__(self) -> int:
        return len(self._of)

    def join(self, memory_id: UUID, group: UUID, *, row: int | None) -> bool:
        """Note the group of a memory, in place of the one before; say whether that is anything new."""
        number = self._number.setdefault(group, len(self._number))
        if self._of.get(memory_id) == number:
            return False
        self._of[memory_id] = number
        self._write(row, number)
        return True

    def part(self, memory_id: UUID, group: UUID, *, row: int | None) -> bool:
        """Forget the group of a memory, unless it has another one by now; say whether that is anything new."""
        number = self._of.get(memory_id)
        if number is None or number != self._number.get(group):
            return False
        del self._of[memory_id]
        self._write(row, NONE)
        return True

    def place(self, memory_id: UUID, row: int | None) -> None:
        """Say which row a memory has now."""
        number = self._of.get(memory_id)
        if number is not None:
            self._write(row, number)

    def column(self, n: int) -> NDArray[np.int32] | None:
        """Return the number of the group of each of the first n rows or NONE: (n,); None where no memory has one."""
        if not self._of:
            return None
        self._make_room(n)
        self._given = True
        return self._column[:n]

    def _write(self, row: int | None, number: int) -> None:
        if row is None:
            return
        if self._given:
            self._column = self._column.copy()
            self._given = False
        self._make_room(row + 1)
        self._column[row] = number

    def _make_room(self, n: int) -> None:
        if n > len(self._column):
            wider = np.full(max(int(len(self._column) * _GROWTH), n), NONE, np.int32)
            wider[: len(self._column)] = self._column
            self._column = wider
