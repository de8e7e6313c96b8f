import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.attention import Form, attend, entropy

SIMILARITIES = st.lists(st.floats(-1, 1), min_size=1, max_size=40)
BETAS = st.floats(1e-300, 1.7e308)
FORMS = st.sampled_from(Form)


@given(SIMILARITIES, BETAS, FORMS)
def test_shares_are_a_distribution_in_the_order_of_the_similarities(similarities, beta, form):
    shares = attend(similarities, beta=beta, form=form)
    assert np.isfinite(shares).all()
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1)
    order = np.argsort(similarities, kind="stable")
    assert (np.diff(shares[order]) >= -1e-12).all()


@given(SIMILARITIES, st.floats(0.1, 100))
def test_sparser_forms_keep_fewer(similarities, beta):
    kept = [int((attend(similarities, beta=beta, form=form) > 0).sum()) for form in (Form.SPARSEMAX, Form.ENTMAX15)]
    assert 1 <= kept[0] <= kept[1] <= len(similarities)


@given(SIMILARITIES, st.floats(0.1, 50), FORMS, st.floats(-1, 1))
def test_only_differences_count(similarities, beta, form, shift):
    moved = np.asarray(similarities) + shift
    assert attend(moved, beta=beta, form=form) == pytest.approx(attend(similarities, beta=beta, form=form), abs=1e-6)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.floats(0.5, 30))
def test_sparsemax_is_the_nearest_point_of_the_simplex(similarities, beta):
    # Optimality of a projection: no vertex of the simplex lies on the far side of the plane through the answer.
    logits = beta * np.asarray(similarities)
    shares = attend(similarities, beta=beta, form=Form.SPARSEMAX)
    away = logits - shares
    assert away.max() <= away @ shares + 1e-9


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.floats(0.5, 30))
def test_entmax_meets_its_optimality_condition(similarities, beta):
    # For 1.5-entmax, z/2 − √p equals one threshold wherever p > 0, and lies at or below it elsewhere.
    halved = beta * np.asarray(similarities) / 2
    shares = attend(similarities, beta=beta, form=Form.ENTMAX15)
    thresholds = (halved - np.sqrt(shares))[shares > 0]
    assert np.ptp(thresholds) < 1e-6
    assert (halved[shares == 0] <= thresholds.max() + 1e-6).all()


@pytest.mark.parametrize("form", Form)
def test_equals_share_equally_and_none_gives_none(form):
    assert attend([0.3] * 5, beta=30, form=form) == pytest.approx([0.2] * 5)
    assert attend([0.3], beta=30, form=form).tolist() == [1.0]
    assert attend([], form=form).shape == (0,)


@pytest.mark.parametrize("beta", [0, -1, float("nan"), float("inf")])
def test_beta_must_be_a_number_above_zero(beta):
    with pytest.raises(ValueError, match="beta"):
        attend([0.1], beta=beta)


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        attend([0.1, float("nan")])


@given(SIMILARITIES, st.floats(0.1, 100), FORMS)
def test_entropy_lies_between_one_and_all(similarities, beta, form):
    assert -1e-12 <= entropy(attend(similarities, beta=beta, form=form)) <= np.log(len(similarities)) + 1e-9
