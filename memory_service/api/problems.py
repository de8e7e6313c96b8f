"""Every error as ``application/problem+json`` (RFC 9457): a sentence for people, a code for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from memory_service.api.allowed_methods import allowed_methods
from memory_service.api.findings import sentence
from memory_service.api.path_ids import unknown_id
from memory_service.errors import FieldError, InvalidRequest, MemoryServiceError, Unauthenticated
from memory_service.json_values import escape

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
# Clients of other systems read the sentence of an error only where it is called plain JSON.
PLAIN_JSON_BELOW = ("/compat/", "/openai/")
OPENAI = "/openai/"  # whose clients look for an object `error`
PLAIN_JSON = "application/json"
CLIENT_GONE = 499  # as nginx counts who left before the whole request was read; nobody gets this answer
MAX_ERRORS = 50  # A body of a thousand bad items should not be answered by a megabyte of complaints.
MAX_DETAIL = 500  # Sentences of validators may quote the input.

CODES = {
    400: "bad_request",
    404: "route_not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
}


def problem(
    scope: Scope,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    retryable: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document about the request of ``scope``; it never quotes query strings."""
    document: dict[str, Any] = {
        "type": f"urn:memory-service:problem:{code}",
        "title": title,
        "status": status,
        "detail": _shorten(detail),
        "instance": URL(scope=scope).path,
        "code": code,
        # Always there, so that a client may read it without asking.
        "errors": [{"pointer": _shorten(e.pointer), "detail": _shorten(e.detail)} for e in errors[:MAX_ERRORS]],
        "request_id": scope.get("state", {}).get("request_id"),
        "retryable": retryable,
    }
    if scope["path"].startswith(OPENAI):
        pointer = document["errors"][0]["pointer"] if errors else None
        document["error"] = {"message": document["detail"], "type": code, "param": pointer or None, "code": code}
    media_type = PLAIN_JSON if scope["path"].startswith(PLAIN_JSON_BELOW) else MEDIA_TYPE
    # ASCII only: a lone surrogate in a pointer must not break the answer about it.
    return Response(json.dumps(document).encode(), status_code=status, headers=headers, media_type=media_type)


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 1] + "…"


def problem_of_item(error: MemoryServiceError, *, below: str = "") -> dict[str, Any]:
    """Return what is wrong with one item of a call as JSON; `below` is the pointer to the item."""

    def within(pointer: str) -> str:
        return pointer if pointer.startswith(below) else below + pointer

    return {
        "type": f"urn:memory-service:problem:{error.specific_code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.specific_code,
        "retryable": error.retryable,
        "errors": [{"pointer": within(e.pointer), "detail": e.detail} for e in error.errors],
    }


def problem_of(scope: Scope, error: MemoryServiceError) -> Response:
    """Return the problem document of one of our own errors."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return problem(
        scope,
        status=error.status,
        code=error.specific_code,
        title=error.title,
        detail=error.detail,
        errors=error.errors,
        retryable=error.retryable,
        headers=headers,
    )


def internal_error(scope: Scope) -> Response:
    """Return the answer to what we did not foresee; the log has the rest, under the request id."""
    request_id = scope.get("state", {}).get("request_id")
    return problem(
        scope,
        status=500,
        code=MemoryServiceError.code,
        title=MemoryServiceError.title,
        detail=f"Something went wrong on our side. The log of the service names the cause under request {request_id}.",
    )


def pointer_of(location: Sequence[int | str], body: Any) -> str:
    """Return where an error is: an RFC 6901 pointer into the body, ``?name`` for a query parameter.

    Pydantic's location also names the branches of unions it tried; those are no part of the body and are left out.

    >>> pointer_of(("body", "messages", 0, "content"), {"messages": [{}]})
    '/messages/0/content'
    >>> pointer_of(("body", "value", "list[int]", 1), {"value": [1, "x"]})
    '/value/1'
    >>> pointer_of(("query", "limit"), None)
    '?limit'
    """
    place, *parts = location or ("body",)
    if place == "query":
        return "?" + ".".join(str(part) for part in parts[:1])
    if place == "path":
        return "{" + ".".join(str(part) for part in parts) + "}"
    if place != "body":
        return ": ".join(str(part) for part in location)
    pointer, here = "", body
    for position, part in enumerate(parts):
        inside = (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and 0 <= part < len(here)
        )
        if inside:
            here = here[part]
        elif position < len(parts) - 1 or not isinstance(here, dict):
            continue
        pointer += "/" + escape(str(part))
    return pointer


def field_errors(errors: Iterable[Mapping[str, Any]], body: Any) -> tuple[FieldError, ...]:
    """Return what a validator found, without the inputs it found it in."""
    found = (FieldError(pointer_of(e["loc"], body), sentence(e)) for e in errors)
    return tuple(dict.fromkeys(found))


def invalid_request(errors: Sequence[FieldError]) -> InvalidRequest:
    """Return one error about several fields; the detail names the first."""
    if not errors:
        return InvalidRequest("The request is not valid.")
    first = errors[0]
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    place = f"{first.pointer}: " if first.pointer else ""
    return InvalidRequest(f"{place}{first.detail}{more}", errors=tuple(errors))


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, MemoryServiceError)
    if error.status >= 500:
        log.warning("request_failed", code=error.specific_code, detail=error.detail)
    return problem_of(request.scope, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if unknown := unknown_id(error.errors()):
        return problem_of(request.scope, unknown)
    return problem_of(request.scope, invalid_request(field_errors(error.errors()[:MAX_ERRORS], error.body)))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"There is no {request.url.path} here; /openapi.json lists what there is."
    if error.status_code == 405:
        allowed = allowed_methods(request.app.routes, request.scope)
        headers["Allow"] = ", ".join(allowed)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        detail = f"{request.url.path} does not answer {request.method}, only {headers['Allow']}."
    phrase = HTTPStatus(error.status_code).phrase
    code = CODES.get(error.status_code, phrase.lower().replace(" ", "_"))
    return problem(request.scope, status=error.status_code, code=code, title=phrase, detail=detail, headers=headers)


async def _gone_away(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


def install(app: FastAPI) -> None:
    """Answer every foreseen error with a problem document."""
    app.add_exception_handler(MemoryServiceError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone_away)
