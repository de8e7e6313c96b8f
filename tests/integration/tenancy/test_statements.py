"""Every statement that the service sends names the tenant wherever it names a table of tenants.

The statements are those of a tour through every operation of the API, of the attacks on them, and of the workers. The check
is a small scanner, not a parser. It knows SELECT, INSERT, UPDATE, DELETE, parentheses, UNION and comma lists. It asks that
each table of a block has a condition `alias.tenant_id =` (or a bare `tenant_id =` when the block has one table). It does not
understand what a condition means: `tenant_id = other.tenant_id` counts, and so would a condition below an OR.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, text

from consolidation import consolidate, enriching
from memory_service.api.writing import encoding_of
from memory_service.storage.database import Database
from memory_service.types import KeyScope

WORDS = "WHERE JOIN GROUP ORDER LIMIT SET RETURNING ON USING CROSS LEFT INNER OFFSET FETCH FOR HAVING WINDOW FROM VALUES SELECT"
END = rf"\b(?:{WORDS.replace(' ', '|')})\b|$"
START = re.compile(rf"\b(FROM|JOIN|UPDATE|USING|INTO)\s+(.*?)(?={END})", re.IGNORECASE | re.DOTALL)
NOT_TABLES = re.compile(r"\bDISTINCT\s+FROM\b|\bFOR\s+(NO\s+KEY\s+)?UPDATE\b|\bDO\s+UPDATE\b|\bONLY\b", re.IGNORECASE)
SET_OPERATION = re.compile(r"\b(?:UNION(?:\s+ALL)?|EXCEPT|INTERSECT)\b", re.IGNORECASE)


def blocks(statement: str) -> list[str]:
    """Split a statement into its query blocks: what stands in parentheses is a block of its own."""
    statement = re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--[^\n]*", "", statement))
    statement = re.sub(r"%\((\w+)\)[sbt]", r"$\1", statement)
    found, open_blocks = [], [""]
    for character in statement:
        if character == "(":
            open_blocks.append("")
        elif character == ")":
            found.append(open_blocks.pop())
            open_blocks[-1] += " () "
        else:
            open_blocks[-1] += character
    return [part for block in [*found, *open_blocks] for part in SET_OPERATION.split(block)]


def references(block: str, tables: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (table, alias) of every table of tenants that a block reads, updates or deletes from."""
    for word, segment in START.findall(NOT_TABLES.sub(" ", block)):
        if word.upper() == "INTO":
            continue
        for item in segment.split(","):
            words = [w.strip('"') for w in item.split() if w.upper() != "AS"]
            if words and words[0].removeprefix("public.") in tables:
                table = words[0].removeprefix("public.")
                yield table, words[1] if len(words) > 1 and words[1].isidentifier() else table


def unbound(statement: str, tables: dict[str, str]) -> list[str]:
    """Return the references to tables of tenants that no condition binds to a tenant."""
    found = []
    for block in blocks(statement):
        seen = list(references(block, tables))
        for table, alias in seen:
            column = tables[table]
            bound = re.search(rf"\b{alias}\.{column}\s*=\s*[$\w]", block)
            bare = len(seen) == 1 and re.search(rf"(?<![.\w]){column}\s*=\s*[$\w]", block)
            paired = re.search(rf"=\s*{alias}\.{column}\b", block)
            if not (bound or bare or paired):
                found.append(f"{table} {alias} in: {' '.join(block.split())}")
    for table, columns in re.findall(r"\bINSERT\s+INTO\s+(\w+)\s*(\([^()]*\))?", statement, re.IGNORECASE):
        if table in tables and tables[table] not in re.findall(r"\w+", columns):
            found.append(f"INSERT INTO {table} {columns}")
    return found


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        ("SELECT * FROM memory WHERE tenant_id = %(t)s", 0),
        ("SELECT * FROM memory WHERE id = %(t)s", 1),
        ("SELECT * FROM memory m JOIN link l ON l.tenant_id = m.tenant_id WHERE m.tenant_id = %(t)s", 0),
        ("SELECT * FROM memory m JOIN link l ON l.source_id = m.id WHERE m.tenant_id = %(t)s", 1),
        ("SELECT * FROM memory AS m, link AS l WHERE m.tenant_id = %(t)s AND tenant_id = 1", 1),
        ("SELECT * FROM memory WHERE tenant_id = 1 AND id IN (SELECT memory_id FROM source)", 1),
        ("SELECT 1 FROM memory WHERE tenant_id = 1 UNION ALL SELECT 1 FROM memory", 1),
        ("UPDATE memory m SET version = 1 FROM link l WHERE l.tenant_id = 1 AND l.source_id = m.id", 1),
        ("DELETE FROM posting p USING memory m WHERE m.tenant_id = 1 AND p.memory_id = m.id", 1),
        ("SELECT (SELECT count(*) FROM link l WHERE l.tenant_id = 1), x.y FROM unnest(%(i)s) AS x (y)", 0),
        ("INSERT INTO source (tenant_id, id) SELECT tenant_id, id FROM memory WHERE tenant_id = 1", 0),
        ("INSERT INTO source (memory_id) VALUES (1)", 1),
        ("SELECT id FROM memory WHERE tenant_id = 1 ORDER BY id FOR NO KEY UPDATE SKIP LOCKED", 0),
        ("WITH gone AS (DELETE FROM link RETURNING id) UPDATE memory SET version = 1 WHERE tenant_id = 1", 1),
        ("SELECT 'FROM memory' -- FROM link\n", 0),
    ],
)
def test_the_scanner_sees_what_is_missing(statement: str, faults: int) -> None:
    tables = dict.fromkeys(("memory", "link", "source", "posting"), "tenant_id")
    assert len(unbound(statement, tables)) == faults


