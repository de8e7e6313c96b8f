"""Gather memories into `Rows`, one after another, cheaply enough to follow a namespace that grows while it is searched.

Columns are only ever appended to, so that `Rows` taken earlier stay valid while more is added. A memory whose text changes
gets a new row and its old one is dropped: `rows` then leaves it out, by copying, and once a quarter of the rows are dropped,
`worn` asks to start anew.
"""

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memory_service.analysis.tokens import ROLES
from memory_service.analysis.traits import Traits
from retrieval.annotation_lists import AnnotationLists
from retrieval.entries import Annotations, Entry, Vectors
from retrieval.groups import Groups
from retrieval.parties import are_people, with_parties
from retrieval.posting_lists import PostingList, PostingsUpTo, counted
from retrieval.renumbering import keys_at, places, speaking, taken
from retrieval.rows import NONE, KeyKind, Keys, Links, Role, Rows
from retrieval.turns import neighbours, with_series, with_talks

_WORN_SHARE: Final = 0.25
_WORN_AT_LEAST: Final = 200  # dropped rows; fewer are not worth starting anew
_ROLES: Final = {role.name.casefold(): int(role) for role in Role}

_COLUMNS: Final = {
    "observed_at": np.float64, "valid_from": np.float64, "valid_to": np.float64, "expires_at": np.float64,
    "session": np.int32, "scope": np.int32, "speaker": np.int32, "role": np.int8, "length": np.int32, "asks": np.bool_,
    "has_number": np.bool_, "has_time": np.bool_, "first_person": np.int8, "superseded": np.bool_, "wish": np.int8,
    "id_high": np.uint64, "id_low": np.uint64, "live": np.bool_,
}  # fmt: skip
_OF_ROWS: Final = tuple(name for name in _COLUMNS if name not in {"scope", "expires_at", "id_high", "id_low", "live"})
_GROWTH: Final = 1.5  # of the room, when it is used up
# Measured with tracemalloc on 2,000 and 10,000 generated turns: what Python objects take beside the arrays, 3.1 to 4 kB in all.
_BYTES_PER_TERM: Final = 400
_BYTES_PER_ENTRY: Final = 900
_BYTES_PER_MEMBERSHIP: Final = 200  # an id, a number and a place in a dictionary


class _Known(NamedTuple):
    """How a memory stands here."""

    entry: Entry  # without terms and content, which would double what is held
    terms: int  # a hash of them


