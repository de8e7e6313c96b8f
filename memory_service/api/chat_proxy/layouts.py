"""Where the memories of a conversation stand, kept from turn to turn: what was sent before is sent again as it was.

A prompt whose beginning changes is worked through anew from there to its end, the whole conversation with it. So the memories
of the first turn stay where they are, and what later turns call for is added before the turn that called for it. Nothing but
ids is kept; the words are read again for every prompt, so that what was changed or erased meanwhile is not said.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final
from uuid import UUID

CONVERSATIONS: Final = 20_000  # of one process; the ones that rested longest are forgotten


@dataclass(frozen=True, slots=True)
class Placed:
    """One memory in a conversation, as it was when it was put there."""

    id: UUID
    version: int
    superseded_by: UUID | None


@dataclass(frozen=True, slots=True)
class Laid:
    """Memories that stand together, and the place of the turn that called for them."""

    place: str
    memories: tuple[Placed, ...]
    tokens: int  # of the whole block, or a few more


Layout = tuple[Laid, ...]


class Layouts:
    """Layouts by tenant and place; used from several threads. A process that knows none lays out anew."""

    def __init__(self, *, limit: int = CONVERSATIONS) -> None:
        """Start with none."""
        self._limit = limit
        self._kept: OrderedDict[tuple[UUID, str], Layout] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, tenant_id: UUID, place: str) -> Layout | None:
        """Return the layout of a conversation up to a turn, None where none is known."""
        with self._lock:
            layout = self._kept.get((tenant_id, place))
            if layout is not None:
                self._kept.move_to_end((tenant_id, place))
            return layout

    def keep(self, tenant_id: UUID, place: str, layout: Layout) -> None:
        """Remember the layout of a conversation up to a turn."""
        with self._lock:
            self._kept[tenant_id, place] = layout
            self._kept.move_to_end((tenant_id, place))
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