@pytest.fixture(scope="module")
def statements(
    app: Any, database: Database, make_household: Callable[..., Any], theirs: Any, asks_about: Any, open_tenancy: Any
) -> set[str]:
    """Return the distinct statements of a tour through everything, sent by the engines of the API and the workers."""
    seen: set[str] = set()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.add(statement)

    engines = (app.state.services.database.engine, database.engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    me = make_household("tourist", scopes=tuple(KeyScope))
    for about in (me, theirs):
        for operation, asks in asks_about(about, me).items():
            for ask in asks:
                body = {} if ask.json is None else {"json": ask.json}
                answer = me.client.request(operation.split()[0], ask.path, **body)
                assert answer.status_code < 500, answer.text
    _by_ways_of_search(me)
    tenancy = open_tenancy(me.tenant_id)
    consolidate.run_job(tenancy, UUID(me.queued_job_id))
    _by_bundles(app, me, theirs, tenancy)
    enriching.enrich_pending(tenancy)
    consolidate.expire_due(tenancy, [UUID(me.memory_id)])
    with database.transaction(me.tenant_id) as session:
        for namespace_id in session.scalars(text("SELECT id FROM namespace WHERE tenant_id = :t"), {"t": me.tenant_id}):
            consolidate.fold_corpus(tenancy, namespace_id)
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
    return seen


def _by_bundles(app: Any, me: Any, theirs: Any, tenancy: Any) -> None:
    """Import what is there already, and what another tenant has, with every part, in every way."""
    encoding = encoding_of(app.state.services)
    able = replace(tenancy, open_encoding=lambda: nullcontext(encoding))
    parts = ["archived", "versions", "retention", "links", "settings", "policies", "blocks", "documents", "embeddings"]
    jobs = [me.import_job_id]
    for whose in (me, theirs):
        bundle = whose.client.post("/v1/exports", json={"include": parts}).content
        for on_conflict in ("skip", "new_version"):
            answer = me.client.post(
                f"/v1/imports?on_conflict={on_conflict}",
                content=bundle,
                headers={"Content-Type": "application/x-ndjson"},
            )
            jobs.append(answer.json()["job_id"])
            assert me.client.post(f"/v1/memories/{me.memory_id}/pin").status_code == 200
    for job_id in jobs:
        assert consolidate.run_job(able, UUID(job_id))
        assert me.client.get(f"/v1/imports/{job_id}/outcomes?status=skipped").status_code == 200


def _by_ways_of_search(me: Any) -> None:
    for extra in (
        {"as_of": {"known": "2999-01-01T00:00:00Z", "valid": "2999-01-01T00:00:00Z"}},
        {"include": ["archived"], "filter": {"tags": {"contains": "x"}}},
        {"channels": {"vector": 1}}, {"channels": {"keyword": 1}}, {"neighbours": 2, "reinforce": True, "explain": True},
        {"window": {"from": "2001-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z"}}, {"namespace_prefix": "tourist-space"},
    ):  # fmt: skip
        where = {} if "namespace_prefix" in extra else {"namespace": me.namespace}
        answer = me.client.post("/v1/search", json={"query": me.secret, **where, **extra})
        assert answer.status_code == 200, answer.text
    assert me.client.get(f"/v1/memories/{me.memory_id}?as_of=2999-01-01T00:00:00Z").status_code == 200
    live = me.client.post("/v1/memories", json={"content": "a live one", "expires_at": "2999-01-01T00:00:00Z"}).json()[
        "id"
    ]
    for changes in ({"content": "another text"}, {"expires_at": None}, {"metadata": {"a": 1}}, {"pinned": True}):
        assert me.client.patch(f"/v1/memories/{live}", json=changes).status_code == 200
    assert me.client.post(f"/v1/memories/{live}/supersede", json={"content": "its successor"}).status_code == 201
    # Of those that the tour archived, two held one external_id in turn; not both can have it back.
    for change, which in (("archive", {"memory_type": "episodic"}), ("restore", {"metadata.a": 1})):
        answer = me.client.post(f"/v1/memories/{change}", json={"filter": which})
        assert answer.status_code == 200, answer.text


def test_the_tour_has_been_everywhere(statements: set[str], tenant_tables: dict[str, str]) -> None:
    assert len(statements) > 80
    joined = " ".join(statements)
    for table in tenant_tables.keys() - {"tenant"}:
        assert re.search(rf"\b(FROM|JOIN|INTO|UPDATE|USING)\s+{table}\b", joined), table


def test_every_reference_to_a_table_of_tenants_names_the_tenant(
    statements: set[str], tenant_tables: dict[str, str]
) -> None:
    faults = [
        f"{fault}\n    of {' '.join(s.split())[:300]}"
        for s in sorted(statements)
        for fault in unbound(s, tenant_tables)
    ]
    assert not faults, "\n".join(faults)


def test_updates_call_no_volatile_function(statements: set[str], maintenance: Engine) -> None:
    """A value that two replicas or shards would work out differently must come from the application."""
    with maintenance.connect() as connection:
        volatile = set(connection.scalars(text("SELECT proname FROM pg_proc WHERE provolatile = 'v'")))
    assert {"random", "clock_timestamp", "gen_random_uuid", "nextval"} <= volatile
    for statement in statements:
        if re.search(r"\bUPDATE\s+\w+\s+(\w+\s+)?SET\b", statement, re.IGNORECASE):
            called = set(re.findall(r"\b([a-z_]\w*)\s*\(", statement.lower()))
            assert not called & volatile, statement


def test_no_statement_carries_the_words_of_a_tenant(statements: set[str]) -> None:
    """Values travel as parameters, never inside the text, where logs and pg_stat_activity would show them."""
    assert [s for s in statements if "tourist" in s or "theirs" in s] == []
