"""storage/tables.py and the migrated database describe the same tables, in both directions."""

from typing import Any

import pytest
from sqlalchemy import Engine, inspect
from sqlalchemy.dialects import postgresql

from memory_service.storage.tables import metadata
from memory_service.storage.tables.schema import TransactionId

# SQLAlchemy has no name for this type of Postgres, and would warn when it reads it.
postgresql.base.ischema_names["xid8"] = TransactionId
DIALECT = postgresql.dialect()
# Reached by statements of their own only; written where their columns matter.
WITHOUT_METADATA = {
    "alembic_version",
    "embedding",
    "embedding_coarse",
    "posting",
    "term_stat",
    "speaker",
    "corpus_delta",
}
PARTITIONS = {"embedding_shelf_0", "embedding_shelf_1"}


@pytest.fixture(scope="module")
def inspector(maintenance: Engine) -> Any:
    return inspect(maintenance)


def test_the_same_tables_exist(inspector: Any) -> None:
    found = set(inspector.get_table_names()) - PARTITIONS
    assert found - WITHOUT_METADATA == metadata.tables.keys()
    assert found >= WITHOUT_METADATA


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_columns_agree(inspector: Any, name: str) -> None:
    table = metadata.tables[name]
    present = {column["name"]: column for column in inspector.get_columns(name)}
    assert present.keys() == {column.name for column in table.columns}
    for column in table.columns:
        there = present[column.name]
        wanted, found = (kind.compile(DIALECT) for kind in (column.type, there["type"]))
        assert wanted == found, f"{name}.{column.name}"
        assert column.nullable == there["nullable"], f"{name}.{column.name}"


@pytest.mark.parametrize("name", sorted(metadata.tables))
def test_primary_keys_agree(inspector: Any, name: str) -> None:
    present = inspector.get_pk_constraint(name)["constrained_columns"]
    assert {column.name for column in metadata.tables[name].primary_key} == set(present)


def test_a_version_keeps_every_column_of_a_state(inspector: Any) -> None:
    """What a memory is, a version remembers; the rest of `memory` is how it is found and worked on."""
    memory, version = (
        {c["name"]: str(c["type"]) for c in inspector.get_columns(t)} for t in ("memory", "memory_version")
    )
    assert version.keys() - memory.keys() == {"known_to"}
    assert memory.keys() - version.keys() == {
        "archived_at", "consolidated_version", "content_hash", "dedupe_hash", "enriched_version", "extract",
        "precision_since", "precision_tier", "precision_wanted", "surprise", "terms", "traits", "written",
    }  # fmt: skip
    assert {name: memory[name] for name in version.keys() & memory.keys()} == {
        n: t for n, t in version.items() if n in memory
    }
