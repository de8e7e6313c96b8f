"""Plans of the statements that run often, as the service's role, over three tenants with 20,000 memories each.

Row level security lets only leakproof operators reach an index, and the cost of forgetting that is a scan of every tenant's
rows. So each statement is caught on its way to the database, explained there with its own parameters, and must touch the
tables of tenants through indexes whose condition names the tenant.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from consolidation.retention.forgetting import Due
from consolidation.retention.holding import Holding
from consolidation.retention.policy import DEFAULT_ID
from consolidation.retention.traces import FRESH
from consolidation.structure import loading as structure_loading
from memory_service.analysis.facts import Fact
from memory_service.analysis.naming import EntityKind, Named
from memory_service.filters import parse_filter
from memory_service.storage import (
    audit,
    blocks,
    changesets,
    co_recalls,
    considered,
    consolidated,
    documents,
    entities,
    entity_identity,
    entity_lists,
    erasure,
    facts,
    fading,
    feedback,
    formation,
    fusion_weights,
    graph,
    graph_picture,
    graph_walk,
    health_report,
    idempotency,
    jobs,
    keys,
    kv_blocks,
    kv_memories,
    kv_room,
    lineage,
    links,
    memories,
    namespace_settings,
    namespaces,
    neighbours,
    parametric_memories,
    parametric_pairs,
    pending,
    policies,
    precision,
    redactable,
    redactions,
    retention,
    reviews,
    saved_queries,
    search_index,
    speaking,
    structure,
    structure_lists,
    supersessions,
    tasks,
    time_mentions,
    timeline,
    traces,
    web_sessions,
    webhook_deliveries,
    webhooks,
)
from memory_service.storage.blocks import Address
from memory_service.storage.bootstrap import RoleUrls, bootstrap, driver_url
from memory_service.storage.database import Database
from memory_service.storage.filter_sql import compile_filter
from memory_service.storage.list_orders import ListOrder, Place
from memory_service.storage.migrate import migrate
from memory_service.storage.namespaces import Namespace
from memory_service.storage.presence import Key, look_up
from memory_service.storage.scopes import ScopeColumn, list_scopes
from memory_service.storage.sql import Sql
from memory_service.storage.tables import STATE_COLUMNS
from memory_service.types import Caller, PrecisionTier
from retrieval import feed
from retrieval.corpus import Foreseen, NamesAsked, describe_corpus
from retrieval.statements import KeywordQuery, Scope, find_candidates

SPACES, MEMORIES, DIMENSION = 20, 20_000, 384
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = UUID("10000000-0000-0000-0000-000000000002")

# In step with three_tenants.sql.
FILL = Path(__file__).with_name("three_tenants.sql")


def an_id(kind: int, n: int) -> UUID:
    return UUID(f"{kind}0000000-0000-0000-0002-{n:012x}")


@pytest.fixture(scope="module")
def roles(make_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoleUrls]:
    with make_database() as url:
        made = bootstrap(url, data_dir=tmp_path_factory.mktemp("plans"))
        migrate(made.owner)
        engine = create_engine(driver_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            # The superuser fills: foreign keys hold by construction, and checking each row would take longer than filling.
            connection.exec_driver_sql("SET session_replication_role = replica")
            connection.exec_driver_sql("SET synchronous_commit = off")
            script = FILL.read_text().replace("state_columns", ", ".join(STATE_COLUMNS))
            for statement in script.split(";\n"):
                if statement.strip():
                    connection.exec_driver_sql(statement.replace("%", "%%"))
            connection.exec_driver_sql("VACUUM (ANALYZE)")
        engine.dispose()
        yield made


@pytest.fixture(scope="module")
def service(roles: RoleUrls) -> Iterator[Database]:
    opened = Database(roles.service, pool_size=1)
    yield opened
    opened.dispose()


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a plan."""

    kind: str
    relation: str
    index: str
    condition: str

    def __str__(self) -> str:
        return f"{self.kind} on {self.relation} {self.index} ({self.condition or 'no index condition'})"


def nodes(plan: dict[str, Any]) -> Iterator[Node]:
    relation, index = plan.get("Relation Name", ""), plan.get("Index Name", "")
    if relation or index:
        yield Node(plan["Node Type"], relation, index, plan.get("Index Cond", ""))
    for below in plan.get("Plans", []):
        yield from nodes(below)


def explained(connection: Connection, statement: str, parameters: Any) -> list[Node]:
    answer = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    return list(nodes(answer[0]["Plan"]))


def explained_once(connection: Connection, statement: str, parameters: dict[str, Any]) -> list[Node]:
    """Explain the plan that a connection makes for whatever a statement is asked with."""
    used = sorted({name for name in parameters if f"%({name})s" in statement})
    numbered = statement.replace("%%", "%")
    for number, name in enumerate(used, start=1):
        numbered = numbered.replace(f"%({name})s", f"${number}")
    driver: Any = connection.connection.driver_connection
    cursor = psycopg.ClientCursor(driver)  # writes values into the statement, as EXECUTE takes no parameters
    cursor.execute(f"PREPARE whatever AS {numbered}".encode())
    cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    cursor.execute(
        f"EXPLAIN (FORMAT JSON) EXECUTE whatever ({', '.join(['%s'] * len(used))})", [parameters[name] for name in used]
    )
    [[answer]] = cursor.fetchall()
    cursor.execute("RESET plan_cache_mode; DEALLOCATE whatever")
    return list(nodes(answer[0]["Plan"]))


def plans_of(database: Database, work: Callable[[Session], object]) -> list[tuple[str, list[Node]]]:
    """Run something in a transaction of one tenant and explain what it sent; everything is rolled back."""
    caught: list[tuple[str, Any, bool]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, question: Any, many: bool) -> None:
        if not many and not statement.startswith(
            ("BEGIN; ", "SELECT set_config", "SELECT pg_", "SAVEPOINT", "RELEASE", "SET ")
        ):
            caught.append((statement, parameters, getattr(question, "one_plan", False)))

    session = database.session(TENANT)
    event.listen(database.engine, "before_cursor_execute", note)
    try:
        work(session)
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    found = [(statement, explained(session.connection(), statement, parameters)) for statement, parameters, _ in caught]
    found += [
        (statement, explained_once(session.connection(), statement, parameters))
        for statement, parameters, one_plan in caught
        if one_plan
    ]
    session.rollback()
    session.close()
    return found


