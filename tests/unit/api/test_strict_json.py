import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from memory_service.api.problems import field_errors, invalid_request
from memory_service.api.search_models import SearchIn
from memory_service.errors import InvalidRequest, TooLarge
from memory_service.json_values import MAX_DEPTH, MAX_VALUES, check_value, count_values, parse_json


@pytest.mark.parametrize(
    ("raw", "pointer", "says"),
    [
        (b'{"a": "x\\u0000"}', "/a", "NUL"),
        (b'{"a\\u0000": 1}', "/a\0", "NUL"),
        (b'{"a": ["ok", "\\ud800"]}', "/a/1", "surrogate"),
        (b'{"\\udfff": 1}', "/\udfff", "surrogate"),
        (b'{"a": NaN}', "/a", "finite"),
        (b'{"a": {"b": -Infinity}}', "/a/b", "finite"),
        (b'{"a": 1e999}', "/a", "finite"),
        (b'{"a": 9223372036854775808}', "/a", "64 bits"),
        (b'{"a": -9223372036854775809}', "/a", "64 bits"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "/a", "64 bits"),
        (b'{"a/b~c": NaN}', "/a~1b~0c", "finite"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "/0" * MAX_DEPTH, "deep"),
    ],
)
def test_what_postgres_cannot_store_is_named_by_its_place(raw: bytes, pointer: str, says: str) -> None:
    found = check_value(parse_json(raw))
    assert found is not None
    assert found.pointer == pointer
    assert says in found.detail


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1} x',
        b"\xff\xfe",
        b'{"a": "\x01"}',
        b"[" * 100_000,
        b"\xef\xbb\xbf{}",
        b"undefined",
    ],
)
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_json(raw)
    assert refused.value.specific_code == "invalid_json"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
)
NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)


@given(VALUES)
def test_everything_else_passes_and_comes_through_unchanged(value: object) -> None:
    parsed = parse_json(json.dumps(value).encode())
    assert parsed == value
    assert check_value(parsed) is None


def test_the_depth_that_is_allowed_is_allowed() -> None:
    assert check_value(parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b"[]," * MAX_VALUES + b"1]",
        b"[" + b"1," * MAX_VALUES + b"1]",
        b"[" + b'"",' * MAX_VALUES + b"1]",
        b"{" + b'"\\\\":{},' * MAX_VALUES + b'"a":1}',
        b'"' * 8_000_000,
        b"[" * 8_000_000,
    ],
)
def test_more_values_than_we_read_are_refused_unread(raw: bytes) -> None:
    began = time.thread_time()  # Of this thread alone: the machine may be busy with other work.
    with pytest.raises((TooLarge, InvalidRequest)) as refused:
        parse_json(raw)
    assert refused.value.specific_code in {"too_many_values", "invalid_json"}
    assert time.thread_time() - began < 1


def test_the_number_of_values_that_is_allowed_is_allowed() -> None:
    raw = b"[" + b"1," * (MAX_VALUES - 2) + b"1]"
    assert count_values(raw) == MAX_VALUES
    assert len(parse_json(raw)) == MAX_VALUES - 1


@pytest.mark.parametrize("text", [",[{" * MAX_VALUES, '\\",' * MAX_VALUES, '",' * MAX_VALUES, "\\," * MAX_VALUES])
def test_texts_full_of_commas_are_one_value(text: str) -> None:
    raw = json.dumps({"content": text, "tags": ["a", "b"]}).encode()
    assert count_values(raw) == 5
    assert parse_json(raw)["content"] == text


@given(VALUES)
def test_values_are_never_undercounted(value: object) -> None:
    def count(inner: object) -> int:
        below = inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else ()
        return 1 + sum(count(each) for each in below)

    assert count_values(json.dumps(value).encode()) >= count(value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"as_of": "2026-11-01T00:00:00Z"}, "/as_of: is a string; expected is an object with the fields valid, known"),
        ({"window": 2026}, "/window: is a number; expected is an object with the fields from, to"),
        ({"as_of": [True]}, "/as_of: is an array; expected is an object with the fields valid, known"),
        ([1], "is an array; expected is an object"),
    ],
)
def test_what_is_no_object_is_told_what_is_expected(given: Any, says: str) -> None:
    body = {"query": "x", **given} if isinstance(given, dict) else given
    with pytest.raises(ValidationError) as refused:
        SearchIn.model_validate(body, from_attributes=True)
    errors = [{**one, "loc": ("body", *one["loc"])} for one in refused.value.errors()]
    assert invalid_request(field_errors(errors, body)).detail == says
