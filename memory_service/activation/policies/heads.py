"""Some heads look everywhere, the others only nearby: a profile of a model's heads, and policies by it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory_service.activation.errors import BadTensor
from memory_service.activation.policies.keep import Keep
from memory_service.activation.policies.selecting import ends
from memory_service.activation.policies.statistics import Budget, Floats, Statistics


def retrieval_scores(attention: Floats, needles: NDArray[np.bool_]) -> Floats:
    """Return float32[layer, head]: how often a head looked at what was to be copied (after Wu et al. 2024, §2).

    `attention` is [layer, head, query, token], `needles`[query, token] marks the sentence in which each query's answer stands.
    A look counts where no other token got more. All of the sentence counts: a model may read an answer from the full stop
    behind it.

    Of two queries, this head looked at the right token once:

    >>> right = np.array([[True, False], [False, True]])
    >>> retrieval_scores(np.array([[[[0.9, 0.1], [0.8, 0.2]]]], np.float32), right).tolist()
    [[0.5]]

    Raises:
        BadTensor: there are not the needles of each query, or no query.
    """
    if attention.ndim != 4 or needles.shape != attention.shape[2:] or not needles.size:
        raise BadTensor("a profile needs queries, and what each of them had to copy")
    looked = attention.argmax(axis=3)
    right = needles[np.arange(len(needles)), looked].mean(axis=2, dtype=np.float32)
    return np.asarray(right, np.float32)


@dataclass(frozen=True, slots=True)
class HeadProfile:
    """What is known of a model's heads: scores[layer][head], larger for those that retrieve.

    Raises:
        BadTensor: layers have different numbers of heads, or a score is no number.
    """

    scores: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not self.scores or len({len(one) for one in self.scores}) != 1 or not self.scores[0]:
            raise BadTensor("a profile has a score for each head of each layer")
        if not np.isfinite(np.array(self.scores)).all():
            raise BadTensor("a score of a head is NaN or infinite")


def full_heads(scores: NDArray[np.float64], tokens: int, short: int, total: int) -> NDArray[np.bool_]:
    """Return bool[layer, head]: which heads may keep everything, best first, if the others keep `short` entries each.

    Four heads with 10 tokens and room for 22: two of them whole and two with 1 fit exactly.

    >>> full_heads(np.array([[0.1, 0.9], [0.5, 0.2]]), 10, 1, 22).tolist()
    [[False, True], [True, False]]
    """
    fit = max(0, (total - short * scores.size) // (tokens - short)) if tokens > short else total // max(1, tokens)
    chosen = np.zeros(scores.size, np.bool_)
    chosen[np.argsort(-scores.ravel(), kind="stable")[:fit]] = True
    return chosen.reshape(scores.shape)


@dataclass(frozen=True, slots=True)
class HeadWise:
    """Keep all in heads that retrieve; in the others sinks, the last tokens and, if wanted, the mean of the rest.

    With a summary this is RazorAttention (Tang et al. 2024, §3: the compensation token, weighted by how many it stands for),
    without it the streaming heads of DuoAttention (Xiao et al. 2024, §3), whose profile is trained by optimisation; here both
    use the same profile. A layer's heads that keep everything are given by the profile and the budget; what is then left over
    makes the windows of the others longer.
    """

    profile: HeadProfile
    summary: bool = True
    sinks: int = 4
    recent: int = 8

    @property
    def name(self) -> str:
        """Return the name under which a file records what was done to it."""
        return "razorattention" if self.summary else "duoattention"

    def plan(self, stats: Statistics, budget: Budget) -> Keep:
        """Return whole heads and short ones.

        Raises:
            BadTensor: the profile is one of another model.
        """
        layers, heads, tokens, _ = stats.cache.keys.shape
        scores = np.array(self.profile.scores)
        if scores.shape != (layers, heads):
            raise BadTensor(f"the profile is of {list(scores.shape)} heads, the cache has {[layers, heads]}")
        total = budget.entries(stats.cache)
        if total >= scores.size * tokens:
            return Keep(np.ones((layers, heads, tokens), np.bool_))
        made = 1 if self.summary else 0
        least = min(tokens, self.sinks + self.recent + made)
        whole = full_heads(scores, tokens, least, total)
        others = int((~whole).sum())
        room = (total - int(whole.sum()) * tokens) // others if others else 0
        summary = self.summary and room > 1
        room = max(0, room - int(summary))
        sinks = min(self.sinks, room)
        entries = np.where(whole[:, :, None], True, ends(tokens, sinks, room - sinks))
        return Keep(entries, summaries=~whole if summary else None)