IDS = [an_id(3, n) for n in range(40, 6000, 120)]
FEW = IDS[:3]
SPACE, SMALL_SPACE = an_id(2, 0), an_id(2, 7)
MANY_SPACES = tuple(an_id(2, n) for n in range(SPACES))
VECTOR = np.full(DIMENSION, DIMENSION**-0.5, dtype=np.float32)
KEYWORD = KeywordQuery(rare=("w7", "w77", "w301"), common=(("w1", 600), ("w3", 700)), documents=MEMORIES)
NAMED = Named("e8", "E8", EntityKind.PERSON, (("e8", "E8"), ("e9999", "E9999")), ((0, 2),))
CALLER = Caller(TENANT, an_id(9, 1), frozenset())


def a_filter(raw: dict[str, Any]) -> Sql:
    compiled = compile_filter(parse_filter(raw), at=NOW)
    return Sql(compiled.text, compiled.params)


def a_timeline(session: Session, *, namespace_id: UUID | None) -> None:
    for axis in timeline.Axis:
        part = timeline.Part(axis, NOW, namespace_id, end=NOW, other_start=NOW - timedelta(days=900))
        timeline.bars(session, TENANT, part, bucket=timeline.Bucket.DAY, most=2_001)
        timeline.moments(session, TENANT, part, after=(NOW, an_id(3, 7)), limit=51)
        timeline.span(session, TENANT, part)
        timeline.cells(session, TENANT, part, columns=60, rows=24)


def a_report_place(session: Session, namespace_id: UUID | None = SPACE) -> health_report.Place:
    return health_report.Place(session, TENANT, namespace_id=namespace_id, now=NOW, since=NOW - timedelta(days=7))


def a_report(session: Session, *, namespace_id: UUID | None) -> None:
    place = a_report_place(session, namespace_id)
    place.memories(), place.holding(share=256, most=40_000), place.links(), place.reviews(), place.versions()
    place.erased(), place.unread(), place.unconsolidated(), place.last_changeset()


def a_search(*, keyword: Any = KEYWORD, vector: Any = VECTOR, spaces: tuple[UUID, ...] = (SPACE,), **scope: Any) -> Any:
    asked = Scope(tenant_id=TENANT, namespace_ids=spaces, shelf=0, encoder_id=1, at=scope.pop("at", NOW), **scope)
    return lambda s: find_candidates(s, asked, vector=vector, keyword=keyword, per_channel=100)


def a_list(raw: dict[str, Any], **options: Any) -> Any:
    return lambda s: memories.list_records(s, TENANT, where=a_filter(raw), limit=51, **options)


def in_space(space: UUID, **options: Any) -> Any:
    where = Sql("m.namespace_id = :in_namespace", {"in_namespace": space})
    return lambda s: memories.list_records(s, TENANT, where=where, limit=51, **options)


NOBODY = {"user_id": None, "agent_id": None, "session_id": None}

HELD = Holding("episodic", NOW, stability_days=3.0, difficulty=5.0, traces=FRESH, traced_at=NOW)


def a_place(session: Session) -> structure_loading.Place:
    return structure_loading.Place(
        lambda: nullcontext(session), TENANT, Namespace(SMALL_SPACE, "space/0007", {}, 1, 0), NOW
    )


