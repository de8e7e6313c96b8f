"""Talks of those who name no session: who stands beside whom."""

import random

import numpy as np
import pytest

from retrieval.rows import NONE, Role
from retrieval.turns import PAUSE_S, neighbours, with_series, with_talks

USER, ASSISTANT, TOOL = int(Role.USER), int(Role.ASSISTANT), int(Role.TOOL)


def talks(
    times: list[float],
    *,
    session: list[int] | None = None,
    scope: list[int] | None = None,
    speaker: list[int] | None = None,
    role: list[int] | None = None,
) -> list[int]:
    n = len(times)
    ids = np.arange(n, dtype=np.uint64)
    return with_talks(
        np.array(session or [NONE] * n, np.int32),
        np.array(scope or [0] * n, np.int32),
        np.array(speaker or [0] * n, np.int32),
        np.array(role or [0] * n, np.int8),
        np.array(times),
        np.zeros(n, np.uint64),
        ids,
    ).tolist()


def test_a_pause_ends_a_talk() -> None:
    assert talks([0, PAUSE_S, 2 * PAUSE_S + 1, 2 * PAUSE_S + 2]) == [0, 0, 1, 1]


def test_what_nobody_said_belongs_to_none() -> None:
    assert talks([0, 1, 2], speaker=[NONE] * 3) == [NONE] * 3
    assert talks([0, 1, 2, 3], speaker=[0, NONE, 0, NONE]) == [0, NONE, 0, NONE]


def test_who_stands_alone_belongs_to_none() -> None:
    assert talks([0, 1e6, 2e6, 2e6 + 1]) == [NONE, NONE, 0, 0]
    assert talks([0]) == [NONE]
    assert talks([]) == []


def test_sessions_that_were_given_stay() -> None:
    assert talks([0, 1, 2, 3, 4], session=[0, NONE, 4, NONE, 0]) == [0, 5, 4, 5, 0]
    assert talks([0, 1], session=[2, 2]) == [2, 2]


def test_what_is_said_amid_a_session_belongs_to_it() -> None:
    assert talks([0, 1, 2, 3], session=[7, NONE, NONE, 7]) == [7] * 4
    assert talks([3, 2, 1, 0], session=[7, NONE, NONE, 7]) == [7] * 4
    # Not before the first of its turns, nor behind the last, nor between two sessions, nor of another.
    assert talks([0, 1e5, 2e5], session=[NONE, 7, NONE]) == [NONE, 7, NONE]
    assert talks([0, 1, 2], session=[7, NONE, 8]) == [7, NONE, 8]
    assert talks([0, 1, 2], session=[7, NONE, 7], scope=[0, 1, 0]) == [7, NONE, 7]
    assert talks([0, 1, 2], session=[7, NONE, 7], speaker=[0, NONE, 0]) == [7, NONE, 7]


def test_a_pause_within_a_session_leaves_out_what_is_between() -> None:
    assert talks([0, 1, 2 * PAUSE_S], session=[7, NONE, 7]) == [7, NONE, 7]
    assert talks([0, PAUSE_S, 2 * PAUSE_S], session=[7, NONE, 7]) == [7] * 3
    assert talks([float("nan")] * 3, session=[7, NONE, 7]) == [7, NONE, 7]


def test_talks_of_others_are_others() -> None:
    assert talks([0, 1, 2, 3], scope=[0, 1, 0, 1]) == [0, 1, 0, 1]


def test_of_roles_each_exchange_is_one() -> None:
    roles = [USER, ASSISTANT, USER, TOOL, ASSISTANT, ASSISTANT, USER, USER]
    assert talks([0, 1, 2, 3, 4, 5, 6, 7], speaker=[NONE] * 8, role=roles) == [0, 0, 1, 1, 1, 1, NONE, NONE]
    # Whoever has a name talks as people do, whatever the role.
    assert talks([0, 1, 2, 3], speaker=[0, 1, 0, 1], role=[USER, ASSISTANT] * 2) == [0] * 4


@pytest.mark.parametrize("role", [USER, ASSISTANT, TOOL])
def test_facts_that_have_a_role_are_no_talk(role: int) -> None:
    assert talks([0, 1, 2, 3], speaker=[NONE] * 4, role=[role] * 4) == [NONE] * 4


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_arrival_changes_them(seed: int) -> None:
    chance = random.Random(seed)
    n = 40
    session = np.array([chance.choice([NONE, NONE, 0, 1]) for _ in range(n)], np.int32)
    scope = np.array([chance.randrange(2) for _ in range(n)], np.int32)
    speaker = np.array([chance.choice([NONE, 0, 1]) for _ in range(n)], np.int32)
    role = np.array([chance.choice([0, USER, ASSISTANT]) for _ in range(n)], np.int8)
    times = np.array([chance.choice([0.0, 600.0, 5000.0, 5600.0, 20000.0]) for _ in range(n)])
    high, low = np.zeros(n, np.uint64), np.arange(n, dtype=np.uint64)

    def beside(order: list[int]) -> list[tuple[int, int]]:
        columns = [one[order] for one in (session, scope, speaker, role, times, high, low)]
        told = with_talks(*columns)
        _, following = neighbours(told, *columns[4:])
        return sorted((order[row], order[after]) for row, after in enumerate(following.tolist()) if after != NONE)

    shuffled = list(range(n))
    chance.shuffle(shuffled)
    assert beside(list(range(n))) == beside(shuffled)


