"""Files that a tenant made by hand: refused with the one error that costs a computation and nothing else."""

import hashlib
import json
import struct
from typing import Any

import numpy as np
import pytest

from memory_vllm import blob, run_file
from memory_vllm.blob import Header
from memory_vllm.chain import canonical
from memory_vllm.errors import BlobRefused
from memory_vllm.layout import Layout

ENGINE, TOKENS = "ab" * 32, "cd" * 32
LAYOUT = Layout("cpu-vec", 1, 1, 4, 2, 4, "float32")
HASHES = ("12" * 32,)
LAYER = np.arange(16, dtype=np.float32).reshape(LAYOUT.shape(1))
ENTRY = {"layer.0": {"dtype": "F32", "shape": list(LAYER.shape), "data_offsets": [0, LAYER.nbytes]}}
SAID: dict[str, Any] = {
    "format": 1, "fingerprint": ENGINE, "tokens": TOKENS, "count": 4, "codec": "raw", "exactness": "exact", "policy": None,
    "note": canonical({"block_size": 4, "first": 0, "hashes": list(HASHES), "layout": str(LAYOUT)}).decode(),
}  # fmt: skip
MANY_DIGITS = "9" * 5000


def file_of(table: str, body: bytes = LAYER.tobytes()) -> bytes:
    head = table.encode()
    return struct.pack("<Q", len(head)) + head + body


def saying(text: str) -> bytes:
    """Return a file of one layer that says this about itself."""
    return file_of(json.dumps({"__metadata__": {"memory_service_kv": text}, **ENTRY}))


def sealed(**other: Any) -> bytes:
    """Return a file with other fields, under a checksum that fits them: whoever writes a file writes that, too."""
    said = {**SAID, **other}
    digest = hashlib.sha256(canonical(said))
    digest.update(canonical(["layer.0", "F32", list(LAYER.shape)]))
    digest.update(LAYER.tobytes())
    return saying(json.dumps({**said, "checksum": digest.hexdigest()}))


def unpack(data: bytes) -> Any:
    return run_file.unpack(data, engine=ENGINE, layout=LAYOUT, hashes=HASHES, offset=0)


def test_the_file_that_these_are_made_of_is_read() -> None:
    (layer,) = unpack(sealed())
    assert np.array_equal(layer, LAYER)
    assert sealed() == saying(json.dumps({**SAID, "checksum": json.loads(_said(sealed()))["checksum"]}))
    assert blob.read(sealed())[0] == Header(ENGINE, TOKENS, 4, note=SAID["note"])


def _said(data: bytes) -> str:
    (size,) = struct.unpack_from("<Q", data)
    return str(json.loads(data[8 : 8 + size])["__metadata__"]["memory_service_kv"])


@pytest.mark.parametrize("value", [5, 1.5, True, [], {}, ["x"], {"x": 1}, "", "x", "\ud800", "\0", None, -1, 10**4000])
@pytest.mark.parametrize("field", ["fingerprint", "tokens", "count", "codec", "exactness", "policy", "note"])
def test_no_type_of_a_field_is_believed(field: str, value: Any) -> None:
    data = sealed(**{field: value})
    if (field == "policy" and (value is None or isinstance(value, str))) or (
        field == "exactness" and isinstance(value, str)
    ):
        unpack(data)  # Texts that no engine reads.
        return
    with pytest.raises(BlobRefused):
        unpack(data)


NUMBERS = ["1e999", "-1e999", MANY_DIGITS, f"-{MANY_DIGITS}", "NaN", "-Infinity", f"{MANY_DIGITS}.5e9"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("where", ["table", "shape", "said", "note"])
def test_numbers_past_all_reason_are_refused(where: str, number: str) -> None:
    note = f'{{"block_size": 4, "first": {number}, "hashes": ["{HASHES[0]}"], "layout": "{LAYOUT}"}}'
    files = {
        "table": file_of(f'{{"layer.0": {number}}}'),
        "shape": file_of(json.dumps(ENTRY).replace("[0, ", f"[{number}, ")),
        "said": saying(json.dumps({**SAID, "checksum": "x"}).replace('"count": 4', f'"count": {number}')),
        "note": sealed(note=note),
    }
    with pytest.raises(BlobRefused):
        unpack(files[where])


@pytest.mark.parametrize("depth", [*range(850, 1000), 100_000])
def test_however_deep_it_nests_it_is_refused(depth: int) -> None:
    """Also in the span of depths that are read and could not be written again for the checksum."""
    nested = "[" * depth + "]" * depth
    for data in (
        saying(json.dumps({**SAID, "checksum": "x"}).replace('"count": 4', f'"count": {nested}')),
        saying(nested),
        file_of(nested),
        file_of(f'{{"layer.0": {nested}}}'),
        sealed(note=nested),
        sealed(note=f'{{"layout": {nested}}}'),
    ):
        with pytest.raises(BlobRefused):
            unpack(data)


@pytest.mark.parametrize("shape", [[0, 1 << 61, 1 << 61], [1 << 61, 0, 1 << 61], [0] * 8, []])
def test_nothing_in_a_shape_of_no_array_is_refused(shape: list[int]) -> None:
    entry = {"layer.0": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}
    table = json.dumps({"__metadata__": {"memory_service_kv": json.dumps(SAID)}, **entry})
    with pytest.raises(BlobRefused):
        unpack(file_of(table, b""))


@pytest.mark.parametrize("text", ["{}".encode("utf-16"), b'{"\xed\xa0\x80": 1}', b"\xef\xbb\xbf{}", b'{"a":1,"a":2}'])
def test_what_is_not_json_of_utf8_is_refused(text: bytes) -> None:
    with pytest.raises(BlobRefused):
        blob.parse(text)
