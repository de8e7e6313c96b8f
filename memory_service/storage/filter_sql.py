"""Compile a filter to SQL: the one compiler behind lists, searches and set-based changes.

A fragment is three-valued inside (an absent value makes a comparison NULL, which a WHERE treats as no match) and NOT is
written as IS NOT TRUE, so the whole behaves as filters/parse.py says. Equality on scope columns stays a bare
`column = value`: row level security lets only such leakproof operators use an index.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from memory_service.filters import And, Compare, FieldKind, Filter, Not, Operator, Or
from memory_service.storage.sql import Sql

# The parameter that the caller supplies wherever a filter names a namespace; every tenant table is reached through it.
TENANT_PARAMETER = "tenant"

ORDER: Mapping[Operator, str] = MappingProxyType(
    {Operator.GT: ">", Operator.GTE: ">=", Operator.LT: "<", Operator.LTE: "<="}
)
MIRRORED: Mapping[Operator, str] = MappingProxyType(
    {Operator.GT: "<", Operator.GTE: "<=", Operator.LT: ">", Operator.LTE: ">="}
)
SCALAR: Mapping[Operator, str] = MappingProxyType({Operator.EQ: "=", Operator.NE: "<>", **ORDER})

SQL_TYPES: Mapping[FieldKind, str] = MappingProxyType(
    {
        FieldKind.TEXT: "text",
        FieldKind.CHOICE: "text",
        FieldKind.LIST: "text",
        FieldKind.NUMBER: "float8",
        FieldKind.BOOLEAN: "boolean",
        FieldKind.TIME: "timestamptz",
        FieldKind.ID: "uuid",
    }
)

EMPTY_PATH = "CAST('{}' AS text[])"
EMPTY_LIST = "CAST('[]' AS jsonb)"


def compile_filter(node: Filter, *, at: datetime, alias: str = "m", prefix: str = "f") -> Sql:
    """Compile a filter over rows with the columns of `memory` or `memory_version`.

    Args:
        node: what parse_filter returned.
        at: the moment (with zone) that decides which memories have expired.
        alias: the table, view or subquery that holds the rows.
        prefix: begins the name of every parameter, so that several fragments fit into one statement.

    Returns:
        The expression. Where the filter names a namespace it also needs the parameter `tenant`.
    """
    compiler = _Compiler(alias=alias, prefix=prefix, at=at)
    return Sql(compiler.expression(node), compiler.params)


def _fold(text: str) -> str:
    # Upper then lower joins the two Greek small sigmas. The collation is named, because lower() of a database with the
    # locale C changes ASCII letters only.
    return f'lower(upper({text} COLLATE "pg_c_utf8"))'


@dataclass(slots=True)
class _Compiler:
    alias: str
    prefix: str
    at: datetime
    params: dict[str, Any] = field(default_factory=dict)

    def expression(self, node: Filter) -> str:
        match node:
            case And():
                return self._joined(" AND ", node.terms, empty="TRUE")
            case Or():
                return self._joined(" OR ", node.terms, empty="FALSE")
            case Not():
                return f"({self.expression(node.term)} IS NOT TRUE)"
            case Compare():
                return f"({self._term(node)})"

    def _joined(self, word: str, terms: tuple[Filter, ...], *, empty: str) -> str:
        return f"({word.join(map(self.expression, terms)) or empty})"

    def _bind(self, value: object, sql_type: str) -> str:
        name = f"{self.prefix}{len(self.params)}"
        self.params[name] = list(value) if isinstance(value, tuple) else value
        return f"CAST(:{name} AS {sql_type})"

    def _term(self, term: Compare) -> str:
        if term.field.name == "namespace":
            condition = self._scalar(term, "filter_namespace.path")
            return (
                f"{self.alias}.namespace_id IN (SELECT filter_namespace.id FROM namespace AS filter_namespace "
                f"WHERE filter_namespace.tenant_id = :{TENANT_PARAMETER} AND {condition})"
            )
        if term.field.kind is FieldKind.JSON:
            return self._json(term)
        column = f"{self.alias}.{term.field.name}"
        if term.field.kind is FieldKind.LIST:
            return self._list(term, column)
        return self._scalar(term, self._state() if term.field.name == "state" else column)

    def _state(self) -> str:
        """Return the state as the API shows it: a memory is expired from the moment itself, before any sweep."""
        at = self._bind(self.at, "timestamptz")
        return (
            f"CASE WHEN {self.alias}.expires_at <= {at} AND {self.alias}.state <> 'archived' THEN 'expired' "
            f"ELSE {self.alias}.state END"
        )

    def _scalar(self, term: Compare, column: str) -> str:
        kind, operator, operand = term.field.kind, term.operator, term.operand
        sql_type = SQL_TYPES[kind]
        match operator:
            case Operator.EXISTS:
                return f"{column} IS {'NOT ' if operand else ''}NULL"
            case Operator.IN:
                return f"{column} = ANY ({self._bind(operand, f'{sql_type}[]')})"
            case Operator.NIN:
                return f"{column} <> ALL ({self._bind(operand, f'{sql_type}[]')}) AND {column} IS NOT NULL"
            case Operator.CONTAINS:
                return f"strpos({_text_form(column, kind)}, {self._bind(operand, 'text')}) > 0"
            case Operator.ICONTAINS:
                return self._has_piece(_text_form(column, kind), operand)
            case _ if operator in ORDER and sql_type == "text":
                return f'{column} {SCALAR[operator]} {self._bind(operand, sql_type)} COLLATE "C"'
            case _:
                return f"{column} {SCALAR[operator]} {self._bind(operand, sql_type)}"

    def _has_piece(self, text: str, piece: object) -> str:
        return f"strpos({_fold(text)}, {_fold(self._bind(piece, 'text'))}) > 0"

    def _list(self, term: Compare, column: str) -> str:
        operator, operand = term.operator, term.operand
        present = f"cardinality({column}) > 0"
        match operator:
            case Operator.EXISTS:
                return present if operand else f"({present}) IS NOT TRUE"
            case Operator.IN:
                return f"{column} && {self._bind(operand, 'text[]')}"
            case Operator.NIN:
                return f"{present} AND NOT {column} && {self._bind(operand, 'text[]')}"
            case Operator.EQ | Operator.NE if isinstance(operand, tuple):
                values = self._bind(operand, "text[]")
                same = f"{column} @> {values} AND {column} <@ {values}"
                return same if operator is Operator.EQ else f"{present} AND NOT ({same})"
            case Operator.EQ | Operator.CONTAINS:
                return f"{self._bind(operand, 'text')} = ANY ({column})"
            case Operator.NE:
                return f"{present} AND {self._bind(operand, 'text')} <> ALL ({column})"
            case Operator.ICONTAINS:
                return f"EXISTS (SELECT 1 FROM unnest({column}) AS item (x) WHERE {self._has_piece('item.x', operand)})"
            case _:
                return f'{self._bind(operand, "text")} COLLATE "C" {MIRRORED[operator]} ANY ({column})'

    def _json(self, term: Compare) -> str:
        operator, operand = term.operator, term.operand
        path = self._bind(term.field.path, "text[]")
        column = f"{self.alias}.{term.field.name}"
        value = f"({column} #> {path})"
        present = f"jsonb_typeof({value}) <> 'null' AND {value} <> {EMPTY_LIST}"
        match operator:
            case Operator.EXISTS:
                return present if operand else f"({present}) IS NOT TRUE"
            case Operator.EQ | Operator.NE:
                same = self._json_same(value, operand)
                return same if operator is Operator.EQ else f"{present} AND NOT ({same})"
            case Operator.IN | Operator.NIN:
                operands = operand if isinstance(operand, tuple) else (operand,)
                some = f"{value} @> ANY ({self._bind(tuple(map(_as_json, operands)), 'jsonb[]')})"
                return some if operator is Operator.IN else f"{present} AND NOT ({some})"
            case Operator.CONTAINS | Operator.ICONTAINS:
                if not isinstance(operand, str):
                    return self._json_same(value, operand)
                return self._json_contains(value, f"({column} #>> {path})", operator, operand)
            case _:
                # A jsonpath compares strings by code point and different types never. Strict, because lax reaches into
                # a list inside the list.
                items = f"CASE jsonb_typeof({value}) WHEN 'array' THEN {value} ELSE jsonb_build_array({value}) END"
                operands_object = f"jsonb_build_object('x', {self._bind(_as_json(operand), 'jsonb')})"
                return f"jsonb_path_exists({items}, 'strict $[*] ? (@ {ORDER[operator]} $x)', {operands_object})"

    def _json_same(self, value: str, operand: object) -> str:
        """A list @> a scalar that it holds, and a scalar @> its equal: one operator for both."""
        if not isinstance(operand, tuple):
            return f"{value} @> {self._bind(_as_json(operand), 'jsonb')}"
        operands = self._bind(_as_json(list(operand)), "jsonb")
        return f"{value} @> {operands} AND {value} <@ {operands}"

    def _json_contains(self, value: str, text: str, operator: Operator, piece: str) -> str:
        if operator is Operator.CONTAINS:
            wanted = self._bind(piece, "text")
            in_list, in_text = f"{value} @> to_jsonb({wanted})", f"strpos({text}, {wanted}) > 0"
        else:
            in_item = self._has_piece(f"(item.x #>> {EMPTY_PATH})", piece)
            in_list = (
                f"EXISTS (SELECT 1 FROM jsonb_array_elements({value}) AS item (x) "
                f"WHERE jsonb_typeof(item.x) NOT IN ('object', 'array') AND {in_item})"
            )
            in_text = self._has_piece(text, piece)
        return f"CASE jsonb_typeof({value}) WHEN 'array' THEN {in_list} WHEN 'object' THEN FALSE ELSE {in_text} END"


def _text_form(column: str, kind: FieldKind) -> str:
    """Return the text of a column as the API writes it: times in UTC, a fraction only where there is one."""
    if kind is FieldKind.TIME:
        form = '\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\''
        return f"replace(to_char({column} AT TIME ZONE 'UTC', {form}), '.000000Z', 'Z')"
    return column if SQL_TYPES[kind] == "text" else f"CAST({column} AS text)"


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
