"""The numbers of forgetting: how far each type has faded after a day, a week, a month, a year."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consolidation.retention.curve import (
    AT_STABILITY,
    INITIAL_STABILITY_DAYS,
    Curve,
    Gains,
    Strength,
    after_lapse,
    after_recall,
    days_until,
    held_by,
    initial_strength,
    protected,
    retrievability,
)

DAYS = (1, 7, 30, 365)
# docs/discussion/forgetting.md prints this table.
POWER = {
    "working": (0.9, 0.6152, 0.3527, 0.1074),
    "episodic": (0.9917, 0.9461, 0.8158, 0.3749),
    "semantic": (0.9981, 0.9866, 0.9461, 0.6419),
    "procedural": (0.999, 0.9932, 0.9719, 0.7639),
    "core": (0.9997, 0.9978, 0.9905, 0.9),
}
EBBINGHAUS = {
    "working": (0.9, 0.4783, 0.0424, 0.0),
    "episodic": (0.9925, 0.9487, 0.7979, 0.0641),
    "semantic": (0.9982, 0.9878, 0.9487, 0.5268),
    "procedural": (0.9991, 0.9939, 0.974, 0.7258),
    "core": (0.9997, 0.998, 0.9914, 0.9),
}


@pytest.mark.parametrize(("curve", "table"), [(Curve.POWER, POWER), (Curve.EBBINGHAUS, EBBINGHAUS)])
@pytest.mark.parametrize("memory_type", sorted(INITIAL_STABILITY_DAYS))
def test_how_far_each_type_has_faded(curve: Curve, table: dict[str, tuple[float, ...]], memory_type: str) -> None:
    stability = initial_strength(memory_type, 0.5).stability_days
    assert [round(retrievability(days, stability, curve), 4) for days in DAYS] == list(table[memory_type])


@pytest.mark.parametrize("curve", list(Curve))
@given(stability=st.floats(0.1, 36_500), r=st.floats(0.01, 1.0))
def test_the_moment_of_a_threshold_is_where_the_curve_meets_it(curve: Curve, stability: float, r: float) -> None:
    assert retrievability(days_until(r, stability, curve), stability, curve) == pytest.approx(r, rel=1e-9)
    assert retrievability(stability, stability, curve) == pytest.approx(AT_STABILITY)


@given(st.floats(0.1, 36_500), st.floats(1, 10), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_recall_never_weakens_and_helps_more_the_fainter_the_memory(
    stability: float, difficulty: float, first: float, second: float
) -> None:
    faint, clear = sorted((first, second))
    strength = Strength(stability, difficulty)
    assert after_recall(strength, faint).stability_days >= after_recall(strength, clear).stability_days >= stability


def test_a_lapse_keeps_what_the_policy_says_and_never_nothing() -> None:
    assert after_lapse(Strength(10.0, 5.0), Gains(lapse_keeps=0.25)) == Strength(2.5, 6.0)
    assert after_lapse(Strength(0.1, 10.0)) == Strength(0.1, 10.0)


def test_where_a_memory_begins_depends_on_type_importance_surprise_and_source() -> None:
    plain = initial_strength("episodic", 0.5).stability_days
    assert initial_strength("semantic", 0.5).stability_days > plain
    assert initial_strength("episodic", 0.9).stability_days > plain
    assert initial_strength("episodic", 0.5, surprise=1.0).stability_days == 1.5 * plain
    assert initial_strength("episodic", 0.5, source_factor=0.5).stability_days == 0.5 * plain
    assert initial_strength("episodic", 0.5, base_days=3.0).stability_days == 3.0


def test_importance_and_use_slow_the_fading() -> None:
    assert held_by(0.5, 0.0) == held_by(0.2, 0.0) == 0.0, (
        "what is unimportant is not protected, nor faded faster by this"
    )
    assert held_by(1.0, 0.0) == 1.0
    assert held_by(0.5, 5.0) == pytest.approx(math.log(6))
    assert protected(10.0, held_by(1.0, 0.0), 0.5) == 15.0, "the rate is λ / (1 + κ F)"