class Gathering:
    """Memories of one or more namespaces, gathered so far. Not safe to change from two threads at once."""

    def __init__(self, *, only: Collection[str] | None = None) -> None:
        """Begin with nothing; `only` names the terms that will be asked for, where the rows serve a single query."""
        self._only = only
        self.ids: list[UUID] = []
        self._row_of: dict[UUID, int] = {}
        self._gone: set[UUID] = set()  # memories without a row that had one: what was made of them is still here
        self._known: dict[UUID, _Known] = {}
        self._columns: dict[str, NDArray[Any]] = {name: np.zeros(16, dtype) for name, dtype in _COLUMNS.items()}
        self._vectors: NDArray[np.float32] = np.zeros((16, 0), np.float32)
        self._key_row, self._key_kind = array("i"), array("b")
        self._key_vectors: NDArray[np.float32] = np.zeros((4, 0), np.float32)
        self._sessions: dict[tuple[UUID, str, str | None, str | None], int] = {}
        self._scopes: dict[tuple[UUID, str | None, str | None], int] = {}
        self._speakers: dict[str, int] = {}
        self._terms: defaultdict[str, PostingList] = defaultdict(PostingList)
        self._annotations = AnnotationLists()
        self._links: dict[UUID, tuple[UUID, UUID, float]] = {}
        self._groups = {"episode": Groups(), "topic": Groups()}
        self._postings = 0
        self._dropped = 0
        self._kept: NDArray[np.float32] = np.zeros((0, 0), np.float32)  # the vectors without the dropped rows
        self._kept_through, self._kept_dropped = 0, 0  # up to which row, after how many drops
        self.changes = 0  # counted, so that a reader knows whether there is anything new

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def unannotated(self) -> bool:
        """Say whether nothing was noted of any memory yet."""
        return len(self._annotations) == 0

    @property
    def worn(self) -> bool:
        """Say whether so many rows are dropped that starting anew pays."""
        return self._dropped >= _WORN_AT_LEAST and self._dropped > _WORN_SHARE * len(self.ids)

    @property
    def bytes(self) -> int:
        """Estimate the memory held: vectors, columns, postings."""
        columns = sum(column.nbytes for column in self._columns.values())
        postings = 8 * self._postings + _BYTES_PER_TERM * len(self._terms)
        vectors = self._vectors.nbytes + self._key_vectors.nbytes + self._kept.nbytes
        groups = _BYTES_PER_MEMBERSHIP * sum(len(one) for one in self._groups.values())
        return vectors + columns + postings + groups + _BYTES_PER_ENTRY * len(self.ids)

    def knows(self, entry: Entry) -> bool:
        """Say whether a memory stands here already just so; what is archived is known by its absence."""
        if entry.archived:
            return entry.id not in self._known
        return self._known.get(entry.id) == (self._held(entry), hash(entry.terms))

    def needs_vectors(self, entry: Entry) -> bool:
        """Say whether a memory is new here, says something else than it did, or has vectors of another precision."""
        if entry.archived:
            return False
        known = self._known.get(entry.id)
        return known is None or (known.entry.content_version, known.entry.precision, known.terms) != (
            entry.content_version,
            entry.precision,
            hash(entry.terms),
        )

    def add(self, entry: Entry, vectors: Vectors | None) -> None:
        """Add a memory, or bring it up to date.

        Args:
            entry: the memory.
            vectors: its vectors; None when it does not need them.
        """
        self.add_all([(entry, vectors)])

    def add_all(self, found: Iterable[tuple[Entry, Vectors | None]]) -> None:
        """Add memories, or bring them up to date; of one that is named twice the last holds. For their vectors see `add`."""
        new: dict[UUID, tuple[Entry, Vectors]] = {}
        for entry, vectors in found:
            if entry.archived:
                new.pop(entry.id, None)
                self.drop(entry.id)
            elif not self.needs_vectors(entry):
                self._update(self._row_of[entry.id], entry)
            elif vectors is None:
                raise ValueError("a new text needs vectors")
            else:
                if entry.id in self._row_of:
                    self.drop(entry.id)
                new[entry.id] = entry, vectors
        if new:
            entries, texts = zip(*new.values(), strict=True)
            self._append(entries, texts)

    def drop(self, memory_id: UUID) -> None:
        """Take a memory out."""
        row = self._row_of.pop(memory_id, None)
        self._known.pop(memory_id, None)
        if row is not None:
            self._set("live", row, False)
            self._annotations.drop(row)
            self._gone.add(memory_id)
            self._dropped += 1
            self.changes += 1

    def annotate(self, memory_id: UUID, annotations: Annotations) -> None:
        """Note what was found in a memory, in place of what was noted before."""
        row = self._row_of.get(memory_id)
        if row is not None and self._annotations.note(row, annotations):
            self.changes += 1

    def link(self, link_id: UUID, source: UUID, target: UUID, weight: float) -> None:
        """Note a link between two memories, whether they are here yet or not."""
        if self._links.get(link_id) != (source, target, weight):
            self._links[link_id] = (source, target, weight)
            self.changes += 1

    def unlink(self, link_id: UUID) -> None:
        """Forget a link."""
        if self._links.pop(link_id, None) is not None:
            self.changes += 1

    def join(self, kind: str, group: UUID, memory_id: UUID) -> None:
        """Note that a memory belongs to an episode or a topic, whether it is here yet or not."""
        if self._groups[kind].join(memory_id, group, row=self._row_of.get(memory_id)):
            self.changes += 1

    def part(self, kind: str, group: UUID, memory_id: UUID) -> None:
        """Forget that a memory belongs to an episode or a topic; if it belongs to another one, that stays."""
        if self._groups[kind].part(memory_id, group, row=self._row_of.get(memory_id)):
            self.changes += 1

    def expires_at(self) -> NDArray[np.float64]:
        """Return when each of the `rows` expires, in seconds, infinity for never: (n,)."""
        n = len(self.ids)
        times: NDArray[np.float64] = self._columns["expires_at"][:n]
        return times if self._dropped == 0 else times[self._columns["live"][:n]]

    def holds(self, memory_id: UUID) -> bool:
        """Say whether words and vectors of a memory are here, be it only in a row that was dropped."""
        return memory_id in self._row_of or memory_id in self._gone

    def rows(self, *, documents: int | None = None, document_frequency: Mapping[str, int] | None = None) -> Rows:
        """Return what is gathered so far; later changes do not reach the answer.

        Args:
            documents: memories in the namespaces, where only candidates are gathered.
            document_frequency: in how many of them each term of the query stands, likewise.
        """
        n = len(self.ids)
        # Without dropped rows nothing is copied. With some, what is given is the rest in the same order.
        kept = None if self._dropped == 0 else np.flatnonzero(self._columns["live"][:n])
        place = places(kept, n)
        column = {name: taken(self._columns[name][:n], kept) for name in _OF_ROWS}
        scope, *halves = (taken(self._columns[name][:n], kept) for name in ("scope", "id_high", "id_low"))
        speakers = tuple(self._speakers)
        # Candidates are not all that was said: the same talk would be one thing for this query and another for that.
        people = self._only is None and are_people(column["role"], column["first_person"], column["length"])
        if people:
            column["speaker"], speakers = with_parties(column["speaker"], speakers, column["role"])
        vectors = self._vectors[:n] if kept is None else self._kept_vectors(kept, n)
        if self._only is None:
            column["session"] = with_talks(
                column["session"], scope, column["speaker"], column["role"], column["observed_at"], *halves
            )
            column["session"] = with_series(
                column["session"], scope, column["speaker"], column["observed_at"], halves[0], halves[1], vectors
            )
        previous, following = neighbours(column["session"], column["observed_at"], *halves)
        column["speaker"], speakers = speaking(column["speaker"], speakers)
        annotated = self._annotations.arrays()
        keys = self._keys()
        if kept is not None:
            keys = keys_at(keys, place)
            annotated = annotated.at(place)
        return Rows(
            ids=tuple(self.ids) if kept is None else tuple(self.ids[row] for row in kept.tolist()),
            vectors=vectors,
            keys=keys,
            previous=previous,
            following=following,
            speakers=speakers,
            entities=self._annotations.entities,
            postings=PostingsUpTo(self._terms, n, place if kept is not None else None),
            spans=annotated.spans,
            mentions=annotated.mentions,
            links=self._edges(place),
            episode=self._grouped("episode", n, kept),
            topic=self._grouped("topic", n, kept),
            documents=len(self._row_of) if documents is None else documents,
            document_frequency=document_frequency or {},
            aliases=self._annotations.aliases,
            people=people,
            **column,
        )

    def _kept_vectors(self, kept: NDArray[np.intp], n: int) -> NDArray[np.float32]:
        """Return the vectors of the rows that are not dropped; copied once after a drop, appended to until the next."""
        if self._kept_dropped != self._dropped:
            self._kept = np.zeros((int(len(kept) * _GROWTH) + 16, self._vectors.shape[1]), np.float32)
            self._kept_through, self._kept_dropped = 0, self._dropped
        new = kept[kept >= self._kept_through]
        if len(kept) > len(self._kept):
            self._kept = _grown(self._kept, at_least=len(kept))
        self._kept[len(kept) - len(new) : len(kept)] = self._vectors[new]
        self._kept_through = n
        return self._kept[: len(kept)]

    def _append(self, entries: Sequence[Entry], vectors: Sequence[Vectors]) -> None:
        """Add rows of new texts, column by column where that can be."""
        start, end = len(self.ids), len(self.ids) + len(entries)
        self._make_room(end, vectors[0].text.shape[1])
        joined = [groups for groups in self._groups.values() if len(groups)]
        for name, column in self._values(entries).items():
            self._columns[name][start:end] = column
        self._columns["live"][start:end] = True
        self._vectors[start:end] = np.concatenate([one.text[:1] for one in vectors])
        for row, (entry, one) in enumerate(zip(entries, vectors, strict=True), start):
            if len(one.text) > 1 or one.keys:
                for chunk in one.text[1:]:
                    self._add_key(row, KeyKind.CHUNK, chunk)
                for kind, vector in one.keys:
                    self._add_key(row, kind, vector)
            terms = entry.terms or ()
            for term, frequency in counted(terms if self._only is None else [t for t in terms if t in self._only]):
                self._terms[term].append(row, frequency)
                self._postings += 1
            memory_id = entry.id
            self._row_of[memory_id] = row
            self._gone.discard(memory_id)
            for groups in joined:
                groups.place(memory_id, row)
            self._known[memory_id] = _Known(self._held(entry), hash(entry.terms))
        self.changes += len(entries)
        # Last: a reader that counts ids must find everything else in place.
        self.ids.extend([entry.id for entry in entries])

    def _held(self, entry: Entry) -> Entry:
        """Return what is kept of an entry: what serves one query goes with it, and keeps its texts."""
        return _bare(entry) if self._only is None else entry

    def _update(self, row: int, entry: Entry) -> None:
        held, known = self._held(entry), self._known[entry.id]
        if known.entry == held:
            return
        for name, values in self._values([entry]).items():
            self._set(name, row, values[0])
        self._known[entry.id] = _Known(held, known.terms)
        self.changes += 1

    def _values(self, entries: Sequence[Entry]) -> dict[str, Sequence[Any] | NDArray[Any]]:
        """Return what stands in the columns but `live`, by their names: (n,) each."""
        if any(entry.traits is None or entry.terms is None for entry in entries):
            raise ValueError("an entry needs its terms and traits here")
        traits = Traits.columns(np.array([entry.traits for entry in entries], np.int32))
        halves = np.frombuffer(b"".join([entry.id.bytes for entry in entries]), ">u8").reshape(-1, 2)
        return {
            "observed_at": [entry.observed_at for entry in entries],
            "valid_from": [np.nan if entry.valid_from is None else entry.valid_from for entry in entries],
            "valid_to": [np.nan if entry.valid_to is None else entry.valid_to for entry in entries],
            "expires_at": [np.inf if entry.expires_at is None else entry.expires_at for entry in entries],
            "session": [self._session(entry) for entry in entries],
            "scope": [self._scope(entry) for entry in entries],
            "speaker": [self._speaker(entry.speaker) for entry in entries],
            "role": [_role(entry.role or entry.speaker) for entry in entries],
            "length": [len(entry.terms or ()) for entry in entries],
            "asks": traits.asks,
            "has_number": traits.has_number,
            "has_time": traits.has_time,
            "first_person": traits.first_person,
            "superseded": [entry.superseded for entry in entries],
            "wish": [entry.wish for entry in entries],
            "id_high": halves[:, 0],
            "id_low": halves[:, 1],
        }

    def _session(self, entry: Entry) -> int:
        if entry.session_id is None:
            return NONE
        # Two users may number their sessions alike: scopes are not crossed.
        key = (entry.namespace_id, entry.session_id, entry.user_id, entry.agent_id)
        return self._sessions.setdefault(key, len(self._sessions))

    def _scope(self, entry: Entry) -> int:
        return self._scopes.setdefault((entry.namespace_id, entry.user_id, entry.agent_id), len(self._scopes))

    def _speaker(self, name: str | None) -> int:
        if not name or name.casefold() in ROLES:
            return NONE
        return self._speakers.setdefault(name, len(self._speakers))

    def _set(self, name: str, row: int, value: Any) -> None:
        """Change one value without changing the arrays that `rows` gave away."""
        column = self._columns[name]
        same = np.isnan(value) and np.isnan(column[row]) if column.dtype == np.float64 else False
        if not same and column[row] != value:
            column = column.copy()
            column[row] = value
            self._columns[name] = column

    def _make_room(self, n: int, dimension: int) -> None:
        if self._vectors.shape[1] != dimension and len(self.ids) == 0:
            self._vectors = np.zeros((16, dimension), np.float32)
            self._key_vectors = np.zeros((4, dimension), np.float32)
        if n > len(self._vectors):
            self._vectors = _grown(self._vectors, at_least=n)
            self._columns = {name: _grown(column, at_least=n) for name, column in self._columns.items()}

    def _add_key(self, row: int, kind: int, vector: NDArray[np.float32]) -> None:
        k = len(self._key_row)
        if k == len(self._key_vectors):
            self._key_vectors = _grown(self._key_vectors)
        self._key_vectors[k] = vector
        self._key_row.append(row)
        self._key_kind.append(kind)

    def _keys(self) -> Keys:
        k = len(self._key_row)
        return Keys(np.array(self._key_row, np.int32), np.array(self._key_kind, np.int8), self._key_vectors[:k])

    def _grouped(self, kind: str, n: int, kept: NDArray[np.intp] | None) -> NDArray[np.int32] | None:
        column = self._groups[kind].column(n)
        return None if column is None else taken(column, kept)

    def _edges(self, place: NDArray[np.int32]) -> Links:
        found = [
            (place[self._row_of[source]], place[self._row_of[target]], weight)
            for source, target, weight in self._links.values()
            if source in self._row_of and target in self._row_of
        ]
        sources, targets, weights = zip(*found, strict=True) if found else ((), (), ())
        return Links(np.array(sources, np.int32), np.array(targets, np.int32), np.array(weights, np.float32))


def _role(name: str | None) -> int:
    return _ROLES.get((name or "").casefold(), int(Role.NONE))


def _grown(values: NDArray[Any], *, at_least: int = 0) -> NDArray[Any]:
    room = max(int(len(values) * _GROWTH), len(values) + 16, at_least)
    wider = np.zeros((room, *values.shape[1:]), values.dtype)
    wider[: len(values)] = values
    return wider


def _bare(entry: Entry) -> Entry:
    """Leave out the texts, which would double what is held."""
    # Not `replace`, which takes twice as long: thousands are read where a namespace is.
    return Entry(
        entry.id, entry.namespace_id, entry.content_version, entry.session_id, entry.user_id, entry.agent_id,
        entry.speaker, entry.role, entry.observed_at, entry.valid_from, entry.valid_to, entry.expires_at,
        entry.superseded, entry.archived, entry.traits, None,
        language=entry.language, precision=entry.precision, wish=entry.wish,
    )  # fmt: skip