# One fact and one time as a worker finds them.
A_PLACE = entity_lists.Place(an_id(0, 900), mentions=40, folded="f")
A_FACT = Fact("s8", "a8", "8", "8", (0, 8), functional=True)
A_TIME = {
    "starts": NOW, "ends": None, "phrase": "today", "span_from": 0, "span_to": 5, "granularity": "day",
}  # fmt: skip
A_MENTION = {
    "memory_id": IDS[0], "version": 1, "entity_id": an_id(0, 21), "namespace_id": SPACE, "names": ["e"], "spans": [0, 1],
}  # fmt: skip
A_STATE = {
    "value": "", "description": None, "max_characters": 9, "read_only": False, "metadata": {}, "archived": False,
    "operation": "put", "edited_by": None,
}  # fmt: skip
A_HASH = ["ab" * 32]
HOT: dict[str, Callable[[Session], object]] = {
    "search": a_search(),
    "search in a small namespace": a_search(spaces=(SMALL_SPACE,)),
    "search by many words": a_search(keyword=replace(KEYWORD, bounded=True)),
    "search by common words": a_search(keyword=KeywordQuery((), (("w1", 600), ("w3", 700)), MEMORIES, heads=("w1", "w3"))),
    "search in many namespaces": a_search(spaces=MANY_SPACES),
    "search by vector": a_search(keyword=None),
    "search by keyword": a_search(vector=None),
    "search with a filter": a_search(where=a_filter({"user_id": "user7"})),
    "search with a filter of tags": a_search(where=a_filter({"tags": {"in": ["tag3"]}})),
    "search as of": a_search(as_known=True, at=NOW, where=a_filter({"user_id": "user7"})),
    "search among the archived": a_search(archived=True),
    "what a search must know": lambda s: describe_corpus(s, TENANT, [SPACE], "w1 w2"),
    "whom others call by a name": lambda s: NamesAsked(s, TENANT, describe_corpus(s, TENANT, [SPACE], "w1"), ["W2"]).called(),
    "whom others called by a name": lambda s: NamesAsked(
        s, TENANT, describe_corpus(s, TENANT, [SPACE], "w1"), ["W2"], at=NOW).called(),
    "whom others call by a name among several": lambda s: NamesAsked(
        s, TENANT, replace(describe_corpus(s, TENANT, [SPACE], "w1"), speakers=("a", "b", "c")), ["W2"]).called(),
    "whom others called by a name among several": lambda s: NamesAsked(
        s, TENANT, replace(describe_corpus(s, TENANT, [SPACE], "w1"), speakers=("a", "b", "c")), ["W2"], at=NOW).called(),
    "whom others call by a name where roles speak": lambda s: NamesAsked(
        s, TENANT, replace(describe_corpus(s, TENANT, [SPACE], "w1"), speakers=()), ["W2"]).called(),
    "a corpus foreseen": lambda s: Foreseen(
        s, TENANT, ["space/0000"], ["w1"], seen=describe_corpus(s, TENANT, ["space/0000"], "w1", at=NOW)).corpus(),
    "what changed": lambda s: feed.changes(s, TENANT, [SPACE], since=1_000_000, links_since=1_000_000),
    "namespaces by path": lambda s: namespaces.find_namespaces(s, TENANT, ["space/0001", "space/0002"]),
    "namespaces by prefix": lambda s: namespaces.namespaces_below(s, TENANT, "space/0001"),
    "namespace by id": lambda s: namespaces.get_namespace(s, TENANT, SPACE),
    "namespaces": lambda s: namespace_settings.list_namespaces(s, TENANT, prefix=None, after="space/0100", limit=51),
    "records": lambda s: memories.get_records(s, TENANT, IDS),
    "one record": lambda s: memories.get_record(s, TENANT, IDS[0]),
    "records as known": lambda s: memories.get_records_as_known(s, TENANT, IDS, known=NOW),
    "versions": lambda s: memories.list_versions(s, TENANT, IDS[0], before=None, limit=51),
    "list": a_list({}),
    "next page": a_list({}, after=Place(IDS[9])),
    "list of a namespace": in_space(SPACE),
    "list of a small namespace": in_space(SMALL_SPACE, after=Place(IDS[9])),
    "list by importance": in_space(SMALL_SPACE, order=ListOrder.MOST_IMPORTANT, after=Place(IDS[9], 0.5)),
    "list by observation": in_space(SPACE, order=ListOrder.EARLIEST_OBSERVED, after=Place(IDS[9], NOW)),
    "list of a user": a_list({"user_id": "user7"}),
    "list of a session": a_list({"session_id": "session7"}, order=ListOrder.OLDEST),
    "list of an external id": a_list({"external_id": "x400"}),
    "list by id": a_list({"id": {"in": [str(i) for i in FEW]}}),
    "matching": lambda s: memories.matching_ids(s, TENANT, where=a_filter({"user_id": "user7"}), limit=100),
    "present": lambda s: look_up(
        s, TENANT, [Key("space/0000", f"x{i}", bytes([i]) * 32, bytes([i]) * 32) for i in range(50)], now=NOW),
    "external ids": lambda s: memories.find_by_external_ids(s, TENANT, [(SPACE, f"x{i}") for i in range(50)]),
    "lock": lambda s: memories.lock_memories(s, TENANT, FEW),
    "versions kept": lambda s: memories.keep_versions(s, TENANT, FEW, now=NOW),
    "update": lambda s: memories.update_memories(s, TENANT, FEW, {"pinned": True}, now=NOW),
    "update each": lambda s: memories.update_each(s, TENANT, [(i, {"importance": 0.1}) for i in FEW], now=NOW),
    "kinds of sources": lambda s: lineage.kinds_of_sources(s, TENANT, FEW),
    "end of a live span": lambda s: search_index.close(s, TENANT, FEW, now=NOW),
    "expiry of a live span": lambda s: search_index.set_expiry(s, TENANT, FEW, now=NOW),
    "tiers": lambda s: precision.move_tiers(s, TENANT, [(i, PrecisionTier.INT8) for i in FEW], now=NOW),
    "signs": lambda s: precision.move_tiers(s, TENANT, [(i, PrecisionTier.BINARY) for i in FEW], now=NOW),
    "waiting to rise": lambda s: precision.rising(
        s, TENANT, SMALL_SPACE, encoder_id=1, after=None, limit=64),
    "wanted in half": lambda s: precision.want_half(s, TENANT, FEW),
    "was it erased": lambda s: erasure.is_erased(s, TENANT, IDS[0]),
    "links": lambda s: links.links_of(s, TENANT, IDS[0], before=None, limit=51),
    "all links": lambda s: links.list_links(s, TENANT, namespace_id=SMALL_SPACE, before=None, limit=51),
    "entities": lambda s: entity_lists.list_entities(s, TENANT, namespace_id=None, after=None, limit=51, now=NOW),
    "entities of a space": lambda s: entity_lists.list_entities(
        s, TENANT, namespace_id=SMALL_SPACE, after=A_PLACE, limit=51, now=NOW),
    "entities by name": lambda s: entity_lists.list_entities(
        s, TENANT, namespace_id=SMALL_SPACE, after=A_PLACE, limit=51, now=NOW, words="e", order=entity_lists.EntityOrder.NAME),
    "entities by mentions": lambda s: entity_lists.list_entities(
        s, TENANT, namespace_id=SMALL_SPACE, after=A_PLACE, limit=51, now=NOW, order=entity_lists.EntityOrder.MENTIONS),
    "mentions of an entity": lambda s: entity_lists.list_mentions(
        s, TENANT, an_id(0, 21), before=IDS[9], limit=51, now=NOW),
    "what was said since": lambda s: retention.recalls_since_judged(s, TENANT, IDS[0], an_id(6, 7)),
    "what was said dropped": lambda s: retention.drop_judgements(s, TENANT, IDS[0], an_id(6, 7)),
    "what was held before": lambda s: retention.keep_held_before(
        s, TENANT, IDS[0], {an_id(6, 7): {"stability_days": None}}),
    "one judgement dropped": lambda s: feedback.drop_feedback(s, TENANT, an_id(6, 7), IDS[0]),
    "what was said last": lambda s: feedback.last_said(
        s, TENANT, SMALL_SPACE, IDS[0], query="q", where=None, now=NOW),
    "before it was superseded": lambda s: (
        supersessions.successor_of(s, TENANT, IDS[0]), supersessions.edge_between(s, TENANT, IDS[1], IDS[0]),
        supersessions.around_supersession(s, TENANT, IDS[0])),
    "entity": lambda s: entity_lists.get_entity(s, TENANT, an_id(0, 21), now=NOW),
    "end of mentions": lambda s: entities.end_mentions(s, TENANT, FEW, now=NOW),
    "mentions of a memory": lambda s: entities.mentioned_in(s, TENANT, FEW),
    "mentions to keep": lambda s: entities.keep_mentions(s, TENANT, [entities.Mentioned(FEW[0], SPACE, 1, (NAMED,))]),
    "entities to forget": lambda s: entities.forget_unmentioned(s, TENANT, {SPACE: [an_id(0, 21), an_id(0, 24)]}),
    "names apart": lambda s: entities.apart_in(s, TENANT, [SPACE, SMALL_SPACE]),
    "whom memories name": lambda s: s.connection().exec_driver_sql(
        entities._MENTIONS_NOW, {"tenant": TENANT, "namespaces": [SMALL_SPACE], "ids": IDS}),
    "whom they named": lambda s: s.connection().exec_driver_sql(
        entities._MENTIONS_KNOWN, {"tenant": TENANT, "namespaces": [SMALL_SPACE], "ids": IDS, "known": NOW}),
    "identities locked": lambda s: entity_identity.lock_identities(s, TENANT, SPACE, [an_id(0, 21)]),
    "identities": lambda s: (
        entity_identity.entities_in(s, TENANT, SPACE, [an_id(0, 21)]), entity_identity.names_of(s, TENANT, an_id(0, 21)),
        entity_identity.merged_named(s, TENANT, SPACE, ["e"])),
    "names given": lambda s: (
        entity_identity.give_names(s, TENANT, [an_id(0, 21)], an_id(0, 24), only=["e"], apart=["e"]),
        entity_identity.set_merged(s, TENANT, [an_id(0, 21)], an_id(0, 24))),
    "mentions to move": lambda s: entity_identity.present_mentions(s, TENANT, [an_id(0, 21)], named=["e"]),
    "mentions moved": lambda s: (
        entity_identity.keep_mentioned(s, TENANT, [A_MENTION]), entity_identity.end_mentions_of(s, TENANT, [A_MENTION], now=NOW),
        entity_identity.begin_mentions(s, TENANT, [A_MENTION], now=NOW), entity_identity.note_changed(s, TENANT, FEW)),
    "of use since": lambda s: co_recalls.load_co_recalls(s, TENANT, SMALL_SPACE, NOW),
    "who speaks": lambda s: entities.speakers_in(s, TENANT, [SPACE, SMALL_SPACE]),
    "neighbours": lambda s: neighbours.neighbours_of(s, TENANT, IDS, distance=3, now=NOW),
    "turns around": lambda s: neighbours.runs_around(s, TENANT, IDS, distance=2, at=NOW),
    "turns around as known": lambda s: neighbours.runs_around(s, TENANT, IDS, distance=2, at=NOW, known=NOW),
    "recalls": lambda s: retention.list_recalls(s, TENANT, IDS[0], before=None, limit=51),
    "what a recall strengthens": lambda s: retention.lock_holdings(s, TENANT, FEW),
    "how firmly they hold now": lambda s: retention.keep_holdings(s, TENANT, {FEW[0]: HELD}, now=NOW),
    "latest recalls": lambda s: retention.recalls_of(s, TENANT, IDS[0]),
    "what fades": lambda s: fading.load_fading(s, TENANT, SMALL_SPACE, now=NOW),
    "what is left of a sweep": lambda s: fading.keep_due(s, TENANT, [Due(i, NOW, None, None) for i in FEW], policy_id=DEFAULT_ID),
    "when to sweep again": lambda s: fading.next_due(s, TENANT, SMALL_SPACE, policy_id=DEFAULT_ID, now=NOW),
    "losses in a ranking": lambda s: fading.losses_of(s, TENANT, IDS, now=NOW),
    "losses as of then": lambda s: fading.losses_then(s, TENANT, [SMALL_SPACE], IDS, known=NOW),
    "histories": lambda s: list(fading.load_histories(s, TENANT, SMALL_SPACE, limit=100)),
    "policy in force": lambda s: policies.in_force(s, TENANT, SMALL_SPACE, "retention"),
    "policies": lambda s: policies.list_policies(s, TENANT, namespace_id=None, history=True, before=None, limit=51),
    "policies of a space": lambda s: policies.list_policies(
        s, TENANT, namespace_id=SMALL_SPACE, history=False, before=an_id(4, 900), limit=51),
    "redaction policies": lambda s: redactions.Redactions(lambda _: nullcontext(s)).of(TENANT, s),
    "what a redaction policy looks at": lambda s: redactable.present(s, TENANT, SMALL_SPACE, before=None, limit=500),
    "what it looked like": lambda s: redactable.versions(s, TENANT, IDS),
    "policy put": lambda s: policies.put(s, TENANT, SMALL_SPACE, "retention", an_id(4, 6000), {}, now=NOW),
    "webhooks": lambda s: webhooks.list_webhooks(s, TENANT, namespace=None, before=None, limit=51),
    "webhook": lambda s: webhooks.for_sending(s, TENANT, an_id(7, 5)),
    "webhook that fails": lambda s: webhooks.note_failure(s, TENANT, an_id(7, 5), now=NOW),
    "deliveries": lambda s: webhook_deliveries.list_deliveries(
        s, TENANT, an_id(7, 5), status="dead", event=None, before=an_id(6, 900), limit=51),
    "delivery": lambda s: webhook_deliveries.get(s, TENANT, an_id(7, 5), an_id(6, 4)),
    "deliveries taken": lambda s: webhook_deliveries.claim(
        s, TENANT, an_id(7, 101), now=NOW, lease=timedelta(minutes=1), limit=20),
    "webhook as it was": lambda s: webhooks.is_as_read(s, TENANT, an_id(7, 5), updated_at=NOW),
    "delivery in hand": lambda s: webhook_deliveries.is_taken(s, TENANT, an_id(6, 4), attempts=1),
    "deliveries locked": lambda s: webhook_deliveries.lock(s, TENANT, [an_id(6, 4), an_id(6, 5)]),
    "delivery again": lambda s: webhook_deliveries.again(s, TENANT, an_id(7, 5), an_id(6, 4), now=NOW),
    "contents told": lambda s: webhook_deliveries.contents_of(s, TENANT, [(i, 1) for i in IDS]),
    "trace": lambda s: traces.get_trace(s, TENANT, an_id(6, 7)),
    "stored answer": lambda s: idempotency.find_answer(s, CALLER, "key7", now=NOW),
    "users": lambda s: list_scopes(s, TENANT, ScopeColumn.USER, namespace_id=None, after=None, limit=51, now=NOW),
    "sessions": lambda s: list_scopes(s, TENANT, ScopeColumn.SESSION, namespace_id=None, after=None, limit=51, now=NOW),
    "sessions of a space": lambda s: list_scopes(
        s, TENANT, ScopeColumn.SESSION, namespace_id=SMALL_SPACE, after=None, limit=51, now=NOW),
    "next sessions": lambda s: list_scopes(s, TENANT, ScopeColumn.SESSION, namespace_id=None, after="session3", limit=51, now=NOW),
    "jobs": lambda s: jobs.list_jobs(s, TENANT, limit=51),
    "jobs of a namespace": lambda s: jobs.list_jobs(s, TENANT, namespace_id=SMALL_SPACE, before=an_id(5, 900), limit=51),
    "job": lambda s: jobs.get_job(s, TENANT, an_id(5, 7)),
    "claim": lambda s: jobs.claim_job(s, TENANT, an_id(5, 1000), now=NOW, lease=timedelta(minutes=5)),
    "keys": lambda s: keys.list_keys(s, TENANT, before=None, limit=51),
    "key": lambda s: keys.get_key(s, TENANT, an_id(9, 7)),
    "what waits": lambda s: pending.lock_pending(s, TENANT, ids=None, limit=200),
    "said before": lambda s: speaking.said_before(s, TENANT, SPACE, before=an_id(9, 7), limit=50),
    "read again": lambda s: speaking.read_again(s, TENANT, SPACE, ["Ana"], before=an_id(9, 7), limit=500),
    "does it still wait": lambda s: pending.still_pending(s, TENANT, IDS),
    "is it there": lambda s: pending.absent(s, TENANT, IDS),
    "facts kept": lambda s: facts.keep_facts(s, TENANT, {i: (1, [A_FACT]) for i in IDS}),
    "facts ended": lambda s: facts.end_facts(s, TENANT, FEW, now=NOW),
    "facts of memories": lambda s: facts.facts_of(s, TENANT, IDS),
    "facts of a memory": lambda s: facts.list_facts(s, TENANT, memory_id=IDS[0], limit=51, now=NOW),
    "facts of a subject": lambda s: facts.list_facts(
        s, TENANT, namespace_id=SMALL_SPACE, subject="s8", attribute="a8", limit=51, now=NOW),
    "facts": lambda s: facts.list_facts(s, TENANT, before=(IDS[0], 0), limit=51, now=NOW),
    "other values of an attribute": lambda s: facts.same_attribute(s, TENANT, SMALL_SPACE, IDS),
    "times kept": lambda s: time_mentions.keep_time_mentions(s, TENANT, {i: (1, [A_TIME]) for i in IDS}),
    "times outdated": lambda s: time_mentions.outdate(s, TENANT, FEW, now=NOW),
    "times of memories": lambda s: s.connection().exec_driver_sql(
        time_mentions._SPANS, {"tenant": TENANT, "namespaces": [SMALL_SPACE], "ids": IDS}),
    "times as known": lambda s: s.connection().exec_driver_sql(
        time_mentions._SPANS_AS_KNOWN, {"tenant": TENANT, "namespaces": [SMALL_SPACE], "ids": IDS, "known": NOW}),
    "ancestry": lambda s: lineage.ancestry(s, TENANT, IDS, limit=200),
    "sources": lambda s: lineage.sources_of(s, TENANT, IDS),
    "document": lambda s: documents.get_document(s, TENANT, an_id(4, 7)),
    "documents": lambda s: documents.list_documents(s, TENANT, namespace_id=None, before=None, limit=51),
    "documents of a space": lambda s: documents.list_documents(
        s, TENANT, namespace_id=SMALL_SPACE, before=an_id(4, 900), limit=51),
    "document by external id": lambda s: documents.find_by_external_id(s, TENANT, SMALL_SPACE, "d21"),
    "document by file": lambda s: documents.find_same(s, TENANT, SMALL_SPACE, NOBODY, file_hash=bytes(32)),
    "document by text": lambda s: documents.find_same(s, TENANT, SMALL_SPACE, NOBODY, content_hash=bytes(32)),
    "chunks of a document": lambda s: documents.chunks_of(s, TENANT, an_id(4, 7), 1),
    "memories of a document": lambda s: documents.memories_of(s, TENANT, an_id(4, 7)),
    "sources of chunks": lambda s: documents.point_sources(s, TENANT, [(IDS[0], (0, 1))]),
    "upload": lambda s: documents.get_upload(s, TENANT, an_id(5, 7)),
    "end of uploads": lambda s: documents.drop_uploads_of(s, TENANT, an_id(4, 7)),
    "texts without some spans": lambda s: documents.blank_spans(s, TENANT, FEW),
    "documents to forget": lambda s: documents.forget_empty(s, TENANT, [an_id(4, 7)], now=NOW),
    "recalled before": lambda s: formation.recently_recalled(s, TENANT, [SMALL_SPACE], since=NOW - timedelta(days=1)),
    "came before": lambda s: formation.came_before(
        s, TENANT, [formation.Stream(SMALL_SPACE, "session7", IDS[0]), formation.Stream(SMALL_SPACE, None, IDS[0])], limit=16),
    "vectors of memories": lambda s: formation.vectors_of(s, TENANT, FEW),
    "feedback": lambda s: feedback.list_feedback(s, TENANT, SMALL_SPACE, now=NOW),
    "saved queries": lambda s: saved_queries.list_saved_queries(s, TENANT, namespace_id=SMALL_SPACE),
    "saved query": lambda s: saved_queries.get_saved_query(s, TENANT, an_id(5, 7)),
    "weights in force": lambda s: fusion_weights.in_force(s, TENANT, SMALL_SPACE),
    "decisions": lambda s: fusion_weights.list_weights(s, TENANT, namespace_id=SMALL_SPACE, before=None, limit=51),
    "changesets": lambda s: changesets.list_changesets(s, TENANT, namespace_id=SMALL_SPACE, before=None, limit=51),
    "changeset": lambda s: changesets.get_changeset(s, TENANT, an_id(3, 7)),
    "changes": lambda s: changesets.changes_of(s, TENANT, an_id(3, 7), limit=51),
    "reviews": lambda s: reviews.list_reviews(
        s, TENANT, namespace_id=SMALL_SPACE, kind=None, status=None, before=None, limit=51),
    "what tiers owe": lambda s: consolidated.owed(s, TENANT, SMALL_SPACE, due_at=NOW),
    "what is to be consolidated": lambda s: considered.unconsolidated(
        s, TENANT, SMALL_SPACE, again_after=None, again=False, limit=500, now=NOW),
    "records to consolidate": lambda s: considered.live_records(s, TENANT, IDS, now=NOW),
    "their edges": lambda s: considered.edges_to(s, TENANT, IDS),
    "where live memories stand": lambda s: considered.places_since(s, TENANT, SMALL_SPACE, since=0, now=NOW),
    "what moved since": lambda s: considered.places_since(s, TENANT, SMALL_SPACE, since=10**12, now=NOW),
    "their names": lambda s: considered.names_in(s, TENANT, IDS),
    "edges drawn": lambda s: consolidated.drawn(s, TENANT, [(IDS[0], IDS[1], "similar")]),
    "evidence reached": lambda s: consolidated.unreached(s, TENANT, IDS),
    "episodes": lambda s: structure_lists.list_structures(s, TENANT, "episode", namespace_id=SMALL_SPACE, before=None, limit=51),
    "all episodes": lambda s: structure_lists.list_structures(
        s, TENANT, "episode", namespace_id=None, before=an_id(0, 900), limit=51),
    "topics": lambda s: structure_lists.list_structures(s, TENANT, "topic", namespace_id=SMALL_SPACE, before=None, limit=51),
    "topics below": lambda s: structure_lists.list_structures(
        s, TENANT, "topic", namespace_id=None, before=None, limit=51, under=an_id(0, 20)),
    "communities": lambda s: structure_lists.list_structures(s, TENANT, "community", namespace_id=SPACE, before=None, limit=51),
    "topics at the top": lambda s: structure_lists.list_structures(
        s, TENANT, "topic", namespace_id=SMALL_SPACE, before=None, limit=51, top=True),
    "community": lambda s: structure_lists.get_structure(s, TENANT, "community", an_id(0, 21)),
    "topic": lambda s: structure_lists.get_structure(s, TENANT, "topic", an_id(0, 21)),
    "profile": lambda s: structure_lists.profiles_of(s, TENANT, "user7", namespace_id=None),
    "texts that stand": lambda s: structure.standing_versions(s, TENANT, FEW, now=NOW),
    "states": lambda s: structure.live(s, TENANT, "topic", [an_id(0, 21), an_id(0, 22)]),
    "put a state": lambda s: structure.put(
        s, TENANT, SPACE, "community", an_id(0, 21), {"size": 1, "entity_ids": [], "method": "rules", "members": FEW},
        changeset_id=None, now=NOW),
    "end a state": lambda s: structure.end(s, TENANT, "topic", [an_id(0, 21)], now=NOW),
    "graph": lambda s: graph.around(
        s, TENANT, [*FEW, an_id(0, 21), an_id(0, 20)], graph.View(NOW), depth=2, limit=150),
    "graph as it was": lambda s: graph.around(
        s, TENANT, [*FEW, an_id(0, 21), an_id(0, 20)], graph.View(NOW, known=NOW, valid=NOW), depth=2, limit=150),
    "picture of the graph": lambda s: graph_picture.picture(
        s, TENANT, [*FEW, an_id(0, 21), an_id(0, 20)], graph.View(NOW), depth=2, limit=150),
    "picture of the graph as it was": lambda s: graph_picture.picture(
        s, TENANT, [*FEW, an_id(0, 21), an_id(0, 20)], graph.View(NOW, known=NOW, valid=NOW), depth=2, limit=150),
    "edges of the graph": lambda s: graph.between(s, TENANT, [*FEW, an_id(0, 21), an_id(0, 20)], graph.View(NOW)),
    "newest of the graph": lambda s: graph_walk.newest(s, TENANT, graph.View(NOW, namespace_id=SMALL_SPACE), most=25),
    "newest of the graph as it was": lambda s: graph_walk.newest(
        s, TENANT, graph.View(NOW, namespace_id=SMALL_SPACE, known=NOW), most=25),
    "timeline": lambda s: a_timeline(s, namespace_id=SPACE),
    "timeline of all": lambda s: a_timeline(s, namespace_id=None),
    "health report": lambda s: a_report(s, namespace_id=SPACE),
    "health report of all": lambda s: a_report(s, namespace_id=None),
    "link to log in": lambda s: web_sessions.create_link(s, TENANT, an_id(9, 7), now=NOW),
    "use of a link": lambda s: web_sessions.redeem_link(s, TENANT, an_id(9, 8), now=NOW),
    "session": lambda s: web_sessions.create_session(s, TENANT, an_id(9, 7), now=NOW),
    "end of a session": lambda s: web_sessions.end_session(s, TENANT, "s2/7"),
    "episodes to plan": lambda s: list(structure_loading.sessions_to_cut(a_place(s))),
    "topics to plan": lambda s: (
        structure_loading.topic_rows(a_place(s)), structure_loading.without_topic(a_place(s)),
        structure_loading.gone_from_topics(a_place(s))),
    "communities to plan": lambda s: (structure_loading.associations(a_place(s)), structure_loading.communities(a_place(s))),
    "profiles to plan": lambda s: (structure_loading.happenings(a_place(s), latest=5), structure_loading.profiles(a_place(s))),
    "what users state": lambda s: next(structure_loading.statements(a_place(s)), None),
    "gists to write": lambda s: [structure_loading.outdated_targets(a_place(s), kind) for kind in ("episode", "topic")],
    "what to quote": lambda s: structure_loading.sources(a_place(s), FEW),
    "gists": lambda s: structure_loading.written_gists(a_place(s), "episode"),
    "fold": lambda s: pending.fold_corpus(s, TENANT, SMALL_SPACE),
    "block": lambda s: blocks.find_block(s, TENANT, SPACE, Address("human", "user40")),
    "block as known": lambda s: blocks.find_block(s, TENANT, SPACE, Address("human", "user40"), known=NOW),
    "block to change": lambda s: blocks.lock_block(s, TENANT, SPACE, Address("human", "user40")),
    "a shared block": lambda s: blocks.find_block(s, TENANT, SPACE, Address("human")),
    "blocks": lambda s: blocks.list_blocks(
        s, TENANT, namespace_id=None, label=None, user_id=None, agent_id=None, before=IDS[9], limit=51),
    "blocks of a user": lambda s: blocks.list_blocks(
        s, TENANT, namespace_id=None, label=None, user_id="user40", agent_id=None, before=None, limit=51),
    "blocks seen": lambda s: blocks.blocks_seen(
        s, TENANT, [SPACE], user_id="user40", agent_id="agent1", labels=None, limit=51),
    "versions of a block": lambda s: blocks.list_versions(s, TENANT, IDS[0], before=9, limit=51),
    "new version of a block": lambda s: blocks.add_version(s, TENANT, IDS[0], 2, A_STATE, now=NOW),
    "task": lambda s: tasks.get_task(s, TENANT, IDS[0]),
    "tasks": lambda s: tasks.list_tasks(s, TENANT, equal={}, roots=False, before=IDS[9], limit=51),
    "open tasks of a namespace": lambda s: tasks.list_tasks(
        s, TENANT, equal={"namespace_id": SMALL_SPACE, "status": "open"}, roots=False, before=None, limit=51),
    "tasks of a tree": lambda s: tasks.list_tasks(
        s, TENANT, equal={"root_id": an_id(3, 1001)}, roots=False, before=None, limit=51),
    "children of a task": lambda s: tasks.children_of(s, TENANT, IDS[0], statuses=["open"], limit=200),
    "path to a task": lambda s: tasks.path_to(s, TENANT, IDS[0]),
    "below a task": lambda s: tasks.below(s, TENANT, FEW),
    "dependents of a task": lambda s: tasks.dependents_of(s, TENANT, FEW),
    "last change of a tree": lambda s: tasks.last_change(s, TENANT, [an_id(3, 1001)]),
    "versions of a task": lambda s: tasks.list_versions(s, TENANT, IDS[0], before=9, limit=51),
    "audit": lambda s: audit.list_events(
        s, TENANT, action=None, actor=None, since=None, until=None, before=IDS[9], limit=51),
    "audit of an action": lambda s: audit.list_events(
        s, TENANT, action="export", actor=None, since=None, until=None, before=None, limit=51),
    "audit of a key": lambda s: audit.list_events(
        s, TENANT, action=None, actor=an_id(9, 7), since=NOW - timedelta(days=1), until=None, before=None, limit=51),
    "audit of a namespace": lambda s: audit.list_events(
        s, TENANT, action=None, actor=None, namespace_id=SMALL_SPACE, since=None, until=None, before=None, limit=51),
    "seals": lambda s: audit.sealed(s, TENANT, after=7, limit=100),
    "last seal": lambda s: audit.last_seal(s, TENANT),
    "who holds blocks": lambda s: kv_blocks.holders_of(
        s, TENANT, A_HASH * 40, engine="ab" * 32, codecs=["raw"], exactness=["exact"], now=NOW),
    "whether one holds blocks": lambda s: kv_blocks.holds_any(s, TENANT, an_id(7, 40), A_HASH),
    "KV memory": lambda s: kv_memories.get_record(s, TENANT, an_id(7, 40)),
    "KV memories of a namespace": lambda s: kv_memories.list_records(
        s, TENANT, namespace_id=SMALL_SPACE, engine=None, memory_id=None, before=None, limit=51, now=NOW),
    "KV memories of a memory": lambda s: kv_memories.list_records(
        s, TENANT, namespace_id=None, engine=None, memory_id=IDS[0], before=an_id(7, 900), limit=51, now=NOW),
    "sources of KV memories": lambda s: kv_memories.sources_of(s, TENANT, [an_id(7, 40), an_id(7, 41)]),
    "hashes of a KV memory": lambda s: kv_memories.hashes_of(s, TENANT, an_id(7, 40)),
    "KV memories that go": lambda s: kv_memories.mark_stale(
        s, TENANT, [an_id(7, 40), an_id(7, 41)], reason="deleted", now=NOW),
    "sources of a save": lambda s: kv_memories.sources_as_they_were(
        s, TENANT, [kv_memories.KvSource(IDS[0], 1, 0, 4)], now=NOW),
    "sources that moved on": lambda s: kv_memories.sources_as_they_were(
        s, TENANT, [kv_memories.KvSource(IDS[0], 99, 0, 4)], now=NOW),
    "blobs that were removed": lambda s: kv_memories.blobs_removed(s, TENANT, [an_id(7, 50)]),
    "KV memories that were": lambda s: kv_memories.forget_stale(s, TENANT, [an_id(7, 50)], before=NOW),
    "room of KV memories": lambda s: kv_room.taken(s, TENANT),
    "loads of KV memories": lambda s: kv_room.add_loads(
        s, TENANT, [kv_room.Loads(an_id(7, 40), 3, NOW)], half_life=timedelta(days=1)),
    "judgements with who asked": lambda s: feedback.list_askers(s, TENANT, SMALL_SPACE, now=NOW),
    "cube": lambda s: parametric_memories.get_cube(s, TENANT, an_id(6, 40)),
    "cubes of a namespace": lambda s: parametric_memories.list_cubes(
        s, TENANT, namespace_id=SMALL_SPACE, before=None, limit=51),
    "cubes to ask": lambda s: parametric_memories.routed(s, TENANT, [SMALL_SPACE]),
    "versions of a cube": lambda s: parametric_memories.versions_of(s, TENANT, an_id(6, 40)),
    "weights of a cube": lambda s: parametric_memories.weights_of(s, TENANT, an_id(6, 40), 2),
    "cubes counted": lambda s: parametric_memories.count_cubes(s, TENANT, SMALL_SPACE),
    "pairs of a cube": lambda s: parametric_pairs.lock_pairs(s, TENANT, an_id(6, 40), [1, 2], job_id=an_id(5, 40)),
    "memories of a cube": lambda s: parametric_pairs.sources_of(s, TENANT, an_id(6, 40), [1, 2], job_id=an_id(5, 40)),
    "pairs to encode": lambda s: parametric_pairs.next_lacking(
        s, TENANT, an_id(6, 40), [1, 2], job_id=an_id(5, 40), encoder_id=1, after=(an_id(0, 0), -1), limit=64
    ),
    "pairs to encode, counted": lambda s: parametric_pairs.count_lacking(
        s, TENANT, an_id(6, 40), [1, 2], job_id=an_id(5, 40), encoder_id=1
    ),
    "texts encoded": lambda s: parametric_pairs.values_encoded(s, TENANT, FEW, encoder_id=1),
    "memories a cube was taught": lambda s: parametric_pairs.memories_taught(s, TENANT, an_id(6, 40), [1, 2]),
    "cues of memories": lambda s: parametric_pairs.cues_of(s, TENANT, an_id(6, 40), [1, 2], FEW),
    "pairs held": lambda s: parametric_pairs.held(s, TENANT, an_id(6, 40), [1, 2]),
    "sources of a cube": lambda s: parametric_pairs.lock_sources(s, TENANT, FEW, [SMALL_SPACE]),
    "pairs that waited": lambda s: parametric_pairs.drop_waiting(s, TENANT, an_id(5, 40)),
    "look-ups of an engine": lambda s: kv_room.add_lookups(s, TENANT, [kv_room.Lookups("ab" * 32, 1, 6, 4, NOW)]),
}  # fmt: skip


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_reaches_its_rows_by_index(service: Database, name: str) -> None:
    found = plans_of(service, HOT[name])
    assert found
    for statement, plan in found:
        shown = f"{' '.join(statement.split())[:600]}\n" + "\n".join(map(str, plan))
        assert plan, shown
        assert not [n for n in plan if n.kind == "Seq Scan" and n.relation != "encoder"], shown
        reads = [
            n for n in plan if "Scan" in n.kind and n.relation not in {"", "encoder"} and n.kind != "Bitmap Heap Scan"
        ]
        assert all("tenant_id" in n.condition for n in reads), shown


