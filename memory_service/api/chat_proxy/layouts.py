"""Where the memories of a conversation stand, kept from turn to turn: what was sent before is sent again as it was.

A prompt whose beginning changes is worked through anew from there to its end, the whole conversation with it. So the memories
of the first turn stay where they are, and what later turns call for is added before the turn that called for it. Nothing but
ids is kept; the words are read again for every prompt, so that what was changed or erased meanwhile is not said.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from memory_service.api.keeping import Kept

CONVERSATIONS: Final = 20_000  # turns of them; the ones laid out longest ago are forgotten


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
    """Layouts by tenant and place; used from several threads. Who knows none lays out anew."""

    def __init__(self, file: Path | None = None, *, limit: int = CONVERSATIONS) -> None:
        """Open those of all processes, or begin with none."""
        self._kept = Kept(most=limit, file=file)

    def find(self, tenant_id: UUID, place: str) -> Layout | None:
        """Return the layout of a conversation up to a turn, None where none is known."""
        said = self._kept.get(f"{tenant_id}/{place}")
        if said is None:
            return None
        return tuple(
            Laid(
                at,
                tuple(Placed(UUID(one), version, UUID(by) if by else None) for one, version, by in memories),
                tokens,
            )
            for at, memories, tokens in json.loads(said)
        )

    def keep(self, tenant_id: UUID, place: str, layout: Layout) -> None:
        """Remember the layout of a conversation up to a turn."""
        said = [
            (
                laid.place,
                [(one.id.hex, one.version, one.superseded_by and one.superseded_by.hex) for one in laid.memories],
                laid.tokens,
            )
            for laid in layout
        ]
        self._kept.keep(f"{tenant_id}/{place}", json.dumps(said).encode())

    def close(self) -> None:
        """Close what was opened."""
        self._kept.close()
