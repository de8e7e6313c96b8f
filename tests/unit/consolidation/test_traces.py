"""Eight leaky traces stand for a power law, in constant space, whatever the history."""

from hypothesis import given
from hypothesis import strategies as st

from consolidation.retention.curve import retrievability
from consolidation.retention.traces import FRESH, accessed, activation, faded, spaced_gain

HOUR, TWO_YEARS = 1 / 24, 730.5


def moments(count: int = 4_000) -> list[float]:
    return [HOUR * (TWO_YEARS / HOUR) ** (i / (count - 1)) for i in range(count)]


def test_they_stay_within_five_per_cent_of_the_power_law_from_an_hour_to_two_years() -> None:
    errors = [abs(activation(faded(FRESH, t)) / retrievability(t, 1.0) - 1) for t in moments()]
    assert max(errors) < 0.05
    assert max(errors) < 0.002, "docs/discussion/forgetting.md says 0.2%"


@given(st.lists(st.floats(0, 400), max_size=20), st.floats(0, 300))
def test_a_history_is_the_sum_of_its_accesses(gaps: list[float], rest: float) -> None:
    """Brought up to date at each access, which costs the same for the first and the thousandth."""
    traces, ages, now = FRESH, [0.0], 0.0
    for gap in gaps:
        traces = accessed(traces, gap)
        now += gap
        ages.append(now)
    exact = sum(activation(faded(FRESH, now + rest - at)) for at in ages)
    assert abs(activation(faded(traces, rest)) - exact) < 1e-9 * max(1.0, exact)


def used(gaps: list[float], *, rest: float) -> float:
    traces = FRESH
    for gap in gaps:
        traces = accessed(traces, gap, gain=spaced_gain(gap))
    return activation(faded(traces, rest))


def test_spaced_use_lasts_and_massed_use_does_not() -> None:
    massed, spaced = [1 / 240] * 10, [7.0] * 3
    assert used(spaced, rest=90) > 2 * used(massed, rest=90 + 21)
    assert used([], rest=21 + 90) < used(massed, rest=90 + 21) < 1.1 * used([], rest=21 + 90)
