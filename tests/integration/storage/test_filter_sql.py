import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from memory_service.filters import FieldKind, Operator, parse_filter
from memory_service.storage.database import Database
from memory_service.storage.filter_sql import compile_filter
from memory_service.storage.ids import new_id

NOW = datetime(2024, 1, 1, tzinfo=UTC)
LOW, HIGH = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f", "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9eff"

BASE: dict[str, Any] = {
    "payload_type": "plaintext",
    "memory_type": "working",
    "state": "activated",
    "version": 1,
    "content": "x",
    "keywords": [],
    "tags": [],
    "entities": [],
    "metadata": {},
    "importance": 0,
    "confidence": 1,
    "pinned": False,
    "observed_at": "2023-01-01T00:00:00Z",
    "created_at": "2023-01-01T00:00:00Z",
    "updated_at": "2023-01-01T00:00:00Z",
    "derivation_method": "verbatim",
    "derivation_parents": [],
    "content_hash": "\\x00",
    "content_version": 1,
    "extract": "none",
    "enriched_version": 0,
    "computed": [],
    "terms": [],
}

MakeTenant = Callable[[], tuple[UUID, str]]

# `none` has no value wherever a memory may have none.
ROWS: dict[str, dict[str, Any]] = {
    "ada": {
        "namespace": "default",
        "title": "Äpfel 100%",
        "memory_type": "episodic",
        "tags": ["Work", "a_b"],
        "importance": 0.25,
        "pinned": True,
        "valid_from": "2023-05-08T10:00:00Z",
        "expires_at": "2023-12-31T00:00:00Z",
        "superseded_by": LOW,
        "metadata": {"n": 3, "s": "Äpfel 100%", "b": True, "l": ["Work", 3, [5]], "a.b": "x", "o": {"k": [{"z": 1}]}},
    },
    "bob": {
        "namespace": "users/4",
        "title": "birnen",
        "memory_type": "semantic",
        "tags": ["home"],
        "importance": 0.5,
        "valid_from": "2023-05-08T12:30:00.5+02:00",
        "superseded_by": HIGH,
        "metadata": {"n": 10, "s": "birnen", "b": False, "l": ["home"], "a": {"b": "x"}, "o": 7},
    },
    "cyd": {
        "namespace": "users/42",
        "title": "ΟΔΟΣ",
        "memory_type": "core",
        "state": "archived",
        "tags": ["Work", "home"],
        "importance": 1,
        "valid_from": "2024-02-29T00:00:00Z",
        "expires_at": "2023-12-31T00:00:00Z",
        "superseded_by": "00000000-0000-0000-0000-000000000000",
        "metadata": {"n": "3", "s": 3, "b": "true", "l": ["Work", "home", True], "a.b": None},
    },
    "none": {"namespace": "default", "metadata": {"s": None, "l": []}},
}


ALL = frozenset(ROWS)
NO_TEXT = ALL - {"none"}


@pytest.fixture
def session(database: Database, make_tenant: MakeTenant, encoder_id: int) -> Iterator[Session]:
    """Return a session of a tenant that has the four memories; they are rolled back."""
    tenant_id, _ = make_tenant()
    opened = database.session(tenant_id)
    paths = {str(row["namespace"]): new_id() for row in ROWS.values()}
    for path, namespace_id in paths.items():
        opened.execute(
            text(
                "INSERT INTO namespace (tenant_id, id, path, encoder_id, shelf, created_at) "
                "VALUES (:tenant, :id, :path, :encoder, 0, :at)"
            ),
            {"tenant": tenant_id, "id": namespace_id, "path": path, "encoder": encoder_id, "at": NOW},
        )
    own = {"tenant_id": str(tenant_id)}
    rows = [
        {
            **BASE,
            **row,
            **own,
            "value": row["metadata"],
            "id": str(new_id()),
            "speaker": name,
            "namespace_id": str(paths[row["namespace"]]),
        }
        for name, row in ROWS.items()
    ]
    # Only what is given, so that the other columns have their defaults.
    columns = ", ".join(dict.fromkeys(name for row in rows for name in row if name != "namespace"))
    opened.execute(
        text(
            f"INSERT INTO memory ({columns}) "
            f"SELECT {columns} FROM jsonb_populate_recordset(CAST(NULL AS memory), CAST(:rows AS jsonb))"
        ),
        {"rows": json.dumps(rows)},
    )
    yield opened
    opened.rollback()
    opened.close()


def matches(session: Session, raw: object, *, alias: str = "m", rows: str = "memory") -> frozenset[str]:
    condition = compile_filter(parse_filter(raw), at=NOW, alias=alias)
    found = session.execute(
        text(f"SELECT {alias}.speaker FROM {rows} AS {alias} WHERE {alias}.tenant_id = :tenant AND {condition.text}"),
        {"tenant": session.info["tenant_id"], **condition.params},
    )
    return frozenset(found.scalars())


