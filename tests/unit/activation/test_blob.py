"""A file gives back what was written, or a sentence."""

import hashlib
import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from memory_service.activation import blob
from memory_service.activation.errors import ActivationError, BadTensor, BlobRefused
from memory_service.activation.exactness import Exactness
from memory_service.activation.key_values import KeyValues
from memory_service.activation.packing import Codec, pack, unpack
from tests.unit.activation.conftest import made_cache


def header(codec: str = "float32", count: int = 6, exactness: Exactness = Exactness.EXACT, **more: Any) -> blob.Header:
    return blob.Header("a" * 64, "b" * 64, count, codec, exactness, **more)


CACHE = made_cache(6)
FILE = pack(CACHE, header())


def edited(change: Callable[[dict[str, Any]], None], data: bytes = FILE) -> bytes:
    """Return the file with another table of tensors before the same numbers."""
    (size,) = struct.unpack_from("<Q", data)
    table = json.loads(data[8 : 8 + size])
    change(table)
    text = json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def said(change: Callable[[dict[str, Any]], None], checked: bool = False) -> bytes:
    """Return the file with another statement about its cache, and a checksum that fits if so wanted."""

    def of_table(table: dict[str, Any]) -> None:
        value = json.loads(table["__metadata__"]["memory_service_kv"])
        change(value)
        if checked:
            value.pop("checksum")
            value["checksum"] = blob._checksum(
                value, blob._tensors({k: v for k, v in table.items() if k[0] != "_"}, body)
            )
        table["__metadata__"]["memory_service_kv"] = json.dumps(value)

    (size,) = struct.unpack_from("<Q", FILE)
    body = memoryview(FILE)[8 + size :]
    return edited(of_table)


@pytest.mark.parametrize("tokens", [0, 1, 6, 130])
def test_float32_comes_back_bit_for_bit(tokens: int) -> None:
    cache = made_cache(tokens)
    written = header(count=tokens, note="any")
    back, got = unpack(pack(cache, written))
    assert back == written
    assert np.array_equal(got.keys, cache.keys)
    assert np.array_equal(got.values, cache.values)
    assert np.array_equal(got.positions, cache.positions)


@pytest.mark.parametrize("codec", [Codec.BFLOAT16, Codec.FLOAT16])
def test_a_model_in_sixteen_bits_loses_nothing(codec: Codec) -> None:
    cache = made_cache(6)
    whole = KeyValues(np.round(cache.keys * 8) / 8, np.round(cache.values * 8) / 8, cache.positions)
    _, got = unpack(pack(whole, header(codec)))
    assert np.array_equal(got.keys, whole.keys)


@pytest.mark.parametrize("codec", [Codec.BFLOAT16, Codec.FLOAT16])
def test_rounding_is_never_called_exact(codec: Codec) -> None:
    with pytest.raises(ActivationError, match="would round"):
        pack(CACHE, header(codec))
    pack(CACHE, header(codec, exactness=Exactness.COMPRESSED))


def test_eight_bits_are_recorded_as_lossy() -> None:
    for exactness in (Exactness.EXACT, Exactness.SHIFTED):
        with pytest.raises(ActivationError, match="loses"):
            pack(CACHE, header(Codec.INT8, exactness=exactness))
    back, got = unpack(pack(CACHE, header(Codec.INT8, exactness=Exactness.COMPRESSED)))
    assert back.exactness is Exactness.COMPRESSED
    assert np.allclose(got.keys, CACHE.keys, atol=0.02)


def test_equal_caches_are_equal_bytes() -> None:
    assert pack(made_cache(6), header()) == FILE


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "kv.safetensors"
    path.write_bytes(FILE)
    with safe_open(path, "numpy") as file:
        assert set(file.keys()) == {"keys", "values", "positions"}
        assert np.array_equal(file.get_tensor("keys"), CACHE.keys)
        assert json.loads(file.metadata()["memory_service_kv"])["codec"] == "float32"


def test_a_count_that_is_not_the_caches_is_refused() -> None:
    with pytest.raises(ActivationError):
        pack(CACHE, header(count=5))
    with pytest.raises(ActivationError):
        pack(CACHE, header("zip"))


@pytest.mark.parametrize("cut", [0, 4, 8, 40, len(FILE) - 1])
def test_half_a_file_is_refused(cut: int) -> None:
    with pytest.raises(BlobRefused):
        unpack(FILE[:cut])


@settings(max_examples=200)
@given(st.integers(0, len(FILE) * 8 - 1))
def test_any_flipped_bit_is_noticed(at: int) -> None:
    broken = bytearray(FILE)
    broken[at // 8] ^= 1 << at % 8
    with pytest.raises(BlobRefused):
        unpack(bytes(broken))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BlobRefused):
        unpack(data)


