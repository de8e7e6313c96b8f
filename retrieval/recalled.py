"""What a search found, and why; what it took."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from memory_service.storage.namespaces import Namespace
from retrieval.fusion_policy import NONE as NO_POLICY
from retrieval.fusion_policy import FusionPolicy
from retrieval.loading import Loaded
from retrieval.query import ParsedQuery
from retrieval.ranking import Ranked, Shown
from retrieval.results import Result

NEAR_MISSES = 5
SHOWN = 20  # results explained at least, for the trace


@dataclass(slots=True)
class Timings:
    """Milliseconds per stage."""

    encode: float = 0.0
    candidates: float = 0.0
    graph: float = 0.0
    fuse: float = 0.0
    rerank: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a search found, and why."""

    results: tuple[Result, ...]
    confidence: float
    abstain: bool
    timings: Timings
    parsed: ParsedQuery
    namespaces: tuple[Namespace, ...]
    loaded: Loaded | None = None
    ranked: Ranked | None = None
    candidates: tuple[Shown, ...] = ()  # the best, explained; results and near misses are among them
    languages: tuple[str, ...] = ()  # by whose rules the query was cut
    reranked: Mapping[UUID, float] | None = None  # what the reranker said, None where it was not asked
    vectors: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)  # of the query, by encoder
    fusion: FusionPolicy = NO_POLICY  # what the namespace said of its searches

    @property
    def considered(self) -> int:
        """How many memories took part in the ranking."""
        return 0 if self.ranked is None else int(np.count_nonzero(self.ranked.found))
