"""Numbers of what happened, counted by several threads and taken by the engine after a step."""

import threading
from typing import Final

MEANINGS: Final = {
    "queries": "Requests with a grant whose blocks were looked up.",
    "query_failures": "Look-ups that the store did not answer.",
    "hit_tokens": "Tokens that the store said it has, beyond what the engine had itself.",
    "loaded_blocks": "Blocks loaded and checked.",
    "loaded_bytes": "Bytes of files loaded, checked or not.",
    "load_failures": "Files that did not come, were damaged, or belong to another engine or prompt.",
    "checks": "Files that were not what was stored, and that the store was asked to look at.",
    "recomputed_tokens": "Tokens computed because their blocks could not be loaded.",
    "saved_blocks": "Blocks that the store took.",
    "saved_bytes": "Bytes of files that the store took.",
    "save_failures": "Files that the store did not take.",
    "save_dropped": "Runs of blocks not sent, because too much was waiting.",
    "rejected": "Requests with a grant for another prompt than theirs, or of a kind whose blocks are not kept.",
}
"""Every number that is counted, and what it says."""


class Counts:
    """Numbers since they were last taken."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}

    def add(self, name: str, number: int = 1) -> None:
        """Add to one of the numbers in `MEANINGS`."""
        assert name in MEANINGS
        with self._lock:
            self._numbers[name] = self._numbers.get(name, 0) + number

    def take(self) -> dict[str, int]:
        """Return the numbers, those of zero left out, and begin anew."""
        with self._lock:
            taken, self._numbers = self._numbers, {}
        return {name: number for name, number in taken.items() if number}
