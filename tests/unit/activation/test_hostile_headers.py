"""Headers that somebody wrote by hand: a file is read or refused with a sentence, whatever stands in them."""

import io
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_service.activation import blob
from memory_service.activation.engine_layout import layout_of
from memory_service.activation.errors import BlobRefused
from memory_service.activation.exactness import Exactness
from memory_service.activation.fingerprint import canonical
from memory_service.activation.header_json import parse_object
from memory_service.activation.run_file import BlockRun, pack_run, unpack_run
from memory_service.activation.saved_file import read_entries
from tests.unit.activation.conftest import made_cache

LAYER = b"\0" * 8
TENSOR = {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}
SAID: dict[str, Any] = {
    "format": 1, "fingerprint": "ab" * 32, "tokens": "cd" * 32, "count": 1, "codec": "raw", "exactness": "exact",
    "policy": None, "note": None,
}  # fmt: skip
MANY_DIGITS = "9" * 5000
NUMBERS = ["1e999", "-1e999", MANY_DIGITS, f"-{MANY_DIGITS}", f"{MANY_DIGITS}.5e9", "NaN", "-Infinity"]


def file_of(table: str, body: bytes = LAYER) -> bytes:
    head = table.encode()
    return struct.pack("<Q", len(head)) + head + body


def saying(text: str) -> bytes:
    return file_of(json.dumps({"__metadata__": {"memory_service_kv": text}, "layer.0": TENSOR}))


def sealed(**other: Any) -> bytes:
    """Return a file with other fields under a checksum that fits them."""
    said = {**SAID, **other}
    tensors = blob._tensors({"layer.0": TENSOR}, memoryview(LAYER))
    return saying(json.dumps({**said, "checksum": blob._checksum(said, tensors)}))


def entries(data: bytes) -> Any:
    return read_entries(io.BytesIO(data), size=len(data))


def test_the_file_that_these_are_made_of_is_read() -> None:
    assert blob.read(sealed())[0].exactness is Exactness.EXACT
    assert entries(sealed())[0].name == "layer.0"


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_past_all_reason_are_refused(number: str) -> None:
    for table in (
        f'{{"layer.0": {number}}}',
        json.dumps({"layer.0": TENSOR}).replace("[1, 2]", f"[1, {number}]"),
        json.dumps({"layer.0": TENSOR}).replace("[0, 8]", f"[0, {number}]"),
        f'{{"__metadata__": {{"a": {number}}}, "layer.0": {json.dumps(TENSOR)}}}',
    ):
        for read in (entries, blob.read):
            with pytest.raises(BlobRefused):
                read(file_of(table))
    with pytest.raises(BlobRefused):
        blob.read(saying(json.dumps({**SAID, "checksum": "x"}).replace('"count": 1', f'"count": {number}')))


@pytest.mark.parametrize("depth", [*range(850, 1000), 100_000])
def test_however_deep_it_nests_it_is_refused(depth: int) -> None:
    """Also in the span of depths that are read and could not be written again for the checksum."""
    nested = "[" * depth + "]" * depth
    for table in (nested, f'{{"layer.0": {nested}}}', f'{{"__metadata__": {nested}, "layer.0": {json.dumps(TENSOR)}}}'):
        for read in (entries, blob.read):
            with pytest.raises(BlobRefused):
                read(file_of(table))
    for said in (nested, json.dumps({**SAID, "checksum": "x"}).replace('"count": 1', f'"count": {nested}')):
        with pytest.raises(BlobRefused):
            blob.read(saying(said))


@pytest.mark.parametrize("shape", [[0, 1 << 61, 1 << 61], [1 << 61, 0, 1 << 61]])
def test_nothing_in_a_shape_of_no_array_is_refused(shape: list[int]) -> None:
    layer = {**TENSOR, "shape": shape, "data_offsets": [0, 0]}
    table = {"__metadata__": {"memory_service_kv": json.dumps(SAID)}, "layer.0": layer}
    for read in (entries, blob.read):
        with pytest.raises(BlobRefused):
            read(file_of(json.dumps(table), b""))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([10**4000, 1 << 64, -1, 1e308, 0.5]) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(SAID)), ANY_JSON)
def test_no_value_of_a_sealed_field_is_believed(field: str, value: Any) -> None:
    try:
        header, _ = blob.read(sealed(**{field: value}))
    except BlobRefused:
        return
    assert isinstance(header.count, int)
    assert all(isinstance(one, str) for one in (header.fingerprint, header.tokens, header.codec))
    assert all(one is None or isinstance(one, str) for one in (header.policy, header.note))


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "more"]), ANY_JSON), ANY_JSON)
def test_no_value_of_a_table_is_believed(other: dict[str, Any], metadata: Any) -> None:
    for table in (
        {"layer.0": {**TENSOR, **other}},
        {"__metadata__": metadata, "layer.0": TENSOR},
        {"layer.0": metadata},
    ):
        data = file_of(json.dumps(table))
        try:
            (entry,) = entries(data)
        except BlobRefused:
            continue
        assert (entry.start, entry.end) == (0, 8)


@pytest.mark.parametrize(
    "note",
    [None, "", "5", "[]", "{", "null", MANY_DIGITS, '{"first": 1e999}', "[" * 100_000, '{"a":1,"a":2}', "\ud800"],
)
def test_a_note_that_is_none_is_refused(note: str | None) -> None:
    layout = layout_of("transformers-plain/layers=2/heads=2/block=4/dim=8/type=float32", block_size=4)
    with pytest.raises(BlobRefused):
        unpack_run(sealed(note=note), layout, engine="ab" * 32, hashes=())


@pytest.mark.parametrize("first", [-1, 1 << 32, 10**4000, True, 1.5, None, "0"])
def test_blocks_that_begin_nowhere_are_refused(first: Any) -> None:
    cache = made_cache(4)
    text = f"transformers-plain/layers={cache.layers}/heads={cache.heads}/block=4/dim={cache.dim}/type=float32"
    layout, hashes = layout_of(text, block_size=4), ("12" * 32,)
    header, tensors = blob.read(pack_run(BlockRun("ab" * 32, 0, hashes, "cd" * 32), layout, cache))
    note = {**parse_object(header.note or "", "the note"), "first": first}
    other = blob.Header(
        header.fingerprint, header.tokens, header.count, header.codec, header.exactness, note=canonical(note).decode()
    )
    with pytest.raises(BlobRefused):
        unpack_run(blob.write(other, tensors), layout, engine="ab" * 32, hashes=hashes)
