"""When what a memory said was to be found: worked out of its states, as they follow one another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from memory_service.bundle.records import StateRecord


@dataclass(frozen=True, slots=True)
class LiveText:
    """A text under which a memory was found, from a moment until another; no end says that it still is."""

    version: int
    said: StateRecord
    known_from: datetime
    known_to: datetime | None


def live_texts(states: Sequence[StateRecord]) -> Iterator[LiveText]:
    """Yield the texts of a memory, one for each `content_version` among its states, the present one last.

    A text is found from the version that brought it until the next text, until the memory was archived or merged, or until
    it expires, whichever comes first. What was archived when it came is never found (an empty span).
    """
    groups = [list(group) for _, group in groupby(states, key=lambda state: state.content_version)]
    for group, following in zip(groups, [*groups[1:], None], strict=True):
        first, last = group[0], group[-1]
        ends = [state.updated_at for state in group if state.closed][:1]
        if following is not None:
            ends.append(following[0].updated_at)
        if last.expires_at is not None:
            ends.append(last.expires_at)
        known_to = max(min(ends), first.updated_at) if ends else None
        yield LiveText(first.content_version, last, first.updated_at, known_to)
