"""What a search works with besides the database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memory_service.storage.namespaces import Namespace
from retrieval.helper import Helper
from retrieval.request import CountTokens
from retrieval.resident import Residents

T = TypeVar("T")
U = TypeVar("U")

# Query, ids and texts of n memories into float32[n], NaN where there is no score.
Rerank = Callable[[str, Sequence[UUID], Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Tools:
    """What a search works with besides the database."""

    residents: Residents
    encode: Callable[[str], NDArray[np.float32]]  # a text into float32[d], normalised
    count_tokens: CountTokens  # asked only when there is a budget
    rerank: Rerank | None = None  # None: without one
    # The same as `encode` under another encoder; None where all namespaces go by one.
    encode_under: Callable[[int], Callable[[str], NDArray[np.float32]]] | None = None
    # Whether a query would be encoded under an encoder without waiting for anybody: then a connection may be held meanwhile.
    at_once: Callable[[int], bool] = lambda _: False
    helper: Helper | None = None  # does beside the encoder what does not need it; None: nobody does

    def both(self, here: Callable[[], T], beside: Callable[[], U]) -> tuple[T, U]:
        """Do two things at a time where there is a helper, else one after the other; neither goes on when this returns."""
        return (here(), beside()) if self.helper is None else self.helper.both(here, beside)

    def vectors(self, query: str, namespaces: Sequence[Namespace]) -> dict[int, NDArray[np.float32]]:
        """Encode a query under every encoder of some namespaces."""
        encoders = sorted({namespace.encoder_id for namespace in namespaces})
        if self.encode_under is None:
            # One call, whatever the encoder is called.
            return {encoders[0]: self.encode(query)}
        return {one: self.encode_under(one)(query) for one in encoders}
