"""The filter's query parameters as OpenAPI describes them; the route reads them by itself."""

from typing import Any

from memory_service.filters import EQUALITY_PARAMETERS, TIME_PARAMETERS, Field, FieldKind, field_of_parameter

KINDS: dict[FieldKind, dict[str, Any]] = {
    FieldKind.NUMBER: {"type": "number"},
    FieldKind.BOOLEAN: {"type": "boolean"},
    FieldKind.TIME: {"type": "string", "format": "date-time"},
}


def described_parameters() -> list[dict[str, Any]]:
    """Return what OpenAPI says of them, except of `metadata.<path>`, for which it has no words."""
    repeated = [
        _described(
            name, {"type": "array", "items": _schema(field_of_parameter(name))}, "Given several times: one of these."
        )
        for name in EQUALITY_PARAMETERS
    ]
    bounds = [
        _described(name, _schema(field_of_parameter(name)), "The moment itself is excluded.")
        for name in TIME_PARAMETERS
    ]
    return [*repeated, *bounds]


def _described(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _schema(field: Field) -> dict[str, Any]:
    if field.kind is FieldKind.CHOICE:
        return {"type": "string", "enum": list(field.choices)}
    return KINDS.get(field.kind, {"type": "string"})
