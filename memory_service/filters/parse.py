r"""Read the filter grammar.

    {"AND": [f, …]}  {"OR": [f, …]}     at least one filter in the list
    {"NOT": f}  {"NOT": [f, …]}         none of them matches
    {"field": value}                    short for eq; a list is short for in
    {"field": {"operator": value, …}}   several operators, and several fields in one object, must all hold
    {}                                  everything

``and``, ``$and`` and ``$eq`` mean the same as ``AND`` and ``eq``. ``metadata.a.b`` names the key b below the key a, and
``value.a.b`` the same in the value; a dot or backslash inside a key is written ``\.`` or ``\\``, and a whole number
steps into a list (-1 is the last).

An absent value (null, an empty list, a missing metadata key) matches nothing but ``{"exists": false}``; ``ne`` and
``nin`` skip it as well. So every memory satisfies exactly one of eq, ne and ``exists: false``. NOT is the complement:
all that its filter does not match, absent values included. null is no operand.

- *text*: order is by code point; contains is a piece of the text, icontains ignores case.
- *tags, keywords, entities*: eq with one value has it, eq with a list holds exactly these, in has one of these, nin
  none; gt, gte, lt and lte hold for some element; contains has the element, icontains an element with that piece.
- *numbers, booleans, times, ids*: contains looks at the text form (times as 2023-05-08T10:00:00Z); false comes before
  true.
- *metadata, value*: numbers compare with numbers, strings with strings, booleans with booleans, a list like tags. Between
  different types gt, gte, lt and lte never match, and values are different.
- contains and icontains with a list: every one of these, each counts as a term.
"""

import difflib
from collections.abc import Iterator, Mapping

from memory_service.filters.operands import below, check_text, comparison, json_word, printable, refuse, refuse_size
from memory_service.filters.syntax import (
    ALIASES,
    FIELDS,
    JSON_COLUMNS,
    Field,
    FieldKind,
    Filter,
    Not,
    Operator,
    all_of,
    any_of,
    count_terms,
)

MAX_DEPTH = 8  # AND, OR and NOT inside each other.
MAX_TERMS = 100
MAX_PATH = 32  # Keys below metadata; a body is no deeper.

AND_WORDS = frozenset({"AND", "and"})
OR_WORDS = frozenset({"OR", "or"})
NOT_WORDS = frozenset({"NOT", "not"})


def parse_filter(raw: object, *, pointer: str = "") -> Filter:
    """Turn JSON into a filter.

    Args:
        raw: parsed JSON of the grammar above.
        pointer: where the filter lies in the request, put before every pointer of an error.

    Raises:
        InvalidFilter: not of the grammar.
        FilterTooLarge: beyond a limit.
    """
    parsed = _parse(raw, pointer, 0)
    terms = count_terms(parsed)
    if terms > MAX_TERMS:
        refuse_size(
            pointer,
            f"A filter has at most {MAX_TERMS} terms, this one has {terms}: use 'in' with a list, or several requests.",
        )
    return parsed


def resolve_field(name: str, *, pointer: str) -> Field:
    """Return the field of this name.

    Raises:
        InvalidFilter: there is no such field; the message names the nearest one.
    """
    name = ALIASES.get(name, name)
    column, dot, below_it = name.partition(".")
    if dot and column in JSON_COLUMNS:
        check_text(name, pointer)
        path = tuple(_split_path(below_it))
        if "" in path or len(path) > MAX_PATH:
            refuse(
                pointer,
                f"A {column} path has 1 to {MAX_PATH} keys joined by single dots, such as {column}.project.name.",
            )
        return Field(column, FieldKind.JSON, path=path)
    if name in FIELDS:
        return FIELDS[name]
    if name in JSON_COLUMNS:
        refuse(pointer, f"Name the key: {name}.<path>, such as {name}.project.")
    near = difflib.get_close_matches(name[:80], [*FIELDS, *ALIASES], n=1)
    hint = (
        f"Did you mean '{near[0]}'?" if near else f"Fields are {', '.join(FIELDS)}, metadata.<path> and value.<path>."
    )
    refuse(pointer, f"There is no field '{printable(name)}'. {hint}")


def _split_path(path: str) -> Iterator[str]:
    r"""Split at dots that no backslash protects.

    >>> list(_split_path(r"a.b\.c"))
    ['a', 'b.c']
    """
    key: list[str] = []
    characters = iter(path)
    for character in characters:
        if character == ".":
            yield "".join(key)
            key = []
        else:
            key.append(next(characters, "\\") if character == "\\" else character)
    yield "".join(key)


def _parse(raw: object, pointer: str, depth: int) -> Filter:
    if not isinstance(raw, Mapping):
        refuse(pointer, f'A filter is an object such as {{"user_id": "ada"}}, not {json_word(raw)}.')
    return all_of([_entry(str(name), value, below(pointer, str(name)), depth) for name, value in raw.items()])


def _entry(name: str, value: object, pointer: str, depth: int) -> Filter:
    word = name.removeprefix("$")
    if word in AND_WORDS:
        return all_of(_filters(word, value, pointer, depth))
    if word in OR_WORDS:
        return any_of(_filters(word, value, pointer, depth))
    if word in NOT_WORDS:
        if isinstance(value, list | tuple):
            return Not(any_of(_filters(word, value, pointer, depth)))
        return Not(_parse(value, pointer, _deeper(pointer, depth)))
    field = resolve_field(name, pointer=pointer)
    if isinstance(value, Mapping):
        if not value:
            refuse(pointer, f"No operator is given; operators are {', '.join(Operator)}.")
        return all_of(
            [
                comparison(
                    field, _operator(str(key), below(pointer, str(key))), operand, pointer=below(pointer, str(key))
                )
                for key, operand in value.items()
            ]
        )
    shorthand = Operator.IN if isinstance(value, list | tuple) else Operator.EQ
    return comparison(field, shorthand, value, pointer=pointer)


def _filters(word: str, value: object, pointer: str, depth: int) -> list[Filter]:
    if not isinstance(value, list | tuple) or not value:
        found = "an empty list" if isinstance(value, list | tuple) else json_word(value)
        refuse(pointer, f"{word} takes a list of at least one filter, not {found}.")
    inner = _deeper(pointer, depth)
    return [_parse(item, below(pointer, i), inner) for i, item in enumerate(value)]


def _deeper(pointer: str, depth: int) -> int:
    if depth >= MAX_DEPTH:
        refuse_size(pointer, f"AND, OR and NOT nest at most {MAX_DEPTH} deep: flatten the filter.")
    return depth + 1


def _operator(key: str, pointer: str) -> Operator:
    try:
        return Operator(key.removeprefix("$"))
    except ValueError:
        refuse(pointer, f"There is no operator '{printable(key)}'; operators are {', '.join(Operator)}.")
