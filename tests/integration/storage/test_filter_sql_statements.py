import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from memory_service.filters import FIELDS, FieldKind, Operator, parse_filter
from memory_service.storage.bootstrap import bootstrap
from memory_service.storage.database import Database
from memory_service.storage.filter_sql import Sql, compile_filter
from memory_service.storage.ids import new_id
from memory_service.storage.migrate import migrate

NOW = datetime(2024, 1, 1, tzinfo=UTC)
LOW, HIGH = "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9e0f", "018f3c1e-7b1a-7c3d-9e2f-5a6b7c8d9eff"

TENANT = new_id()
# The columns without a default; every statement of a WITH runs to its end, so foreign keys are met.
FILL = """
    WITH owner AS (INSERT INTO tenant (id, name, created_at) VALUES (:tenant, 'filled', now())),
    model AS (
        INSERT INTO encoder (id, name, dimension, max_tokens, fingerprint, probe, shelf, is_default, created_at)
        VALUES (999, 'test vectors', 384, 256, 'none', '{}', 0, false, now())
    ),
    space AS (
        INSERT INTO namespace (tenant_id, id, path, encoder_id, shelf, created_at)
        VALUES (:tenant, gen_random_uuid(), 'default', 999, 0, now()) RETURNING id
    )
    INSERT INTO memory (
        tenant_id, id, namespace_id, payload_type, memory_type, state, version, user_id, agent_id, session_id, content, keywords,
        tags, entities, metadata, importance, confidence, pinned, observed_at, created_at, updated_at, derivation_method,
        derivation_parents, content_hash, content_version, extract, enriched_version, computed, terms
    )
    SELECT :tenant, gen_random_uuid(), space.id, 'plaintext', 'episodic', 'activated', 1, 'u' || n, 'a' || n, 's' || n, 'x', '{}',
        '{}', '{}', '{}', 0.5, 1, false, now(), now(), now(), 'verbatim', '{}', '', 1, 'none', 0, '{}', '{}'
    FROM space, generate_series(1, 2000) AS n
"""

OPERANDS: dict[FieldKind, Any] = {
    FieldKind.TEXT: "x",
    FieldKind.LIST: "x",
    FieldKind.NUMBER: 0.5,
    FieldKind.BOOLEAN: True,
    FieldKind.TIME: "2023-05-08T10:00:00Z",
    FieldKind.ID: LOW,
}


def compiled(raw: object, **options: Any) -> Sql:
    return compile_filter(parse_filter(raw), at=NOW, **options)


def select(database: Database, rows: str, condition: Sql, *, alias: str = "m") -> None:
    tenant_id = new_id()
    with database.transaction(tenant_id) as session:
        statement = text(f"SELECT {alias}.id FROM {rows} AS {alias} WHERE {condition.text}")
        assert session.execute(statement, {"tenant": tenant_id, **condition.params}).all() == []


@pytest.mark.parametrize("name", [*FIELDS, "metadata.a"])
@pytest.mark.parametrize("rows", ["memory", "memory_version"])
def test_every_field_and_operator_is_valid_sql_on_memories_and_versions(
    database: Database, name: str, rows: str
) -> None:
    field = FIELDS.get(name)
    value = OPERANDS.get(field.kind, field.choices[:1] and field.choices[0]) if field else "x"
    shapes = {Operator.EXISTS: True, Operator.IN: [value], Operator.NIN: [value]}
    terms = [{name: {operator: shapes.get(operator, value)}} for operator in Operator]
    select(database, rows, compiled({"OR": terms}))


def test_values_are_never_part_of_the_statement(database: Database) -> None:
    nasty = "'; DROP TABLE memory; -- :f0 %(f0)s \\ $1 \""
    for name in ("title", "tags", "metadata.s", f"metadata.{nasty}", "namespace"):
        for operator in (Operator.EQ, Operator.LT, Operator.CONTAINS, Operator.ICONTAINS):
            condition = compiled({name: {operator: nasty}})
            assert "DROP" not in condition.text

            select(database, "memory", condition)


def test_rows_may_be_a_subquery_of_any_alias(database: Database) -> None:
    both = "(SELECT * FROM memory UNION ALL SELECT * FROM memory)"
    condition = compiled({"state": "expired", "namespace": "default"}, alias="n", prefix="other_")
    assert all(name.startswith("other_") for name in condition.params)
    select(database, both, condition, alias="n")


def test_several_fragments_fit_into_one_statement(database: Database) -> None:
    first, second = compiled({"title": "x"}, prefix="a"), compiled({"pinned": False}, prefix="b")
    assert not first.params.keys() & second.params.keys()
    select(database, "memory", Sql(f"{first.text} AND {second.text}", first.params | second.params))


def test_text_is_ordered_by_code_point_whatever_the_locale_of_the_database() -> None:
    for raw in ({"title": {"lt": "x"}}, {"tags": {"gt": "x"}}, {"state": {"gte": "expired"}}):
        assert 'COLLATE "C"' in compiled(raw).text


def test_every_table_reference_carries_the_tenant() -> None:
    condition = compiled({"namespace": {"contains": "users/"}}).text
    assert len(re.findall(r"\bFROM\b", condition)) == len(re.findall(r"tenant_id = :tenant\b", condition)) == 1


@pytest.fixture(scope="module")
def filled_database(make_database: Any, data_dir: Path) -> Iterator[Database]:
    """Return a database of its own, whose statistics no other test has changed, with enough memories for an index to pay."""
    with make_database() as url:
        roles = bootstrap(url, data_dir=data_dir)
        migrate(roles.owner)
        maintenance = create_engine(roles.maintenance, poolclass=NullPool)
        with maintenance.begin() as connection:
            connection.execute(text(FILL), {"tenant": TENANT})
        opened = Database(roles.service, pool_size=1)
        yield opened
        opened.dispose()


@pytest.mark.parametrize("name", ["user_id", "agent_id", "session_id", "id"])
@pytest.mark.parametrize("several", [False, True])
def test_scope_columns_use_their_index_as_the_service_role(filled_database: Database, name: str, several: bool) -> None:
    condition = compiled({name: [LOW, HIGH] if several else LOW})
    with filled_database.transaction(TENANT) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.execute(
            text(f"EXPLAIN SELECT m.id FROM memory AS m WHERE m.tenant_id = :tenant AND {condition.text}"),
            {"tenant": TENANT, **condition.params},
        )
        lines = plan.scalars().all()
        assert any("Index Cond" in line and f"({name} = " in line for line in lines), lines
