"""What a request may carry: JSON that Postgres can store, and only parameters that the route knows."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from email.message import Message
from typing import Any, TypeVar, get_args, get_origin
from urllib.parse import unquote_plus, unquote_to_bytes

from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from memory_service.api.dependencies import ASKS_FOR_KEY, admit
from memory_service.api.findings import KINDS
from memory_service.api.problems import invalid_request
from memory_service.errors import FieldError, InvalidRequest, UnsupportedMediaType
from memory_service.json_values import MAX_FINDINGS, escape, faults, parse_json

PARSED_ON_THE_LOOP = 64 * 1024  # bytes; a larger body is parsed in a thread
UNKNOWN_FIELDS_NAMED = 8  # An object with more unknown fields is refused as a whole.
FIELDS_NAMED = 4  # of an object that is expected where something else stands
BODILESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Few: parsers share the interpreter with the event loop, which waits its turn behind each of them.
_PARSERS = CapacityLimiter(2)

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Body(BaseModel):
    """A JSON object whose unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        if (kind := KINDS.get(type(value))) is not None:
            raise ValueError(f"is {kind}; expected is an object{_naming(cls)}")
        # Before each is looked at: a hundred thousand unknown ones would make as many complaints.
        if isinstance(value, dict) and len(value) > len(cls.model_fields) + UNKNOWN_FIELDS_NAMED:
            raise ValueError(f"has {len(value):,} fields; this object has {len(cls.model_fields)}")
        return value


def _naming(model: type[BaseModel]) -> str:
    """Return the fields of a small object as the end of a sentence; a large one stands in the reference."""
    names = [field.serialization_alias or field.alias or name for name, field in model.model_fields.items()]
    return f" with the fields {', '.join(names)}" if len(names) <= FIELDS_NAMED else ""


def checks_own_values(endpoint: Endpoint) -> Endpoint:
    """Mark a route that calls ``check_value`` itself, item by item, instead of refusing the whole body."""
    endpoint.__dict__["checks_own_values"] = True
    return endpoint


def takes_parameters(known: Callable[[str], bool], *, names: Sequence[str] = ()) -> Callable[[Endpoint], Endpoint]:
    """Mark a route that reads query parameters by itself: those whose name ``known`` accepts; ``names`` are for people."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__["takes_parameters"] = known
        endpoint.__dict__["parameter_names"] = tuple(names)
        return endpoint

    return mark


def _check_media_type(header: str | None) -> None:
    if header == "application/json":
        return  # Nearly all of them; a full reading costs a tenth of a millisecond.
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
    """A route that refuses what it does not understand, in the order: key, parameters, media type, JSON, values.

    Nothing of a body is read before the key is known to be valid.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Name the operation after its function: generated clients depend on it."""
        options["operation_id"] = options.get("operation_id") or getattr(endpoint, "__name__", None)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler behind the checks."""
        if self.body_field is not None and "POST" in (self.methods or ()):
            _let_be_absent(self.body_field.field_info)
        handle = super().get_route_handler()
        known = query_parameters(self.dependant)
        takes_body = self.body_field is not None
        needs_key = asks_for_key(self.dependant)
        needs_body = self.body_field is not None and self.body_field.field_info.is_required()
        read_by_route = getattr(self.endpoint, "takes_parameters", None)
        also_takes = getattr(self.endpoint, "parameter_names", ())
        checks_values = not getattr(self.endpoint, "checks_own_values", False)

        async def strict(request: Request) -> Response:
            if needs_key:
                await admit(request)
            check_parameters(request, known, read_by_route, also_takes)
            request.state.raw_body = b""
            if request.method in BODILESS_METHODS and not takes_body:
                return await handle(request)
            raw = request.state.raw_body = await request.body()
            read = StrictRequest(request.scope, request.receive)
            read.raw = raw
            if raw:
                _check_media_type(request.headers.get("content-type"))
                read.parsed = await _parse(raw, checks_values=checks_values)
                if not takes_body:
                    _refuse_fields(read.parsed)
            elif needs_body:
                raise InvalidRequest("This call needs a JSON body.", errors=(FieldError("", "is missing"),))
            elif takes_body:
                request.state.raw_body = b"{}"  # An idempotency key goes by what was meant.
            return await handle(read)

        return strict


