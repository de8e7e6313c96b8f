"""Episodes: a session cut where its subject changes, and its pieces kept under the same ids as long as they stay the same.

A turn is surprising when it has little to do with the turns just before it; where the surprise stands out of its recent
course (above mean + γ · deviation), or where time has passed, an event ends (EM-LLM, Fountas et al. 2024, section 3.1).
Each boundary then moves to where the two events beside it have most in common within and least between them, by the modularity
of the graph of similarities (section 3.2). Every measure looks back only, so a session that grows keeps its early episodes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from consolidation.planning import RULES, Change, End, Put, Step, Structure, Why
from consolidation.structure.successors import successors


@dataclass(frozen=True, slots=True)
class EpisodeSettings:
    """Where events end."""

    context: int = 5  # turns before a turn in whose light it is surprising
    window: int = 40  # surprises among which one stands out
    gamma: float = 1.0  # deviations above their mean
    fewest: int = 3  # turns of an episode, unless its session has fewer
    most: int = 24
    gap_s: float = 3600.0  # between two turns that belong to different events whatever they say


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What tells sessions apart: two users may number theirs alike."""

    session_id: str
    user_id: str | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One memory of a session."""

    id: UUID
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A session as a run finds it: its live turns in the order of time, and the episodes that it was cut into before."""

    key: SessionKey
    turns: Sequence[Turn]
    vectors: NDArray[np.float32]  # (n, d), normalised
    episodes: Mapping[UUID, Sequence[UUID]]  # members of each


DEFAULT: Final = EpisodeSettings()


def plan_episodes(
    sessions: Sequence[Session], *, new_id: Callable[[], UUID], settings: EpisodeSettings = DEFAULT
) -> list[Change]:
    """Cut sessions into episodes; what is cut already as it should be is not touched, so a second run plans nothing.

    An episode that only gained or lost turns keeps its id: that of which it shares the larger part.
    """
    changes: list[Change] = []
    for session in sessions:
        times = np.array([turn.observed_at.timestamp() for turn in session.turns])
        starts = boundaries(session.vectors, times, settings=settings)
        pieces = [session.turns[start:end] for start, end in pairwise([*starts, len(session.turns)])]
        found = {tuple(sorted(turn.id for turn in piece)): piece for piece in pieces if piece}
        kept = successors(found, session.episodes)
        for members, piece in found.items():
            id = kept.get(members)
            if id is None or tuple(sorted(session.episodes[id])) != members:
                reason = "cut" if id is None else "grown"
                changes.append(
                    Put(Structure.EPISODE, id or new_id(), _values(session.key, piece), Why(Step.EPISODES, reason))
                )
        gone = sorted(session.episodes.keys() - set(kept.values()))
        changes += [End(Structure.EPISODE, id, Why(Step.EPISODES, "cut otherwise")) for id in gone]
    return changes


def boundaries(
    vectors: NDArray[np.float32], times: NDArray[np.float64], *, settings: EpisodeSettings = DEFAULT
) -> list[int]:
    """Return where episodes begin, in turns; the first of them is 0.

    Args:
        vectors: (n, d) of the turns of one session in order, normalised.
        times: (n,) seconds.
        settings: where events end.

    Two subjects of four turns each:

    >>> one, other = [1.0, 0.0], [0.0, 1.0]
    >>> boundaries(np.array([one] * 4 + [other] * 4, np.float32), np.zeros(8))
    [0, 4]

    One subject, and a night between:

    >>> boundaries(np.array([one] * 6, np.float32), np.array([0.0, 1, 2, 3, 50_000, 50_001]))
    [0, 4]
    """
    n = len(vectors)
    if n == 0:
        return []
    gaps = [0, *(np.flatnonzero(np.diff(times) > settings.gap_s) + 1).tolist(), n]
    found: list[int] = []
    for start, end in pairwise(gaps):
        cuts = _surprising(vectors[start:end], settings)
        cuts = _refined(vectors[start:end], cuts, settings)
        found += [start + cut for cut in _bounded(vectors[start:end], cuts, settings)]
    return found


