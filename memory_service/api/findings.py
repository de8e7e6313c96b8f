"""What a validator found, in the words of this service: what stands there, and what is expected instead."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

# What stands in a body, under the names that JSON has for it. An object is left out: most places expect one.
KINDS: Final[Mapping[type, str]] = {
    str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "an array", type(None): "null",
}  # fmt: skip

# What is expected where a value of another kind stands, by pydantic's name of the error.
_EXPECTED: Final[Mapping[str, str]] = {
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "an array",
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "datetime_type": "a time",
    "uuid_type": "a UUID",
}

# What else is wrong with a value, by the same names. What is not here is rare, and said by whoever found it.
_WRONG: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda _: "is missing",
    "extra_forbidden": lambda _: "is no field of this object",
    "int_parsing": lambda _: "is no integer",
    "int_from_float": lambda _: "has a fraction; expected is an integer",
    "float_parsing": lambda _: "is no number",
    "finite_number": lambda _: "is not a finite number",
    "bool_parsing": lambda _: "is neither true nor false",
    "datetime_parsing": lambda said: f"is no time: {said['error']}",
    "datetime_from_date_parsing": lambda said: f"is no time: {said['error']}",
    "uuid_parsing": lambda _: "is no UUID",
    "enum": lambda said: f"must be {said['expected']}",
    "literal_error": lambda said: f"must be {said['expected']}",
    "greater_than": lambda said: f"is not more than {_number(said['gt'])}",
    "greater_than_equal": lambda said: f"is less than {_number(said['ge'])}",
    "less_than": lambda said: f"is not less than {_number(said['lt'])}",
    "less_than_equal": lambda said: f"is more than {_number(said['le'])}",
    "string_too_long": lambda said: f"has more than {_count(said['max_length'], 'character')}",
    "string_too_short": lambda said: _too_short(said["min_length"], "character"),
    "string_pattern_mismatch": lambda said: f"does not match the pattern {said['pattern']}",
    "too_long": lambda said: f"has more than {_count(said['max_length'], _part(said))}",
    "too_short": lambda said: _too_short(said["min_length"], _part(said)),
}


def sentence(error: Mapping[str, Any]) -> str:
    """Return what one error of pydantic says, without the input, as the end of a sentence that begins with the place.

    >>> sentence({"type": "dict_type", "input": ["a"], "msg": "Input should be a valid dictionary"})
    'is an array; expected is an object'
    >>> sentence({"type": "too_short", "input": [], "ctx": {"field_type": "List", "min_length": 1}, "msg": ""})
    'is empty'
    >>> sentence({"type": "value_error", "input": "", "ctx": {}, "msg": "Value error, is blank"})
    'is blank'
    """
    name = error["type"]
    if name in _EXPECTED:
        kind = "an object" if isinstance(error["input"], dict) else KINDS.get(type(error["input"]))
        return f"is {kind}; expected is {_EXPECTED[name]}" if kind else f"is not {_EXPECTED[name]}"
    if name in _WRONG:
        return _WRONG[name](error.get("ctx") or {})
    return str(error["msg"]).removeprefix("Value error, ")


def _number(bound: float) -> str:
    """Write a bound as people do.

    >>> _number(1000.0), _number(0.5), _number(math.inf)
    ('1,000', '0.5', 'inf')
    """
    return f"{int(bound):,}" if math.isfinite(bound) and bound == int(bound) else str(bound)


def _part(said: Mapping[str, Any]) -> str:
    return "member" if said["field_type"] == "Dictionary" else "item"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _too_short(least: int, what: str) -> str:
    return "is empty" if least == 1 else f"has fewer than {_count(least, what)}"