def of_matters(matters: list[int], *, seed: int = 0) -> np.ndarray:
    """Return a vector for each memory, near to those of the same matter and to no other."""
    drawn = np.random.default_rng(seed)
    centres = drawn.normal(size=(max(matters) + 1, 64))
    found = centres[matters] + 0.8 * drawn.normal(size=(len(matters), 64))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def series(
    times: list[float],
    vectors: np.ndarray,
    *,
    session: list[int] | None = None,
    scope: list[int] | None = None,
    speaker: list[int] | None = None,
) -> list[int]:
    n = len(times)
    return with_series(
        np.array(session or [NONE] * n, np.int32),
        np.array(scope or [0] * n, np.int32),
        np.array(speaker or [NONE] * n, np.int32),
        np.array(times),
        np.zeros(n, np.uint64),
        np.arange(n, dtype=np.uint64),
        vectors,
    ).tolist()


BURSTS = [3600.0 * burst + at for burst in range(12) for at in range(4)]
IN_BURSTS = [burst for burst in range(12) for _ in range(4)]


def test_what_is_stored_in_a_row_about_one_matter_belongs_together() -> None:
    assert series(BURSTS, of_matters(IN_BURSTS)) == IN_BURSTS


def test_what_is_stored_in_a_row_by_chance_does_not() -> None:
    for seed in range(20):
        shuffled = random.Random(seed).sample(IN_BURSTS, len(IN_BURSTS))
        assert set(series(BURSTS, of_matters(shuffled, seed=seed))) == {NONE}


def test_few_say_nothing_of_what_stands_side_by_side() -> None:
    assert set(series(BURSTS[:20], of_matters(IN_BURSTS[:20]))) == {NONE}
    assert series([], np.zeros((0, 64), np.float32)) == []


def test_a_series_ends_at_a_pause_and_at_a_scope_and_leaves_out_who_stands_alone_or_in_a_session() -> None:
    times, vectors = [*BURSTS, 1e6, 1e6 + 1], of_matters([*IN_BURSTS, 12, 13])
    scope = [0] * 49 + [1]
    session = [NONE] * 50
    session[:4] = [0, 0, 0, 0]
    found = series(times, vectors, session=session, scope=scope)
    assert found[:4] == [0, 0, 0, 0]
    assert len(set(found[4:48])) == 11
    assert 0 not in found[4:]
    assert found[48:] == [NONE, NONE]  # a second apart, but of two scopes


def test_who_has_a_name_and_stands_in_no_talk_stays_alone() -> None:
    found = series(BURSTS, of_matters(IN_BURSTS), speaker=[NONE] * 5 + [0] + [NONE] * 42)
    assert found[5] == NONE
    assert len({*found[4:5], *found[6:8]}) == 1


def of_users(users: int, *, related: set[int]) -> tuple[list[float], np.ndarray, list[int]]:
    """Return times, vectors and scopes of users who each talk of something else, some of them in bursts about one matter."""
    drawn = np.random.default_rng(1)
    times: list[float] = []
    scopes: list[int] = []
    parts = []
    for user in range(users):
        at = IN_BURSTS if user in related else random.Random(user).sample(IN_BURSTS, len(IN_BURSTS))
        times += BURSTS
        scopes += [user] * len(BURSTS)
        parts.append(of_matters(at, seed=user) + 3 * drawn.normal(size=64) / 8)
    vectors = np.concatenate(parts)
    return times, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), scopes


def test_what_users_have_in_common_with_themselves_makes_no_series() -> None:
    times, vectors, scopes = of_users(5, related=set())
    assert set(series(times, vectors, scope=scopes)) == {NONE}


def test_each_scope_is_judged_by_itself() -> None:
    times, vectors, scopes = of_users(4, related={1, 3})
    found = np.array(series(times, vectors, scope=scopes)).reshape(4, -1)
    assert set(found[0]) == set(found[2]) == {NONE}
    assert len(set(found[1])) == len(set(found[3])) == 12
    assert not set(found[1]) & set(found[3])


def test_a_series_is_the_same_whatever_the_order_of_rows_and_scopes() -> None:
    times, vectors, scopes = of_users(4, related={1, 3})
    n = len(times)
    ids = np.arange(n, dtype=np.uint64)
    expected = np.array(series(times, vectors, scope=scopes))
    apart = {frozenset(np.flatnonzero(expected == one).tolist()) for one in set(expected.tolist()) - {NONE}}
    for seed in range(5):
        at = np.array(random.Random(seed).sample(range(n), n))
        renamed = np.array(random.Random(seed).sample(range(4), 4), np.int32)[np.array(scopes)]
        none = np.full(n, NONE, np.int32)
        found = with_series(none, renamed[at], none, np.array(times)[at], np.zeros(n, np.uint64), ids[at], vectors[at])
        # The same ones belong together, by whatever number.
        together = {frozenset(ids[at][found == one].tolist()) for one in set(found.tolist()) - {NONE}}
        assert together == apart
