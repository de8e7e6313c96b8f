"""A fingerprint changes with every field, and says which."""

from dataclasses import fields, replace
from typing import Any

import pytest

from memory_service.activation.errors import ActivationError
from memory_service.activation.exactness import Exactness, least_exact
from memory_service.activation.fingerprint import (
    Difference,
    Fingerprint,
    Parallelism,
    config_digest,
    differing,
    tokens_digest,
)

OTHERS: dict[str, Any] = {
    "weights": "a" * 64,
    "config": "b" * 64,
    "tokenizer": "c" * 64,
    "chat_template": "d" * 64,
    "dtype": "float16",
    "kv_dtype": "fp8",
    "block_size": 16,
    "parallelism": Parallelism(tensor=2),
    "isa": "amx",
    "layout": "other",
    "engine": "transformers",
    "engine_version": "0.32.1",
    "lora": "e" * 64,
}


def test_every_field_is_tried() -> None:
    assert set(OTHERS) == {field.name for field in fields(Fingerprint)}


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_field_makes_another_digest_and_is_named(fingerprint: Fingerprint, name: str) -> None:
    other = replace(fingerprint, **{name: OTHERS[name]})
    assert other.digest() != fingerprint.digest()
    (difference,) = differing(fingerprint, other)
    assert difference.field == ("parallelism.tensor" if name == "parallelism" else name)


def test_equal_fingerprints_have_one_digest_and_no_difference(fingerprint: Fingerprint) -> None:
    again = replace(fingerprint)
    assert again.digest() == fingerprint.digest()
    assert differing(fingerprint, again) == ()


def test_the_digest_is_the_same_in_every_process(fingerprint: Fingerprint) -> None:
    assert fingerprint.digest() == "60ecef39625c83a389c9b6c5c90ebc1e53ef2a80c4f0a895e32f95c0afb514ba"


def test_differences_hold_both_sides(fingerprint: Fingerprint) -> None:
    other = replace(fingerprint, block_size=16, parallelism=Parallelism(pipeline=2))
    assert differing(fingerprint, other) == (
        Difference("block_size", 128, 16),
        Difference("parallelism.pipeline", 1, 2),
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"weights": "short"},
        {"weights": "A" * 64},
        {"weights": None},
        {"lora": ""},
        {"isa": ""},
        {"layout": "a\0b"},
        {"engine": "\ud800"},
        {"block_size": 0},
        {"block_size": True},
        {"parallelism": Parallelism(tensor=0)},
    ],
)
def test_what_is_no_fingerprint_is_refused(fingerprint: Fingerprint, bad: dict[str, Any]) -> None:
    with pytest.raises(ActivationError):
        replace(fingerprint, **bad)


def test_scaling_of_rope_counts_and_where_a_model_came_from_does_not() -> None:
    plain = {"rope_theta": 1e4, "hidden_size": 64, "_name_or_path": "somewhere", "transformers_version": "5"}
    assert config_digest(plain) == config_digest({"rope_theta": 1e4, "hidden_size": 64})
    assert config_digest(plain) != config_digest({**plain, "rope_scaling": {"type": "linear", "factor": 2.0}})
    with pytest.raises(ActivationError):
        config_digest({"rope_theta": float("nan")})


@pytest.mark.parametrize("bad", [[-1], [1.5], [True], ["1"], [1 << 63]])
def test_what_is_no_token_is_refused(bad: list[Any]) -> None:
    with pytest.raises(ActivationError):
        tokens_digest(bad)


def test_order_of_tokens_counts() -> None:
    assert tokens_digest([1, 2]) != tokens_digest([2, 1])


def test_a_whole_is_as_exact_as_its_worst_part() -> None:
    assert least_exact([Exactness.SHIFTED, Exactness.EXACT]) is Exactness.SHIFTED
    assert least_exact([Exactness.COMPRESSED, Exactness.SHIFTED]) is Exactness.COMPRESSED
