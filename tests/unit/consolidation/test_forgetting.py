"""What a sweep decides: promoted, coarser, archived, protected, and when it looks again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consolidation.planning import Archive, Plan, Retier, Revise, plan_json
from consolidation.records import Ref
from consolidation.retention.curve import Curve
from consolidation.retention.forgetting import Fading, after_plan, due_after, erasable, plan_retention
from consolidation.retention.holding import Holding, lapsed, recalled, retrievability_of, stability_of
from consolidation.retention.policy import DEFAULT, RetentionPolicy

T = datetime(2026, 1, 1, tzinfo=UTC)
NEVER_PROMOTES = replace(DEFAULT, promotion={})


def days(count: float) -> datetime:
    return T + timedelta(days=count)


def a_memory(
    number: int = 1, *, tier: str = "half", archived: bool = False, forgotten: datetime | None = None, **holding: Any
) -> Fading:
    held = Holding(**{"memory_type": "episodic", "created_at": T, **holding})
    return Fading(Ref(UUID(int=number), 3), held, tier=tier, archived=archived, forgotten_at=forgotten)


def planned(row: Fading, at: datetime, policy: RetentionPolicy = DEFAULT) -> list[Any]:
    return plan_retention([row], policy, now=at)


def test_a_memory_nobody_recalls_goes_down_the_tiers_and_into_the_archive() -> None:
    assert planned(a_memory(), days(30)) == []
    (coarse,) = planned(a_memory(), days(40))
    assert (type(coarse), coarse.tier, coarse.before) == (Retier, "int8", "half")
    (sketch,) = planned(a_memory(tier="int8"), days(200))
    assert (sketch.tier, sketch.before, sketch.why.reason) == ("binary", "int8", "faded to binary")
    (gone,) = planned(a_memory(tier="binary"), days(900))
    assert gone == Archive(Ref(UUID(int=1), 3), gone.why)
    assert gone.why.score == pytest.approx(0.2494, abs=1e-3)


def test_a_recall_brings_precision_back() -> None:
    held = recalled(a_memory().holding, NEVER_PROMOTES, days(200))
    (change,) = planned(Fading(Ref(UUID(int=1), 3), held, tier="binary"), days(201), NEVER_PROMOTES)
    assert (change.tier, change.before, change.why.reason) == ("half", "binary", "recalled to half")


@pytest.mark.parametrize("why", [{"pinned": True}, {"importance": 0.95}, {"memory_type": "core"}])
def test_what_is_protected_keeps_its_precision_and_its_place(why: dict[str, Any]) -> None:
    assert planned(a_memory(**why), days(30_000)) == []
    assert due_after(a_memory(**why), DEFAULT, now=days(30_000)) is None
    (back,) = planned(a_memory(tier="binary", **why), days(1))
    assert back.tier == "half"
    forgotten = a_memory(archived=True, forgotten=T, **why)
    assert erasable([forgotten], replace(DEFAULT, delete_after_days=1.0), now=days(999)) == []


def test_what_is_archived_is_left_alone_and_never_deleted_unless_the_operator_says_so() -> None:
    rows = [a_memory(archived=True, forgotten=T), a_memory(2, archived=True)]
    far = days(36_000)
    assert plan_retention(rows, DEFAULT, now=far) == []
    assert erasable(rows, DEFAULT, now=far) == []
    policy = replace(DEFAULT, delete_after_days=30.0)
    assert erasable(rows, policy, now=days(29)) == []
    assert erasable(rows, policy, now=days(30)) == [UUID(int=1)], (
        "what somebody archived by hand is not the policy's to erase"
    )
    assert [one.due_at for one in after_plan(rows, policy, now=days(1))] == [days(30), None]


def test_no_threshold_no_change() -> None:
    policy = replace(DEFAULT, int8_below=None, binary_below=None, archive_below=None)
    assert planned(a_memory(), days(36_000), policy) == []
    assert due_after(a_memory(), policy, now=T) is None


def use(holding: Holding, at: list[float], policy: RetentionPolicy = DEFAULT) -> Holding:
    for day in at:
        holding = recalled(holding, policy, days(day))
    return holding


def test_spaced_use_promotes_and_massed_use_does_not() -> None:
    massed = use(a_memory().holding, [20 + i / 100 for i in range(20)])
    spaced = use(a_memory().holding, [2, 9, 16, 23])
    rows = [Fading(Ref(UUID(int=i), 1), held) for i, held in enumerate((massed, spaced))]
    (change,) = [c for c in plan_retention(rows, DEFAULT, now=days(24)) if isinstance(c, Revise)]
    assert (change.memory.id, change.fields) == (UUID(int=1), {"memory_type": "semantic"})
    assert planned(a_memory(memory_type="semantic", spaced_uses=99.0, last_recalled_at=days(99)), days(99)) == []


def test_a_working_memory_that_was_of_use_again_becomes_an_episode_and_fades_like_one() -> None:
    row = Fading(Ref(UUID(int=1), 1), use(Holding("working", T), [2, 4]))
    (change,) = plan_retention([row], DEFAULT, now=days(4))
    assert change.fields == {"memory_type": "episodic"}
    (left,) = after_plan([row], DEFAULT, now=days(4))
    assert left.stability_days is not None
    assert left.stability_days >= 14.0


def test_an_ignored_recall_is_nothing_and_a_bad_one_brings_the_fall_nearer() -> None:
    before = a_memory()
    after = replace(before, holding=lapsed(before.holding, DEFAULT))
    assert after.holding.traces is None
    assert after.holding.spaced_uses == 0
    first, second = (due_after(row, DEFAULT, now=T) for row in (before, after))
    assert first is not None
    assert second is not None
    assert second < first


@given(
    stability=st.floats(0.2, 5_000),
    elapsed=st.floats(0, 5_000),
    importance=st.floats(0, 0.89),
    tier=st.sampled_from(["half", "int8", "binary"]),
    curve=st.sampled_from(list(Curve)),
)
def test_nothing_happens_before_it_is_due_and_something_does_when_it_is(
    stability: float, elapsed: float, importance: float, tier: str, curve: Curve
) -> None:
    """So a sweep that reads only what is due misses nothing."""
    policy, now = replace(DEFAULT, curve=curve), days(elapsed)
    row = a_memory(stability_days=stability, importance=importance, tier=tier)
    (left,) = after_plan([row], policy, now=now)
    changes = plan_retention([row], policy, now=now)
    tiers = [c.tier for c in changes if isinstance(c, Retier)]
    settled = replace(row, tier=tiers[0] if tiers else row.tier, archived=any(isinstance(c, Archive) for c in changes))
    if left.due_at is None:
        assert (
            settled.archived
            or plan_retention([settled], policy, now=now + timedelta(days=36_000)) == []
            or stability > 100
        )
        return
    assert left.due_at > now
    just_before = now + (left.due_at - now) * 0.999 - timedelta(minutes=2)
    if just_before > now:
        assert plan_retention([settled], policy, now=just_before) == []
    assert plan_retention([settled], policy, now=left.due_at) != []


def test_a_plan_of_it_can_be_shown_and_checked() -> None:
    plan = Plan(
        UUID(int=9), tuple(plan_retention([a_memory(), a_memory(2, created_at=days(-900))], DEFAULT, now=days(40)))
    )
    assert plan.counts() == {"retier": 1, "archive": 1}
    assert plan.reads() == {UUID(int=2): 3}
    assert plan_json(plan)["changes"][0]["tier"] == "int8"


def test_what_comes_back_from_the_archive_begins_anew() -> None:
    row = a_memory(refreshed_at=days(900))
    assert retrievability_of(row.holding, DEFAULT, days(900)) == 1.0
    assert plan_retention([row], DEFAULT, now=days(901)) == []
    assert stability_of(row.holding, DEFAULT) == 14.0