def set_(name: str, field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(table: dict[str, Any]) -> None:
        table[name][field] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        set_("keys", "shape", [1 << 40, 1 << 40]),
        set_("keys", "shape", [2, 2, 6, -8]),
        set_("keys", "shape", [2, 2, 6, 8.0]),
        set_("keys", "shape", "2268"),
        set_("keys", "shape", [True, 2, 6, 8]),
        set_("keys", "shape", [1] * 9),
        set_("keys", "dtype", "F64"),
        set_("keys", "dtype", "U16"),
        set_("keys", "dtype", ["F32"]),
        set_("keys", "data_offsets", [0, 1 << 50]),
        set_("keys", "data_offsets", [4, 0]),
        set_("keys", "data_offsets", [0]),
        set_("values", "data_offsets", [0, 768]),
        set_("__metadata__", "memory_service_kv", "{}"),
        set_("__metadata__", "memory_service_kv", "[]"),
        set_("__metadata__", "memory_service_kv", "[" * 100000),
        set_("__metadata__", "other", "x"),
        lambda table: table.pop("__metadata__"),
        lambda table: table.pop("keys"),
        lambda table: table.update(extra={}),
        lambda table: table.clear(),
    ],
)
def test_hostile_tables_are_refused(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(BlobRefused):
        unpack(edited(change))


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b"null",
        b'{"keys":1}',
        b'{"a":1,"a":2}',
        b'{"__metadata__":{"memory_service_kv":NaN}}',
        b"\xff\xfe",
        b"[" * 99999,
    ],
)
def test_hostile_headers_are_refused(text: bytes) -> None:
    with pytest.raises(BlobRefused):
        unpack(struct.pack("<Q", len(text)) + text)


def test_a_header_without_end_is_refused_unread() -> None:
    with pytest.raises(BlobRefused, match="header would have"):
        unpack(struct.pack("<Q", (1 << 63) + 5) + b"{}")
    with pytest.raises(BlobRefused, match="allowed"):
        unpack(FILE, most_bytes=len(FILE) - 1)
    with pytest.raises(BlobRefused, match="belong to no tensor"):
        unpack(FILE + b"\0")


def test_pickle_is_never_read() -> None:
    with pytest.raises(BlobRefused):
        unpack(pickle.dumps({"keys": [1]}))


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(fingerprint="c" * 64),
        lambda value: value.update(tokens="c" * 64),
        lambda value: value.update(exactness="shifted"),
        lambda value: value.pop("checksum"),
    ],
)
def test_a_header_that_was_changed_is_noticed(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(BlobRefused, match="checksum"):
        unpack(said(change))


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(format=2),
        lambda value: value.update(exactness="perfect"),
        lambda value: value.update(fingerprint=3),
        lambda value: value.update(count=-1),
        lambda value: value.update(count=7),
        lambda value: value.update(count=True),
        lambda value: value.update(codec="zip"),
        lambda value: value.update(codec="bfloat16"),
        lambda value: value.update(codec="int8-k-channel-v-token"),
        lambda value: value.update(policy="window"),
        lambda value: value.update(note=[]),
        lambda value: value.update(more=1),
        lambda value: value.pop("count"),
    ],
)
def test_a_well_sealed_lie_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(BlobRefused):
        unpack(said(change, checked=True))


def test_nan_in_a_sealed_file_is_refused() -> None:
    keys = CACHE.keys.copy()
    keys[0, 0, 0, 0] = np.nan
    data = blob.write(header(), {"keys": keys, "values": CACHE.values, "positions": CACHE.positions})
    with pytest.raises(BlobRefused, match="NaN"):
        unpack(data)


def test_only_types_of_caches_are_written() -> None:
    with pytest.raises(ActivationError):
        blob.write(header(), {"keys": np.array(["text"])})
    with pytest.raises(ActivationError):
        blob.write(header(), {})
    with pytest.raises(BadTensor):
        pack(
            KeyValues(CACHE.keys * 1e6, CACHE.values, CACHE.positions),
            header(Codec.FLOAT16, exactness=Exactness.COMPRESSED),
        )


@pytest.mark.parametrize(
    "bad",
    [{"fingerprint": "a"}, {"tokens": "X" * 64}, {"count": -1}, {"codec": ""}, {"policy": "window"}, {"note": 3}],
)
def test_what_is_no_header_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ActivationError):
        replace(header(), **bad)


def test_opaque_tensors_are_kept_as_they_are() -> None:
    block = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    written = header("layout of an engine", count=0)
    back, tensors = blob.read(blob.write(written, {"layer.0": block}))
    assert back == written
    assert np.array_equal(tensors["layer.0"], block)
    assert not tensors["layer.0"].flags.writeable
    assert hashlib.sha256(tensors["layer.0"].tobytes()).digest() == hashlib.sha256(block.tobytes()).digest()
