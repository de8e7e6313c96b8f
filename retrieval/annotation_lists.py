"""What the background found in rows, as lists that grow with them: moments they speak of, entities they name."""

from array import array
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
    """Annotations by row; noting a row for the first time appends, noting it anew builds all lists again."""

    def __init__(self) -> None:
        self._of_row: dict[int, Annotations] = {}
        self._entities: dict[str, int] = {}
        self._begin()

    def __len__(self) -> int:
        return len(self._of_row)

    @property
    def entities(self) -> tuple[str, ...]:
        """All names, by their number."""
        return tuple(self._entities)

    @property
    def aliases(self) -> dict[str, frozenset[str]]:
        """Other names of entities, each with the canonical names that it stands for."""
        return {alias: frozenset(names) for alias, names in self._aliases.items()}

    def note(self, row: int, annotations: Annotations) -> bool:
        """Note what was found in a row, in place of what was noted before; say whether that is anything new."""
        before = self._of_row.get(row)
        if before == annotations or (before is None and annotations == Annotations()):
            return False
        self._of_row[row] = annotations
        if before is None:
            self._append(row, annotations)
        else:
            self._begin()
            for one, note in self._of_row.items():
                self._append(one, note)
        return True

    def drop(self, row: int) -> None:
        """Forget a row; its entries stay in the lists until `Annotated.at` leaves them out."""
        self._of_row.pop(row, None)

    def arrays(self) -> Annotated:
        """Return all lists as arrays, dropped rows included."""
        return Annotated(
            Spans(
                np.array(self._span_row, np.int32),
                np.array(self._start, np.float64),
                np.array(self._end, np.float64),
            ),
            Mentions(np.array(self._mention_row, np.int32), np.array(self._entity, np.int32)),
        )

    def _begin(self) -> None:
        self._span_row, self._start, self._end = array("i"), array("d"), array("d")
        self._mention_row, self._entity = array("i"), array("i")
        self._aliases: dict[str, set[str]] = {}

    def _append(self, row: int, annotations: Annotations) -> None:
        for start, end in annotations.spans:
            self._span_row.append(row)
            self._start.append(start)
            self._end.append(end)
        for name in annotations.entities:
            self._mention_row.append(row)
            self._entity.append(self._entities.setdefault(name, len(self._entities)))
        for alias, name in annotations.aliases:
            self._aliases.setdefault(alias, set()).add(name)
