from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_service.api.pages import decode_cursor, encode_cursor, page
from memory_service.errors import InvalidRequest

ME, OTHER = UUID(int=1), UUID(int=2)
QUERY: dict[str, Any] = {"list": "things", "namespace": "default"}


@given(
    st.uuids()
    | st.integers(-(2**31), 2**31 - 1)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)
)
def test_a_cursor_gives_back_its_position(position: UUID | int | str) -> None:
    cursor = encode_cursor(position, tenant_id=ME, query=QUERY)
    assert decode_cursor(cursor, of=type(position), tenant_id=ME, query=QUERY) == position


@pytest.mark.parametrize(
    ("forged", "of"),
    [("x", UUID), ("", UUID), ("{}", UUID), ("x", int), ("1.5", int), (str(10**30), int), ("a\0b", str)],
)
def test_a_forged_position_is_refused(forged: str, of: Any) -> None:
    """Whoever knows the tenant's id can work the check out; what comes through must still be of the right kind."""
    with pytest.raises(InvalidRequest):
        decode_cursor(encode_cursor(forged, tenant_id=ME, query=QUERY), of=of, tenant_id=ME, query=QUERY)


@pytest.mark.parametrize(
    ("tenant_id", "query"),
    [(OTHER, QUERY), (ME, {**QUERY, "namespace": "users/42"}), (ME, {"list": "others", "namespace": "default"})],
)
def test_a_cursor_of_another_tenant_or_query_is_refused(tenant_id: UUID, query: dict[str, Any]) -> None:
    cursor = encode_cursor("a", tenant_id=ME, query=QUERY)
    with pytest.raises(InvalidRequest) as refused:
        decode_cursor(cursor, of=str, tenant_id=tenant_id, query=query)
    assert refused.value.specific_code == "invalid_cursor"


@given(st.text(max_size=40))
def test_no_text_crashes_the_reader(text: str) -> None:
    with pytest.raises(InvalidRequest):
        decode_cursor(text, of=str, tenant_id=ME, query=QUERY)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_pages_show_every_row_once(count: int) -> None:
    rows, seen, cursor = list(range(count)), [], None
    while True:
        position = decode_cursor(cursor, of=int, tenant_id=ME, query=QUERY)
        after = -1 if position is None else position
        found = [row for row in rows if row > after][:3]
        answer = page(found, limit=2, position=lambda row: row, render=str, tenant_id=ME, query=QUERY)
        assert len(answer["data"]) <= 2
        seen += answer["data"]
        cursor = answer["next_cursor"]
        assert answer["has_more"] == (cursor is not None)
        if cursor is None:
            break
    assert seen == [str(row) for row in rows]
