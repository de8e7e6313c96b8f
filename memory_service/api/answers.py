"""Answers that routes share: JSON with an ETag, and the reading of If-Match."""

import re
from collections.abc import Mapping
from typing import Any

from fastapi import Response

from memory_service.errors import FieldError, InvalidRequest, PreconditionFailed
from memory_service.json_values import write_json

_TAG = re.compile(r'(?P<weak>W/)?"(?P<tag>[^"]*)"')
_VERSION = re.compile(r"[1-9][0-9]{0,9}")


def answer(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON; contents stay readable as UTF-8."""
    return Response(write_json(content), status_code=status, headers=headers, media_type="application/json")


def written(body: str) -> Response:
    """Return JSON that was written already."""
    return Response(body.encode(), media_type="application/json")


def memory_answer(
    record: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return one memory with its version as a strong ETag."""
    return answer(record, status=status, headers={"ETag": f'"{record["version"]}"', **(headers or {})})


def versions_wanted(if_match: str | None) -> frozenset[int] | None:
    """Return the versions that If-Match names, one of which must be the present one; None when any will do.

    >>> sorted(versions_wanted('"3", W/"4", "5"')), versions_wanted("*"), versions_wanted(None)
    ([3, 5], None, None)

    Raises:
        PreconditionFailed: only weak or foreign tags are named, which no version matches.
        InvalidRequest: the header is not a list of entity tags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    # A tag may hold a comma; a header cannot hold the NUL that stands for a tag here.
    listed = {part.strip() for part in _TAG.sub("\0", if_match).split(",")}
    if "\0" not in listed or not listed <= {"\0", ""}:
        detail = 'If-Match is an entity tag in double quotes, such as "3", or *.'
        raise InvalidRequest(detail, errors=(FieldError("If-Match", detail),))
    named = frozenset(int(m["tag"]) for m in _TAG.finditer(if_match) if not m["weak"] and _VERSION.fullmatch(m["tag"]))
    if not named:
        raise PreconditionFailed(
            "If-Match names no version of this record; send the ETag of the version you have read."
        )
    return named
