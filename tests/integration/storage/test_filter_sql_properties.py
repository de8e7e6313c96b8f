import json
import operator as python_operator
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from memory_service.filters import And, Compare, FieldKind, Filter, Not, Operator, Or, parse_filter
from memory_service.storage.database import Database
from memory_service.storage.filter_sql import compile_filter

NOW = datetime(2024, 1, 1, tzinfo=UTC)
ORDER: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.GT: python_operator.gt,
    Operator.GTE: python_operator.ge,
    Operator.LT: python_operator.lt,
    Operator.LTE: python_operator.le,
}

# Few values, so that matches are frequent; among them what LIKE, case folding and text ordering stumble over.
WORDS = st.text("aAäÄ%_Σς\\", max_size=2)
NUMBERS = st.sampled_from([-1.5, 0.0, 0.25, 1.0, 2.0, 1e20])
TIMES = st.sampled_from([NOW + timedelta(days=days, microseconds=tick) for days in (-9, 0, 9) for tick in (0, 500)])
IDS = st.sampled_from([str(UUID(int=number)) for number in (1, 2**100, 2**128 - 1)])
STATES = st.sampled_from(["generated", "activated", "archived", "expired", "frozen"])
SCALARS = WORDS | NUMBERS | st.integers(-1, 2) | st.booleans()
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "title": WORDS,
    "state": STATES,
    "tags": WORDS,
    "importance": NUMBERS,
    "pinned": st.booleans(),
    "expires_at": TIMES.map(datetime.isoformat),
    "superseded_by": IDS,
    "metadata.k": SCALARS,
    "metadata.k.0": SCALARS,
    "metadata.k.j": SCALARS,
}
METADATA = st.recursive(
    st.none() | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["j", "0"]), inner, max_size=2),
    max_leaves=5,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "title": st.none() | WORDS,
    "state": STATES,
    "tags": st.lists(WORDS, max_size=3),
    "importance": NUMBERS,
    "pinned": st.booleans(),
    "expires_at": st.none() | TIMES.map(datetime.isoformat),
    "superseded_by": st.none() | IDS,
    "metadata": METADATA.map(lambda value: {"k": value}) | st.just({}),
}
EMPTY: dict[str, Any] = {
    **dict.fromkeys(FIELDS),
    "state": "activated",
    "tags": [],
    "importance": 0.0,
    "pinned": False,
    "metadata": {},
}


