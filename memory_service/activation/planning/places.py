"""Where things stand in a prompt: from characters to tokens to blocks.

Numbers of a block depend on every token before its end. So a memory is a source of each block that ends behind its first token.
Where it cannot be told where a memory stands, it is taken to stand at the very beginning: then it is a source of everything.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

Span = tuple[int, int]
"""Begin and end, the end exclusive."""


def found_in_order(text: str, pieces: Sequence[str], *, begin: int = 0, end: int | None = None) -> list[Span]:
    """Return where pieces stand in a text, in characters, each behind the one before it, between `begin` and `end`.

    The first place is never behind the true one where the piece is there: whoever wrote the same words earlier moves it
    forward, and nothing else does. A piece that is not there, as a template has changed it, stands at (0, end of the text).

    >>> found_in_order("ab cd ab", ["cd", "ab"]), found_in_order("ab", ["x", "b"]), found_in_order("ab ab", ["b"], end=1)
    ([(3, 5), (6, 8)], [(0, 2), (1, 2)], [(0, 5)])
    """
    places, behind = [], begin
    for piece in pieces:
        at = text.find(piece, behind, end)
        if at < 0:
            places.append((0, len(text)))
            continue
        behind = at + len(piece)
        places.append((at, behind))
    return places


def shared_start(text: str, others: Sequence[str]) -> int:
    """Return how many leading characters a text has in common with all of some others.

    A prompt and two that say something else from the first turn on differ where the first turn begins, or before it: two of
    them, because a turn may begin as one of the others does.

    >>> shared_start("<user>are you there", ["<user>a", "<user>1"]), shared_start("x", [])
    (6, 1)
    """
    return min((_shared(text, other) for other in others), default=len(text))


def _shared(one: str, other: str) -> int:
    """Return the length of what two texts begin with, found by halving: slices are compared faster than characters."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def tokens_of(offsets: Sequence[Span], characters: Span) -> Span:
    """Return the tokens that hold any of some characters.

    Offsets are those of a tokenizer: for each token the characters it stands for, in their order. A token that reaches over
    the edge of a span belongs to both sides; those without characters, which a tokenizer adds, to whatever is around them.

    >>> tokens_of([(0, 2), (2, 5), (5, 6)], (3, 6)), tokens_of([(0, 2), (2, 5)], (5, 5))
    ((1, 3), (2, 2))
    """
    start, end = characters
    first = bisect_right(offsets, start, key=lambda offset: offset[1])
    last = bisect_left(offsets, end, key=lambda offset: offset[0])
    return first, max(first, last)


def first_block(token_start: int, block_size: int) -> int:
    """Return the first block whose numbers depend on a token.

    >>> first_block(0, 16), first_block(15, 16), first_block(16, 16)
    (0, 0, 1)
    """
    return token_start // block_size
