"""How many tokens texts have that were counted before: the memories of one prompt stand in the next ones, too."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from secrets import token_bytes
from typing import Final

REMEMBERED: Final = 50_000
"""Some five megabytes for each model."""
_DIGEST_BYTES: Final = 16


class KnownCounts:
    """Counts by the digest of a text, the ones that rested longest forgotten. Made for threads.

    No text is kept, and the digests are under a key of this object's own: nobody can guess at what was erased by them.
    """

    def __init__(self, count: Callable[[Sequence[str]], Sequence[int]], *, limit: int = REMEMBERED) -> None:
        """Know nothing yet; `count` tells what is not known."""
        self._count, self._limit = count, limit
        self._key = token_bytes(_DIGEST_BYTES)
        self._known: OrderedDict[bytes, int] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each of some texts has."""
        digests = [self._digest(text) for text in texts]
        with self._lock:
            found = {one: self._known[one] for one in digests if one in self._known}
            for one in found:
                self._known.move_to_end(one)
        missing = {one: text for one, text in zip(digests, texts, strict=True) if one not in found}
        if missing:
            # Without the lock: others go on meanwhile, and at worst count the same.
            counted = dict(zip(missing, self._count(list(missing.values())), strict=True))
            found |= counted
            with self._lock:
                self._known |= counted
                while len(self._known) > self._limit:
                    self._known.popitem(last=False)
        return [found[one] for one in digests]

    def _digest(self, text: str) -> bytes:
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES, key=self._key).digest()
