"""What the background found in rows, as lists that grow with them: moments they speak of, entities they name."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.entries import Annotations
from retrieval.rows import NONE, Mentions, Spans


@dataclass(frozen=True, slots=True)
class Annotated:
    """Annotations of all rows as arrays."""

    spans: Spans
    mentions: Mentions

    def at(self, place: NDArray[np.int32]) -> "Annotated":
        """Renumber the rows and leave out those that are dropped, which are at NONE."""
        span_row, mention_row = place[self.spans.row], place[self.mentions.row]
        kept, named = span_row != NONE, mention_row != NONE
        return Annotated(
            Spans(span_row[kept], self.spans.start[kept], self.spans.end[kept]),
            Mentions(mention_row[named], self.mentions.entity[named]),
        )


class AnnotationLists:
    """Annotations by row; noting a row for the first time appends, after noting one anew all lists are built once, when read."""

    def __init__(self) -> None:
        self._of_row: dict[int, Annotations] = {}
        self._entities: dict[str, int] = {}
        self._lists = _Lists()
        self._outdated = False

    def __len__(self) -> int:
        return len(self._of_row)

    @property
    def entities(self) -> tuple[str, ...]:
        """All names, by their number."""
        return tuple(self._entities)

    @property
    def aliases(self) -> dict[str, frozenset[str]]:
        """Other names of entities, each with the canonical names that it stands for in rows that are not dropped."""
        return {alias: frozenset(names) for alias, names in self._built().aliases.items()}

    def note(self, row: int, annotations: Annotations) -> bool:
        """Note what was found in a row, in place of what was noted before; say whether that is anything new."""
        before = self._of_row.get(row)
        if before == annotations or (before is None and annotations == Annotations()):
            return False
        self._of_row[row] = annotations
        for name in annotations.entities:
            self._entities.setdefault(name, len(self._entities))
        self._outdated = self._outdated or before is not None
        if not self._outdated:
            self._lists.append(row, annotations, self._entities)
        return True

    def drop(self, row: int) -> None:
        """Forget a row; its entries stay in the lists until they are built anew or `Annotated.at` leaves them out."""
        gone = self._of_row.pop(row, None)
        if gone is not None and gone.aliases:
            self._outdated = True  # its other names stand among those of the rest

    def arrays(self) -> Annotated:
        """Return all lists as arrays, dropped rows included."""
        lists = self._built()
        return Annotated(
            Spans(
                np.array(lists.span_row, np.int32),
                np.array(lists.start, np.float64),
                np.array(lists.end, np.float64),
            ),
            Mentions(np.array(lists.mention_row, np.int32), np.array(lists.entity, np.int32)),
        )

    def _built(self) -> "_Lists":
        """Return the lists as they are now. New ones take the place of the old when they are whole, not before."""
        if self._outdated:
            lists = _Lists()
            for row, annotations in self._of_row.items():
                lists.append(row, annotations, self._entities)
            self._lists, self._outdated = lists, False
        return self._lists


class _Lists:
    """The annotations of rows, one behind another."""

    def __init__(self) -> None:
        self.span_row, self.start, self.end = array("i"), array("d"), array("d")
        self.mention_row, self.entity = array("i"), array("i")
        self.aliases: dict[str, set[str]] = {}

    def append(self, row: int, annotations: Annotations, number: Mapping[str, int]) -> None:
        """Append what was found in a row; entities go by their number."""
        for start, end in annotations.spans:
            self.span_row.append(row)
            self.start.append(start)
            self.end.append(end)
        for name in annotations.entities:
            self.mention_row.append(row)
            self.entity.append(number[name])
        for alias, name in annotations.aliases:
            self.aliases.setdefault(alias, set()).add(name)
