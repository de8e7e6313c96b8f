"""A policy tried on what has happened says what it would have hidden, and what of that was needed later."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from consolidation.retention.holding import Holding
from consolidation.retention.policy import DEFAULT
from consolidation.retention.simulation import History, simulate

T = datetime(2026, 1, 1, tzinfo=UTC)
STRICT = replace(DEFAULT, archive_below=0.6, binary_below=0.65, int8_below=0.8, promotion={})  # episodic: 106 days


def day(count: float) -> datetime:
    return T + timedelta(days=count)


def history(number: int, *useful: float, bad: float | None = None, **holding: object) -> History:
    recalls = [(day(at), True) for at in useful] + ([(day(bad), False)] if bad is not None else [])
    made = Holding(**{"memory_type": "episodic", "created_at": T, **holding})  # type: ignore[arg-type]
    return History(UUID(int=number), made, tuple(sorted(recalls)), vectors=2)


HISTORIES = [
    history(1),  # nobody ever asked
    history(2, 150),  # asked for after it would have gone
    history(3, 100),  # asked for in time, and held by that
    history(4, pinned=True),
    history(5, bad=10),
    history(6, 150, 160, 170),
]


def test_it_counts_what_would_have_gone_and_what_of_that_was_needed() -> None:
    outcome = simulate(HISTORIES, STRICT, start=T, now=day(200))
    gone = {one.id.int: one for one in outcome.forgotten}
    assert set(gone) == {1, 2, 5, 6}
    assert {i: one.recalled_later for i, one in gone.items()} == {1: 0, 2: 1, 5: 0, 6: 3}
    assert [one.id.int for one in outcome.missed] == [2, 6]
    assert (gone[1].archived_at - T).days == 106
    assert gone[5].archived_at < gone[1].archived_at, "what was of no use fades faster"
    assert outcome.considered == 6


def test_a_policy_acts_from_when_it_is_in_force() -> None:
    late = simulate(HISTORIES, STRICT, start=day(155), now=day(200))
    gone = {one.id.int: one for one in late.forgotten}
    assert set(gone) == {1, 5}, "2 and 6 were recalled while they were still there"
    assert gone[1].archived_at == day(155)


def test_a_policy_without_an_archive_hides_nothing_and_still_saves_bytes() -> None:
    outcome = simulate(HISTORIES, replace(STRICT, archive_below=None), start=T, now=day(200))
    assert outcome.forgotten == []
    assert sum(outcome.tiers.values()) == 6
    assert outcome.tiers["half"] >= 3
    assert outcome.bytes_at_half == 6 * 2 * 768
    assert 0 < outcome.bytes_then < outcome.bytes_at_half


def test_use_promotes_in_the_replay_too() -> None:
    assert simulate([history(1, 5, 12, 19, 26)], DEFAULT, start=T, now=day(30)).promoted == 1


def test_nothing_of_it_lasts_longer_than_the_calendar() -> None:
    forever = replace(DEFAULT, stability_days={**DEFAULT.stability_days, "episodic": 36_500.0})
    assert simulate([history(1)], forever, start=T, now=day(200)).forgotten == []
