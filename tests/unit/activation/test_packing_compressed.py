"""What a policy left is the same after it was a file, and a lie about it is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from memory_service.activation import blob
from memory_service.activation.compressing import Compressed, compress
from memory_service.activation.errors import ActivationError, BlobRefused
from memory_service.activation.exactness import Exactness
from memory_service.activation.packing import Codec
from memory_service.activation.packing_compressed import pack_compressed, unpack_compressed
from memory_service.activation.policies.channels import ThinK
from memory_service.activation.policies.d2o import D2O
from memory_service.activation.policies.heads import HeadProfile, HeadWise
from memory_service.activation.policies.keep import Keep, Policy
from memory_service.activation.policies.observed import PyramidKV, SnapKV
from memory_service.activation.policies.statistics import Budget
from tests.unit.activation.conftest import made_cache, made_statistics

POLICIES: tuple[Policy, ...] = (D2O(), PyramidKV(), HeadWise(HeadProfile(((1, 0), (0, 1)))), ThinK(inner=SnapKV()))


def header(policy: str = "any", codec: str = "float32", **other: Any) -> blob.Header:
    return blob.Header("a" * 64, "b" * 64, 60, codec, other.get("exactness", Exactness.COMPRESSED), policy)


def left_by(policy: Policy) -> Compressed:
    stats = made_statistics(60)
    return compress(stats.cache, policy.plan(stats, Budget(0.4)))


def same(one: Compressed, two: Compressed) -> bool:
    pairs = [
        (getattr(a, name), getattr(b, name))
        for of_one, of_two in zip(one.entries, two.entries, strict=True)
        for a, b in zip(of_one, of_two, strict=True)
        for name in ("keys", "values", "positions", "bias")
    ]
    masks = (one.channels is None) == (two.channels is None)
    return masks and all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda one: one.name)
def test_what_was_left_comes_back(policy: Policy) -> None:
    left = left_by(policy)
    back, got = unpack_compressed(pack_compressed(left, header(policy.name)))
    assert back.policy == policy.name
    assert same(got, left)


def test_nothing_left_comes_back_as_nothing() -> None:
    left = compress(made_cache(60), Keep(np.zeros((2, 2, 60), np.bool_)))
    assert same(unpack_compressed(pack_compressed(left, header()))[1], left)


def test_bytes_are_those_that_are_promised() -> None:
    for policy in POLICIES:
        left = left_by(policy)
        data = pack_compressed(left, header(policy.name, Codec.BFLOAT16))
        biases = sum(len(one.bias) for layer in left.entries for one in layer) * 4
        assert len(data) <= left.bytes_in_bfloat16() + biases + 1500  # and the header


@pytest.mark.parametrize("bad", [header(codec=Codec.INT8), header(codec="zip"), header(policy="")])
def test_what_is_no_such_header_is_refused(bad: blob.Header) -> None:
    with pytest.raises(ActivationError):
        pack_compressed(left_by(SnapKV()), bad)


def test_an_entry_behind_the_text_is_refused() -> None:
    short = blob.Header("a" * 64, "b" * 64, 10, "float32", Exactness.COMPRESSED, "any")
    with pytest.raises(ActivationError, match="behind"):
        pack_compressed(left_by(SnapKV()), short)


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("bias"),
        lambda t: t.update(more=t["bias"]),
        lambda t: t.update(lengths=t["lengths"] + 1),
        lambda t: t.update(lengths=-t["lengths"]),
        lambda t: t.update(lengths=t["lengths"].astype(np.int64)),
        lambda t: t.update(lengths=t["lengths"].ravel()),
        lambda t: t.update(lengths=np.full_like(t["lengths"], 2**31 - 1)),
        lambda t: t.update(channels=t["channels"] * 2),
        lambda t: t.update(channels=t["channels"] * 0),
        lambda t: t.update(channels=t["channels"][..., :-1]),
        lambda t: t.update(keys=t["keys"][:-1]),
        lambda t: t.update(keys=t["keys"] * np.float32("nan")),
        lambda t: t.update(keys=t["keys"].astype(np.float16)),
        lambda t: t.update(values=t["values"][:-1]),
        lambda t: t.update(bias=t["bias"] + np.float32("inf")),
        lambda t: t.update(positions=t["positions"] - 1000),
        lambda t: t.update(positions=t["positions"] + 1000),
    ],
)
def test_a_sealed_lie_is_refused(change: Change) -> None:
    tensors = dict(blob.read(pack_compressed(left_by(SnapKV()), header()))[1])
    change(tensors)
    with pytest.raises(BlobRefused):
        unpack_compressed(blob.write(header(), tensors))
