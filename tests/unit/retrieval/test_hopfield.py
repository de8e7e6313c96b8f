import time
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.attention import Form
from retrieval.hopfield import Parameters, associate, choose_beta, complete, score
from retrieval.rows import NONE, KeyKind, Keys, Links, Mentions, Rows, Spans

D = 64


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def patterns(count: int, *, seed: int = 0, d: int = D) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, d)))


def texts_like(count: int, *, seed: int = 0, d: int = 384, topics: int = 12) -> np.ndarray:
    """Vectors that crowd around topics, as those of sentences do."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(topics, d)))
    return unit(centres[rng.integers(0, topics, count)] + 0.9 * unit(rng.normal(size=(count, d))))


def rows_of(vectors: np.ndarray, *, keys: dict[int, np.ndarray] | None = None) -> Rows:
    n, d = vectors.shape
    further = [(row, one) for row, many in sorted((keys or {}).items()) for one in many]
    nothing = np.empty(0, dtype=np.int32)
    return Rows(
        ids=[UUID(int=place + 1) for place in range(n)],
        vectors=vectors,
        keys=Keys(
            row=np.array([row for row, _ in further], dtype=np.int32),
            kind=np.full(len(further), KeyKind.CHUNK, dtype=np.int8),
            vectors=np.array([one for _, one in further], dtype=np.float32).reshape(len(further), d),
        ),
        observed_at=np.arange(n, dtype=np.float64),
        valid_from=np.full(n, np.nan),
        valid_to=np.full(n, np.nan),
        session=np.full(n, NONE, dtype=np.int32),
        previous=np.full(n, NONE, dtype=np.int32),
        following=np.full(n, NONE, dtype=np.int32),
        speaker=np.full(n, NONE, dtype=np.int32),
        role=np.zeros(n, dtype=np.int8),
        length=np.full(n, 5, dtype=np.int32),
        asks=np.zeros(n, dtype=np.bool_),
        has_number=np.zeros(n, dtype=np.bool_),
        has_time=np.zeros(n, dtype=np.bool_),
        first_person=np.zeros(n, dtype=np.int8),
        superseded=np.zeros(n, dtype=np.bool_),
        speakers=(),
        entities=(),
        postings={},
        spans=Spans(nothing, np.empty(0), np.empty(0)),
        mentions=Mentions(nothing, nothing),
        links=Links(nothing, nothing, np.empty(0, dtype=np.float32)),
        documents=n,
    )


# Completion


@given(st.integers(0, 12), st.floats(1e-300, 1.7e308), st.sampled_from(Form), st.integers(1, 3), st.floats(-1, 1))
def test_no_size_and_no_beta_breaks_it(count, beta, form, steps, no_match):
    stored = patterns(count) if count else np.empty((0, D), dtype=np.float32)
    completed = complete(stored, patterns(1, seed=9)[0], beta=beta, steps=steps, form=form, no_match=no_match)
    assert np.isfinite(completed.state).all()
    assert np.linalg.norm(completed.state) == pytest.approx(1, abs=1e-6)
    assert completed.attention.shape == (count,)
    assert 0 <= completed.familiarity <= 1
    assert completed.attention.sum() == pytest.approx(1 if count else 0)
    assert -1e-9 <= completed.support <= count + 1e-6


def test_from_nothing_stored_the_cue_comes_back_unfamiliar():
    cue = patterns(1)[0]
    completed = complete(np.empty((0, D), dtype=np.float32), cue)
    assert completed.state == pytest.approx(cue)
    assert completed.familiarity == completed.support == completed.active == 0


def test_from_one_pattern_that_pattern_comes_back():
    [only] = patterns(1)
    assert complete(only[None, :], patterns(1, seed=2)[0]).state == pytest.approx(only, abs=1e-6)


def test_opposite_patterns_that_cancel_out_leave_the_cue():
    cue = np.array([0.0, 1.0])
    assert complete([[1.0, 0.0], [-1.0, 0.0]], cue, beta=20).state == pytest.approx(cue)


def test_one_step_is_nadaraya_watson_regression():
    stored, cue = patterns(50).astype(np.float64), patterns(1, seed=3)[0].astype(np.float64)
    kernel = np.exp(-12.0 * ((stored - cue) ** 2).sum(axis=1) / 2)
    expected = kernel @ stored / kernel.sum()
    assert complete(stored, cue, beta=12).state == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


@pytest.mark.parametrize("form", Form)
def test_a_pattern_comes_back_from_thirty_per_cent_noise(form):
    stored = patterns(2_000)
    rng = np.random.default_rng(1)
    hits = 0
    for place in range(100):
        noisy = stored[place].copy()
        lost = rng.choice(D, size=int(0.3 * D), replace=False)
        noisy[lost] = rng.normal(size=len(lost)) / np.sqrt(D)
        state = complete(stored, unit(noisy), form=form).state
        hits += int(np.argmax(stored @ state)) == place
    assert hits >= 99


@pytest.mark.parametrize("erased", [0.0, 0.25, 0.5])
def test_the_completed_state_is_nearer_to_the_pattern_than_the_cue_was(erased):
    stored = patterns(500, d=384)
    for place in range(20):
        cue = stored[place].copy()
        cue[: int(erased * 384)] = 0
        cue = unit(cue)
        assert complete(stored, cue).state @ stored[place] >= cue @ stored[place] - 1e-6


def test_sparse_forms_come_at_least_as_near_as_the_dense_one():
    stored = patterns(400)
    noisy = unit(stored[:50] + 0.6 * patterns(50, seed=5))
    error = {
        form: np.mean(
            [np.linalg.norm(complete(stored, cue, beta=20, form=form).state - stored[i]) for i, cue in enumerate(noisy)]
        )
        for form in Form
    }
    assert error[Form.SPARSEMAX] <= error[Form.ENTMAX15] + 1e-9 <= error[Form.DENSE] + 2e-9


def test_the_support_of_a_clear_cue_is_small_and_of_a_vague_one_large():
    stored = patterns(300, d=384)
    clear, vague = complete(stored, stored[0]), complete(stored, unit(stored.sum(axis=0)))
    assert clear.support < 2 < vague.support
    assert complete(stored, stored[0], form=Form.SPARSEMAX).active == 1


def test_a_cue_of_two_patterns_brings_both():
    stored = patterns(300, d=384)
    state = complete(stored, unit(stored[3] + stored[7])).state
    assert set(np.argsort(-(stored @ state))[:2].tolist()) == {3, 7}


def test_familiarity_tells_stored_cues_from_unknown_ones():
    stored = patterns(2_000, d=384)
    known = [
        complete(stored, cue, beta=30).familiarity for cue in unit(stored[:50] + 0.5 * patterns(50, seed=5, d=384))
    ]
    unknown = [complete(stored, cue, beta=30).familiarity for cue in patterns(50, seed=6, d=384)]
    assert min(known) > 0.9
    assert max(unknown) < 0.1


def test_int8_vectors_give_the_same_familiarity():
    stored, cue = patterns(500, d=384), patterns(1, d=384)[0]
    coarse = unit(np.round(stored * 127 / np.abs(stored).max()))
    assert complete(coarse, cue).familiarity == pytest.approx(complete(stored, cue).familiarity, abs=0.02)


def test_copies_weigh_together_and_change_no_direction():
    stored = patterns(20)
    doubled = np.concatenate([stored, stored])
    once, twice = complete(stored, stored[0], beta=30), complete(doubled, stored[0], beta=30)
    assert twice.state == pytest.approx(once.state, abs=1e-5)
    assert twice.attention[0] == pytest.approx(once.attention[0] / 2, abs=1e-6)
    assert twice.familiarity >= once.familiarity


@pytest.mark.parametrize("steps", [0, -1])
def test_it_takes_at_least_one_step(steps):
    with pytest.raises(ValueError, match="steps"):
        complete(patterns(3), patterns(1)[0], steps=steps)


# β


@given(st.lists(st.floats(-1, 1), max_size=50))
def test_beta_stays_between_its_bounds(similarities):
    assert 20 <= choose_beta(similarities) <= 60


def test_more_patterns_and_a_smaller_margin_ask_for_a_larger_beta():
    assert choose_beta([0.5] + [0.25] * 1_000) > choose_beta([0.5] + [0.25] * 200) > choose_beta([0.55] + [0.25] * 200)


# The channel


def test_it_scores_the_candidates_and_nothing_else():
    rows = rows_of(texts_like(50))
    numbers = np.array([3, 10, 20])
    mask = np.zeros(50, dtype=np.bool_)
    mask[numbers] = True
    scores = score(rows, rows.vectors[10], numbers)
    assert np.flatnonzero(np.isfinite(scores)).tolist() == numbers.tolist()
    assert np.nanargmax(scores) == 10
    assert np.array_equal(scores, score(rows, rows.vectors[10], mask), equal_nan=True)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_candidates_are_no_special_case(count):
    rows = rows_of(texts_like(5))
    associated = associate(rows, rows.vectors[0], np.arange(count))
    assert np.isfinite(associated.scores).sum() == count
    assert np.isfinite(associated.completion.state).all()


def test_a_row_is_found_by_any_of_its_vectors():
    vectors = texts_like(20)
    hidden = texts_like(1, seed=99)[0]
    rows = rows_of(vectors, keys={4: np.stack([vectors[4], hidden])})
    scores = score(rows, hidden, np.arange(20))
    assert np.nanargmax(scores) == 4


def test_candidates_outside_do_not_complete():
    rows = rows_of(texts_like(40))
    chosen = np.arange(10)
    alone = score(rows_of(rows.vectors[:10]), rows.vectors[20], chosen)
    assert score(rows, rows.vectors[20], chosen)[:10] == pytest.approx(alone, abs=1e-6)


def tops(rows: Rows, cues: np.ndarray, parameters: Parameters) -> set[frozenset[int]]:
    everything = np.ones(len(rows), dtype=np.bool_)
    found = [np.argsort(-score(rows, cue, everything, parameters=parameters), kind="stable")[:20] for cue in cues]
    return {frozenset(one.tolist()) for one in found}


@pytest.mark.parametrize("form", Form)
def test_different_cues_end_in_different_memories(form):
    rows, cues = rows_of(texts_like(300)), texts_like(60, seed=1)
    assert len(tops(rows, cues, Parameters(form=form))) >= 57


def test_the_beta_of_attention_layers_would_end_in_the_same_memories():
    # β = 1/√d, the trap: attention is even, every cue ends in the mean. This guards the test above: it can fail.
    rows, cues = rows_of(texts_like(300)), texts_like(60, seed=1)
    even = Parameters(lowest_beta=1 / np.sqrt(384), highest_beta=1 / np.sqrt(384))
    assert len(tops(rows, cues, even)) <= 20
    attention = complete(rows.vectors, cues[0], beta=1 / np.sqrt(384)).attention
    assert attention.max() < 1.1 / 300


def test_three_hundred_candidates_cost_little():
    rows = rows_of(texts_like(2_000))
    chosen = np.arange(300)
    associate(rows, rows.vectors[0], chosen)
    taken = []
    for cue in rows.vectors[:20]:
        started = time.perf_counter()
        associate(rows, cue, chosen)
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.0015
