"""What can go wrong beside what the service and LangGraph themselves raise.

ValueError
├── InvalidNamespaceError (of LangGraph)
│   └── NamespaceTooLong
├── InvalidKey
└── ItemRejected
"""

from __future__ import annotations

from langgraph.store.base import InvalidNamespaceError


class NamespaceTooLong(InvalidNamespaceError):
    """The path of a namespace is longer than the service takes."""


class InvalidKey(ValueError):
    """A key cannot be that of a memory."""


class ItemRejected(ValueError):
    """The service refused items of a batch; the others are stored.

    ``problems`` has (namespace, key, reason) of each.
    """

    def __init__(self, problems: list[tuple[tuple[str, ...], str, str]]) -> None:
        self.problems = problems
        namespace, key, why = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"The item {key!r} in {namespace!r} was refused: {why}{more}")
