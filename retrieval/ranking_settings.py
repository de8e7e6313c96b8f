"""How memories are ranked: one configuration for all data, and the presets a caller may name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from retrieval.breadth import BreadthSettings
from retrieval.contiguity import ContiguitySettings
from retrieval.priors import PriorSettings
from retrieval.router import RouterSettings
from retrieval.segments import SegmentSettings
from retrieval.summaries import SummarySettings
from retrieval.wishes import WishSettings


@dataclass(frozen=True, slots=True)
class RankingSettings:
    """One configuration for all data; the amounts were chosen on plateaus of development data."""

    keywords: float = 0.3  # of the keyword channel; the vector channel has the rest
    trusted_coverage: float = 0.5  # from here on keywords have their full weight
    keys: float = (
        0.0  # of the vector channel: vectors beside those of the text; answers are found by contiguity instead
    )
    following: float = 0.2  # for statements: the turn after
    graph: float = 0.1  # activation that reached a row over what it has in common with the best
    hopfield: float = (
        0.0  # nearness to the completed cue; nothing by default, see docs/discussion/associative-memory.md
    )
    hopfield_asked: float = 0.2  # the same where the caller names the channel among others
    completed: int = 300  # rows nearest to the cue, from which it is completed
    extra: Mapping[str, float] = field(default_factory=dict)  # channels given by the caller; what is not named is off
    asked: float = 0.5  # of a channel that is off by default and that the caller names among several
    routes_granularity: bool = True  # sessions count the more, the better they are told apart beside the turns
    contiguity: ContiguitySettings = field(default_factory=ContiguitySettings)
    breadth: BreadthSettings = field(default_factory=BreadthSettings)  # for questions about the course of things
    priors: PriorSettings = field(default_factory=PriorSettings)
    router: RouterSettings = field(default_factory=RouterSettings)
    segments: SegmentSettings | None = field(default_factory=SegmentSettings)  # None: never spread over time
    # Where there are episodes; None: a summary is spread over time as other questions about the course of things are.
    summaries: SummarySettings | None = field(default_factory=SummarySettings)
    wishes: WishSettings | None = field(default_factory=WishSettings)  # None: they stand where their scores put them


DEFAULT: Final = RankingSettings()
# Spreading activation is the dearest channel of a large namespace; `fast` does without.
PRESETS: Final[Mapping[str, RankingSettings]] = {
    "fast": replace(DEFAULT, graph=0.0),
    "balanced": DEFAULT,
    "thorough": DEFAULT,
}
