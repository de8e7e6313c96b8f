"""Lists: one shape, and cursors that only continue the list they came from."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from memory_service.errors import FieldError, InvalidRequest

Row = TypeVar("Row")
Position = TypeVar("Position")  # written by str(), read by what decode_cursor is given

MAX_CURSOR = 2_000  # Longer than any position we hand out.
CHECK_BYTES = 9
INTEGERS = range(-(2**31), 2**31)
DEFAULT_LIMIT = 50
MAX_LIMIT = 200


def _check(position: str, tenant_id: UUID, query: Mapping[str, Any]) -> bytes:
    """Bind a position to a tenant and a query.

    This catches mistakes, not attackers: a made-up position shows a tenant nothing but its own rows.
    """
    bound = json.dumps([str(tenant_id), query, position], sort_keys=True, default=str)
    return hashlib.sha256(bound.encode()).digest()[:CHECK_BYTES]


def encode_cursor(position: object, *, tenant_id: UUID, query: Mapping[str, Any]) -> str:
    """Return a cursor that continues after ``position`` of this tenant's ``query``.

    >>> tenant = UUID(int=1)
    >>> cursor = encode_cursor(7, tenant_id=tenant, query={"list": "versions"})
    >>> decode_cursor(cursor, of=int, tenant_id=tenant, query={"list": "versions"})
    7
    """
    text = str(position)
    packed = _check(text, tenant_id, query) + text.encode()
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode_cursor(
    cursor: str | None, *, of: Callable[[str], Position], tenant_id: UUID, query: Mapping[str, Any]
) -> Position | None:
    """Return the position of a cursor, None without one; ``of`` reads it, and raises ValueError for what is none.

    Raises:
        InvalidRequest: the cursor is damaged or made up, or of another list, filter or tenant; code ``invalid_cursor``.
    """
    if cursor is None:
        return None
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError("too long")
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        check, text = packed[:CHECK_BYTES], packed[CHECK_BYTES:].decode()
        if check != _check(text, tenant_id, query) or "\0" in text:
            raise ValueError("of another query")
        position = of(text)
        if isinstance(position, int) and position not in INTEGERS:
            raise ValueError("out of range")
    except (ValueError, binascii.Error) as error:
        detail = "The cursor does not continue this list; ask again without it."
        raise InvalidRequest(detail, errors=(FieldError("?cursor", detail),), code="invalid_cursor") from error
    return position


def page(
    rows: Sequence[Row],
    *,
    limit: int,
    position: Callable[[Row], object],
    render: Callable[[Row], Any],
    tenant_id: UUID,
    query: Mapping[str, Any],
) -> dict[str, Any]:
    """Return one page of a list.

    Args:
        rows: up to ``limit + 1`` rows; the one too many only says that there is more.
        limit: how many rows a page holds.
        position: where a row stands in the order of the list.
        render: the row as JSON.
        tenant_id: whose list it is.
        query: what was asked, without limit and cursor; names the list too.
    """
    shown = rows[:limit]
    has_more = len(rows) > limit
    return {
        "data": [render(row) for row in shown],
        "next_cursor": encode_cursor(position(shown[-1]), tenant_id=tenant_id, query=query) if has_more else None,
        "has_more": has_more,
    }
