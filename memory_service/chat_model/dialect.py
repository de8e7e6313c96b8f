"""What an endpoint understands of a request; found out from what it refuses. Pure.

"OpenAI-compatible" means different things. Every request starts with all there is: decoding by a JSON schema, greedy. What
an endpoint refuses is left out from then on, one step at a time. Whatever is left out, the reply is checked the same way.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Literal

from memory_service.chat_model.protocol import Message

# Words of a schema that bound a reply and that not every decoder knows.
BOUNDS: Final = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "pattern", "format"})


class Decoding(StrEnum):
    """How a reply is held to a schema."""

    SCHEMA = "schema"
    UNBOUNDED_SCHEMA = "unbounded_schema"  # without the words of BOUNDS
    ANY_OBJECT = "any_object"
    ASKED_FOR = "asked_for"  # only in words


_NEXT: Final = {
    Decoding.SCHEMA: Decoding.UNBOUNDED_SCHEMA,
    Decoding.UNBOUNDED_SCHEMA: Decoding.ANY_OBJECT,
    Decoding.ANY_OBJECT: Decoding.ASKED_FOR,
}
_ABOUT_DECODING: Final = ("response_format", "schema", "json", "grammar", "guided", "structured", "strict", "xgrammar")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is put into a request."""

    decoding: Decoding = Decoding.SCHEMA
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    greedy: bool = True


def simpler(dialect: Dialect, refusal: str) -> Dialect | None:
    """Return what to try after an endpoint refused a request with these words; None where leaving out does not help.

    >>> simpler(Dialect(), "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.").limit
    'max_completion_tokens'
    >>> simpler(Dialect(), "'temperature' does not support 0 with this model").greedy
    False
    >>> simpler(Dialect(), "response_format.json_schema: 'maxLength' is not permitted").decoding.value
    'unbounded_schema'
    >>> simpler(Dialect(), "This model's maximum context length is 4096 tokens") is None
    True
    """
    said = refusal.lower()
    if dialect.limit == "max_tokens" and "max_completion_tokens" in said:
        return replace(dialect, limit="max_completion_tokens")
    if dialect.greedy and "temperature" in said:
        return replace(dialect, greedy=False)
    if dialect.decoding in _NEXT and any(word in said for word in _ABOUT_DECODING):
        return replace(dialect, decoding=_NEXT[dialect.decoding])
    return None


def request_body(
    dialect: Dialect, model: str, messages: Sequence[Message], schema: Mapping[str, Any], *, max_tokens: int
) -> dict[str, Any]:
    """Return the body of POST /chat/completions.

    >>> body = request_body(Dialect(Decoding.ASKED_FOR), "m", [Message("user", "Say x.")], {"type": "object"}, max_tokens=9)
    >>> [turn["role"] for turn in body["messages"]], body["max_tokens"], body["temperature"], "response_format" in body
    (['system', 'user'], 9, 0, False)
    """
    turns = list(messages)
    if dialect.decoding in {Decoding.ANY_OBJECT, Decoding.ASKED_FOR}:
        turns = _with_schema(turns, schema)
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
        dialect.limit: max_tokens,
        "stream": False,
    }
    if dialect.greedy:
        body["temperature"] = 0
    if dialect.decoding is Decoding.ANY_OBJECT:
        body["response_format"] = {"type": "json_object"}
    elif dialect.decoding is not Decoding.ASKED_FOR:
        wanted = schema if dialect.decoding is Decoding.SCHEMA else unbounded(schema)
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "strict": True, "schema": wanted},
        }
    return body


def unbounded(schema: Any) -> Any:
    """Return a schema without the words that bound lengths and numbers.

    >>> unbounded({"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 9}})
    {'type': 'array', 'items': {'type': 'string'}}
    """
    if isinstance(schema, Mapping):
        return {
            # Under `properties` a name is a name, whatever it reads.
            key: {name: unbounded(of) for name, of in value.items()} if key == "properties" else unbounded(value)
            for key, value in schema.items()
            if key not in BOUNDS
        }
    return [unbounded(one) for one in schema] if isinstance(schema, list) else schema


def _with_schema(turns: Sequence[Message], schema: Mapping[str, Any]) -> list[Message]:
    """Say in words what the decoder cannot be told."""
    words = f"Answer with one JSON object of this JSON schema, and nothing else:\n{json.dumps(schema)}"
    if turns and turns[0].role == "system":
        return [Message("system", f"{turns[0].content}\n\n{words}"), *turns[1:]]
    return [Message("system", words), *turns]
