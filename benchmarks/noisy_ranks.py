"""Rank by a noisy cue with the hopfield channel on and off, and by channels alone."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation_data import Cue
from benchmarks.ablation_setup import context_scores, nearest
from retrieval import hopfield
from retrieval.attention import Form
from retrieval.bm25 import match
from retrieval.ranking import best_first, rank
from retrieval.ranking_settings import DEFAULT, RankingSettings
from retrieval.rows import Rows
from retrieval.similarity import similarity
from retrieval.standard import standardised

WEIGHT = 0.2
KEYWORDS = 0.5
"""Weight of keywords in the fusion that the protocol was written for, where they cover half of the cue or more."""
TRUSTED_COVERAGE = 0.5
PARAMETERS: Mapping[str, hopfield.Parameters] = {
    "hopfield": hopfield.DEFAULT,
    "hopfield sparsemax": hopfield.Parameters(form=Form.SPARSEMAX),
    "hopfield entmax15": hopfield.Parameters(form=Form.ENTMAX15),
    "hopfield two steps": hopfield.Parameters(steps=2),
}
"""The channel by default, and its other forms."""


def orders(rows: Rows, cue: Cue, *, limit: int) -> dict[str, NDArray[np.intp]]:
    """Return the first ``limit`` rows by the ranking and the fusion, off and on, and by channels alone."""
    candidates = nearest(rows, cue)
    completed = {name: hopfield.score(rows, cue.vector, candidates, parameters=one) for name, one in PARAMETERS.items()}
    cosines = similarity(rows, cue.vector).key
    words = match(rows, cue.parsed.terms)
    found: dict[str, NDArray[np.intp]] = {
        "ranking off": _ranked(rows, cue, DEFAULT, limit=limit),
        **{
            f"ranking on, {name}": _ranked(
                rows, cue, RankingSettings(extra={"hopfield": WEIGHT}), hopfield_scores=scores, limit=limit
            )
            for name, scores in completed.items()
        },
    }
    keyword = KEYWORDS * min(1.0, float(words.covered.max(initial=0.0)) / TRUSTED_COVERAGE)
    fused = keyword * standardised(words.score[candidates]) + (1 - keyword) * standardised(cosines[candidates])
    added = fused + WEIGHT * standardised(completed["hopfield"][candidates])
    among = np.zeros(len(rows), dtype=np.bool_)
    among[candidates] = True
    for name, scores in (("fusion off", fused), ("fusion on", added)):
        spread = np.full(len(rows), -np.inf)
        spread[candidates] = scores
        found[name] = best_first(spread, among, rows.ids, limit=limit)
    alone = {"vector alone": cosines, "temporal alone": context_scores(rows, cue)}
    alone |= {f"{name} alone": scores for name, scores in completed.items()}
    for name, scores in alone.items():
        found[name] = best_first(np.nan_to_num(scores, nan=-np.inf), ~np.isnan(scores), rows.ids, limit=limit)
    return found


def _ranked(
    rows: Rows,
    cue: Cue,
    settings: RankingSettings,
    *,
    hopfield_scores: NDArray[np.float64] | None = None,
    limit: int,
) -> NDArray[np.intp]:
    extra = {} if hopfield_scores is None else {"hopfield": hopfield_scores}
    return rank(rows, cue.parsed, vector=cue.vector, extra=extra, settings=settings, limit=limit).order