@pytest.mark.parametrize("name", ["block", "block to change", "a shared block"])
def test_a_block_is_found_by_whose_it_is(service: Database, name: str) -> None:
    """Every user of an assistant has a block of the same label: to look through them all would cost as many reads."""
    found = plans_of(service, HOT[name])
    (read,) = {n.condition for n in found[0][1] if n.relation == "block" or n.index == "block_address"}
    assert all(column in read for column in ("tenant_id", "user_id")), read


def test_a_vector_scan_reads_one_namespace_from_the_index_alone(service: Database) -> None:
    """The narrow B-tree with the vectors inside is what makes an exact scan fast; the heap would cost twice as much."""
    ((_, plan),) = plans_of(service, HOT["search by vector"])
    scan = next(n for n in plan if n.relation == "embedding_shelf_0")
    assert scan.kind == "Index Only Scan"
    for column in ("tenant_id", "namespace_id", "encoder_id"):
        assert column in scan.condition
    assert "shelf" not in scan.condition, (
        "a skip scan would be reckoned, by the pages of an index that may be mostly empty"
    )
    assert {n.relation for n in plan} == {"embedding_shelf_0", "embedding_coarse"}, (
        "the other shelf is not even looked at"
    )
    by_sketch = next(n for n in plan if n.relation == "embedding_coarse")
    assert by_sketch.kind == "Index Only Scan", "the codes are left alone"
    for column in ("tenant_id", "namespace_id", "encoder_id"):
        assert column in by_sketch.condition


