import doctest

from hypothesis import given
from hypothesis import strategies as st

from retrieval import confidence as module
from retrieval.confidence import DEFAULT, Evidence, confidence, confidence_of

SHARE = st.floats(0, 1)
COSINE = st.floats(-1, 1)


def test_worked_examples() -> None:
    tried = doctest.testmod(module)
    assert tried.attempted > 0
    assert tried.failed == 0


@given(cosine=COSINE, more=SHARE, coverage=SHARE)
def test_a_nearer_text_never_lowers_it(cosine: float, more: float, coverage: float) -> None:
    assert confidence_of(Evidence(cosine + more, coverage)) >= confidence_of(Evidence(cosine, coverage))


@given(cosine=COSINE, coverage=SHARE, other=SHARE)
def test_more_words_covered_never_lower_it(cosine: float, coverage: float, other: float) -> None:
    less, more = sorted((coverage, other))
    assert confidence_of(Evidence(cosine, more)) >= confidence_of(Evidence(cosine, less))


@given(cosine=st.none() | COSINE, coverage=st.none() | SHARE)
def test_it_stays_within_bounds(cosine: float | None, coverage: float | None) -> None:
    assert 0 <= confidence_of(Evidence(cosine, coverage)) <= 1
    assert confidence(cosine, coverage) == confidence_of(Evidence(cosine, coverage))


def test_a_stranger_is_abstained_from_and_a_match_is_not() -> None:
    assert confidence(0.35, 0.2) < DEFAULT.abstain_below < confidence(0.5, 0.4)


def test_words_alone_can_be_sure() -> None:
    assert confidence(None, 1.0) > 0.95
    assert confidence(None, 0.1) < DEFAULT.abstain_below
