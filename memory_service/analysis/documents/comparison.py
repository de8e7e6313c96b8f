"""Compare the chunks of a document with those it had: what stays, what replaces what, what is new, what is gone."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

ALIKE: Final = 0.3  # of their words in common, from where on a chunk is another version of one and not another one
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Chunks by their places in the old and the new version."""

    kept: tuple[tuple[int, int], ...]  # (old, new) with the same text, wherever they stand now
    replaced: tuple[tuple[int, int], ...]  # (old, new) of which the one is a version of the other
    added: tuple[int, ...]  # new
    gone: tuple[int, ...]  # old


def compare(old: Sequence[str], new: Sequence[str]) -> Comparison:
    """Return what became of each chunk. Chunks between the same neighbours are compared by their words.

    >>> compare(["tea is green", "milk is white", "ice melts"], ["new start", "tea is green", "milk is rather white"])
    Comparison(kept=((0, 1),), replaced=((1, 2),), added=(0,), gone=(2,))
    """
    kept: list[tuple[int, int]] = []
    blocks: list[tuple[range, range]] = []
    for tag, a, b, c, d in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if tag == "equal":
            kept += zip(range(a, b), range(c, d), strict=True)
        else:
            blocks.append((range(a, b), range(c, d)))
    moved = _moved(old, new, blocks)
    kept += moved
    left, right = {i for i, _ in moved}, {j for _, j in moved}
    replaced: list[tuple[int, int]] = []
    for olds, news in blocks:
        replaced += _versions(old, new, [i for i in olds if i not in left], [j for j in news if j not in right])
    left |= {i for i, _ in replaced}
    right |= {j for _, j in replaced}
    return Comparison(
        kept=tuple(sorted(kept)),
        replaced=tuple(sorted(replaced)),
        added=tuple(j for _, news in blocks for j in news if j not in right),
        gone=tuple(i for olds, _ in blocks for i in olds if i not in left),
    )


def _moved(old: Sequence[str], new: Sequence[str], blocks: Sequence[tuple[range, range]]) -> list[tuple[int, int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for olds, _ in blocks:
        for i in olds:
            places[old[i]].append(i)
    return [(places[new[j]].pop(0), j) for _, news in blocks for j in news if places.get(new[j])]


def _versions(old: Sequence[str], new: Sequence[str], olds: list[int], news: list[int]) -> list[tuple[int, int]]:
    """Pair chunks in order: each old one with the first new one beyond the last pair that is alike enough."""
    pairs, at = [], 0
    words = [frozenset(word.casefold() for word in _WORD.findall(new[j])) for j in news]
    for i in olds:
        mine = frozenset(word.casefold() for word in _WORD.findall(old[i]))
        # Not far: a whole chapter rewritten has thousands on either side.
        for k in range(at, min(len(news), at + 20)):
            total = len(mine) + len(words[k])
            if total and 2 * len(mine & words[k]) / total >= ALIKE:
                pairs.append((i, news[k]))
                at = k + 1
                break
    return pairs
