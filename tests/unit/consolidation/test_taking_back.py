"""A judgement that is taken back leaves what would be there without it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consolidation.retention.holding import Holding, lapsed, recalled
from consolidation.retention.policy import RetentionPolicy
from consolidation.retention.taking_back import Use, strength_kept, without

MADE = datetime(2024, 1, 1, tzinfo=UTC)
POLICY = RetentionPolicy()
USES = st.lists(
    st.builds(
        Use,
        st.integers(1, 4_000).map(lambda hours: MADE + timedelta(hours=hours)),
        st.sampled_from([True, False, None]),
    ),
    max_size=6,
).map(lambda uses: sorted(uses, key=lambda use: use.at))


def after(holding: Holding, uses: list[Use]) -> Holding:
    for use in uses:
        holding = lapsed(holding, POLICY) if use.useful is False else recalled(holding, POLICY, use.at)
    return holding


@given(before=USES, later=USES, useful=st.booleans())
def test_it_is_as_if_it_had_not_been(before: list[Use], later: list[Use], useful: bool) -> None:
    """Also when what was kept went through JSON."""
    then = after(Holding("episodic", MADE), before)
    judged = Use(MADE + timedelta(hours=4_000), useful)
    later = [replace(use, at=use.at + timedelta(hours=4_000)) for use in later]
    present = after(then, [judged, *later])
    kept = json.loads(json.dumps(strength_kept(then)))
    assert without(present, kept, later, POLICY).state == after(then, later)


@given(uses=USES.filter(bool), data=st.data())
def test_judgements_are_taken_back_in_any_order(uses: list[Use], data: st.DataObject) -> None:
    """Each is worked out from what was kept before it, which taking back another writes anew."""
    first = Holding("episodic", MADE)
    kept = [(use, strength_kept(after(first, uses[:place]))) for place, use in enumerate(uses)]
    present = after(first, uses)
    while kept:
        place = data.draw(st.integers(0, len(kept) - 1))
        _, before = kept[place]
        later = [use for use, _ in kept[place + 1 :]]
        made = without(present, before, later, POLICY)
        kept[place:] = zip(later, made.strengths_before, strict=True)
        present = made.state
        assert present == after(first, [use for use, _ in kept])
    assert present == first


def test_what_else_was_changed_since_stays() -> None:
    then = Holding("episodic", MADE)
    present = replace(lapsed(then, POLICY), pinned=True, importance=0.9, memory_type="core")
    assert without(present, strength_kept(then), [], POLICY).state == replace(
        then, pinned=True, importance=0.9, memory_type="core"
    )


@pytest.mark.parametrize("days", [-1, 1])
def test_a_memory_that_left_the_archive_fades_anew_from_then_on(days: int) -> None:
    """A recall before it left the archive is worked out by what it was then."""
    then = Holding("episodic", MADE)
    use = Use(MADE + timedelta(days=100), True)
    refreshed = use.at + timedelta(days=days)
    present = replace(after(then, [Use(MADE + timedelta(days=50), False), use]), refreshed_at=refreshed)
    at_the_time = replace(then, refreshed_at=refreshed if days < 0 else None)
    assert without(present, strength_kept(then), [use], POLICY).state == replace(
        recalled(at_the_time, POLICY, use.at), refreshed_at=refreshed
    )
