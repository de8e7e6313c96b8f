"""What a request may carry: JSON that Postgres can store, and only parameters that the route knows."""

import json
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from email.message import Message
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from memory_service.api.problems import escape, invalid_request
from memory_service.errors import FieldError, InvalidRequest, UnsupportedMediaType

MAX_DEPTH = 32
MAX_FINDINGS = 20
INTEGERS = range(-(2**63), 2**63)
TOO_LONG_TO_READ = 1 << 64  # Stands for an integer with more digits than Python converts.

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Body(BaseModel):
    """A JSON object whose unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


def checks_own_values(endpoint: Endpoint) -> Endpoint:
    """Mark a route that calls ``check_value`` itself, item by item, instead of refusing the whole body."""
    endpoint.__dict__["checks_own_values"] = True
    return endpoint


def takes_parameters(known: Callable[[str], bool]) -> Callable[[Endpoint], Endpoint]:
    """Mark a route that reads query parameters by itself: those whose name ``known`` accepts."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__["takes_parameters"] = known
        return endpoint

    return mark


def check_value(value: Any, pointer: str = "") -> FieldError | None:
    """Return the first thing in a parsed JSON value that cannot be stored, None when there is none.

    >>> check_value({"a": [1.0, float("nan")]}, "/items/0")
    FieldError(pointer='/items/0/a/1', detail='is not a finite number')
    >>> check_value({"a": [1, "b", None, True]})
    """
    return next(_findings(value, pointer, 0), None)


def _findings(value: Any, pointer: str, depth: int) -> Iterator[FieldError]:
    """Yield what cannot be stored: NUL, lone surrogates, non-finite numbers, huge integers, deep nesting."""
    if value is None or value is True or value is False:
        return
    if isinstance(value, str):
        if fault := _text_fault(value):
            yield FieldError(pointer, fault)
    elif isinstance(value, int):
        if value not in INTEGERS:
            yield FieldError(pointer, "is an integer of more than 64 bits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield FieldError(pointer, "is not a finite number")
    elif depth >= MAX_DEPTH:
        yield FieldError(pointer, f"is nested more than {MAX_DEPTH} levels deep")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _findings(item, f"{pointer}/{index}", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            below = f"{pointer}/{escape(key)}"
            if fault := _text_fault(key):
                yield FieldError(below, f"has a name that {fault}")
            yield from _findings(item, below, depth + 1)


def _text_fault(text: str) -> str | None:
    if "\0" in text:
        return "contains a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "contains half of a surrogate pair"
    return None


def parse_json(raw: bytes) -> Any:
    """Parse a body; NaN, infinities and huge integers are left for ``check_value``, which says where they are.

    Raises:
        InvalidRequest: it is not JSON in UTF-8, or an object has a name twice; code ``invalid_json``.
    """
    try:
        text = raw.decode()
        try:
            return json.loads(text, object_pairs_hook=_object)
        except json.JSONDecodeError:
            raise
        except ValueError:
            # Python refuses to convert thousands of digits; keep a value that is refused by its pointer.
            return json.loads(text, object_pairs_hook=_object, parse_int=_bounded_integer)
    except UnicodeDecodeError as error:
        raise _invalid_json(f"The body is not UTF-8 (byte {error.start}).") from error
    except json.JSONDecodeError as error:
        raise _invalid_json(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise _invalid_json(f"The body is nested more than {MAX_DEPTH} levels deep.") from error


def _bounded_integer(digits: str) -> int:
    return int(digits) if len(digits) < 30 else TOO_LONG_TO_READ


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # Keeping one of them would lose the other without a word.
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _invalid_json(f"An object has the name {escape(twice)[:100]!r} twice.")
    return found


def _invalid_json(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, code="invalid_json", errors=(FieldError("", detail),))


def _check_media_type(header: str | None) -> None:
    message = Message()
    message["content-type"] = header or "application/octet-stream"
    subtype = message.get_content_subtype()
    is_json = message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))
    charset = message.get_content_charset() or "utf-8"
    if not is_json or charset not in {"utf-8", "utf8", "us-ascii"}:
        said = f"it says {header[:100]!r}" if header else "it says nothing"
        raise UnsupportedMediaType(
            f"Send the body as JSON in UTF-8 with the header `Content-Type: application/json`; {said}."
        )


class StrictRequest(Request):
    """A request whose body was read, parsed and checked."""

    raw: bytes
    parsed: Any

    async def body(self) -> bytes:
        """Return the body as it came."""
        return self.raw

    async def json(self) -> Any:
        """Return the body as it was parsed."""
        return self.parsed


class StrictRoute(APIRoute):
    """A route that refuses what it does not understand, in the order: parameters, media type, JSON, values."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Name the operation after its function: generated clients depend on it."""
        options["operation_id"] = options.get("operation_id") or getattr(endpoint, "__name__", None)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler behind the checks."""
        handle = super().get_route_handler()
        known = frozenset(query_names(self.dependant))
        reads_body = self.body_field is not None
        needs_body = self.body_field is not None and self.body_field.field_info.is_required()
        read_by_route = getattr(self.endpoint, "takes_parameters", None)
        checks_values = not getattr(self.endpoint, "checks_own_values", False)

        async def strict(request: Request) -> Response:
            _check_parameters(request, known, read_by_route)
            request.state.raw_body = b""
            if not reads_body:
                return await handle(request)
            raw = request.state.raw_body = await request.body()
            read = StrictRequest(request.scope, request.receive)
            read.raw = raw
            if raw:
                _check_media_type(request.headers.get("content-type"))
                read.parsed = parse_json(raw)
                if checks_values:
                    findings = _findings(read.parsed, "", 0)
                    if found := [finding for finding, _ in zip(findings, range(MAX_FINDINGS), strict=False)]:
                        raise invalid_request(found)
            elif needs_body:
                raise InvalidRequest("This call needs a JSON body.", errors=(FieldError("", "is missing"),))
            return await handle(read)

        return strict


def query_names(dependant: Dependant) -> Iterator[str]:
    """Yield the names of the query parameters of a route and of what it depends on."""
    for field in dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from (_name(name, info) for name, info in model.model_fields.items())
        else:
            alias = field.field_info.validation_alias
            yield alias if isinstance(alias, str) else field.alias
    for below in dependant.dependencies:
        yield from query_names(below)


def _name(name: str, info: FieldInfo) -> str:
    return info.alias or name


def _check_parameters(
    request: Request, known: frozenset[str], read_by_route: Callable[[str], bool] | None = None
) -> None:
    if "\0" in request.scope["path"]:
        raise invalid_request([FieldError("", "The path contains a NUL character.")])
    if not request.scope["query_string"]:
        return
    found = []
    for name, value in request.query_params.multi_items():
        if name not in known and not (read_by_route and read_by_route(name)):
            wanted = f"; it takes {', '.join(sorted(known))}" if known else ""
            found.append(FieldError(f"?{name}", f"is no parameter of this call{wanted}"))
        elif "\0" in value:
            found.append(FieldError(f"?{name}", "contains a NUL character"))
    if found:
        raise invalid_request(found[:MAX_FINDINGS])
