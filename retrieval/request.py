"""One search, as asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from memory_service.filters import Filter, mentions
from memory_service.types import AsOf, TimeWindow
from retrieval.framing import Framed, asked_in

CountTokens = Callable[[Sequence[str]], list[int]]

# How many candidates each channel proposes at least, per preset; never fewer than twice the results asked for. With the turns
# around them they are what a search of a large namespace ranks. More are not better: among the conversations of three data sets in
# one namespace, thirty put more of the evidence into the first ten than fifty did (docs/discussion/ablation.md), in less time.
PRESETS: Mapping[str, int] = {"fast": 30, "balanced": 30, "thorough": 200}


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """One search, as asked."""

    query: str
    namespace: str | None = None
    namespaces: tuple[str, ...] | None = None
    namespace_prefix: str | None = None
    filter: Filter | None = None
    top_k: int = 10
    preset: str = "balanced"
    preset_said: bool = False  # by the caller; else a fusion policy of the namespace may say
    weights: Mapping[str, float] | None = None
    as_of: AsOf = field(default_factory=AsOf)
    now: datetime | None = None  # from when relative dates in the query count; None for the present
    window: TimeWindow | None = None
    min_confidence: float | None = None
    diversity: float = 0.0
    token_budget: int | None = None
    archived: bool = False
    explain: bool = False
    languages: tuple[str, ...] | None = None  # by whose rules the query is cut; None for those there are now
    asked: Framed = field(init=False)  # what the query asks, without what is written around it

    def __post_init__(self) -> None:
        object.__setattr__(self, "asked", asked_in(self.query))

    @property
    def expired(self) -> bool:
        """Say whether what has expired is asked for: the archive, by a filter that says something about `state`, as in lists."""
        return self.archived and self.filter is not None and mentions(self.filter, "state")