@pytest.mark.parametrize("axis", timeline.Axis)
def test_a_timeline_is_counted_from_its_index_alone(service: Database, axis: timeline.Axis) -> None:
    """A page begins where it begins, and no memory is read to count them: the heap of a large namespace is what takes time."""
    part = timeline.Part(axis, NOW, SPACE)
    own = "memory_true" if axis is timeline.Axis.VALID else "memory_learned"
    ((_, bars),) = plans_of(service, lambda s: timeline.bars(s, TENANT, part, bucket=timeline.Bucket.DAY, most=2_001))
    ((_, cells),) = plans_of(service, lambda s: timeline.cells(s, TENANT, part, columns=60, rows=24))
    for plan in (bars, cells):
        (read,) = [n for n in plan if n.relation == "memory"]
        assert (read.kind, read.index in {"memory_true", "memory_learned"}) == ("Index Only Scan", True), read
    ((_, page),) = plans_of(service, lambda s: timeline.moments(s, TENANT, part, after=(NOW, an_id(3, 7)), limit=51))
    (read,) = [n for n in page if n.relation == "memory"]
    assert (read.kind, read.index) == ("Index Scan", own)
    assert "ROW" in read.condition, "from where the page begins"


INDEX_OF = {
    ListOrder.LATEST_OBSERVED: "memory_observed",
    ListOrder.EARLIEST_OBSERVED: "memory_observed",
    ListOrder.LATEST_UPDATED: "memory_updated",
    ListOrder.MOST_IMPORTANT: "memory_important",
}


