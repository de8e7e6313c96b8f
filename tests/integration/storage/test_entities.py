"""What memories name, from HTTP through the worker to the rows, and what an erasure leaves of it."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from consolidation import consolidate, enriching
from consolidation.tenancy import Tenancy
from memory_service.analysis.naming import EntityKind, Named
from memory_service.storage import entities
from memory_service.storage.database import Database

Work = Callable[[UUID], None]


@pytest.fixture
def work(database: Database) -> Work:
    """Return a function that does what a worker would."""

    def run(tenant_id: UUID) -> None:
        tenancy = Tenancy(tenant_id, lambda: database.transaction(tenant_id), lambda: datetime.now(UTC))
        with database.transaction(tenant_id) as session:
            queued = session.scalars(
                text("SELECT id FROM job WHERE tenant_id = :t AND status = 'queued' ORDER BY id"), {"t": tenant_id}
            ).all()
        for job_id in queued:
            consolidate.run_job(tenancy, job_id)
        enriching.enrich_pending(tenancy)

    return run


def say(me: Any, *turns: tuple[str, str], **fields: Any) -> list[UUID]:
    """Store turns (speaker, text) one by one and return their ids."""
    made = []
    for speaker, content in turns:
        answer = me.post("/v1/memories", json={"content": content, "speaker": speaker, "session_id": "s", **fields})
        assert answer.status_code == 201, answer.text
        made.append(UUID(answer.json()["id"]))
    return made


def named(database: Database, me: Any, ids: list[UUID], **options: Any) -> list[tuple[str, ...]]:
    with database.transaction(me.tenant_id) as session:
        space = session.scalar(
            text("SELECT id FROM namespace WHERE tenant_id = :t AND path = 'default'"), {"t": me.tenant_id}
        )
        found = entities.naming_of(session, me.tenant_id, [space], ids, **options).result()
    return [found[one].entities if one in found else () for one in ids]


def everything(database: Database, me: Any) -> dict[str, set[str]]:
    """Return the folded names of the entities of a tenant, each with all its names."""
    with database.transaction(me.tenant_id) as session:
        rows = session.execute(
            text(
                "SELECT e.folded, array_agg(n.folded ORDER BY n.folded) AS names FROM entity e JOIN entity_name n "
                "ON n.tenant_id = :t AND n.entity_id = e.id WHERE e.tenant_id = :t GROUP BY e.tenant_id, e.id, e.folded"
            ),
            {"t": me.tenant_id},
        )
        return {row.folded: set(row.names) for row in rows}


def test_mentions_follow_a_write(me: Any, database: Database, work: Work) -> None:
    ids = say(
        me,
        ("Melanie", "I painted a sunset."),
        ("Caroline", "Hey Mel! It pleased Tom and my sister."),
        ("Caroline", "They asked Mel about Lisbon."),
        ("Melanie", "It was dark."),
    )
    assert named(database, me, ids) == [(), (), (), ()]
    work(me.tenant_id)
    # "Mel" alone means her too, once somebody was heard to call her that.
    assert named(database, me, ids) == [("melanie",), ("caroline", "melanie", "tom"), ("lisbon", "melanie"), ()]
    assert everything(database, me) == {
        "melanie": {"mel", "melanie"}, "caroline": {"caroline"}, "tom": {"tom"}, "lisbon": {"lisbon"},
    }  # fmt: skip
    work(me.tenant_id)
    assert named(database, me, ids)[1] == ("caroline", "melanie", "tom")


def test_a_short_name_is_known_to_later_batches(me: Any, database: Database, work: Work) -> None:
    say(me, ("Melanie", "My day was long."), ("Caroline", "Hey Mel!"))
    work(me.tenant_id)
    later = say(me, ("Caroline", "They asked Mel again."))
    work(me.tenant_id)
    assert named(database, me, later) == [("melanie",)]


def test_who_is_named_before_she_speaks_becomes_a_person(me: Any, database: Database, work: Work) -> None:
    say(me, ("Caroline", "They met Melanie."))
    work(me.tenant_id)
    say(me, ("Melanie", "I was there."))
    work(me.tenant_id)
    with database.transaction(me.tenant_id) as session:
        rows = session.execute(
            text("SELECT folded, kind FROM entity WHERE tenant_id = :t AND folded = 'melanie'"), {"t": me.tenant_id}
        ).all()
    assert [tuple(row) for row in rows] == [("melanie", "person")]


def test_roles_are_no_entities_and_stated_names_are(me: Any, database: Database, work: Work) -> None:
    ids = say(me, ("user", "I am here."), entities=["Project Apollo"])
    work(me.tenant_id)
    assert named(database, me, ids) == [("project apollo",)]


def test_new_content_names_others_and_the_past_stays_known(me: Any, database: Database, work: Work) -> None:
    (one,) = say(me, ("user", "We flew to Lisbon."))
    work(me.tenant_id)
    between = datetime.now(UTC)
    assert me.patch(f"/v1/memories/{one}", json={"content": "We flew to Porto."}).status_code == 200
    assert named(database, me, [one]) == [()]
    work(me.tenant_id)
    assert named(database, me, [one]) == [("porto",)]
    assert named(database, me, [one], known=between) == [("lisbon",)]
    assert named(database, me, [one], known=datetime.now(UTC)) == [("porto",)]
    assert named(database, me, [one], known=between - timedelta(days=1)) == [()]


def test_a_new_title_changes_nobody(me: Any, database: Database, work: Work) -> None:
    (one,) = say(me, ("user", "We flew to Lisbon."))
    work(me.tenant_id)
    assert me.patch(f"/v1/memories/{one}", json={"title": "A trip"}).status_code == 200
    work(me.tenant_id)
    assert named(database, me, [one]) == [("lisbon",)]


def test_an_erasure_takes_the_names_that_nobody_else_uses(me: Any, database: Database, work: Work) -> None:
    first, second, third = say(
        me,
        ("Melanie", "I like it."),
        ("Caroline", "Hey Mel! Come to Lisbon and Porto."),
        ("Caroline", "They love Lisbon."),
    )
    work(me.tenant_id)
    assert everything(database, me)["melanie"] == {"mel", "melanie"}
    assert me.delete(f"/v1/memories/{second}?erase=true").status_code == 202
    work(me.tenant_id)
    # Melanie still speaks, but nobody calls her Mel; Lisbon is still named, Porto is not.
    assert everything(database, me) == {"melanie": {"melanie"}, "lisbon": {"lisbon"}}
    for one in (first, third):
        assert me.delete(f"/v1/memories/{one}?erase=true").status_code == 202
    work(me.tenant_id)
    assert everything(database, me) == {}


def test_a_short_name_outlives_the_full_one(me: Any, database: Database, work: Work) -> None:
    spoken, called = say(me, ("Melanie", "I like it."), ("Caroline", "Hey Mel!"))
    work(me.tenant_id)
    assert me.delete(f"/v1/memories/{spoken}?erase=true").status_code == 202
    work(me.tenant_id)
    assert everything(database, me) == {"mel": {"mel"}}
    assert named(database, me, [called]) == [("mel",)]


def test_namespaces_and_tenants_have_entities_of_their_own(
    me: Any, as_tenant: Any, make_tenant: Any, database: Database, work: Work
) -> None:
    other = as_tenant(make_tenant())
    (mine,) = say(me, ("user", "We flew to Lisbon."))
    say(me, ("user", "We flew to Lisbon."), namespace="elsewhere")
    say(other, ("user", "We flew to Lisbon."))
    work(me.tenant_id)
    work(other.tenant_id)
    with database.transaction(me.tenant_id) as session:
        count = session.scalar(text("SELECT count(*) FROM entity WHERE tenant_id = :t"), {"t": me.tenant_id})
        assert count == 2
        space = session.scalar(
            text("SELECT id FROM namespace WHERE tenant_id = :t AND path = 'elsewhere'"), {"t": me.tenant_id}
        )
        assert entities.naming_of(session, me.tenant_id, [space], [mine]).result() == {}
    with database.transaction(other.tenant_id) as session:
        assert session.scalar(text("SELECT count(*) FROM mention")) == 1
    assert named(database, other, [mine]) == [()]


def test_writers_of_the_same_names_do_not_collide(me: Any, database: Database, work: Work) -> None:
    """Two workers find the same names in opposite orders; both commit, and each name is one entity."""
    ids = say(me, *(("user", f"Number {n} is here.") for n in range(8)))
    with database.transaction(me.tenant_id) as session:
        space = session.scalar(text("SELECT id FROM namespace WHERE tenant_id = :t"), {"t": me.tenant_id})
    names = [Named(f"name {n}", f"Name {n}", EntityKind.NAME, ((f"name {n}", f"Name {n}"),)) for n in range(60)]
    together, failures = threading.Barrier(4), []

    def write(number: int) -> None:
        mine = names if number % 2 else names[::-1]
        try:
            for memory in ids[number * 2 : number * 2 + 2]:
                with database.transaction(me.tenant_id) as session:
                    together.wait(10)
                    entities.keep_mentions(session, me.tenant_id, [entities.Mentioned(memory, space, 1, mine)])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    with database.transaction(me.tenant_id) as session:
        counts = [
            session.scalar(text(f"SELECT count(*) FROM {table} WHERE tenant_id = :t"), {"t": me.tenant_id})
            for table in ("entity", "entity_name", "mention")
        ]
    assert counts == [60, 60, 480]


def test_merging_while_others_write_loses_no_mention(me: Any, database: Database, work: Work) -> None:
    say(me, ("Ana", "They met Robert."), ("Ana", "They met Bobby."))
    work(me.tenant_id)
    ids = {one["name"]: one["id"] for one in me.get("/v1/entities").json()["data"]}
    refused = []

    def write() -> None:
        for n in range(6):
            say(me, ("Ana", f"They met Bobby at noon, the {n}th time."))
            work(me.tenant_id)

    def decide() -> None:
        for n in range(8):
            path, body = (
                ("split", {"entity_id": ids["Robert"], "names": ["Bobby"]})
                if n % 2
                else ("merge", {"from": [ids["Bobby"]], "into": ids["Robert"]})
            )
            answer = me.post(f"/v1/entities/{path}", json=body)
            if answer.status_code not in {200, 201}:
                refused.append(answer.json()["code"])

    threads = [threading.Thread(target=write), threading.Thread(target=decide)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work(me.tenant_id)
    # A refusal for being busy may make the next decision impossible; none of them is half done.
    assert set(refused) <= {"busy", "timeout", "entity_merged", "invalid_request"}
    found = {one["name"]: one["mentions"] for one in me.get("/v1/entities").json()["data"]}
    assert found in ({"Robert": 8}, {"Robert": 1, "Bobby": 7})
