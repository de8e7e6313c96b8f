import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.api.strict_json import MAX_DEPTH, check_value, parse_json
from memory_service.errors import InvalidRequest


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
        b"[" * 200_000,
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
