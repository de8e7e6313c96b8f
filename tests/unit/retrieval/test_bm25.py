import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.bm25 import (
    DEFAULT_PARAMETERS,
    Bm25Parameters,
    coverage,
    impact,
    impacts,
    inverse_document_frequency,
    score,
)

TERMS = st.lists(st.sampled_from("abcdefgh"), max_size=40)


@given(st.integers(1, 50), st.integers(1, 500))
def test_an_impact_is_positive_and_bounded(frequency, length):
    assert 0 < impact(frequency, length) < DEFAULT_PARAMETERS.k1 + 1


@given(st.integers(1, 50), st.integers(1, 500))
def test_more_occurrences_weigh_more_and_more_words_weigh_less(frequency, length):
    assert impact(frequency + 1, length) > impact(frequency, length)
    assert impact(frequency, length + 1) <= impact(frequency, length)


def test_below_the_pivot_length_costs_nothing():
    assert len({impact(2, length) for length in range(2, DEFAULT_PARAMETERS.pivot + 1)}) == 1


@given(TERMS)
def test_impacts_cover_the_distinct_terms_and_ignore_their_order(terms):
    found = impacts(terms)
    assert set(found) == set(terms)
    assert found == impacts(sorted(terms))


@given(st.integers(0, 10_000))
def test_rarer_terms_weigh_more_and_none_weighs_less_than_nothing(memories):
    steps = sorted({0, 1, memories // 3, memories // 2, memories})
    values = [inverse_document_frequency(memories, containing) for containing in steps if containing <= memories]
    assert all(more >= less for more, less in pairwise(values))
    assert values[-1] >= 0


def test_stale_counts_are_no_error():
    assert inverse_document_frequency(10, 12) == inverse_document_frequency(10, 10) > 0


def test_negative_counts_and_odd_parameters_are_errors():
    with pytest.raises(ValueError, match="negative"):
        inverse_document_frequency(-1, 0)
    with pytest.raises(ValueError, match="k1"):
        Bm25Parameters(k1=0)


@given(TERMS, TERMS)
def test_scores_do_not_depend_on_order_or_repetition_of_the_query(query, terms):
    idf = {term: 1 + ord(term) / 100 for term in "abcdefgh"}
    whole = score(query, impacts(terms), idf)
    assert whole == score(list(reversed(query * 2)), impacts(terms), idf)
    assert (whole > 0) == bool(set(query) & set(terms))


def test_the_score_worked_by_hand():
    # Three of ten memories hold "cat": idf = ln(1 + 7.5/3.5). It stands twice in five terms: 2 · 1.9 / 2.9.
    idf = inverse_document_frequency(10, 3)
    assert idf == pytest.approx(math.log(1 + 7.5 / 3.5))
    assert score(["cat"], impacts(["cat", "cat", "sat", "on", "mat"]), {"cat": idf}) == pytest.approx(idf * 3.8 / 2.9)


@given(st.floats(0, 100), st.lists(st.floats(0, 10), max_size=8))
def test_coverage_is_a_share(best, idf):
    assert 0 <= coverage(best, idf) <= 1


def test_coverage_of_nothing_is_nothing():
    assert coverage(0.0, []) == 0.0
