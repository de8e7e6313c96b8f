"""The texts that policies are tried on ask what they say, and a contest counts what it claims to."""

import numpy as np
import pytest
import torch

from benchmarks import kv_codec
from benchmarks import kv_contest as contest
from benchmarks.kv_policies import policies, row
from benchmarks.kv_recall import ASK, BEGIN, LESSONS, Lesson, lesson_batch, make_text, new_model, repeated, train
from memory_service.activation.policies.statistics import Budget
from memory_service.activation.policies.window import Whole


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_answer_stands_in_the_text_behind_its_key(lesson: Lesson) -> None:
    text = make_text(np.random.default_rng(3), lesson)
    assert len(text.tokens) == len(text.sentences) == lesson.context
    assert text.tokens[0] == BEGIN
    assert text.questions.shape == (lesson.questions, 3)
    for (mark, key, value), source in zip(text.questions.tolist(), text.sources.tolist(), strict=True):
        assert mark == ASK
        assert text.tokens[source - 1 : source + 1].tolist() == [key, value]
        assert text.sentences[source] == text.sentences[source - 1]
        assert (text.tokens == key).sum() == 1
    assert set(np.diff(text.sentences)) <= {0, 1}


def test_questions_that_are_all_different_are() -> None:
    (text,) = contest.make_texts(5, 1)
    assert len(set(text.questions[:, 1])) == contest.QUESTIONS


def test_what_is_asked_are_the_answers_and_what_was_said_before() -> None:
    rng = np.random.default_rng(2)
    tokens, asked = lesson_batch(rng, LESSONS[0])
    assert tokens[0][asked[0]].tolist() == tokens[0, LESSONS[0].context + 2 :: 3].tolist()
    tokens, asked = repeated(rng)
    half = tokens.shape[1] // 2
    assert torch.equal(tokens[:, :half], tokens[:, half:])
    assert asked[:, half + 1 :].all()
    assert not asked[:, : half + 1].any()


def test_a_contest_of_an_untrained_model_counts_and_measures() -> None:
    model = new_model(3)
    training = train(model, 3, most_cpu_s=0.5)
    assert training.steps > 0
    assert training.accuracy == 0  # a lesson that was not reached is not passed
    texts = contest.make_texts(1, 2)
    gate, profile, _ = contest.fit_gate(model, texts[:1])
    case = contest.make_case(model, texts[1], gate)
    whole = contest.try_policy(model, case, Whole(), Budget(1))
    for policy in policies(profile):
        score = contest.try_policy(model, case, policy, Budget(0.5))
        assert 0 <= score.first <= 1
        assert 0 <= score.later <= 1
        shown = row(policy.name, 0.5, [score])
        if policy.name == "sentencekv":
            assert score.bytes == score.whole_bytes  # nothing is evicted
        else:
            assert shown["of_whole"] < 0.56  # half, and positions
    assert contest.try_int8(model, case).bytes < 0.56 * whole.whole_bytes
    assert contest.try_shifted(model, case).bytes == whole.whole_bytes
    assert all(error < 0.02 for error in contest.output_errors(case.unasked.cache, case.unasked.needed_queries()))


def test_the_codec_is_measured_layer_by_layer() -> None:
    model = new_model(3)
    found = kv_codec.measured(model, 3, 2)
    assert 0.5 < found["packed_of_bfloat16"] <= kv_codec.WANTED_SHARE
    assert set(found["errors_by_layer"]) == set(kv_codec.COLUMNS)
    assert all(len(layers) == 2 and min(layers) > 0 for layers in found["errors_by_layer"].values())
    mean, worst = (found["errors_by_layer"][name] for name in ("random_queries", "random_queries_worst_text"))
    assert all(one <= most for one, most in zip(mean, worst, strict=True))
    assert kv_codec.table(found).count("\n") == 3