def surprises(vectors: NDArray[np.float32], *, context: int) -> NDArray[np.float64]:
    """Return how surprising each turn is: 1 − cosine to the mean of the turns before it; the first is not: (n,).

    >>> surprises(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), context=2).tolist()
    [0.0, 0.0, 1.0]
    """
    result = np.zeros(len(vectors))
    for at in range(1, len(vectors)):
        mean = vectors[max(0, at - context) : at].mean(axis=0)
        norm = float(np.linalg.norm(mean))
        result[at] = 1.0 - float(vectors[at] @ mean) / norm if norm > 0 else 1.0
    return result


def modularity(similarity: NDArray[np.float64], cut: int) -> float:
    """Return the modularity of a graph whose nodes are split into those before a cut and those from it on.

    Q = Σ over the two parts of (weight within / 2m − (degree / 2m)²), with 2m the sum of all weights (Newman 2004).
    Two pairs with weight 1 inside and none between, no self-loops: 2m = 4, Q = 2 · (2/4 − (2/4)²) = ½.

    >>> pairs = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0.0]])
    >>> modularity(pairs, 2), round(modularity(pairs, 1), 3)
    (0.5, -0.125)
    """
    total = float(similarity.sum())
    if total <= 0:
        return 0.0
    first, second = similarity[:cut], similarity[cut:]
    inside = float(first[:, :cut].sum() + second[:, cut:].sum())
    return inside / total - (float(first.sum()) / total) ** 2 - (float(second.sum()) / total) ** 2


def _surprising(vectors: NDArray[np.float32], settings: EpisodeSettings) -> list[int]:
    """Cut before each turn whose surprise stands out of those before it and is the largest near by."""
    surprise = surprises(vectors, context=settings.context)
    cuts = [0]
    for at in range(settings.fewest, len(vectors) - settings.fewest + 1):
        before = surprise[max(1, at - settings.window) : at]
        threshold = float(before.mean()) + settings.gamma * float(before.std())
        if surprise[at] > threshold:
            if at - cuts[-1] >= settings.fewest:
                cuts.append(at)
            elif len(cuts) > 1 and surprise[at] > surprise[cuts[-1]]:
                cuts[-1] = at
    return cuts


def _refined(vectors: NDArray[np.float32], cuts: list[int], settings: EpisodeSettings) -> list[int]:
    """Move each boundary to where it parts best what lies between the one before and the one after."""
    moved = list(cuts)
    for place in range(1, len(moved)):
        start = moved[place - 1]
        end = moved[place + 1] if place + 1 < len(moved) else len(vectors)
        # Of a long event only what is near the boundary counts: the rest is cut by its length.
        low, high = max(start, moved[place] - settings.most), min(end, moved[place] + settings.most)
        best = _best_cut(vectors[low:high], settings.fewest)
        if best is not None and low + best - start >= settings.fewest:
            moved[place] = low + best
    return moved


def _bounded(vectors: NDArray[np.float32], cuts: list[int], settings: EpisodeSettings) -> list[int]:
    """Cut what is too long where it parts best."""
    bounded: list[int] = []
    for start, end in pairwise([*cuts, len(vectors)]):
        bounded.append(start)
        while end - bounded[-1] > settings.most:
            first = bounded[-1]
            best = _best_cut(vectors[first : min(end, first + settings.most + settings.fewest)], settings.fewest)
            bounded.append(first + (best or settings.most))
    return bounded


def _best_cut(vectors: NDArray[np.float32], fewest: int) -> int | None:
    """Return the cut of the highest modularity that leaves each side long enough, the first of equals."""
    n = len(vectors)
    if n < 2 * fewest:
        return None
    similarity = np.maximum(vectors @ vectors.T, 0.0).astype(np.float64)
    np.fill_diagonal(similarity, 0.0)
    scores = [round(modularity(similarity, cut), 9) for cut in range(fewest, n - fewest + 1)]
    return fewest + int(np.argmax(scores))


def _values(key: SessionKey, piece: Sequence[Turn]) -> dict[str, Any]:
    return {
        "user_id": key.user_id,
        "agent_id": key.agent_id,
        "session_id": key.session_id,
        "first_memory_id": piece[0].id,
        "last_memory_id": piece[-1].id,
        "starts": piece[0].observed_at,
        "ends": piece[-1].observed_at,
        "size": len(piece),
        "method": RULES,
        "members": sorted(turn.id for turn in piece),
    }
