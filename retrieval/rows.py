"""What ranking knows of the memories it ranks: one row per memory, as arrays.

The same value describes a whole namespace kept in memory or the candidates that a statement brought from a large one, so
every channel is a pure function from rows and a cue to scores. Ranks, ids and texts are no business of the channels.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

NONE: Final = -1  # no session, no speaker, no neighbour


class Role(IntEnum):
    """Who spoke, where the caller said so by role."""

    NONE = 0
    USER = 1
    ASSISTANT = 2
    TOOL = 3
    SYSTEM = 4


class KeyKind(IntEnum):
    """What a further vector of a memory was made of."""

    CHUNK = 0  # a later part of a long text
    ANSWER = 1  # the question before it, and the text
    CAPTION = 2


@dataclass(frozen=True, slots=True)
class Keys:
    """Further vectors by which rows are found: k of them."""

    row: NDArray[np.int32]  # (k,) the row each belongs to
    kind: NDArray[np.int8]  # (k,) a KeyKind
    vectors: NDArray[np.float32]  # (k, d), likewise


@dataclass(frozen=True, slots=True)
class Postings:
    """In which rows a term stands, and how often."""

    row: NDArray[np.int32]
    frequency: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Spans:
    """Moments that texts speak of, resolved when they were written: s of them."""

    row: NDArray[np.int32]  # (s,)
    start: NDArray[np.float64]  # (s,) seconds since the epoch, inclusive
    end: NDArray[np.float64]  # (s,) exclusive


@dataclass(frozen=True, slots=True)
class Mentions:
    """Which entities the rows name: m of them; a membership list, never a clique."""

    row: NDArray[np.int32]  # (m,)
    entity: NDArray[np.int32]  # (m,) index into Rows.entities


@dataclass(frozen=True, slots=True)
class Links:
    """Directed, weighted edges between rows: l of them."""

    source: NDArray[np.int32]  # (l,)
    target: NDArray[np.int32]  # (l,)
    weight: NDArray[np.float32]  # (l,) 0..1


@dataclass(frozen=True, slots=True)
class Rows:
    """n memories as arrays; times are seconds since the epoch, NaN where there is none."""

    ids: Sequence[UUID]  # n
    vectors: NDArray[np.float32]  # (n, d) of the text or its first chunk, normalised; see quantisation
    keys: Keys
    observed_at: NDArray[np.float64]  # (n,)
    valid_from: NDArray[np.float64]  # (n,)
    valid_to: NDArray[np.float64]  # (n,)
    session: NDArray[np.int32]  # (n,) number of the session or NONE
    previous: NDArray[np.int32]  # (n,) the row before it in its session, or NONE
    following: NDArray[np.int32]  # (n,) the row after it in its session, or NONE
    speaker: NDArray[np.int32]  # (n,) index into `speakers` or NONE; roles are no speakers
    role: NDArray[np.int8]  # (n,) a Role
    length: NDArray[np.int32]  # (n,) terms of the text, as keyword search counts them
    asks: NDArray[np.bool_]  # (n,) the text ends with a question mark
    has_number: NDArray[np.bool_]  # (n,)
    has_time: NDArray[np.bool_]  # (n,) names a date, a weekday, a "last year"
    first_person: NDArray[np.int8]  # (n,) words such as I, my, we; at most 7 are counted
    superseded: NDArray[np.bool_]  # (n,)
    speakers: tuple[str, ...]
    entities: tuple[str, ...]  # canonical names, folded
    postings: Mapping[str, Postings]  # at least of every term of the query; rows ascend
    spans: Spans
    mentions: Mentions
    links: Links
    documents: int  # memories in the namespaces searched, at least n
    # How many memories a term stands in, where `postings` do not show all of them (rows are candidates only).
    document_frequency: Mapping[str, int] = field(default_factory=dict)
    aliases: Mapping[str, frozenset[str]] = field(
        default_factory=dict
    )  # other names of entities, folded, and whose they are
    episode: NDArray[np.int32] | None = None  # (n,) number of the episode or NONE; None where consolidation made none
    topic: NDArray[np.int32] | None = None  # (n,) of the topic, likewise
    wish: NDArray[np.int8] | None = None  # (n,) what it asks for once and for all, a WishKind; None where nobody looked
    people: bool = False  # user and assistant are two people, see `parties`
    # What `once` worked out of these rows; a changed copy begins with nothing.
    worked_out: dict[Hashable, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def once(self, what: Hashable, work: Callable[[], T]) -> T:
        """Work out what holds for every query over these rows, whatever their postings, the first time it is asked for.

        Two threads may both work it out; the results are alike.
        """
        found: T | None = self.worked_out.get(what)
        if found is None:
            found = self.worked_out[what] = work()
        return found

    def in_time(self) -> NDArray[np.intp]:
        """Return each row's place in the order of time: (n,), by id of what was observed at one moment."""

        def work() -> NDArray[np.intp]:
            high, low = np.frombuffer(b"".join(one.bytes for one in self.ids), ">u8").reshape(-1, 2).T
            place = np.empty(len(self), np.intp)
            place[np.lexsort((low, high, self.observed_at))] = np.arange(len(self))
            return place

        return self.once("in time", work)

    def with_postings(self, postings: Mapping[str, Postings]) -> "Rows":
        """Return the same rows with other postings; what was worked out holds for them, too."""
        changed = replace(self, postings=postings)
        object.__setattr__(changed, "worked_out", self.worked_out)
        return changed
