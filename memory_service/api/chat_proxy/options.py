"""What a client says to the memory, beside what it says to the model: in the body as `memory`, or in headers."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from memory_service.api.fields import Flag, Number, RawFilter, ShortText
from memory_service.api.problems import field_errors, invalid_request
from memory_service.api.search_models import ContextIn, TopK, theirs_or_nobodys
from memory_service.api.strict_json import Body
from memory_service.errors import FieldError, InvalidRequest
from memory_service.storage.namespaces import check_path
from memory_service.types import DEFAULT_NAMESPACE

MAX_MESSAGES: Final = 10_000
EXTRA_RESULTS: Final = 20  # looked at beyond top_k, for those that are in the conversation already
MAX_TOP_K: Final = 100


class ChatMemoryIn(Body):
    """What to look for, what to put in, and whether to remember what is said."""

    namespace: str = DEFAULT_NAMESPACE
    user_id: ShortText | None = None
    agent_id: ShortText | None = None
    session_id: ShortText | None = None
    filter: RawFilter | None = None
    search: Flag = True
    remember: Flag = False
    reinforce: Flag = False
    top_k: Annotated[TopK, Field(le=MAX_TOP_K)] = 12
    token_budget: Annotated[int, Number, Field(ge=1, le=100_000)] = 1200
    order: Literal["relevance", "time", "stable"] = "stable"
    preset: Literal["fast", "balanced", "thorough"] = "balanced"

    @model_validator(mode="after")
    def _valid_namespace(self) -> Self:
        check_path(self.namespace, pointer="/memory/namespace")
        return self

    def search_for(self, query: str, *, more: int) -> ContextIn:
        """Return the search: memories of this user and agent, and those of nobody in particular.

        Not of one session alone: what was said in earlier ones is what a memory is for.
        """
        conditions: list[Any] = theirs_or_nobodys(user_id=self.user_id, agent_id=self.agent_id)
        conditions += [self.filter] if self.filter else []
        return ContextIn(
            query=query,
            namespace=self.namespace,
            filter={"AND": conditions} if conditions else None,
            top_k=self.top_k + min(more, EXTRA_RESULTS),
            order=self.order,
            token_budget=self.token_budget,
            # Where the caller does not say, a policy of the namespace may.
            **({"preset": self.preset} if "preset" in self.model_fields_set else {}),
        )

    @property
    def layout_key(self) -> str:
        """Return what else decides which memories a conversation may be given."""
        return json.dumps([self.filter, self.order], sort_keys=True)

    @property
    def scope(self) -> tuple[str | None, ...]:
        """Return what tells two conversations of the same words apart."""
        return (self.namespace, self.user_id, self.agent_id, self.session_id)


class ChatCompletionIn(BaseModel):
    """A chat completion as OpenAI's clients send it; what is not named here is passed on as it is."""

    model_config = ConfigDict(extra="allow")

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_MESSAGES)]
    model: str | None = None
    stream: Flag | None = None
    memory: ChatMemoryIn | None = None


def _flag(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("is true or false")
    return text.lower() == "true"


_HEADERS: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "X-Memory-Namespace": ("namespace", unquote),
    "X-Memory-User-Id": ("user_id", unquote),
    "X-Memory-Agent-Id": ("agent_id", unquote),
    "X-Memory-Session-Id": ("session_id", unquote),
    "X-Memory-Search": ("search", _flag),
    "X-Memory-Remember": ("remember", _flag),
    "X-Memory-Reinforce": ("reinforce", _flag),
    "X-Memory-Top-K": ("top_k", int),
    "X-Memory-Token-Budget": ("token_budget", int),
}


def options_of(given: Any, headers: Mapping[str, str]) -> ChatMemoryIn:
    """Return what a request says to the memory; the body has the last word over headers.

    Raises:
        InvalidRequest: a header cannot be read; the pointer is its name.
    """
    said: dict[str, Any] = {}
    places: dict[str, str] = {}
    for header, (name, read) in _HEADERS.items():
        if (text := headers.get(header)) is not None:
            try:
                said[name] = read(text)
            except ValueError as error:
                reason = "is no whole number" if read is int else str(error)
                raise _bad_header(header, reason) from None
            if "\0" in str(said[name]) or "\ufffd" in str(said[name]):
                raise _bad_header(header, "is no text in percent-encoded UTF-8")
            places[name] = header
    body = given if isinstance(given, dict) else {}
    try:
        return ChatMemoryIn.model_validate(said | body)
    except ValidationError as error:
        found = field_errors(error.errors(), said | body)
        raise invalid_request([_placed(one, places, body) for one in found]) from None
    except InvalidRequest as error:
        if "namespace" in places and "namespace" not in body:
            raise _bad_header(places["namespace"], error.detail) from None
        raise


def _placed(error: FieldError, places: Mapping[str, str], body: Mapping[str, Any]) -> FieldError:
    name = error.pointer.removeprefix("/")
    if name in places and name not in body:
        return FieldError(places[name], error.detail)
    return FieldError(f"/memory{error.pointer}", error.detail)


def _bad_header(header: str, reason: str) -> InvalidRequest:
    return invalid_request([FieldError(header, reason)])
