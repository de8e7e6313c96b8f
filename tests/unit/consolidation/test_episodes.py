"""Episodes: where sessions are cut, and which pieces live on when a session grows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from consolidation.planning import End, Put
from consolidation.structure.episodes import EpisodeSettings, Session, SessionKey, Turn, boundaries, plan_episodes

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
KEY = SessionKey("s", "ana")


def stream(lengths: list[int], *, seed: int = 0, noise: float = 0.08) -> NDArray[np.float32]:
    """Return turns about one subject after the other; noise · √384 is what stands beside a subject of length 1."""
    rng = np.random.default_rng(seed)
    subjects = rng.standard_normal((len(lengths), 384))
    subjects /= np.linalg.norm(subjects, axis=1, keepdims=True)
    turns = np.repeat(subjects, lengths, axis=0) + noise * rng.standard_normal((sum(lengths), 384))
    return (turns / np.linalg.norm(turns, axis=1, keepdims=True)).astype(np.float32)


def f1(true: list[int], found: list[int]) -> float:
    both = len(set(true) & set(found))
    return 2 * both / max(1, len(true) + len(found))


def starts(lengths: list[int]) -> list[int]:
    return [0, *np.cumsum(lengths)[:-1].tolist()]


def test_boundaries_of_concatenated_subjects_are_found_and_fixed_windows_miss_them() -> None:
    ours, windows = [], []
    for seed in range(20):
        lengths = np.random.default_rng(seed).integers(5, 15, 8).tolist()
        turns = stream(lengths, seed=seed)
        n = len(turns)
        true = starts(lengths)[1:]
        ours.append(f1(true, boundaries(turns, np.zeros(n))[1:]))
        size = round(n / len(lengths))
        windows.append(f1(true, list(range(size, n, size))))
    # Turns have a cosine of .4 to their subject, as those of conversations have.
    assert np.mean(ours) > 0.75
    assert np.mean(windows) < 0.3


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_episodes_cover_a_session_in_order_and_are_neither_too_short_nor_too_long(
    lengths: list[int], seed: int
) -> None:
    usual = EpisodeSettings()
    turns = stream(lengths, seed=seed, noise=0.15)
    found = boundaries(turns, np.zeros(len(turns)))
    assert found[0] == 0
    sizes = [end - start for start, end in pairwise([*found, len(turns)])]
    assert all(usual.fewest <= size <= usual.most for size in sizes) or len(turns) < usual.fewest


def test_time_cuts_whatever_is_said() -> None:
    times = np.array([0.0, 60, 120, 180, 90_000, 90_060])
    assert boundaries(stream([6]), times) == [0, 4]


def test_a_session_without_turns_has_no_episodes() -> None:
    assert boundaries(np.zeros((0, 8), np.float32), np.zeros(0)) == []


def ids() -> Iterator[UUID]:
    return iter(UUID(int=n) for n in range(10_000, 20_000))


def a_session(vectors: NDArray[np.float32], episodes: dict[UUID, Any], *, without: int | None = None) -> Session:
    kept = [n for n in range(len(vectors)) if n != without]
    turns = [Turn(UUID(int=n), BEGAN + timedelta(minutes=n)) for n in kept]
    return Session(KEY, turns, vectors[kept], episodes)


def applied(changes: list[Any], episodes: dict[UUID, Any]) -> dict[UUID, Any]:
    after = dict(episodes)
    for change in changes:
        if isinstance(change, Put):
            after[change.id] = change.values["members"]
        elif isinstance(change, End):
            del after[change.id]
    return after


def test_a_second_run_plans_nothing_and_a_grown_session_touches_its_end_only() -> None:
    made = ids()
    vectors = stream([8, 9, 7, 10, 8])
    before = applied(plan_episodes([a_session(vectors[:30], {})], new_id=lambda: next(made)), {})
    assert plan_episodes([a_session(vectors[:30], before)], new_id=lambda: next(made)) == []
    changes = plan_episodes([a_session(vectors, before)], new_id=lambda: next(made))
    after = applied(changes, before)
    assert sorted(one for members in after.values() for one in members) == [UUID(int=n) for n in range(len(vectors))]
    early = [id for id, members in before.items() if max(members) < UUID(int=15)]
    assert early
    assert all(after[id] == before[id] for id in early), "what is past stays as it was"


def test_what_lost_a_turn_keeps_its_id() -> None:
    made = ids()
    vectors = stream([8, 9])
    before = applied(plan_episodes([a_session(vectors, {})], new_id=lambda: next(made)), {})
    (change,) = plan_episodes([a_session(vectors, before, without=2)], new_id=lambda: next(made))
    assert isinstance(change, Put)
    assert change.id in before
    assert UUID(int=2) not in change.values["members"]


def test_a_session_without_live_turns_ends_its_episodes() -> None:
    gone = UUID(int=77)
    session = Session(KEY, [], np.zeros((0, 384), np.float32), {gone: [UUID(int=1)]})
    (change,) = plan_episodes([session], new_id=lambda: pytest.fail("nothing is new"))
    assert isinstance(change, End)
    assert change.id == gone
