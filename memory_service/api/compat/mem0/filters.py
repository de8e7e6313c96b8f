"""mem0's filters in the grammar of this service. Pure; what comes out is read by `memory_service.filters`.

    {"AND"|"OR"|"NOT": [f, …]}  {"NOT": f}     joined
    {"field": value}  {"field": [values]}      equal, one of
    {"field": {"operator": value, …}}          eq ne gt gte lt lte in nin contains icontains
    {"field": "*"}                             has any value

`ne` and `nin` match memories without a value, as they do there. A name that is no field of mem0 is a key of the
metadata.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Never

from memory_service.api.compat.mem0.moments import rfc3339_of
from memory_service.errors import FieldError, InvalidFilter
from memory_service.filters.operands import below, json_word, printable

OWNERS: Final = ("user_id", "agent_id", "app_id", "run_id")
APP_ID: Final = "app_id"  # the key of the metadata that holds it
ANY: Final = "*"

JOINTS: Final = frozenset({"AND", "OR", "NOT"})
OPERATORS: Final = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "icontains")
_NEGATED: Final = {"ne": "eq", "nin": "in"}

Raw = dict[str, Any]

FIELDS: Final[Mapping[str, str]] = {
    "user_id": "user_id",
    "agent_id": "agent_id",
    "run_id": "session_id",
    "app_id": f"metadata.{APP_ID}",
    "actor_id": "speaker",
    "role": "role",
    "categories": "tags",
    "keywords": "content",
    "id": "id",
    "memory_ids": "id",
    "created_at": "observed_at",
    "timestamp": "observed_at",
    "updated_at": "updated_at",
}
_TIMES: Final = frozenset({"created_at", "timestamp", "updated_at"})
# What mem0 says of these words is said otherwise here: a part of a category, a piece of the text.
_RENAMED: Final[Mapping[str, Mapping[str, str]]] = {
    "categories": {"contains": "icontains"},
    "keywords": {"eq": "contains"},
}
_ONLY: Final[Mapping[str, frozenset[str]]] = {"keywords": frozenset({"eq", "contains", "icontains"})}


def translate(raw: Any, *, pointer: str = "/filters") -> Raw:
    """Return a filter of mem0 as one of this service.

    >>> translate({"AND": [{"user_id": "ada"}, {"run_id": "*"}]})
    {'AND': [{'user_id': {'eq': 'ada'}}, {'session_id': {'exists': True}}]}
    >>> translate({"categories": {"ne": "work"}})
    {'NOT': {'tags': {'eq': 'work'}}}

    Raises:
        InvalidFilter: it is not of mem0's grammar.
    """
    if not isinstance(raw, Mapping):
        _refuse(pointer, f'Filters are an object such as {{"user_id": "ada"}}, not {json_word(raw)}.')
    return joined([_entry(str(name), value, below(pointer, str(name))) for name, value in raw.items()])


def joined(conditions: list[Raw]) -> Raw:
    """Return the conjunction of filters; those that say nothing are left out.

    >>> joined([{}, {"tags": "a"}]), joined([{"tags": "a"}, {"tags": "b"}])
    ({'tags': 'a'}, {'AND': [{'tags': 'a'}, {'tags': 'b'}]})
    """
    saying = [condition for condition in conditions if condition]
    if not saying:
        return {}
    return saying[0] if len(saying) == 1 else {"AND": saying}


def owners_named(raw: Any) -> frozenset[str]:
    """Return which of user, agent, app and run a filter of mem0 speaks of, however deep.

    >>> sorted(owners_named({"OR": [{"user_id": "ada"}, {"NOT": {"run_id": "*"}}], "topic": "bees"}))
    ['run_id', 'user_id']
    """
    return frozenset(_owners(raw))


def _owners(raw: Any) -> Iterator[str]:
    if isinstance(raw, Mapping):
        for name, value in raw.items():
            if name in OWNERS:
                yield name
            elif _joint(str(name)):
                yield from _owners(value)
    elif isinstance(raw, list):
        for item in raw:
            yield from _owners(item)


def metadata_field(key: str) -> str:
    r"""Return the field of one key of the metadata; dots in the key are no steps.

    >>> print(metadata_field("a.b"))
    metadata.a\.b
    """
    return "metadata." + key.replace("\\", "\\\\").replace(".", "\\.")


def _joint(name: str) -> str | None:
    word = name.removeprefix("$").upper()
    return word if word in JOINTS else None


def _entry(name: str, value: Any, pointer: str) -> Raw:
    joint = _joint(name)
    if joint is not None:
        return _joined_by(joint, value, pointer)
    if name == "metadata":
        return _metadata(value, pointer)
    if name in FIELDS:
        return _condition(name, FIELDS[name], value, pointer)
    return _condition("metadata", metadata_field(name), value, pointer)


def _joined_by(joint: str, value: Any, pointer: str) -> Raw:
    if joint == "NOT" and isinstance(value, Mapping):
        return {joint: translate(value, pointer=pointer)}
    if not isinstance(value, list) or not value:
        _refuse(pointer, f"{joint} takes a list of at least one filter.")
    return {joint: [translate(item, pointer=below(pointer, at)) for at, item in enumerate(value)]}


def _metadata(value: Any, pointer: str) -> Raw:
    """Translate `{"metadata": {"key": condition}}`, and `{"metadata": {"eq"|"ne": {"key": value}}}`."""
    if not isinstance(value, Mapping) or not value:
        _refuse(pointer, 'Name a key of the metadata: {"metadata": {"project": "bees"}}.')
    conditions = []
    for key, operand in value.items():
        at = below(pointer, str(key))
        if key in {"eq", "ne"} and isinstance(operand, Mapping):
            same = _metadata(operand, at)
            conditions.append(same if key == "eq" else {"NOT": same})
        else:
            conditions.append(_condition("metadata", metadata_field(str(key)), operand, at))
    return joined(conditions)


def _condition(name: str, field: str, value: Any, pointer: str) -> Raw:
    if value == ANY:
        return {field: {"exists": True}}
    if isinstance(value, Mapping):
        if not value:
            _refuse(pointer, f"No operator is given; operators are {', '.join(OPERATORS)}.")
        return joined(
            [_compared(name, field, str(op), operand, below(pointer, str(op))) for op, operand in value.items()]
        )
    return _compared(name, field, "in" if isinstance(value, list) else "eq", value, pointer)


def _compared(name: str, field: str, operator: str, operand: Any, pointer: str) -> Raw:
    if operator not in OPERATORS:
        _refuse(pointer, f"There is no operator '{printable(operator)}'; operators are {', '.join(OPERATORS)}.")
    if name in _ONLY and operator not in _ONLY[name]:
        _refuse(pointer, f"'{name}' takes {' and '.join(sorted(_ONLY[name] - {'eq'}))}, not {operator}.")
    if name == "memory_ids" and operator == "eq":
        operator, operand = "in", [operand]
    if operand is None:
        _refuse(pointer, 'null is no value to compare with; {"NOT": {"field": "*"}} finds memories without one.')
    operand = _converted(name, operand, pointer)
    if operator in _NEGATED:
        return {"NOT": {field: {_NEGATED[operator]: operand}}}
    return {field: {_RENAMED.get(name, {}).get(operator, operator): operand}}


def _converted(name: str, operand: Any, pointer: str) -> Any:
    if name not in _TIMES:
        return operand
    convert: Callable[[Any, str], str] = rfc3339_of
    if isinstance(operand, list):
        return [convert(one, below(pointer, at)) for at, one in enumerate(operand)]
    return convert(operand, pointer)


def _refuse(pointer: str, detail: str) -> Never:
    raise InvalidFilter(detail, errors=(FieldError(pointer, detail),))
