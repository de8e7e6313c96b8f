"""Filters on values: judged here as LangGraph defines them, narrowed down by the service before.

What the service is asked is never stricter than the filter, so that nothing is lost; what it lets through too much is left out
here. Values compare as in JSON: numbers with numbers, text with text, and true is not 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from operator import ge, gt, le, lt
from types import MappingProxyType
from typing import Any, Final

ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
)
OPERATORS: Final = frozenset({"$eq", "$ne", *ORDER})
MAX_TERMS = 80  # of a narrowing; the service takes 100 of a filter
MAX_LIST = 1_000  # operands in one list
INTEGERS = range(-(2**63), 2**63)  # those the service can compare


def check(wanted: Mapping[str, Any]) -> None:
    """Refuse operators that there are not.

    Raises:
        ValueError: naming the first.
    """
    for condition in wanted.values():
        if isinstance(condition, Mapping):
            if _operates(condition):
                for name in condition:
                    if name not in OPERATORS:
                        raise ValueError(f"Unsupported operator: {name}; there are {', '.join(sorted(OPERATORS))}.")
            else:
                check(condition)


def matches(value: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Say whether a value satisfies every condition.

    >>> matches({"score": 4, "tag": "a"}, {"score": {"$gte": 4, "$lt": 5}, "tag": "a"}), matches({}, {"tag": {"$ne": "a"}})
    (True, True)
    """
    return all(_holds(value.get(name), condition) for name, condition in wanted.items())


def _operates(condition: Mapping[str, Any]) -> bool:
    return any(str(name).startswith("$") for name in condition)


def _holds(found: Any, condition: Any) -> bool:
    if isinstance(condition, Mapping):
        if _operates(condition):
            return all(_compares(found, name, operand) for name, operand in condition.items())
        return isinstance(found, Mapping) and matches(found, condition)
    if isinstance(condition, list | tuple):
        return isinstance(found, list | tuple) and len(found) == len(condition) and all(map(_holds, found, condition))
    return _same(found, condition)


def _compares(found: Any, name: str, operand: Any) -> bool:
    if name == "$eq":
        return _same(found, operand)
    if name == "$ne":
        return not _same(found, operand)
    return _kind(found) == _kind(operand) != "other" and ORDER[name](found, operand)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return _kind(one) == _kind(other) and bool(one == other)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"


def narrowing(wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return filters of the service that let everything through that matches, and as little else as they can say.

    >>> narrowing({"color": "red", "n": {"$gt": 3}})
    [{'value.color': {'eq': 'red'}}, {'value.n': {'gt': 3}}]
    >>> narrowing({"n": {"$ne": 4}})
    [{'OR': [{'NOT': {'value.n': {'eq': 4}}}, {'value.n.0': {'exists': True}}]}]
    """
    chosen: list[dict[str, Any]] = []
    room = MAX_TERMS
    for term in _terms("value", wanted):
        room -= len(term.get("OR", (term,)))
        if room < 0:
            break
        chosen.append(term)
    return chosen


def _terms(path: str, wanted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, condition in wanted.items():
        if not isinstance(name, str) or not name or not _writable(name):
            continue
        field = f"{path}.{_escaped(name)}"
        if not isinstance(condition, Mapping):
            yield from _equal(field, condition)
        elif not _operates(condition):
            yield from _terms(field, condition)
        else:
            for operator, operand in condition.items():
                yield from _term(field, operator, operand)


def _term(field: str, operator: str, operand: Any) -> Iterator[dict[str, Any]]:
    if operator == "$eq":
        yield from _equal(field, operand)
    elif not _sendable(operand):
        return
    elif operator == "$ne":
        # For the service a list equals what it holds; here it does not.
        yield {"OR": [{"NOT": {field: {"eq": operand}}}, {f"{field}.0": {"exists": True}}]}
    else:
        yield {field: {operator.removeprefix("$"): operand}}


def _equal(field: str, operand: Any) -> Iterator[dict[str, Any]]:
    if operand is None:
        yield {field: {"exists": False}}
    elif _sendable(operand):
        yield {field: {"eq": operand}}
    elif isinstance(operand, list | tuple) and 0 < len(operand) <= MAX_LIST and all(map(_sendable, operand)):
        yield {field: {"eq": list(operand)}}


def _sendable(operand: Any) -> bool:
    if isinstance(operand, bool):
        return True
    if isinstance(operand, int):
        return operand in INTEGERS
    if isinstance(operand, float):
        return isfinite(operand)
    return isinstance(operand, str) and _writable(operand)


def _writable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace(".", "\\.")
