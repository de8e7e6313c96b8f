"""One memory as it enters `Rows`."""

from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Entry:
    """One memory as ranking needs it; times are seconds since the epoch, None where there is none."""

    id: UUID
    namespace_id: UUID
    content_version: int
    session_id: str | None
    user_id: str | None
    agent_id: str | None
    speaker: str | None
    role: str | None
    observed_at: float
    valid_from: float | None
    valid_to: float | None
    expires_at: float | None
    superseded: bool
    archived: bool  # or expired
    traits: int | None  # packed, see memory_service.analysis.traits; None where they have to be read from the text
    terms: tuple[str, ...] | None  # None where they have to be cut from the text
    content: str | None = None  # given where something has to be read from it, as are title and context
    title: str | None = None
    context: str | None = None
    language: str | None = None
    precision: int = 0  # the tier of its vectors: another one means other numbers for the same text
    wish: int = 0  # what its tags say that it asks for once and for all, a WishKind


@dataclass(frozen=True, slots=True)
class Annotations:
    """What the background found in one memory."""

    spans: tuple[tuple[float, float], ...] = ()  # moments the text speaks of: [start, end) in seconds
    entities: tuple[str, ...] = ()  # canonical names, folded
    aliases: tuple[tuple[str, str], ...] = ()  # other names of them that the text uses, each with the canonical one


@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of one memory: of its text, and further keys."""

    text: NDArray[np.float32]  # (chunks, d), at least one
    keys: tuple[tuple[int, NDArray[np.float32]], ...] = field(default=())  # (KeyKind, float32[d])