def records(*names: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return lists of records in which these fields vary."""
    record = st.fixed_dictionaries({name: FIELDS[name] for name in names}).map(lambda some: EMPTY | some)
    return st.lists(record, min_size=3, max_size=6)


def operands(name: str, operator: Operator) -> st.SearchStrategy[Any]:
    value, in_metadata = VALUES[name], name.startswith("metadata")
    match operator:
        case Operator.EXISTS:
            return st.booleans()
        case Operator.IN | Operator.NIN:
            return st.lists(value, max_size=3)
        case Operator.CONTAINS | Operator.ICONTAINS if operator is Operator.ICONTAINS or not in_metadata:
            return WORDS | st.sampled_from(["1", "e", "E", "2024", "t", "-", "00Z"])
        case Operator.EQ | Operator.NE if in_metadata or name == "tags":
            return value | st.lists(value, min_size=1, max_size=3)
        case _:
            return value


def terms(name: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return one term per operator on this field."""
    each = [st.fixed_dictionaries({name: st.fixed_dictionaries({op.value: operands(name, op)})}) for op in Operator]
    return st.tuples(*each).map(list)


FILTERS = st.recursive(
    st.sampled_from(["title", "tags", "metadata.k"]).flatmap(terms).flatmap(st.sampled_from),
    lambda inner: (
        st.fixed_dictionaries({"AND": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"OR": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"NOT": inner})
    ),
    max_leaves=5,
)


def expect(node: Filter, record: dict[str, Any]) -> bool:
    """Evaluate a filter as filters/parse.py words it, without a thought of SQL."""
    match node:
        case And():
            return all(expect(term, record) for term in node.terms)
        case Or():
            return any(expect(term, record) for term in node.terms)
        case Not():
            return not expect(node.term, record)
        case Compare():
            return expect_term(node, value_of(node, record))


def value_of(term: Compare, record: dict[str, Any]) -> Any:
    value = record[term.field.name]
    if term.field.name == "state":
        expires_at = record["expires_at"]
        over = expires_at is not None and datetime.fromisoformat(expires_at) <= NOW and value != "archived"
        return "expired" if over else value
    if value is not None and term.field.kind is FieldKind.TIME:
        return datetime.fromisoformat(value)
    if value is not None and term.field.kind is FieldKind.ID:
        return UUID(value)
    for key in term.field.path:
        if isinstance(value, list):
            value = value[int(key)] if key == "0" and value else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def expect_term(term: Compare, value: Any) -> bool:
    operator, operand = term.operator, term.operand
    present = value is not None and value != []
    if operator is Operator.EXISTS:
        return present is operand
    if not present:
        return False
    items = value if isinstance(value, list) else [value]
    match operator:
        case Operator.EQ | Operator.NE if isinstance(operand, tuple):
            same = isinstance(value, list) and all(
                any(equal(a, b) for b in others) for each, others in ((value, operand), (operand, value)) for a in each
            )
            return same is (operator is Operator.EQ)
        case Operator.EQ | Operator.NE:
            return any(equal(item, operand) for item in items) is (operator is Operator.EQ)
        case Operator.IN | Operator.NIN:
            assert isinstance(operand, tuple)
            return any(equal(item, one) for item in items for one in operand) is (operator is Operator.IN)
        case Operator.CONTAINS if isinstance(value, list) or not isinstance(operand, str):
            return any(equal(item, operand) for item in items)
        case Operator.CONTAINS:
            return not isinstance(value, dict) and str(operand) in text_form(term, value)
        case Operator.ICONTAINS:
            plain = [item for item in items if not isinstance(item, dict | list | None)]
            return any(folded(str(operand)) in folded(text_form(term, item)) for item in plain)
        case _:
            return any(kind(item) == kind(operand) and ORDER[operator](item, operand) for item in items)


def kind(value: Any) -> object:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def equal(left: Any, right: Any) -> bool:
    return kind(left) == kind(right) and bool(left == right)


def text_form(term: Compare, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, int | float):
        # jsonb keeps the digits as they were written, a float8 column drops those that say nothing.
        return format(Decimal(json.dumps(value)), "f") if term.field.path else repr(value).removesuffix(".0")
    return str(value)


def folded(value: str) -> str:
    return "".join(character.upper().lower() for character in value)


def check(database: Database, raws: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """Ask every filter of every row in one statement, and compare."""
    nodes = [parse_filter(raw) for raw in raws]
    conditions = [compile_filter(node, at=NOW, prefix=f"f{number}_") for number, node in enumerate(nodes)]
    columns = ", ".join(f"{condition.text} IS TRUE" for condition in conditions)
    statement = text(
        f"SELECT {columns} FROM jsonb_populate_recordset(CAST(NULL AS memory), CAST(:rows AS jsonb)) AS m "
        "ORDER BY m.version"
    )
    params = {name: value for condition in conditions for name, value in condition.params.items()}
    numbered = json.dumps([{**row, "version": number} for number, row in enumerate(rows)])
    with database.transaction(UUID(int=0)) as session:
        answers = [tuple(answer) for answer in session.execute(statement, {"rows": numbered, **params})]
    for row, answer in zip(rows, answers, strict=True):
        for raw, node, found in zip(raws, nodes, answer, strict=True):
            assert found is expect(node, row), (raw, row)


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_operator_agrees_with_python(database: Database, name: str, data: st.DataObject) -> None:
    varying = {"state", "expires_at"} if name == "state" else {name.split(".")[0]}
    check(database, data.draw(terms(name)), data.draw(records(*sorted(varying))))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=FILTERS, rows=records("title", "tags", "metadata"))
def test_whole_filters_agree_with_python(database: Database, raw: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    check(database, [raw], rows)
