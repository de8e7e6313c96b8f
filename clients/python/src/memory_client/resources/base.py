"""What all groups of calls share."""

from __future__ import annotations

from typing import Generic

from memory_client.calls import Bound, E


class Resource(Bound[E], Generic[E]):
    """A group of calls, carried out by the executor of its client."""

    def __init__(self, executor: E) -> None:
        self._executor = executor

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._executor.endpoint.url}>"