@pytest.mark.parametrize("order", INDEX_OF)
def test_a_list_in_an_order_begins_in_the_index_of_that_order(service: Database, order: ListOrder) -> None:
    """Without it a page of fifty sorts the whole namespace, and so does the next one."""
    place = Place(IDS[9], 0.5 if order is ListOrder.MOST_IMPORTANT else NOW)
    for after in (None, place):
        ((_, plan),) = plans_of(service, in_space(SPACE, order=order, after=after))
        (read,) = [n for n in plan if n.relation == "memory" and "namespace_id" in n.condition]
        assert (read.kind.startswith("Index"), read.index) == (True, INDEX_OF[order]), read
        assert ("ROW" in read.condition) == (after is not None), "from where the page begins"


def test_doubtful_links_are_counted_from_their_own_index(service: Database) -> None:
    ((_, plan),) = plans_of(service, lambda s: a_report_place(s).links())
    (read,) = [n for n in plan if n.relation == "link"]
    assert read.index == "link_doubt"


def test_keyword_look_ups_read_the_index_alone(service: Database) -> None:
    ((_, plan),) = plans_of(service, HOT["search by keyword"])
    postings = [n for n in plan if n.relation == "posting"]
    assert {n.kind for n in postings} <= {"Index Only Scan"}
    assert all("term" in n.condition for n in postings)


