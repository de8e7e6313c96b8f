"""Answers that routes share: JSON with an ETag, and the reading of If-Match."""

import json
import re
from collections.abc import Mapping
from typing import Any

from fastapi import Response

from memory_service.errors import FieldError, InvalidRequest, PreconditionFailed

_TAG = re.compile(r'\s*(?P<weak>W/)?"(?P<tag>[^"]*)"\s*')


def answer(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON; contents stay readable as UTF-8 and numbers finite."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def memory_answer(
    record: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return one memory with its version as a strong ETag."""
    return answer(record, status=status, headers={"ETag": f'"{record["version"]}"', **(headers or {})})


def version_wanted(if_match: str | None) -> int | None:
    """Return the version that If-Match names; None when any will do.

    >>> version_wanted('"3"'), version_wanted("*"), version_wanted(None)
    (3, None, None)

    Raises:
        PreconditionFailed: only weak or foreign tags are named, which no version matches.
        InvalidRequest: the header is not a list of entity tags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = if_match.split(",")
    found = [_TAG.fullmatch(tag) for tag in tags]
    if any(match is None for match in found):
        detail = 'If-Match is an entity tag in double quotes, such as "3", or *.'
        raise InvalidRequest(detail, errors=(FieldError("If-Match", detail),))
    strong = [m["tag"] for m in found if m is not None and not m["weak"] and m["tag"].isdecimal()]
    if len(strong) != 1:
        raise PreconditionFailed(
            "If-Match names no version of this memory; send the ETag of the version you have read."
        )
    return int(strong[0])
