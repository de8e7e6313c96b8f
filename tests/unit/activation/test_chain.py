"""Hashes of blocks depend on everything before them, and on nothing after."""

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.activation.chain import DOMAIN, ROOT, block_hashes, salt_digest
from memory_service.activation.errors import ActivationError

ENGINE = "ab" * 32
TOKENS = st.lists(st.integers(0, 200_000), max_size=40)


def test_the_first_hash_is_what_the_seam_says() -> None:
    said = DOMAIN + bytes(32) + hashlib.sha256(b"salt").digest() + bytes.fromhex(ENGINE) + struct.pack("<3Q", 5, 6, 7)
    assert block_hashes([5, 6, 7], block_size=3, engine=ENGINE, salt="salt") == (hashlib.sha256(said).hexdigest(),)


@given(TOKENS, st.integers(1, 7))
def test_only_whole_blocks_have_a_name(tokens: list[int], size: int) -> None:
    hashes = block_hashes(tokens, block_size=size, engine=ENGINE, salt="s")
    assert len(hashes) == len(set(hashes)) == len(tokens) // size


@given(TOKENS, TOKENS, st.integers(1, 5))
def test_equal_prefixes_have_equal_hashes_and_no_more(left: list[int], right: list[int], size: int) -> None:
    of_left, of_right = (block_hashes(one, block_size=size, engine=ENGINE, salt="s") for one in (left, right))
    for number, (one, other) in enumerate(zip(of_left, of_right, strict=False), start=1):
        assert (one == other) == (left[: number * size] == right[: number * size])


@given(TOKENS, st.integers(1, 5), st.integers(0, 5))
def test_a_chain_can_be_taken_up_again(tokens: list[int], size: int, after: int) -> None:
    whole = block_hashes(tokens, block_size=size, engine=ENGINE, salt="s")
    after = min(after, len(whole))
    parent = whole[after - 1] if after else ROOT
    assert (
        block_hashes(tokens[after * size :], block_size=size, engine=ENGINE, salt="s", parent=parent) == whole[after:]
    )


@pytest.mark.parametrize(
    "other", [{"engine": "ba" * 32}, {"salt": "t"}, {"salt": ""}, {"parent": "01" * 32}, {"block_size": 1}]
)
def test_engine_salt_and_parent_enter(other: dict[str, object]) -> None:
    given_: dict[str, object] = {"block_size": 2, "engine": ENGINE, "salt": "s"}
    assert block_hashes([1, 2], **given_)[0] != block_hashes([1, 2], **given_ | other)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tokens", "wrong"),
    [
        ([-1], {}),
        ([True], {}),
        ([1.0], {}),
        ([1 << 63], {}),
        ([1], {"block_size": 0}),
        ([1], {"block_size": True}),
        ([1], {"engine": "AB" * 32}),
        ([1], {"engine": ""}),
        ([1], {"parent": "zz"}),
    ],
)
def test_what_cannot_be_named_is_refused(tokens: list[int], wrong: dict[str, object]) -> None:
    given_: dict[str, object] = {"block_size": 1, "engine": ENGINE, "salt": "s"} | wrong
    with pytest.raises(ActivationError):
        block_hashes(tokens, **given_)  # type: ignore[arg-type]


def test_a_salt_is_never_written_as_it_is() -> None:
    assert salt_digest("s") == hashlib.sha256(b"s").hexdigest()