def test_a_sweep_of_retention_reads_what_is_due_and_nothing_else(service: Database) -> None:
    """A hundredth of a namespace is due."""
    ((_, _), (_, plan)) = plans_of(service, HOT["what fades"])
    scans = [n for n in plan if n.relation == "retention" and n.index == "retention_due"]
    assert len(scans) == 3, "due under this policy, looked at under an earlier one, under a later one"
    assert all("policy_id" in n.condition and "namespace_id" in n.condition for n in scans)
    assert any("due_at" in n.condition for n in scans)


def test_workers_find_what_waits_without_reading_what_does_not(service: Database) -> None:
    """Twenty memories wait among 20,000."""
    ((_, plan),) = plans_of(service, HOT["what waits"])
    assert [n.index for n in plan if n.kind == "Index Scan"] == ["memory_pending", "source_pkey"]


def test_erasure_reaches_its_rows_by_index(service: Database) -> None:
    """It works in the background, and may read every trace, stored answer and job of one tenant, but no table as a whole."""
    for statement, plan in plans_of(service, lambda s: erasure.remove(s, TENANT, FEW, now=NOW)):
        shown = statement + "\n".join(map(str, plan))
        assert not [n for n in plan if n.kind == "Seq Scan"], shown
        for node in plan:
            if node.index and not node.index.startswith(("trace", "idempotency_key", "job")):
                assert "id" in node.condition.replace("tenant_id", ""), shown
                assert " AND " in node.condition, shown


