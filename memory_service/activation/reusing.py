"""Put stored caches one behind another, also where one of them was made at another place."""

from collections.abc import Sequence
from dataclasses import dataclass

from memory_service.activation.errors import BadTensor, UnsupportedRope
from memory_service.activation.exactness import Exactness, least_exact
from memory_service.activation.key_values import KeyValues, joined
from memory_service.activation.rope import Rope, move


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A cache of consecutive tokens, and what was done to it since the model made it."""

    cache: KeyValues
    exactness: Exactness = Exactness.EXACT


def reuse(pieces: Sequence[Piece], rope: Rope | None = None) -> Piece:
    """Return one cache from position 0 on, and what may be said of it: no more than of its worst piece.

    A piece that stands where the ones before it end stays as it is. Another is turned to that place, which makes the whole
    `shifted`: its tokens never saw what stands before them now. Whoever puts pieces together opts into that by giving the
    model's rotation.

    Raises:
        BadTensor: there is no piece, one has gaps, or they are of different models.
        UnsupportedRope: a piece stands elsewhere, and no rotation was given.
    """
    if not pieces:
        raise BadTensor("a cache needs a piece")
    placed, end, said = [], 0, [one.exactness for one in pieces]
    for piece in pieces:
        cache = piece.cache
        if not cache.tokens or int(cache.positions[-1] - cache.positions[0]) != cache.tokens - 1:
            raise BadTensor("a piece is of consecutive tokens")
        if int(cache.positions[0]) != end:
            if rope is None:
                raise UnsupportedRope("a piece stands at another place, and its model's rotation is not given")
            cache = move(cache, end, rope)
            said.append(Exactness.SHIFTED)
        placed.append(cache)
        end += cache.tokens
    return Piece(joined(placed), least_exact(said))
