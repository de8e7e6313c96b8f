"""The one-method protocol of whatever scores texts against a query."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Reranker(Protocol):
    """Score texts against a query."""

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32[n], one score per text in the order of `texts`; higher answers the query better, on any scale."""
        ...