def _let_be_absent(body: FieldInfo) -> None:
    """Take no body for ``{}`` where a call can do with that; not of PUT and PATCH, which are about what the body says."""
    model = body.annotation
    if body.is_required() and isinstance(model, type) and issubclass(model, Body):
        with suppress(ValidationError):
            body.default = model.model_validate({})


def asks_for_key(dependant: Dependant) -> bool:
    """Say whether a route, or anything it depends on, asks who is calling."""
    return dependant.call in ASKS_FOR_KEY or any(asks_for_key(below) for below in dependant.dependencies)


async def _parse(raw: bytes, *, checks_values: bool) -> Any:
    """Parse and check a body without holding up the event loop."""

    def parse() -> Any:
        parsed = parse_json(raw)
        if checks_values and (found := faults(parsed)):
            raise invalid_request(found)
        return parsed

    return parse() if len(raw) <= PARSED_ON_THE_LOOP else await to_thread.run_sync(parse, limiter=_PARSERS)


def _refuse_fields(parsed: Any) -> None:
    """Refuse the body of a call that takes none; an empty object says nothing and passes."""
    if parsed == {}:
        return
    names = list(parsed)[:MAX_FINDINGS] if isinstance(parsed, dict) else []
    found = [FieldError(f"/{escape(name)}", "is no field of this call, which takes no body") for name in names]
    raise invalid_request(found or [FieldError("", "This call takes no body.")])


def query_parameters(dependant: Dependant) -> dict[str, bool]:
    """Return by name the query parameters of a route and of what it depends on, and of each whether it may be repeated."""
    found: dict[str, bool] = {}
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found |= {info.alias or name: _is_list(info.annotation) for name, info in annotation.model_fields.items()}
        else:
            alias = field.field_info.validation_alias
            found[alias if isinstance(alias, str) else field.alias] = _is_list(annotation)
    for below in dependant.dependencies:
        found |= query_parameters(below)
    return found


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(get_origin(one) is list for one in get_args(annotation))


def check_parameters(
    request: Request,
    known: Mapping[str, bool],
    read_by_route: Callable[[str], bool] | None = None,
    also_takes: Sequence[str] = (),
) -> None:
    """Refuse parameters that a route does not know or takes once, and anywhere NUL and what is no UTF-8.

    Args:
        request: the request.
        known: the parameters of the route, and of each whether it may be repeated.
        read_by_route: whether the route reads a parameter of this name by itself, however often it stands there.
        also_takes: names of those, for people.

    Raises:
        InvalidRequest: naming them.
    """
    if "\0" in request.scope["path"]:
        raise invalid_request([FieldError("", "The path contains a NUL character.")])
    if not _is_utf8(request.scope.get("raw_path") or b""):
        raise invalid_request([FieldError("", "The path is not UTF-8.")])
    query_string: bytes = request.scope["query_string"]
    if not query_string:
        return
    found = []
    given: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in known and not (read_by_route and read_by_route(name)):
            wanted = [*sorted(known), *also_takes]
            taken = f"; it takes {', '.join(wanted)}" if wanted else ""
            found.append(FieldError(f"?{name}", f"is no parameter of this call{taken}"))
        elif "\0" in value:
            found.append(FieldError(f"?{name}", "contains a NUL character"))
        elif name in given and not known.get(name, True):
            # The framework would go by the last, and what was asked first would count for nothing.
            found.append(FieldError(f"?{name}", "is given more than once"))
        given.add(name)
    if not found and not _is_utf8(query_string):
        # As the framework reads them, such bytes are replaced, and what was asked is not what would be answered.
        broken = [part for part in query_string.split(b"&") if not _is_utf8(part)]
        names = dict.fromkeys(unquote_plus(part.partition(b"=")[0].decode("latin-1")) for part in broken)
        found = [FieldError(f"?{name}", "is not UTF-8") for name in names]
    if found:
        raise invalid_request(found[:MAX_FINDINGS])


def _is_utf8(quoted: bytes) -> bool:
    """Say whether bytes of an address are UTF-8 once they are unquoted; half a surrogate pair is not."""
    if b"%" not in quoted and quoted.isascii():
        return True
    try:
        unquote_to_bytes(quoted).decode()
    except UnicodeDecodeError:
        return False
    return True
