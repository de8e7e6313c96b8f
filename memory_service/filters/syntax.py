"""What a filter is once it is understood: a frozen tree of comparisons over the fields of a memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from memory_service.types import MemoryType, PayloadType, State


class Operator(StrEnum):
    """How a field is compared with an operand."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NIN = "nin"
    CONTAINS = "contains"
    ICONTAINS = "icontains"
    EXISTS = "exists"


class FieldKind(StrEnum):
    """What a field holds; the kind decides which operands fit and how they are compared."""

    TEXT = "text"
    CHOICE = "choice"
    LIST = "list"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    ID = "id"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a memory; ``path`` are the keys below ``metadata`` or ``value``, ``choices`` the words of a choice."""

    name: str
    kind: FieldKind
    choices: tuple[str, ...] = ()
    path: tuple[str, ...] = ()


Scalar = str | float | int | bool | datetime | UUID
Operand = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """One term: a field, an operator, an operand of the field's kind (a tuple where the operator takes a list)."""

    field: Field
    operator: Operator
    operand: Operand


@dataclass(frozen=True, slots=True)
class And:
    """Every term matches; no term at all is everything."""

    terms: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one term matches."""

    terms: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The term does not match; a comparison with an absent value does not match, so NOT turns it into a match."""

    term: "Filter"


Filter = And | Or | Not | Compare

EVERYTHING = And(())

JSON_COLUMNS = ("metadata", "value")  # whose keys a filter names by their path


def _choices(kind: type[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in kind)


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        *(
            Field(name, FieldKind.TEXT)
            for name in ("user_id", "agent_id", "session_id", "external_id", "namespace", "speaker", "role")
        ),
        *(Field(name, FieldKind.TEXT) for name in ("language", "title", "content", "context")),
        Field("memory_type", FieldKind.CHOICE, _choices(MemoryType)),
        Field("payload_type", FieldKind.CHOICE, _choices(PayloadType)),
        Field("state", FieldKind.CHOICE, _choices(State)),
        *(Field(name, FieldKind.LIST) for name in ("tags", "keywords", "entities", "flags")),
        *(Field(name, FieldKind.NUMBER) for name in ("importance", "confidence", "trust")),
        Field("pinned", FieldKind.BOOLEAN),
        *(
            Field(name, FieldKind.TIME)
            for name in ("created_at", "updated_at", "observed_at", "valid_from", "valid_to", "expires_at")
        ),
        *(Field(name, FieldKind.ID) for name in ("id", "superseded_by")),
    )
}

# One word per idea, and the word that users of other systems know.
ALIASES: dict[str, str] = {"run_id": "session_id"}


def all_of(filters: Iterable[Filter]) -> Filter:
    """Return the conjunction, flat; one filter alone is itself and none at all is everything.

    >>> all_of([]) == all_of([EVERYTHING, EVERYTHING]) == EVERYTHING
    True
    """
    terms: list[Filter] = []
    for item in filters:
        terms.extend(item.terms if isinstance(item, And) else (item,))
    return terms[0] if len(terms) == 1 else And(tuple(terms))


def any_of(filters: Iterable[Filter]) -> Filter:
    """Return the disjunction; one filter alone is itself, and beside everything there is nothing else.

    >>> any_of([EVERYTHING, Not(EVERYTHING)]) == EVERYTHING
    True
    """
    terms = tuple(filters)
    if EVERYTHING in terms:
        return EVERYTHING
    return terms[0] if len(terms) == 1 else Or(terms)


def mentions(node: Filter, name: str) -> bool:
    """Say whether a filter compares a field anywhere."""
    match node:
        case Compare():
            return node.field.name == name
        case Not():
            return mentions(node.term, name)
        case And() | Or():
            return any(mentions(term, name) for term in node.terms)


def count_terms(node: Filter) -> int:
    """Return how many comparisons a filter holds."""
    match node:
        case Compare():
            return 1
        case Not():
            return count_terms(node.term)
        case And() | Or():
            return sum(count_terms(term) for term in node.terms)
