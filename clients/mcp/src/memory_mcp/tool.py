"""A tool: its name, its words, its schemas, and the function behind it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import mcp_types as types
from memory_client import AsyncMemoryClient
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema, to_json

from memory_mcp.failures import ToolFailure
from memory_mcp.scope import Scope

MOST_PROBLEMS = 5  # as many wrong arguments as one sentence can name


class Arguments(BaseModel):
    """What a tool is called with: unknown names are refused, nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Structured(BaseModel):
    """What a tool answers for programs; absent values are left out, and fields may be added later."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a client with the caller's key, and where the server keeps to."""

    client: AsyncMemoryClient
    scope: Scope


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool says: a text for a model, the same for programs."""

    text: str
    structured: Structured


@dataclass(frozen=True, slots=True)
class Hints:
    """What a host may assume before it lets a model call the tool."""

    read_only: bool
    destructive: bool
    idempotent: bool


@dataclass(frozen=True, slots=True)
class Tool(Generic[A]):
    """One tool."""

    name: str
    title: str
    description: str
    hints: Hints
    arguments: type[A]
    answers: type[Structured]
    call: Callable[[Caller, A], Awaitable[Answer]]

    def listed(self) -> types.Tool:
        """Return the tool as a host sees it."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=schema_of(self.arguments, "validation"),
            output_schema=schema_of(self.answers, "serialization"),
            annotations=types.ToolAnnotations(
                title=self.title,
                read_only_hint=self.hints.read_only,
                destructive_hint=self.hints.destructive,
                idempotent_hint=self.hints.idempotent,
                open_world_hint=False,
            ),
        )

    async def answer(self, caller: Caller, arguments: dict[str, Any]) -> Answer:
        """Check the arguments and call the tool.

        Raises:
            ToolFailure: with code `invalid_arguments` when they do not fit the schema, or as the tool says.
        """
        return await self.call(caller, read_arguments(self.arguments, arguments))


def read_arguments(model: type[A], arguments: dict[str, Any]) -> A:
    """Return the arguments as the tool wants them; null counts as left out, since many models send it.

    Raises:
        ToolFailure: with code `invalid_arguments`, naming each wrong argument.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return model.model_validate_json(to_json(given))
    except ValidationError as invalid:
        problems = [
            f"{'.'.join(str(part) for part in error['loc']) or 'arguments'}: {error['msg']}"
            for error in invalid.errors(include_url=False, include_context=False, include_input=False)
        ]
        more = f" (and {len(problems) - MOST_PROBLEMS} more)" if len(problems) > MOST_PROBLEMS else ""
        raise ToolFailure(
            "invalid_arguments", f"The arguments do not fit: {'; '.join(problems[:MOST_PROBLEMS])}{more}."
        ) from None


class _Plain(GenerateJsonSchema):
    """Schemas without what only repeats names: generated titles and null defaults."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if described.get("default", "") is None:
            described.pop("default")
        return described

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        # An optional value is left out rather than null: unions confuse hosts that translate schemas.
        return self.generate_inner(schema["schema"])


def schema_of(model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
    """Return the JSON schema of a model, as small as a model should have to read."""
    schema = model.model_json_schema(schema_generator=_Plain, mode=mode)
    _drop_titles(schema)
    schema.pop("description", None)
    return schema


def _drop_titles(schema: dict[str, Any]) -> None:
    """Take out the titles of models, which name our classes."""
    schema.pop("title", None)
    for definition in schema.get("$defs", {}).values():
        definition.pop("title", None)
