"""Gather memories into `Rows`, one after another, cheaply enough to follow a namespace that grows while it is searched.

Columns grow by doubling and are only ever appended to, so that `Rows` taken earlier stay valid while more is added. A memory
whose text changes gets a new row and its old one is dropped; once a quarter of the rows are dropped, `worn` asks to start anew.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memory_service.analysis.tokens import ROLES
from memory_service.analysis.traits import Traits, traits
from retrieval.entries import Annotations, Entry, Vectors
from retrieval.rows import NONE, KeyKind, Keys, Links, Mentions, Postings, Role, Rows, Spans

_WORN_SHARE: Final = 0.25
_WORN_AT_LEAST: Final = 200  # dropped rows; fewer are not worth starting anew
_ROLES: Final = {role.name.casefold(): role for role in Role}

_COLUMNS: Final = {
    "observed_at": np.float64, "valid_from": np.float64, "valid_to": np.float64, "expires_at": np.float64,
    "session": np.int32, "speaker": np.int32, "role": np.int8, "length": np.int32, "asks": np.bool_,
    "has_number": np.bool_, "has_time": np.bool_, "first_person": np.int8, "superseded": np.bool_, "live": np.bool_,
}  # fmt: skip


class Gathering:
    """Memories of one or more namespaces, gathered so far. Not safe to change from two threads at once."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []
        self._row_of: dict[UUID, int] = {}
        self._entry_of: dict[UUID, Entry] = {}  # without terms and content, which would double what is held
        self._terms_of: dict[UUID, int] = {}  # a hash of the terms
        self._columns: dict[str, NDArray[Any]] = {name: np.zeros(16, dtype) for name, dtype in _COLUMNS.items()}
        self._vectors: NDArray[np.float32] = np.zeros((16, 0), np.float32)
        self._key_row, self._key_kind = array("i"), array("b")
        self._key_vectors: NDArray[np.float32] = np.zeros((4, 0), np.float32)
        self._sessions: dict[tuple[UUID, str, str | None, str | None], int] = {}
        self._speakers: dict[str, int] = {}
        self._terms: defaultdict[str, _Growing] = defaultdict(_Growing)
        self._annotations: dict[int, Annotations] = {}
        self._entities: dict[str, int] = {}
        self._links: dict[UUID, tuple[UUID, UUID, float]] = {}
        self._dropped = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def worn(self) -> bool:
        """Say whether so many rows are dropped that starting anew pays."""
        return self._dropped >= _WORN_AT_LEAST and self._dropped > _WORN_SHARE * len(self.ids)

    @property
    def bytes(self) -> int:
        """Estimate the memory held: vectors, columns, postings."""
        columns = sum(column.nbytes for column in self._columns.values())
        postings = sum(8 * len(growing.rows) + 200 for growing in self._terms.values())
        return self._vectors.nbytes + self._key_vectors.nbytes + columns + postings + 1000 * len(self.ids)

    def needs_vectors(self, entry: Entry) -> bool:
        """Say whether a memory is new here, or says something else than it did."""
        if entry.archived:
            return False
        known = self._entry_of.get(entry.id)
        same = known is not None and known.content_version == entry.content_version
        return not (same and self._terms_of[entry.id] == hash(entry.terms))

    def add(self, entry: Entry, vectors: Vectors | None) -> None:
        """Add a memory, or bring it up to date.

        Args:
            entry: the memory.
            vectors: its vectors; None when it does not need them.
        """
        if entry.archived:
            self.drop(entry.id)
            return
        if not self.needs_vectors(entry):
            self._update(self._row_of[entry.id], entry)
            return
        if vectors is None:
            raise ValueError("a new text needs vectors")
        self.drop(entry.id)
        self._append(entry, vectors)

    def drop(self, memory_id: UUID) -> None:
        """Take a memory out."""
        row = self._row_of.pop(memory_id, None)
        self._entry_of.pop(memory_id, None)
        self._terms_of.pop(memory_id, None)
        if row is not None:
            self._set("live", row, False)
            self._annotations.pop(row, None)
            self._dropped += 1

    def annotate(self, memory_id: UUID, annotations: Annotations) -> None:
        """Note what was found in a memory, in place of what was noted before."""
        row = self._row_of.get(memory_id)
        if row is not None:
            self._annotations[row] = annotations

    def link(self, link_id: UUID, source: UUID, target: UUID, weight: float) -> None:
        """Note a link between two memories, whether they are here yet or not."""
        self._links[link_id] = (source, target, weight)

    def unlink(self, link_id: UUID) -> None:
        """Forget a link."""
        self._links.pop(link_id, None)

    def live(self, now: float) -> NDArray[np.bool_]:
        """Say which rows count at a moment, given in seconds: neither dropped nor expired."""
        n = len(self.ids)
        answer: NDArray[np.bool_] = self._columns["live"][:n] & ~(self._columns["expires_at"][:n] <= now)
        return answer

    def row_of(self, memory_id: UUID) -> int | None:
        """Return the row of a memory."""
        return self._row_of.get(memory_id)

    def rows(self, *, documents: int | None = None, document_frequency: Mapping[str, int] | None = None) -> Rows:
        """Return what is gathered so far; later changes do not reach the answer.

        Args:
            documents: memories in the namespaces, where only candidates are gathered.
            document_frequency: in how many of them each term of the query stands, likewise.
        """
        n = len(self.ids)
        column = {name: values[:n] for name, values in self._columns.items()}
        previous, following = self._neighbours(n)
        mentions = self._mentions()  # before the names of entities, which it numbers
        return Rows(
            ids=tuple(self.ids),
            vectors=self._vectors[:n],
            keys=self._keys(),
            observed_at=column["observed_at"],
            valid_from=column["valid_from"],
            valid_to=column["valid_to"],
            session=column["session"],
            previous=previous,
            following=following,
            speaker=column["speaker"],
            role=column["role"],
            length=column["length"],
            asks=column["asks"],
            has_number=column["has_number"],
            has_time=column["has_time"],
            first_person=column["first_person"],
            superseded=column["superseded"],
            speakers=tuple(self._speakers),
            entities=tuple(self._entities),
            postings=_PostingsUpTo(self._terms, n),
            spans=self._spans(),
            mentions=mentions,
            links=self._edges(),
            documents=len(self._row_of) if documents is None else documents,
            document_frequency=document_frequency or {},
        )

    def _append(self, entry: Entry, vectors: Vectors) -> None:
        row = len(self.ids)
        self._make_room(row + 1, vectors.text.shape[1])
        self._vectors[row] = vectors.text[0]
        for chunk in vectors.text[1:]:
            self._add_key(row, KeyKind.CHUNK, chunk)
        for kind, vector in vectors.keys:
            self._add_key(row, kind, vector)
        for term, frequency in _counted(entry.terms):
            self._terms[term].append(row, frequency)
        self._columns["live"][row] = True
        for name, value in self._values(entry).items():
            self._columns[name][row] = value
        self._row_of[entry.id] = row
        self._entry_of[entry.id] = replace(entry, terms=(), content=None)
        self._terms_of[entry.id] = hash(entry.terms)
        # Last: a reader that counts ids must find everything else in place.
        self.ids.append(entry.id)

    def _update(self, row: int, entry: Entry) -> None:
        bare = replace(entry, terms=(), content=None)
        if self._entry_of[entry.id] == bare:
            return
        for name, value in self._values(entry).items():
            self._set(name, row, value)
        self._entry_of[entry.id] = bare

    def _values(self, entry: Entry) -> dict[str, Any]:
        packed = entry.traits
        found: Traits = traits(entry.content or "") if packed is None else Traits.unpack(packed)
        speaker = NONE
        if entry.speaker and entry.speaker.casefold() not in ROLES:
            speaker = self._speakers.setdefault(entry.speaker, len(self._speakers))
        session = NONE
        if entry.session_id is not None:
            # Two users may number their sessions alike: scopes are not crossed.
            key = (entry.namespace_id, entry.session_id, entry.user_id, entry.agent_id)
            session = self._sessions.setdefault(key, len(self._sessions))
        role = _ROLES.get((entry.role or entry.speaker or "").casefold(), Role.NONE)
        return {
            "observed_at": entry.observed_at,
            "valid_from": np.nan if entry.valid_from is None else entry.valid_from,
            "valid_to": np.nan if entry.valid_to is None else entry.valid_to,
            "expires_at": np.inf if entry.expires_at is None else entry.expires_at,
            "session": session,
            "speaker": speaker,
            "role": role,
            "length": len(entry.terms),
            "asks": found.asks,
            "has_number": found.has_number,
            "has_time": found.has_time,
            "first_person": found.first_person,
            "superseded": entry.superseded,
        }

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
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
            self._columns = {
                name: np.concatenate([column, np.zeros_like(column)]) for name, column in self._columns.items()
            }

    def _add_key(self, row: int, kind: int, vector: NDArray[np.float32]) -> None:
        k = len(self._key_row)
        if k == len(self._key_vectors):
            self._key_vectors = np.concatenate([self._key_vectors, np.zeros_like(self._key_vectors)])
        self._key_vectors[k] = vector
        self._key_row.append(row)
        self._key_kind.append(kind)

    def _keys(self) -> Keys:
        k = len(self._key_row)
        return Keys(np.array(self._key_row, np.int32), np.array(self._key_kind, np.int8), self._key_vectors[:k])

    def _neighbours(self, n: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Say who came before and after each row in its session; dropped rows have no neighbours and are none."""
        previous, following = np.full(n, NONE, np.int32), np.full(n, NONE, np.int32)
        session = self._columns["session"][:n]
        inside = np.flatnonzero(self._columns["live"][:n] & (session != NONE))
        order = inside[np.lexsort((inside, self._columns["observed_at"][inside], session[inside]))]
        if len(order) > 1:
            same = session[order[1:]] == session[order[:-1]]
            previous[order[1:][same]] = order[:-1][same]
            following[order[:-1][same]] = order[1:][same]
        return previous, following

    def _spans(self) -> Spans:
        found = [(row, *span) for row, note in self._annotations.items() for span in note.spans]
        rows, starts, ends = zip(*found, strict=True) if found else ((), (), ())
        return Spans(np.array(rows, np.int32), np.array(starts, np.float64), np.array(ends, np.float64))

    def _mentions(self) -> Mentions:
        rows, entities = array("i"), array("i")
        for row, note in self._annotations.items():
            for name in note.entities:
                rows.append(row)
                entities.append(self._entities.setdefault(name, len(self._entities)))
        return Mentions(np.array(rows, np.int32), np.array(entities, np.int32))

    def _edges(self) -> Links:
        found = [
            (self._row_of[source], self._row_of[target], weight)
            for source, target, weight in self._links.values()
            if source in self._row_of and target in self._row_of
        ]
        sources, targets, weights = zip(*found, strict=True) if found else ((), (), ())
        return Links(np.array(sources, np.int32), np.array(targets, np.int32), np.array(weights, np.float32))


class _Growing:
    """The postings of one term, in the order of the rows."""

    __slots__ = ("frequencies", "rows")

    def __init__(self) -> None:
        self.rows = array("i")
        self.frequencies = array("i")

    def append(self, row: int, frequency: int) -> None:
        # The row comes last: whoever reads both cuts to the rows there are.
        self.frequencies.append(frequency)
        self.rows.append(row)


class _PostingsUpTo(Mapping[str, Postings]):
    """Postings as they were when there were n rows."""

    __slots__ = ("_n", "_terms")

    def __init__(self, terms: Mapping[str, _Growing], n: int) -> None:
        self._terms = terms
        self._n = n

    def __getitem__(self, term: str) -> Postings:
        growing = self._terms.get(term)
        if growing is None:
            raise KeyError(term)
        rows = np.array(growing.rows, np.int32)
        size = int(np.searchsorted(rows, self._n))
        return Postings(rows[:size], np.array(growing.frequencies, np.int32)[:size])

    def __contains__(self, term: object) -> bool:
        return term in self._terms

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._terms))

    def __len__(self) -> int:
        return len(self._terms)


def _counted(terms: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    counts: dict[str, int] = {}
    for term in terms:
        counts[term] = counts.get(term, 0) + 1
    return iter(counts.items())
