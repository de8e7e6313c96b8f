"""Which parameters of mem0 are read, which may be ignored, and which are refused because ignoring them would mislead."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError, model_validator

from memory_service.api.problems import field_errors, invalid_request
from memory_service.api.strict_json import Body
from memory_service.errors import FieldError

Model = TypeVar("Model", bound=BaseModel)

# They choose among servers, answers and methods of mem0's own; here nothing depends on them.
IGNORED: Final = frozenset(
    {
        "org_id", "project_id", "org_name", "project_name",
        "version", "api_version", "output_format", "async_mode",
        "enable_graph", "keyword_search", "filter_memories", "temporal_reasoning", "explain",
    }
)  # fmt: skip

_VERBATIM = "texts are stored as they are, so nothing would follow it; choose what you add instead"
REFUSED: Final[Mapping[str, str]] = {
    "custom_instructions": f"is not supported: {_VERBATIM}",
    "agent_custom_instructions": f"is not supported: {_VERBATIM}",
    "prompt": f"is not supported: {_VERBATIM}",
    "includes": f"is not supported: {_VERBATIM}",
    "excludes": f"is not supported: {_VERBATIM}",
    "custom_categories": "is not supported: nothing sorts memories into categories here; PATCH /v1/memories/{id} sets tags",
    "structured_data_schema": "is not supported: memories are texts here; put structured data into metadata",
    "immutable": "is not supported: every change keeps the version before it instead, which /v1/memories/{id}/versions lists",
    "delete_linked": "is not supported: only the memory named is deleted",
}


def says_nothing(value: Any) -> bool:
    """Say whether a parameter is there without asking for anything."""
    return value is None or value is False or value in ("", [], {})


def is_ignored(name: str) -> bool:
    """Say whether a query parameter may be left unread."""
    return name in IGNORED


class ForeignBody(Body):
    """A JSON object of a mem0 client: what may be ignored is, and what is refused says why."""

    @model_validator(mode="before")
    @classmethod
    def _sift(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        kept = {}
        for name, given in value.items():
            if name in cls.model_fields:
                kept[name] = given
            elif name in REFUSED:
                if not says_nothing(given):
                    raise invalid_request([FieldError(f"/{name}", REFUSED[name])])
            elif name not in IGNORED:
                kept[name] = given
        return kept


def read_as(model: type[Model], values: Mapping[str, Any], places: Mapping[str, str]) -> Model:
    """Return values as a body of this service's own calls, so that the same limits hold.

    Args:
        model: that body.
        values: by its names.
        places: where in the foreign request its fields stood, by their names; others are named as they are.

    Raises:
        InvalidRequest: a value is not allowed; the pointers are those of the foreign request.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = field_errors([{**e, "loc": ("body", *e["loc"])} for e in error.errors()], values)
        raise invalid_request([FieldError(_moved(e.pointer, places), e.detail) for e in found]) from error


def _moved(pointer: str, places: Mapping[str, str]) -> str:
    name, slash, rest = pointer.removeprefix("/").partition("/")
    return f"{places[name]}{slash}{rest}" if name in places else pointer
