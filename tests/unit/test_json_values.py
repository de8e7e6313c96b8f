"""JSON that goes out: what the fast writer refuses is written all the same, or refused."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.json_values import write_json
from memory_service.storage.sql import to_jsonb

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert json.loads(write_json(value)) == value


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, {1: "\ud800"}], ids=ascii)
def test_half_of_a_pair_is_refused(value: Any) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_json(value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_told_as_null_and_never_stored(number: float) -> None:
    assert write_json({"score": number}) == b'{"score":null}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_jsonb([{"weight": number}])


@pytest.mark.parametrize("value", [2**64, -(2**70), [2**63 - 1, -(2**63)]], ids=str)
def test_large_integers_keep_every_digit(value: Any) -> None:
    assert json.loads(write_json(value)) == value


@pytest.mark.parametrize(
    "value",
    [object(), {"a": {1, 2}}, [b"bytes"], 1j, datetime(2023, 5, 8, tzinfo=UTC)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        write_json(value)


def test_rows_keep_moments_to_the_second_of_their_offset() -> None:
    local = datetime(1890, 1, 1, tzinfo=timezone(timedelta(minutes=53, seconds=28)))
    rows = [{"id": UUID(int=1), "at": local, "now": datetime(2023, 5, 8, 9, 0, 0, 5, tzinfo=UTC), "hash": b"\x01"}]
    assert json.loads(to_jsonb(rows)) == [
        {
            "id": "00000000-0000-0000-0000-000000000001",
            "at": "1890-01-01T00:00:00+00:53:28",
            "now": "2023-05-08T09:00:00.000005+00:00",
            "hash": "\\x01",
        }
    ]