ARGUMENTS = {
    "key_hash": "'\\x00'::bytea",
    "at_most": "500",
    "at": "timestamptz '2026-01-01'",
    "version": "1",
    "after_tenant": "'10000000-0000-0000-0000-000000000001'::uuid",
    "after_id": "'10000000-0000-0000-0000-000000000001'::uuid",
    "before": "timestamptz '2026-01-01'",
    "after": "'10000000-0000-0000-0000-000000000001'::uuid",
}
# stale_corpora is left out: its table holds nothing but what is due. So is crowded_namespaces, which compares the sizes of
# all namespaces, every five minutes.
CROSSING = (
    "authenticate_key",
    "due_jobs",
    "due_webhooks",
    "purge_webhook_deliveries",
    "pending_enrichment",
    "expired_memories",
    "outdated_terms",
    "rising_memories",
    "live_kv",
    "stale_parametric",
)


@pytest.mark.parametrize("name", CROSSING)
def test_what_looks_across_tenants_has_an_index_too(roles: RoleUrls, name: str) -> None:
    """Read from the functions as they are; their role is not bound by row level security, and has no tenant to begin with."""
    engine = create_engine(roles.maintenance, poolclass=NullPool)
    with engine.connect() as connection:
        body = connection.scalar(text("SELECT prosrc FROM pg_proc WHERE proname = :name"), {"name": name}) or ""
        for argument, value in ARGUMENTS.items():
            body = re.sub(rf"(?<!\.)\b{argument}\b", lambda _, value=value: value, body)
        plan = explained(connection, body, ())
    engine.dispose()
    assert plan
    # A table of two tenants is read whole by any plan; it is looked into by its key.
    whole = [n for n in plan if n.kind == "Seq Scan" and n.relation != "tenant"]
    assert not whole, body + "\n".join(map(str, plan))
