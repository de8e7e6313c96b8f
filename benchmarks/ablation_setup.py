"""One configuration of the ranking under test, and how to rank with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation_data import Asked, Cue, Space
from benchmarks.ablation_ranks import DEEPEST, with_updates
from retrieval import hopfield, temporal
from retrieval.bm25 import match
from retrieval.breadth import BreadthSettings
from retrieval.contiguity import ContiguitySettings
from retrieval.diversity import mmr
from retrieval.priors import PriorSettings
from retrieval.ranking import Ranked, rank
from retrieval.ranking_settings import DEFAULT, RankingSettings
from retrieval.router import RouterSettings
from retrieval.rows import KeyKind, Keys, Rows
from retrieval.similarity import similarity

ALL_KEYS = frozenset(KeyKind)
NEAREST = 150
"""Memories of each channel from which a cue is completed; completion is local."""

ALWAYS_QUESTION = RouterSettings(statement_coverage=0.0, any_coverage=0.0)
ALWAYS_STATEMENT = RouterSettings(any_coverage=2.0)


@dataclass(frozen=True, slots=True)
class Setup:
    """What the ranking is told, and what it is given."""

    settings: RankingSettings = DEFAULT
    alone: str | None = None  # this channel ranks alone
    extra: Mapping[str, float] = field(default_factory=dict)  # weights of channels that are off by default
    keys: frozenset[KeyKind] = ALL_KEYS
    rewritten: bool = True  # the query is encoded in the first person where it names a speaker
    names: bool = True  # it is looked up whom names mean that nobody bears
    vectors: bool = True
    diversity: float = 0.0
    updates: bool = True  # newer values of what is asked for stand above older ones

    def form(self, asked: Asked) -> Cue:
        """Return the form in which a question is asked."""
        if not self.rewritten:
            return asked.plain
        return asked.whole if self.names else asked.borne

    def rank(self, space: Space, cue: Cue, *, limit: int = DEEPEST) -> Ranked:
        """Rank the memories of a space."""
        rows = with_keys(space.rows, self.keys)
        names = dict.fromkeys([*self.extra, *([self.alone] if self.alone in FURTHER else [])])
        weights = None if self.alone is None else {self.alone: 1.0}
        ranked = rank(
            rows,
            cue.parsed,
            vector=cue.vector if self.vectors else None,
            weights=weights,
            extra={name: FURTHER[name](rows, cue) for name in names},
            limit=limit,
            settings=replace(self.settings, extra=self.extra),
        )
        if self.diversity:
            ranked = diverse(ranked, rows, diversity=self.diversity)
        return with_updates(space, cue, ranked) if self.updates and self.alone is None else ranked


BARE = Setup(
    settings=RankingSettings(
        trusted_coverage=1e-9,
        keys=0.0,
        following=0.0,
        graph=0.0,
        routes_granularity=False,
        segments=None,
        summaries=None,
        wishes=None,
        breadth=BreadthSettings(episode=0.0, topic=0.0),
        contiguity=ContiguitySettings(beside=0.0, near=0.0, answer=0.0, session_words=0.0, session_best=0.0),
        priors=PriorSettings(
            speaker=0.0,
            elsewhere=0.0,
            time=0.0,
            date=0.0,
            recency=0.0,
            number=0.0,
            length=0.0,
            asks=0.0,
            user=0.0,
            user_in_summary=0.0,
            opening=0.0,
            statement_asks=0.0,
            first_person=0.0,
        ),
        router=ALWAYS_QUESTION,
    ),
    rewritten=False,
    updates=False,
)
"""Vectors and keywords, fused, and nothing else."""


def with_keys(rows: Rows, kinds: frozenset[KeyKind]) -> Rows:
    """Return the rows found by some kinds of further vectors only."""
    if kinds == ALL_KEYS:
        return rows
    kept = np.isin(rows.keys.kind, [int(kind) for kind in kinds])
    return replace(rows, keys=Keys(rows.keys.row[kept], rows.keys.kind[kept], rows.keys.vectors[kept]))


def diverse(ranked: Ranked, rows: Rows, *, diversity: float) -> Ranked:
    """Reorder what was found by maximal marginal relevance, as a search with ``diversity`` does."""
    order = ranked.order
    chosen = mmr(ranked.score[order].tolist(), rows.vectors[order], diversity=diversity)
    return replace(ranked, order=order[chosen])


def nearest(rows: Rows, cue: Cue, *, count: int = NEAREST) -> NDArray[np.intp]:
    """Return the rows nearest by any of their vectors and the best by keywords, ``count`` of each at most."""
    cosines = similarity(rows, cue.vector).key
    words = match(rows, cue.parsed.terms).score
    by_vector = np.argsort(-cosines, kind="stable")[:count]
    by_words = np.argsort(-words, kind="stable")[:count]
    return np.union1d(by_vector, by_words[words[by_words] > 0])


def hopfield_scores(rows: Rows, cue: Cue) -> NDArray[np.float64]:
    """Score by nearness to the completed cue: (n,), NaN outside the candidates."""
    return hopfield.score(rows, cue.vector, nearest(rows, cue))


def context_scores(rows: Rows, cue: Cue) -> NDArray[np.float64]:
    """Score by the drifting context of what is nearest to the cue: (n,), NaN where nothing is brought back."""
    return temporal.score(rows, temporal.TemporalCue(), similarity(rows, cue.vector).text)


FURTHER: dict[str, Callable[[Rows, Cue], NDArray[np.float64]]] = {
    "hopfield": hopfield_scores,
    "temporal": context_scores,
}
"""Channels that the ranking does not compute itself."""
