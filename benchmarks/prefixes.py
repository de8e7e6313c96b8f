"""A prefix cache as engines keep one: whole blocks of tokens, each known by all that stands before it, the oldest forgotten."""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


def tokens_of(text: str) -> list[str]:
    """Cut a text about as finely as tokenizers do: words in pieces of six characters, and signs.

    >>> tokens_of("Runa's allotment")
    ['Runa', "'", 's', 'allotm', 'ent']
    """
    return _TOKEN.findall(text)


@dataclass(slots=True)
class PrefixCache:
    """Blocks by the prefix they end; `hits` and `asked` count tokens.

    >>> cache = PrefixCache(block=2, capacity=100)
    >>> cache.ask(list("abcdef")), cache.ask(list("abcdxy")), cache.ask(list("xbcdef"))
    (0, 4, 0)
    """

    block: int
    capacity: int  # in tokens
    hits: int = 0
    asked: int = 0
    _kept: "OrderedDict[int, None]" = field(default_factory=OrderedDict)

    def ask(self, tokens: Sequence[str]) -> int:
        """Take a prompt and return how many of its tokens need no work."""
        keys, prefix = [], 0
        for start in range(0, len(tokens) - self.block + 1, self.block):
            prefix = hash((prefix, tuple(tokens[start : start + self.block])))
            keys.append(prefix)
        found = 0
        while found < len(keys) and keys[found] in self._kept:
            found += 1
        # Backwards, so that the end of a prompt is forgotten before its beginning.
        for key in reversed(keys):
            self._kept[key] = None
            self._kept.move_to_end(key)
        while len(self._kept) * self.block > self.capacity:
            self._kept.popitem(last=False)
        self.hits += found * self.block
        self.asked += len(tokens)
        return found * self.block

    @property
    def rate(self) -> float:
        """Return the share of tokens that needed no work."""
        return self.hits / self.asked if self.asked else 0.0
