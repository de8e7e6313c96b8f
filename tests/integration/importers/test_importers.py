"""Foreign memories in the running service: found, and known again when they come a second time."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from memory_service.importers.registry import convert
from memory_service.importers.report import Report, Unreadable
from memory_service.storage.bootstrap import driver_url

FIXTURES = Path(__file__).parents[2] / "unit" / "importers" / "fixtures"


@pytest.fixture(scope="module")
def store_url(make_database: Any) -> Iterator[str]:
    """Return a database with a table `store` as LangGraph's PostgresStore made and filled it."""
    with make_database() as url:
        engine = create_engine(driver_url(url), poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(
                text(
                    "CREATE TABLE store (prefix text NOT NULL, key text NOT NULL, value jsonb NOT NULL, "
                    "created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(), expires_at timestamptz, "
                    "ttl_minutes integer, PRIMARY KEY (prefix, key))"
                )
            )
            for line in (FIXTURES / "langgraph_store.jsonl").read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                connection.execute(
                    text(
                        "INSERT INTO store VALUES (:prefix, :key, CAST(:value AS jsonb), :created_at, :updated_at, "
                        "CAST(:expires_at AS timestamptz) + interval '100 years', :ttl_minutes)"
                    ),
                    {**row, "value": json.dumps(row["value"])},
                )
        engine.dispose()
        yield url.replace("postgresql+psycopg://", "postgresql://", 1)


def bring(me: Any, source: Any, **options: Any) -> list[dict[str, Any]]:
    items = list(convert(str(source), Report(), **options))
    answer = me.post("/v1/memories/batch", json={"items": items})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


@pytest.mark.parametrize(
    ("name", "query", "says"),
    [
        ("mem0_oss_get_all.json", "When does the ferry leave?", "My ferry leaves at seven."),
        ("mcp_memory.jsonl", "Who lives at the mill?", "Vera lives_at The Mill"),
    ],
)
def test_a_file_is_found_and_comes_once(me: Any, name: str, query: str, says: str) -> None:
    assert {result["status"] for result in bring(me, FIXTURES / name)} == {"created"}
    found = me.post("/v1/search", json={"query": query}).json()["results"]
    assert says in {result["memory"]["content"] for result in found[:3]}
    assert {result["status"] for result in bring(me, FIXTURES / name)} == {"skipped"}


def test_a_store_of_langgraph_is_read_where_it_lies(me: Any, store_url: str) -> None:
    report = Report()
    items = list(convert(store_url, report))
    assert (report.read, report.items, report.left_out) == (5, 5, {})
    assert {item["namespace"] for item in items} == {"langgraph/memories/vera", "langgraph/settings"}
    by_key = {item["external_id"]: item for item in items}
    assert by_key["bees"]["content"] == "Vera keeps three hives of bees behind the mill."
    assert by_key["bees"]["metadata"]["langgraph"]["created_at"] < by_key["bees"]["observed_at"]
    assert by_key["ferry"]["value"] == {
        "kind": "Memory",
        "content": {"content": "Her ferry leaves at seven.", "importance": 3},
    }
    assert datetime.fromisoformat(by_key["soon"]["expires_at"])
    assert by_key["theme"]["content"] == "dark: true\nsize: 12"
    assert {result["status"] for result in bring(me, store_url)} == {"created"}
    body = {"query": "bee hives", "namespace": "langgraph/memories/vera"}
    assert me.post("/v1/search", json=body).json()["results"][0]["memory"]["value"] == by_key["bees"]["value"]
    # An item is written over in place, as the store itself would; what says the same makes no version.
    again = bring(me, store_url)
    assert {result["status"] for result in again} == {"updated"}
    assert {me.get(f"/v1/memories/{result['id']}").json()["version"] for result in again} == {1}


def test_a_database_without_a_store_is_said_to_have_none(admin_url: str) -> None:
    with pytest.raises(Unreadable, match="store"):
        list(convert(admin_url, Report()))
