"""What can go wrong beside what the service itself raises.

ValueError
├── NotOurVector
├── RecordRejected
└── ScopeTooLong
"""

from __future__ import annotations

from collections.abc import Sequence


class NotOurVector(ValueError):
    """A vector carries no text: give the memory `embedder=storage.embedder`, as the service encodes texts itself."""

    def __init__(self) -> None:
        super().__init__(str(type(self).__doc__))


class ScopeTooLong(ValueError):
    """The path of a scope is longer than the service takes."""


class RecordRejected(ValueError):
    """The service refused records; the others are stored.

    ``problems`` has (record id, reason) of each.
    """

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = list(problems)
        record_id, why = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"The record {record_id!r} was refused: {why}{more}")