# One line per kind of field and operator: field, operator, operand, who matches.
CONTRACT: list[tuple[FieldKind, str, Operator, Any, str]] = [
    (FieldKind.TEXT, "title", Operator.EQ, "birnen", "bob"),
    (FieldKind.TEXT, "title", Operator.NE, "birnen", "ada cyd"),
    (FieldKind.TEXT, "title", Operator.GT, "birnen", "ada cyd"),
    (FieldKind.TEXT, "title", Operator.GTE, "birnen", "ada bob cyd"),
    (FieldKind.TEXT, "title", Operator.LT, "Äpfel 100%", "bob"),
    (FieldKind.TEXT, "title", Operator.LTE, "Äpfel 100%", "ada bob"),
    (FieldKind.TEXT, "title", Operator.IN, ["birnen", "ΟΔΟΣ", "else"], "bob cyd"),
    (FieldKind.TEXT, "title", Operator.NIN, ["birnen", "else"], "ada cyd"),
    (FieldKind.TEXT, "title", Operator.CONTAINS, "0%", "ada"),
    (FieldKind.TEXT, "title", Operator.ICONTAINS, "äPF", "ada"),
    (FieldKind.TEXT, "title", Operator.EXISTS, False, "none"),
    (FieldKind.CHOICE, "memory_type", Operator.EQ, "episodic", "ada"),
    (FieldKind.CHOICE, "memory_type", Operator.NE, "episodic", "bob cyd none"),
    (FieldKind.CHOICE, "memory_type", Operator.GT, "episodic", "bob none"),
    (FieldKind.CHOICE, "memory_type", Operator.GTE, "episodic", "ada bob none"),
    (FieldKind.CHOICE, "memory_type", Operator.LT, "episodic", "cyd"),
    (FieldKind.CHOICE, "memory_type", Operator.LTE, "episodic", "ada cyd"),
    (FieldKind.CHOICE, "memory_type", Operator.IN, ["core", "semantic"], "bob cyd"),
    (FieldKind.CHOICE, "memory_type", Operator.NIN, ["core", "semantic"], "ada none"),
    (FieldKind.CHOICE, "memory_type", Operator.CONTAINS, "so", "ada"),
    (FieldKind.CHOICE, "memory_type", Operator.ICONTAINS, "SEM", "bob"),
    (FieldKind.CHOICE, "memory_type", Operator.EXISTS, True, "ada bob cyd none"),
    (FieldKind.LIST, "tags", Operator.EQ, "Work", "ada cyd"),
    (FieldKind.LIST, "tags", Operator.EQ, ["home", "Work", "home"], "cyd"),
    (FieldKind.LIST, "tags", Operator.NE, "Work", "bob"),
    (FieldKind.LIST, "tags", Operator.NE, ["home", "Work"], "ada bob"),
    (FieldKind.LIST, "tags", Operator.GT, "a_b", "bob cyd"),
    (FieldKind.LIST, "tags", Operator.GTE, "a_b", "ada bob cyd"),
    (FieldKind.LIST, "tags", Operator.LT, "a_b", "ada cyd"),
    (FieldKind.LIST, "tags", Operator.LTE, "Work", "ada cyd"),
    (FieldKind.LIST, "tags", Operator.IN, ["a_b", "home"], "ada bob cyd"),
    (FieldKind.LIST, "tags", Operator.NIN, ["a_b", "else"], "bob cyd"),
    (FieldKind.LIST, "tags", Operator.CONTAINS, "home", "bob cyd"),
    (FieldKind.LIST, "tags", Operator.CONTAINS, ["home", "Work"], "cyd"),
    (FieldKind.LIST, "tags", Operator.CONTAINS, "hom", ""),
    (FieldKind.LIST, "tags", Operator.ICONTAINS, "WOR", "ada cyd"),
    (FieldKind.LIST, "tags", Operator.ICONTAINS, "_", "ada"),
    (FieldKind.LIST, "tags", Operator.EXISTS, False, "none"),
    (FieldKind.NUMBER, "importance", Operator.EQ, 0.25, "ada"),
    (FieldKind.NUMBER, "importance", Operator.NE, 0.25, "bob cyd none"),
    (FieldKind.NUMBER, "importance", Operator.GT, 0.25, "bob cyd"),
    (FieldKind.NUMBER, "importance", Operator.GTE, 0.25, "ada bob cyd"),
    (FieldKind.NUMBER, "importance", Operator.LT, 0.25, "none"),
    (FieldKind.NUMBER, "importance", Operator.LTE, 0.25, "ada none"),
    (FieldKind.NUMBER, "importance", Operator.IN, [0, 1], "cyd none"),
    (FieldKind.NUMBER, "importance", Operator.NIN, [0, 1], "ada bob"),
    (FieldKind.NUMBER, "importance", Operator.CONTAINS, ".2", "ada"),
    (FieldKind.NUMBER, "importance", Operator.ICONTAINS, 1.0, "cyd"),
    (FieldKind.NUMBER, "importance", Operator.EXISTS, False, ""),
    (FieldKind.BOOLEAN, "pinned", Operator.EQ, True, "ada"),
    (FieldKind.BOOLEAN, "pinned", Operator.NE, True, "bob cyd none"),
    (FieldKind.BOOLEAN, "pinned", Operator.GT, False, "ada"),
    (FieldKind.BOOLEAN, "pinned", Operator.GTE, False, "ada bob cyd none"),
    (FieldKind.BOOLEAN, "pinned", Operator.LT, True, "bob cyd none"),
    (FieldKind.BOOLEAN, "pinned", Operator.LTE, False, "bob cyd none"),
    (FieldKind.BOOLEAN, "pinned", Operator.IN, [True], "ada"),
    (FieldKind.BOOLEAN, "pinned", Operator.NIN, [True, False], ""),
    (FieldKind.BOOLEAN, "pinned", Operator.CONTAINS, "ru", "ada"),
    (FieldKind.BOOLEAN, "pinned", Operator.ICONTAINS, "FAL", "bob cyd none"),
    (FieldKind.BOOLEAN, "pinned", Operator.EXISTS, True, "ada bob cyd none"),
    (FieldKind.TIME, "valid_from", Operator.EQ, "2023-05-08T12:00:00+02:00", "ada"),
    (FieldKind.TIME, "valid_from", Operator.NE, "2023-05-08T10:00:00Z", "bob cyd"),
    (FieldKind.TIME, "valid_from", Operator.GT, "2023-05-08T10:00:00Z", "bob cyd"),
    (FieldKind.TIME, "valid_from", Operator.GTE, "2023-05-08T10:00:00Z", "ada bob cyd"),
    (FieldKind.TIME, "valid_from", Operator.LT, "2023-05-08T10:30:00.5Z", "ada"),
    (FieldKind.TIME, "valid_from", Operator.LTE, "2023-05-08T10:30:00.5Z", "ada bob"),
    (FieldKind.TIME, "valid_from", Operator.IN, ["2023-05-08T10:00:00Z", "2024-02-29T00:00:00Z"], "ada cyd"),
    (FieldKind.TIME, "valid_from", Operator.NIN, ["2023-05-08T10:00:00Z"], "bob cyd"),
    (FieldKind.TIME, "valid_from", Operator.CONTAINS, "2023-05-08T10:00:00Z", "ada"),
    (FieldKind.TIME, "valid_from", Operator.ICONTAINS, "t10:30:00.500", "bob"),
    (FieldKind.TIME, "valid_from", Operator.EXISTS, False, "none"),
    (FieldKind.ID, "superseded_by", Operator.EQ, LOW.upper(), "ada"),
    (FieldKind.ID, "superseded_by", Operator.NE, LOW, "bob cyd"),
    (FieldKind.ID, "superseded_by", Operator.GT, LOW, "bob"),
    (FieldKind.ID, "superseded_by", Operator.GTE, LOW, "ada bob"),
    (FieldKind.ID, "superseded_by", Operator.LT, LOW, "cyd"),
    (FieldKind.ID, "superseded_by", Operator.LTE, LOW, "ada cyd"),
    (FieldKind.ID, "superseded_by", Operator.IN, [LOW, HIGH], "ada bob"),
    (FieldKind.ID, "superseded_by", Operator.NIN, [LOW, HIGH], "cyd"),
    (FieldKind.ID, "superseded_by", Operator.CONTAINS, "8d9e0f", "ada"),
    (FieldKind.ID, "superseded_by", Operator.ICONTAINS, "018F", "ada bob"),
    (FieldKind.ID, "superseded_by", Operator.EXISTS, True, "ada bob cyd"),
    (FieldKind.JSON, "metadata.n", Operator.EQ, 3, "ada"),
    (FieldKind.JSON, "metadata.n", Operator.EQ, "3", "cyd"),
    (FieldKind.JSON, "metadata.b", Operator.EQ, True, "ada"),
    (FieldKind.JSON, "metadata.l", Operator.EQ, True, "cyd"),
    (FieldKind.JSON, "metadata.l", Operator.EQ, ["home", "Work", True, True], "cyd"),
    (FieldKind.JSON, "metadata.l", Operator.EQ, [3, "Work"], ""),
    (FieldKind.JSON, r"metadata.a\.b", Operator.EQ, "x", "ada"),
    (FieldKind.JSON, "metadata.a.b", Operator.EQ, "x", "bob"),
    (FieldKind.JSON, "metadata.o.k.0.z", Operator.EQ, 1.0, "ada"),
    (FieldKind.JSON, "metadata.n", Operator.NE, 3, "bob cyd"),
    (FieldKind.JSON, "metadata.l", Operator.NE, "home", "ada"),
    (FieldKind.JSON, "metadata.l", Operator.NE, ["home"], "ada cyd"),
    (FieldKind.JSON, "metadata.o", Operator.NE, 7, "ada"),
    (FieldKind.JSON, "metadata.n", Operator.GT, 3, "bob"),
    (FieldKind.JSON, "metadata.n", Operator.GTE, 3, "ada bob"),
    (FieldKind.JSON, "metadata.s", Operator.GT, "birnen", "ada"),
    (FieldKind.JSON, "metadata.b", Operator.GT, False, "ada"),
    (FieldKind.JSON, "metadata.l", Operator.GT, "a", "bob cyd"),
    (FieldKind.JSON, "metadata.l", Operator.GT, 3, ""),
    (FieldKind.JSON, "metadata.n", Operator.LT, 9.5, "ada"),
    (FieldKind.JSON, "metadata.s", Operator.LTE, "birnen", "bob"),
    (FieldKind.JSON, "metadata.s", Operator.IN, ["birnen", 3], "bob cyd"),
    (FieldKind.JSON, "metadata.s", Operator.NIN, ["birnen", 3], "ada"),
    (FieldKind.JSON, "metadata.s", Operator.CONTAINS, "0%", "ada"),
    (FieldKind.JSON, "metadata.n", Operator.CONTAINS, "1", "bob"),
    (FieldKind.JSON, "metadata.l", Operator.CONTAINS, ["Work", "home"], "cyd"),
    (FieldKind.JSON, "metadata.l", Operator.CONTAINS, "om", ""),
    (FieldKind.JSON, "metadata.l", Operator.CONTAINS, 3, "ada"),
    (FieldKind.JSON, "metadata.o", Operator.CONTAINS, "k", ""),
    (FieldKind.JSON, "metadata.s", Operator.ICONTAINS, "ÄPFEL", "ada"),
    (FieldKind.JSON, "metadata.l", Operator.ICONTAINS, "OM", "bob cyd"),
    (FieldKind.JSON, "metadata.s", Operator.EXISTS, False, "none"),
    (FieldKind.JSON, "metadata.l", Operator.EXISTS, True, "ada bob cyd"),
]


