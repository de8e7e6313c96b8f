"""Make partial and noisy cues out of a text, as docs/discussion/associative-memory.md fixes it."""

import math
import zlib
from collections.abc import Callable, Sequence
from enum import StrEnum

import numpy as np

SEED = 20261120
LONGEST = 40  # words of a text that are made into a cue
DAMAGED = 0.5  # of the words long enough, by typos
SHORTEST_DAMAGED = 4  # letters
FRAGMENT_SHARE = 0.25
FRAGMENT_WORDS = (3, 8)  # the fewest and the most of a fragment
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Kind(StrEnum):
    """How a cue differs from what is stored."""

    HALF = "half"
    TYPOS = "typos"
    FRAGMENT = "fragment"


def noisy(text: str, kind: Kind, rng: np.random.Generator) -> str:
    """Return a cue of a kind; of a text longer than ``LONGEST`` words, a random run of it is used."""
    words = run(text.split(), LONGEST, rng)
    return " ".join(_MAKERS[kind](words, rng))


def rng_of(conversation: str, memory: str, kind: str) -> np.random.Generator:
    """Return the generator of one cue, which depends on no other cue."""
    return np.random.default_rng([SEED, zlib.crc32(f"{conversation}/{memory}/{kind}".encode())])


def run(words: Sequence[str], length: int, rng: np.random.Generator) -> list[str]:
    """Return ``length`` consecutive words, or all when there are fewer.

    >>> run(["a", "b", "c"], 3, np.random.default_rng(0))
    ['a', 'b', 'c']
    """
    if len(words) <= length:
        return list(words)
    start = int(rng.integers(0, len(words) - length + 1))
    return list(words[start : start + length])


def half(words: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Keep half of the words, rounded up, in their order."""
    kept = rng.choice(len(words), size=math.ceil(len(words) / 2), replace=False)
    return [words[place] for place in sorted(kept.tolist())]


def typos(words: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Damage words of four letters or more with probability ½, each once."""
    found = []
    for word in words:
        letters = sum(letter.isalpha() for letter in word)
        damaged = letters >= SHORTEST_DAMAGED and rng.random() < DAMAGED
        found.append(damage(word, rng) if damaged else word)
    return found


def fragment(words: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Keep a quarter of the words that stand together, three to eight."""
    fewest, most = FRAGMENT_WORDS
    return run(words, min(most, max(fewest, round(FRAGMENT_SHARE * len(words)))), rng)


def damage(word: str, rng: np.random.Generator) -> str:
    """Swap two neighbouring letters, or lose, double or replace one."""
    at = [place for place, letter in enumerate(word) if letter.isalpha()]
    place = at[int(rng.integers(0, len(at)))]
    before, letter, after = word[:place], word[place], word[place + 1 :]
    match int(rng.integers(0, 4)):
        case 0:
            if after[:1].isalpha():
                return before + after[0] + letter + after[1:]
            # The last letter has no neighbour behind it: it swaps with the one before.
            return before[:-1] + letter + before[-1:] + after
        case 1:
            return before + after
        case 2:
            return before + letter + letter + after
        case _:
            others = [other for other in _LETTERS if other != letter.lower()]
            return before + others[int(rng.integers(0, len(others)))] + after


_MAKERS: dict[Kind, Callable[[Sequence[str], np.random.Generator], list[str]]] = {
    Kind.HALF: half,
    Kind.TYPOS: typos,
    Kind.FRAGMENT: fragment,
}
