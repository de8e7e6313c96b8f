"""Time as a channel: dates asked for, the latest and the first, and the context that a hit brings back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.query import parse_query
from retrieval.rows import NONE, Keys, Links, Mentions, Rows, Spans
from retrieval.temporal import (
    DAY,
    DEFAULT,
    Period,
    TemporalCue,
    context,
    cue_of,
    date_match,
    drift,
    fit,
    order,
    score,
)

NOW = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
D = 8


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def rows_of(
    observed: Sequence[float],
    *,
    vectors: np.ndarray | None = None,
    session: Sequence[int] | None = None,
    spans: Sequence[tuple[int, float, float]] = (),
    valid: Sequence[tuple[float, float]] | None = None,
    superseded: Sequence[bool] | None = None,
) -> Rows:
    n = len(observed)
    nothing = np.empty(0, dtype=np.int32)
    numbers = np.full(n, NONE, np.int32) if session is None else np.array(session, np.int32)
    previous, following = np.full(n, NONE, np.int32), np.full(n, NONE, np.int32)
    for row in range(1, n):
        if numbers[row] != NONE and numbers[row] == numbers[row - 1]:
            previous[row], following[row - 1] = row - 1, row
    bounds = np.array(valid if valid is not None else [(np.nan, np.nan)] * n).reshape(n, 2)
    return Rows(
        ids=[UUID(int=place + 1) for place in range(n)],
        vectors=np.eye(n, D, dtype=np.float32) if vectors is None else vectors,
        keys=Keys(nothing, nothing.astype(np.int8), np.empty((0, D), np.float32)),
        observed_at=np.array(observed, dtype=np.float64),
        valid_from=bounds[:, 0],
        valid_to=bounds[:, 1],
        session=numbers,
        previous=previous,
        following=following,
        speaker=np.full(n, NONE, np.int32),
        role=np.zeros(n, np.int8),
        length=np.full(n, 5, np.int32),
        asks=np.zeros(n, np.bool_),
        has_number=np.zeros(n, np.bool_),
        has_time=np.zeros(n, np.bool_),
        first_person=np.zeros(n, np.int8),
        superseded=np.zeros(n, np.bool_) if superseded is None else np.array(superseded),
        speakers=(),
        entities=(),
        postings={},
        spans=Spans(
            np.array([s[0] for s in spans], np.int32),
            np.array([s[1] for s in spans], np.float64),
            np.array([s[2] for s in spans], np.float64),
        ),
        mentions=Mentions(nothing, nothing),
        links=Links(nothing, nothing, np.empty(0, np.float32)),
        documents=n,
    )


def test_a_query_becomes_a_cue():
    cue = cue_of(parse_query("What did she say last week, and before 2022?", now=NOW))
    assert cue.periods == (
        Period(moment("2023-05-01"), moment("2023-05-08")),
        Period(-np.inf, moment("2022-01-01")),
    )
    assert not cue.latest
    assert cue_of(parse_query("What is her most recent job?")) == TemporalCue(latest=True)
    assert cue_of(parse_query("When did they first meet?")) == TemporalCue(earliest=True)
    assert cue_of(parse_query("When did she move?", now=NOW)) == TemporalCue()


def test_a_span_that_speaks_of_the_day_beats_a_row_observed_on_it():
    friday = Period(moment("2023-05-05"), moment("2023-05-06"))
    rows = rows_of(
        [moment("2023-05-05T12:00"), moment("2023-05-08"), moment("2023-05-08")],
        spans=[(1, friday.start, friday.end)],
    )
    match = date_match(rows, (friday,))
    assert match[1] == 1.0
    assert match[0] == DEFAULT.observed
    # Two days after its end: .8 · .5 · e^-2.
    assert match[2] == pytest.approx(0.8 * 0.5 * np.exp(-2))


def test_what_lies_far_away_says_nothing():
    day = Period(0.0, DAY)
    assert np.isnan(date_match(rows_of([40 * DAY]), (day,))).all()


def test_the_best_of_several_periods_counts():
    rows = rows_of([0.0, 100 * DAY])
    match = date_match(rows, (Period(0.0, DAY), Period(100 * DAY, 101 * DAY)))
    assert match.tolist() == [DEFAULT.observed, DEFAULT.observed]


def test_a_validity_that_reaches_into_the_period_counts_half():
    asked = Period(10 * DAY, 11 * DAY)
    rows = rows_of([1000 * DAY] * 3, valid=[(0.0, np.nan), (10 * DAY, np.nan), (0.0, 5 * DAY)])
    match = date_match(rows, (asked,))
    assert match[0] == DEFAULT.valid
    assert match[1] == 1.0
    assert np.isnan(match[2])


def test_open_spans_and_open_periods_are_finite_numbers():
    spans = [(0, 0.0, np.inf), (1, -np.inf, 0.0), (2, -np.inf, np.inf)]
    rows = rows_of([np.nan] * 3, spans=spans)
    for period in (Period(-np.inf, DAY), Period(-DAY, np.inf), Period(-DAY, DAY), Period(-np.inf, np.inf)):
        match = date_match(rows, (period,))
        assert np.isfinite(match).all()
        assert (match > 0).all()
    # "Since that day", asked for a day three weeks later: it may well hold, and a span of that very day is better.
    later = Period(21 * DAY, 22 * DAY)
    assert 0 < date_match(rows, (later,))[0] < 0.5


SECONDS = st.floats(-1e9, 1e9) | st.sampled_from([-np.inf, np.inf])


@given(st.tuples(SECONDS, SECONDS), st.lists(st.tuples(SECONDS, SECONDS), max_size=6))
def test_a_fit_is_a_share(asked, given_spans):
    if asked[0] >= asked[1]:
        return
    spans = [
        span for span in given_spans if span[0] <= span[1] and np.isfinite(span[1] - span[0]) | (span[0] < span[1])
    ]
    start, end = np.array([s[0] for s in spans], np.float64), np.array([s[1] for s in spans], np.float64)
    found = fit(Period(*asked), start, end)
    assert np.all((found >= 0) & (found <= 1))
    within = (start >= asked[0]) & (end <= asked[1]) & (end > start)
    assert np.allclose(found[within], 1.0)


def test_latest_prefers_what_came_last_and_was_not_superseded():
    rows = rows_of([0.0, DAY, 2 * DAY, 2 * DAY], superseded=[False, False, True, False])
    latest = score(rows, TemporalCue(latest=True))
    assert np.argmax(latest) == 3
    assert latest[2] == latest[3] / 2
    earliest = score(rows, TemporalCue(earliest=True))
    assert np.argmax(earliest) == 0
    assert earliest[2] == earliest[3]


def test_order_is_among_what_is_found_only():
    rows = rows_of([0.0, DAY, 2 * DAY])
    placed = order(rows, np.array([True, True, False]), latest=True)
    assert placed[:2].tolist() == [0.5, 1.0]
    assert np.isnan(placed[2])


def test_a_query_without_time_never_ranks_by_age():
    rows = rows_of([0.0, DAY, 2 * DAY])
    assert np.isnan(score(rows, TemporalCue())).all()
    assert np.isnan(score(rows, TemporalCue(), np.full(3, np.nan))).all()


def test_a_hit_brings_back_the_turns_around_it_those_after_it_first():
    n = 9
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(n, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = rows_of([float(i) for i in range(n)], vectors=vectors, session=[0] * n)
    match = np.full(n, np.nan)
    match[4] = 1.0
    found = context(rows, match)
    assert np.nanargmax(found) == 4
    assert np.isfinite(found[1:8]).all()
    assert np.isnan(found[[0, 8]]).all()
    assert found[5] > found[3]
    assert found[5] > found[6] > found[7]


def test_context_stays_within_a_session():
    rows = rows_of([0.0, 1.0, 2.0, 3.0], session=[0, 0, 1, 1])
    found = context(rows, np.array([np.nan, 1.0, np.nan, np.nan]))
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2:]).all()


@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=1, max_size=8), st.floats(0.0, 0.99))
def test_contexts_keep_their_length(turns, rho):
    vectors = np.array([turns], dtype=np.float32)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors = np.where(norms > 1e-3, vectors / np.maximum(norms, 1e-9), 0.0).astype(np.float32)
    lengths = np.linalg.norm(drift(vectors, rho=rho), axis=-1)
    begun = np.cumsum(np.any(vectors[0] != 0, axis=-1)) > 0
    assert np.allclose(lengths[0][begun], 1.0, atol=1e-4)
    assert np.allclose(lengths[0][~begun], 0.0)


def test_dates_and_context_add_up_within_bounds():
    n = 5
    rows = rows_of([i * DAY for i in range(n)], session=[0] * n, spans=[(4, 0.0, DAY)])
    match = np.array([0.1, 0.5, 0.4, 0.2, 0.3])
    cue = TemporalCue((Period(0.0, DAY),), latest=True)
    total = score(rows, cue, match)
    assert np.nanmin(total) >= 0
    assert np.nanmax(total) <= DEFAULT.date + DEFAULT.order + DEFAULT.context
    alone = score(rows, TemporalCue((Period(0.0, DAY),)), match)
    assert (total >= alone - 1e-12).all()


def test_nothing_is_scored_where_there_is_nothing():
    assert score(rows_of([]), TemporalCue((Period(0.0, DAY),), latest=True), np.empty(0)).shape == (0,)