@pytest.mark.parametrize(("kind", "name", "operator", "operand", "expected"), CONTRACT)
def test_every_operator_on_every_kind_of_field(
    session: Session, kind: FieldKind, name: str, operator: Operator, operand: object, expected: str
) -> None:
    assert matches(session, {name: {operator: operand}}) == frozenset(expected.split())


@pytest.mark.parametrize(
    ("name", "operator", "operand", "expected"), [line[1:] for line in CONTRACT if line[0] is FieldKind.JSON]
)
def test_a_value_is_compared_as_metadata_are(
    session: Session, name: str, operator: Operator, operand: object, expected: str
) -> None:
    session.execute(text("UPDATE memory SET metadata = '{}' WHERE tenant_id = :t"), {"t": session.info["tenant_id"]})
    assert matches(session, {name.replace("metadata.", "value."): {operator: operand}}) == frozenset(expected.split())


def test_the_contract_is_complete() -> None:
    assert {(kind, operator) for kind, _, operator, _, _ in CONTRACT} == {
        (kind, operator) for kind in FieldKind for operator in Operator
    }


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, ALL),
        ({"title": []}, frozenset()),
        ({"title": {"nin": []}}, NO_TEXT),
        ({"OR": [{"title": {"ne": "birnen"}}, {"title": {"exists": False}}]}, ALL - {"bob"}),
        ({"NOT": {"title": "birnen"}}, ALL - {"bob"}),
        ({"NOT": {"NOT": {"title": {"ne": "birnen"}}}}, {"ada", "cyd"}),
        ({"NOT": {"metadata.n": {"gt": 3}}}, ALL - {"bob"}),
        ({"title": {"icontains": "οδος"}}, {"cyd"}),
        ({"state": "expired"}, {"ada"}),
        ({"state": ["archived", "activated"]}, ALL - {"ada"}),
        ({"namespace": "users/4"}, {"bob"}),
        ({"namespace": {"ne": "users/4"}}, ALL - {"bob"}),
        ({"namespace": {"contains": "users/"}}, {"bob", "cyd"}),
        ({"NOT": {"namespace": {"gte": "users"}}}, {"ada", "none"}),
        ({"namespace": {"exists": True}}, ALL),
    ],
)
def test_what_stands_between_the_terms(session: Session, raw: object, expected: set[str]) -> None:
    assert matches(session, raw) == expected
