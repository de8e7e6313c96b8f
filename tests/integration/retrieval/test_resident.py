"""Namespaces kept in memory follow every change of the database at the next search, over HTTP and in the rows."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import event, text

from consolidation import consolidate, enriching
from consolidation.tenancy import Tenancy
from memory_service.lifecycle import archive
from memory_service.lifecycle.draft import Chunk, Draft, Encoding, Prepared, content_hash, dedupe_hash, said_hash
from memory_service.lifecycle.erase import erase
from memory_service.lifecycle.remember import remember
from memory_service.storage.database import Database
from memory_service.storage.driver import meanwhile
from memory_service.storage.ids import new_id
from memory_service.storage.namespaces import Namespace, find_namespaces
from memory_service.types import Extract
from retrieval.entries import Annotations
from retrieval.reading import annotate, snapshot
from retrieval.resident import Residents
from retrieval.rows import Rows

FACTS = (
    "Ada keeps eleven hives of bees behind the mill.",
    "Bob repaired the roof of the mill in spring.",
    "The choir rehearses on Thursdays at eight.",
    "The bakery sells rye bread on Saturdays only.",
    "Cyd paints boats by the river.",
)


class Memories:
    """The memories of one tenant, over HTTP; every search says which way it took."""

    def __init__(self, me: Any) -> None:
        self.me = me

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.me.request(method, path, **({} if body is None else {"json": body}))
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def remember(self, content: str, **fields: Any) -> str:
        return str(self.ok("POST", "/v1/memories", {"content": content, **fields})["id"])

    def search(self, query: str, *, way: str = "resident", **fields: Any) -> list[Any]:
        answer = self.ok("POST", "/v1/search", {"query": query, "explain": True, **fields})
        assert answer["explain"]["loaded"] == way
        return list(answer["results"])

    def found(self, query: str, **options: Any) -> list[str]:
        return [result["memory"]["id"] for result in self.search(query, **options)]


@pytest.fixture
def mine(me: Any) -> Memories:
    """Return a tenant whose namespace is resident."""
    memories = Memories(me)
    for fact in FACTS:
        memories.remember(fact)
    assert len(memories.found("bees", top_k=50)) == len(FACTS)
    return memories


@pytest.fixture
def keeping(app: FastAPI, client: Any) -> Iterator[Callable[..., Residents]]:
    """Return a function that gives the running application another memory for namespaces."""
    services = app.state.services

    def keep(**options: Any) -> Residents:
        residents = Residents(**{"limit_bytes": 1 << 28, "largest": 50_000, **options})
        app.state.services = replace(services, residents=residents)
        return residents

    yield keep
    app.state.services = services


@pytest.fixture
def work(database: Database) -> Callable[[UUID], None]:
    """Return a function that enriches what waits in a tenant, as a worker does."""

    def run(tenant_id: UUID) -> None:
        tenancy = Tenancy(tenant_id, lambda: database.transaction(tenant_id), lambda: datetime.now(UTC))
        enriching.enrich_pending(tenancy)

    return run


# What is written after a namespace became resident


def test_a_new_memory_is_found_at_once(mine: Memories) -> None:
    new = mine.remember("Eve collects antique typewriters.")
    assert mine.found("Who collects typewriters?")[0] == new


def test_a_correction_is_found_by_its_new_words_only(mine: Memories) -> None:
    memory = mine.found("bees")[0]
    mine.ok("PATCH", f"/v1/memories/{memory}", {"content": "Ada sold every hive and breeds alpacas."})
    (first, *_) = mine.search("alpacas", channels={"keyword": 1})
    assert first["memory"]["id"] == memory
    assert mine.found("eleven bees mill", channels={"keyword": 1}) != [memory]
    assert memory not in mine.found("eleven", channels={"keyword": 1})


def test_archived_and_restored(mine: Memories) -> None:
    memory = mine.found("bees")[0]
    mine.ok("POST", f"/v1/memories/{memory}/archive")
    assert memory not in mine.found("bees", top_k=50)
    mine.ok("POST", f"/v1/memories/{memory}/restore")
    assert mine.found("bees")[0] == memory


def test_an_erased_memory_is_gone(mine: Memories, database: Database) -> None:
    memory = mine.found("bees")[0]
    job = mine.ok("DELETE", f"/v1/memories/{memory}?erase=true")["job_id"]
    tenancy = Tenancy(mine.me.tenant_id, lambda: database.transaction(mine.me.tenant_id), lambda: datetime.now(UTC))
    assert consolidate.run_job(tenancy, UUID(job))
    assert memory not in mine.found("bees", top_k=50)


def test_what_was_archived_and_then_erased_is_held_no_more(mine: Memories, app: FastAPI, database: Database) -> None:
    memory = mine.remember("Eve hides a xylophone.", speaker="Eve")
    assert mine.found("xylophone")[0] == memory

    def held() -> bool:
        rows = resident(app.state.services.residents, database, mine.me.tenant_id)
        assert UUID(memory) not in rows.ids
        return "xylophon" in rows.postings

    mine.ok("POST", f"/v1/memories/{memory}/archive")
    assert held(), "archived, it stays in memory until much has gone"
    job = mine.ok("DELETE", f"/v1/memories/{memory}?erase=true")["job_id"]
    tenancy = Tenancy(mine.me.tenant_id, lambda: database.transaction(mine.me.tenant_id), lambda: datetime.now(UTC))
    assert consolidate.run_job(tenancy, UUID(job))
    assert not held()
    before = resident(app.state.services.residents, database, mine.me.tenant_id)
    assert resident(app.state.services.residents, database, mine.me.tenant_id) is before, "begun anew only once"


def test_a_superseded_memory_knows_it(mine: Memories) -> None:
    old = mine.found("bees")[0]
    new = mine.ok("POST", f"/v1/memories/{old}/supersede", {"content": "Ada keeps twelve hives of bees."})["id"]
    results = {result["memory"]["id"]: result for result in mine.search("How many hives of bees does Ada keep?")}
    assert results[old]["superseded_by"] == new
    assert results[new]["superseded_by"] is None


def test_what_expires_is_not_found_though_nobody_wrote(mine: Memories, app: FastAPI) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    memory = mine.remember("The password of the week is heron.", expires_at=soon)
    assert mine.found("password heron")[0] == memory
    services = app.state.services
    app.state.services = replace(services, clock=lambda: datetime.now(UTC) + timedelta(hours=2))
    try:
        assert memory not in mine.found("password heron", top_k=50)
    finally:
        app.state.services = services


def test_what_a_worker_finds_in_texts_reaches_the_rows(
    mine: Memories, work: Callable[[UUID], None], app: FastAPI, database: Database
) -> None:
    memory = mine.remember("Hey Mel! We met Tom last Friday.", speaker="Caroline", observed_at="2023-05-08T10:00:00Z")
    mine.found("Tom")
    before = resident(app.state.services.residents, database, mine.me.tenant_id)
    assert len(before.spans.row) == 0
    work(mine.me.tenant_id)
    mine.found("Tom")
    rows = resident(app.state.services.residents, database, mine.me.tenant_id)
    row = list(rows.ids).index(UUID(memory))
    friday = datetime(2023, 5, 5, tzinfo=UTC).timestamp()
    assert (row, friday) in zip(rows.spans.row.tolist(), rows.spans.start.tolist(), strict=True)
    named = {rows.entities[e] for r, e in zip(rows.mentions.row, rows.mentions.entity, strict=True) if r == row}
    assert "tom" in named


def test_what_is_found_in_a_text_no_more_leaves_its_row(mine: Memories, database: Database) -> None:
    with database.transaction(mine.me.tenant_id, durable=False) as session:
        [namespace] = find_namespaces(session, mine.me.tenant_id, ["default"]).values()
        gathering = snapshot(
            session, mine.me.tenant_id, [namespace], known=None, at=datetime.now(UTC), archived=False
        )  # fmt: skip
        memory_id = gathering.ids[0]
        assert gathering.unannotated
        gathering.annotate(memory_id, Annotations(spans=((1.0, 2.0),), entities=("ada",)))
        assert len(gathering.rows().mentions.row) == 1
        # The database knows of none.
        annotate(session, mine.me.tenant_id, gathering, [namespace.id], [memory_id])
    rows = gathering.rows()
    assert len(rows.mentions.row) == len(rows.spans.row) == 0


def test_tenants_with_the_same_names_share_nothing(as_tenant: Any, make_tenant: Any) -> None:
    one, other = (Memories(as_tenant(make_tenant())) for _ in range(2))
    secret = one.remember("The safe opens with 4711.", namespace="home")
    public = other.remember("The garden gate opens with a push.", namespace="home")
    for _ in range(2):
        assert one.found("What opens with what?", namespace="home") == [secret]
        assert other.found("What opens with what?", namespace="home") == [public]


def test_filters_hold_for_resident_namespaces(mine: Memories) -> None:
    tagged = mine.remember("Bees sleep in winter.", tags=["winter"], user_id="ada")
    assert mine.found("bees", filter={"tags": {"contains": "winter"}}) == [tagged]
    assert mine.found("bees", user_id="ada") == [tagged]


@pytest.fixture
def held_by_requests(app: FastAPI) -> Iterator[set[int]]:
    """Connections that threads of requests hold just now; what runs in the background may hold its own."""
    pool, held = app.state.services.database.engine.pool, set[int]()

    def taken(connection: Any, *_: Any) -> None:
        if threading.current_thread().name.startswith(("AnyIO worker", "helper")):
            held.add(id(connection))

    def returned(connection: Any, *_: Any) -> None:
        held.discard(id(connection))

    event.listen(pool, "checkout", taken)
    event.listen(pool, "checkin", returned)
    yield held
    event.remove(pool, "checkout", taken)
    event.remove(pool, "checkin", returned)


def test_a_connection_is_held_while_encoding_only_where_nobody_else_searches(
    mine: Memories, app: FastAPI, held_by_requests: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    services = app.state.services
    inner, held = services.batching._inner, list[int]()
    encode = inner.encode

    def noting(texts: Sequence[str]) -> Any:
        vectors = encode(texts)
        give_up = time.monotonic() + (10.0 if services.batching._callers == 1 else 0.0)
        while not held_by_requests and time.monotonic() < give_up:
            time.sleep(0.001)  # the helper takes its connection once there is something computed
        held.append(len(held_by_requests))
        return vectors

    assert mine.found("bees"), "the namespace is kept from here on"
    monkeypatch.setattr(inner, "encode", noting)
    alone = mine.found("bees")
    with services.batching.under_way():
        assert mine.found("bees") == alone
    assert held == [1, 0]
    # Which namespaces these are is asked first; what was written to them is asked beside the encoding all the same.
    assert mine.found("bees", namespace_prefix="default") == alone
    assert held == [1, 0, 1]


# In memory, and out of it


def where(database: Database, tenant_id: UUID, *paths: str) -> list[Namespace]:
    with database.transaction(tenant_id) as session:
        return list(find_namespaces(session, tenant_id, list(paths)).values())


def resident(residents: Residents, database: Database, tenant_id: UUID, *paths: str) -> Rows:
    namespaces = where(database, tenant_id, *(paths or ("default",)))
    with database.transaction(tenant_id) as session:
        return residents.view(session, tenant_id, namespaces, now=datetime.now(UTC).timestamp()).rows


def prepared(content: str) -> Prepared:
    draft = Draft(content, namespace="default", extract=Extract.NONE)
    vector = np.zeros(384, np.float32)
    vector[len(content) % 384] = 1
    hashed = content_hash(draft.content)
    return Prepared(
        draft, datetime.now(UTC), hashed, dedupe_hash(draft), said_hash(None, hashed), tuple(content.split()),
        (Chunk((0, len(content)), vector),),
    )  # fmt: skip


def test_writers_that_commit_out_of_order_are_all_seen(database: Database, make_tenant: Any, encoder_id: int) -> None:
    """The first to begin commits last: a clock or a sequence would have been passed by then."""
    tenant_id, _ = make_tenant()
    encoding = Encoding(lambda texts: np.zeros((0, 0)), lambda text: [], encoder_id)

    def write(session: Any, content: str) -> UUID:
        outcomes = remember(session, tenant_id, [prepared(content)], encoding=encoding, now=datetime.now(UTC))
        return outcomes[0].memory_id

    with database.transaction(tenant_id) as session:
        first = write(session, "there already")
    residents = Residents(limit_bytes=1 << 28, largest=1_000)
    assert set(resident(residents, database, tenant_id).ids) == {first}
    with database.transaction(tenant_id) as slow:
        late = write(slow, "begun early and committed late")
        with database.transaction(tenant_id) as session:
            quick = write(session, "begun late")
        assert set(resident(residents, database, tenant_id).ids) == {first, quick}
    rows = resident(residents, database, tenant_id)
    assert set(rows.ids) == {first, quick, late}
    assert {rows.ids[row] for row in rows.postings["early"].row} == {late}


def test_a_look_that_somebody_else_overtook_is_taken_anew(
    database: Database, make_tenant: Any, encoder_id: int
) -> None:
    tenant_id, _ = make_tenant()
    encoding = Encoding(lambda texts: np.zeros((0, 0)), lambda text: [], encoder_id)

    def write(content: str) -> UUID:
        with database.transaction(tenant_id) as session:
            outcomes = remember(session, tenant_id, [prepared(content)], encoding=encoding, now=datetime.now(UTC))
        return outcomes[0].memory_id

    residents = Residents(limit_bytes=1 << 28, largest=1_000)
    written = {write("there already")}
    namespaces = where(database, tenant_id, "default")
    with database.transaction(tenant_id) as session:
        assert residents.look(session, tenant_id, namespaces) is None, "nothing is kept yet"
    assert set(resident(residents, database, tenant_id).ids) == written
    for overtaken in (False, True):
        with database.transaction(tenant_id) as session:
            written.add(write(f"before the look {overtaken}"))
            look = residents.look(session, tenant_id, namespaces)
            with meanwhile(session):
                if overtaken:
                    written.add(write("after the look"))
                    assert set(resident(residents, database, tenant_id).ids) == written
            now = datetime.now(UTC).timestamp()
            rows = residents.view(session, tenant_id, namespaces, now=now, look=look).rows
        assert set(rows.ids) == written
        assert set(resident(residents, database, tenant_id).ids) == written


def test_a_look_at_what_was_dropped_and_read_anew_says_nothing(me: Any, mine: Memories, database: Database) -> None:
    mine.remember("there already")
    residents = Residents(limit_bytes=1 << 28, largest=1_000)
    resident(residents, database, me.tenant_id)
    gone = mine.remember("archived while somebody encodes")
    namespaces = where(database, me.tenant_id, "default")
    with database.transaction(me.tenant_id) as session:
        look = residents.look(session, me.tenant_id, namespaces)
        with meanwhile(session):
            pass  # The answers of the look are those of this moment.
        residents._kept.clear()
        mine.ok("POST", f"/v1/memories/{gone}/archive")
        resident(residents, database, me.tenant_id)
        now = datetime.now(UTC).timestamp()
        rows = residents.view(session, me.tenant_id, namespaces, now=now, look=look).rows
    assert UUID(gone) not in set(rows.ids)


def test_a_writer_that_rolls_back_leaves_nothing(database: Database, make_tenant: Any, encoder_id: int) -> None:
    tenant_id, _ = make_tenant()
    encoding = Encoding(lambda texts: np.zeros((0, 0)), lambda text: [], encoder_id)
    with database.transaction(tenant_id) as session:
        remember(session, tenant_id, [prepared("kept")], encoding=encoding, now=datetime.now(UTC))
    residents = Residents(limit_bytes=1 << 28, largest=1_000)
    with database.transaction(tenant_id) as session:
        remember(session, tenant_id, [prepared("taken back")], encoding=encoding, now=datetime.now(UTC))
        assert len(resident(residents, database, tenant_id)) == 1
        session.rollback()
    assert len(resident(residents, database, tenant_id)) == 1


def test_nothing_is_read_anew_when_nothing_changed(mine: Memories, app: FastAPI, database: Database) -> None:
    residents = app.state.services.residents
    before = resident(residents, database, mine.me.tenant_id)
    assert resident(residents, database, mine.me.tenant_id) is before
    mine.remember("Something else.")
    after = resident(residents, database, mine.me.tenant_id)
    assert len(after) == len(before) + 1
    assert len(before) == len(FACTS), "rows in use elsewhere stay as they are"


def test_what_was_not_used_for_long_makes_room(me: Any, keeping: Callable[..., Residents], database: Database) -> None:
    now = [1_000.0]
    # Room for five memories as estimated beforehand, and for one namespace as it turns out.
    residents = keeping(limit_bytes=20_000, monotonic=lambda: now[0])
    memories = Memories(me)
    for path in ("first", "second"):
        for fact in FACTS:
            memories.remember(fact, namespace=path)
    assert memories.found("bees", namespace="first")
    assert memories.found("bees", namespace="second", way="snapshot"), "the first is still in use"
    now[0] += 3_600
    wanted = memories.found("bees", namespace="second", top_k=50)
    assert len(wanted) == len(FACTS)
    assert len(residents) == 1
    now[0] += 3_600
    assert len(memories.found("bees", namespace="first", top_k=50)) == len(FACTS), "read again after it was dropped"
    assert len(residents) == 1


def test_what_outgrows_memory_leaves_it(me: Any, keeping: Callable[..., Residents]) -> None:
    residents = keeping(largest=len(FACTS) + 1)
    memories = Memories(me)
    for fact in FACTS:
        memories.remember(fact)
    for _ in range(2):
        memories.search("Who keeps bees?")
    for more, way in (("typewriters", "resident"), ("stamps", "candidates")):
        new = memories.remember(f"Eve collects {more}.")
        assert memories.found(f"Who collects {more}?", way=way)[0] == new
        known = residents.corpora.get((me.tenant_id, ("default",)))
        assert known is not None
        assert known.documents == len(FACTS) + 1 + (way == "candidates"), "the next search begins by what this one saw"
    assert len(residents) == residents.bytes == 0
    memories.search("Who collects stamps?", way="candidates")
    memories.ok("POST", f"/v1/memories/{new}/archive")
    memories.search("Who collects stamps?", way="resident")


def test_what_outgrows_the_bytes_leaves_memory_as_other_processes_would_not_take_it(
    me: Any, keeping: Callable[..., Residents]
) -> None:
    residents = keeping(limit_bytes=20_000)  # five memories, as they are estimated
    memories = Memories(me)
    for fact in FACTS:
        memories.remember(fact)
    for _ in range(2):
        memories.search("Who keeps bees?")
    new = memories.remember("Eve collects typewriters.")
    assert memories.found("Who collects typewriters?", way="snapshot")[0] == new
    assert len(residents) == 0


def test_without_memory_nothing_is_kept_and_the_same_is_found(
    mine: Memories, keeping: Callable[..., Residents]
) -> None:
    questions = ("Who keeps bees?", "What about the roof?", "boats", "Thursdays at eight")
    wanted = [mine.found(question, top_k=50) for question in questions]
    residents = keeping(limit_bytes=0)
    assert [mine.found(question, top_k=50, way="snapshot") for question in questions] == wanted
    assert len(residents) == 0


def test_a_search_that_fails_midway_leaves_no_half_read_namespace(
    mine: Memories, keeping: Callable[..., Residents], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping()
    with monkeypatch.context() as patched:
        patched.setattr("retrieval.resident.annotate", lambda *_, **__: 1 / 0)
        answer = mine.me.post("/v1/search", json={"query": "bees"})
        assert answer.status_code == 500
    assert len(mine.found("bees", top_k=50)) == len(FACTS)


# As of an earlier time, and from candidates


def test_as_known_then_ranks_as_it_did_then(mine: Memories, work: Callable[[UUID], None]) -> None:
    work(mine.me.tenant_id)
    questions = ("Who keeps bees?", "What happened at the mill in spring?", "I like to be near the water.")
    wanted = [mine.search(question, top_k=50) for question in questions]
    then = datetime.now(UTC).isoformat()
    changed, archived = (mine.found(text)[0] for text in ("bees", "choir rehearses"))
    mine.ok("PATCH", f"/v1/memories/{changed}", {"content": "Ada breeds alpacas on Thursdays."})
    mine.ok("POST", f"/v1/memories/{archived}/archive")
    mine.remember("Bees, bees and more bees live at the mill by the water.")
    work(mine.me.tenant_id)
    for question, before in zip(questions, wanted, strict=True):
        again = mine.search(question, top_k=50, way="snapshot", as_of={"known": then})
        assert [one["memory"]["id"] for one in again] == [one["memory"]["id"] for one in before]
        assert [one["score"] for one in again] == pytest.approx([one["score"] for one in before], abs=1e-5)
        assert [one["memory"]["content"] for one in again] == [one["memory"]["content"] for one in before]
    assert mine.found("bees")[0] != changed


def test_what_is_read_whole_for_one_search_fits_with_what_is_archived(
    mine: Memories, keeping: Callable[..., Residents]
) -> None:
    then = datetime.now(UTC).isoformat()
    for memory in mine.found("bees", top_k=50)[1:]:
        mine.ok("POST", f"/v1/memories/{memory}/archive")
    for number in range(len(FACTS)):
        made = mine.remember(f"Eve sold antique typewriter {number}.")
        mine.ok("POST", f"/v1/memories/{made}/archive")
    mine.remember("Eve collects antique typewriters.")
    # Two are live, and eleven are to be read: no more than four times as many as a namespace may have.
    for largest, way in ((3, "snapshot"), (2, "candidates")):
        keeping(largest=largest)
        assert len(mine.found("bees", top_k=50)) == 2
        assert mine.found("choir on Thursdays", way=way, include=["archived"])
        assert mine.found("choir on Thursdays", way=way, as_of={"known": then})


def test_with_the_archive_the_archived_come_back_and_the_expired_do_not(
    mine: Memories, keeping: Callable[..., Residents], app: FastAPI, database: Database
) -> None:
    tenant_id = mine.me.tenant_id
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    archived = mine.remember("The heron password was put away.", expires_at=soon)
    merged = mine.remember("The heron password was said before.")
    over = mine.remember("The heron password holds for an hour.", expires_at=soon)
    for memory in (archived, merged):
        mine.ok("POST", f"/v1/memories/{memory}/archive")
    with database.transaction(tenant_id) as session:
        session.execute(
            text("UPDATE memory SET state = 'merged' WHERE tenant_id = :tenant AND id = :id"),
            {"tenant": tenant_id, "id": merged},
        )
    for swept in (False, True):
        for largest, way in ((50_000, "snapshot"), (2, "candidates")):
            keeping(largest=largest)
            app.state.services = replace(app.state.services, clock=lambda: datetime.now(UTC) + timedelta(hours=2))
            found = mine.found("heron password", way=way, top_k=50, include=["archived"])
            assert {archived, merged} <= set(found), (swept, way)
            assert over not in found, (swept, way)
            if way == "snapshot":
                expired = {"state": "expired"}
                assert mine.found("heron", way=way, include=["archived"], filter=expired) == [over], swept
        with database.transaction(tenant_id) as session:
            archive.expire(session, tenant_id, [UUID(over)], now=datetime.now(UTC) + timedelta(hours=2))


def test_the_explanation_names_the_times_that_a_query_names(mine: Memories) -> None:
    body = {"query": "What did we do in May 2023?", "explain": True}
    (date,) = mine.ok("POST", "/v1/search", body)["explain"]["query"]["dates"]
    assert (date["start"], date["end"]) == ("2023-05-01T00:00:00Z", "2023-06-01T00:00:00Z")


def test_candidates_find_the_same_first(mine: Memories, keeping: Callable[..., Residents]) -> None:
    questions = ("Who keeps bees?", "Who repaired the roof?", "When is choir?", "rye bread", "Who paints boats?")
    wanted = [mine.found(question)[0] for question in questions]
    assert len(set(wanted)) == len(questions)
    keeping(largest=2)
    assert [mine.found(question, way="candidates")[0] for question in questions] == wanted
    new = mine.remember("Eve collects antique typewriters.")
    assert mine.found("Who collects typewriters?", way="candidates")[0] == new


def test_namespaces_without_memories_are_resident_and_empty(database: Database, make_tenant: Any) -> None:
    tenant_id, _ = make_tenant()
    residents = Residents(limit_bytes=1 << 20, largest=10)
    assert not residents.admits(tenant_id, [], 0)
    assert not residents.admits(new_id(), [], 11)


@pytest.fixture
def sent(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What searches sent to the database since, by the beginning of each statement."""
    sent: list[str] = []
    # What is redacted is asked for once a second, by whichever search comes then.
    monkeypatch.setattr("memory_service.storage.redactions.FRESH_S", 1e9)

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # Threads that write and read by the clock: when a key was used, and what upkeep found of KV memories.
        if threading.current_thread().name not in {"last-used", "kv-uses"}:
            sent.append(" ".join(statement.split())[:30])

    engine = app.state.services.database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def is_one_transaction(sent: list[str], *, statements: int) -> bool:
    """Say whether they were sent with the beginning of one transaction, within it and with its end."""
    begins_by_itself = any(one.startswith("BEGIN") for one in sent)
    traces = [one for one in sent if one.startswith("INSERT INTO trace")]
    return len(sent) == statements and sent[-1:] == traces and not begins_by_itself


@pytest.mark.parametrize(("query", "asked"), [("Who paints boats?", 0), ("What did Kate paint with Tom?", 1)])
def test_a_search_of_a_known_namespace_is_one_transaction(
    mine: Memories, sent: list[str], query: str, asked: int
) -> None:
    mine.search("Who keeps bees?")
    sent.clear()
    mine.search(query)
    # What travels with the beginning of the transaction, the records, and what travels with its end.
    assert is_one_transaction(sent, statements=4 + asked), sent


def test_whom_a_name_means_is_known_from_the_search_before(mine: Memories, sent: list[str]) -> None:
    def spoken() -> str:
        sent.clear()
        body = {"query": "Where does Kate live?", "explain": True}
        return str(mine.ok("POST", "/v1/search", body)["explain"]["query"]["spoken"])

    for text_, speaker in (("Hi Kate!", "jo"), ("I live by the canal.", "emi_92"), ("Kate, I know.", "jo")):
        mine.remember(text_, speaker=speaker)
    for _ in range(2):
        assert spoken() == "Where does Kate live?", "twice is not enough for a name"
    assert is_one_transaction(sent, statements=5), sent
    mine.remember("Sleep well, Kate!", speaker="jo")
    assert spoken() == "Where do I live?"
    assert not is_one_transaction(sent, statements=5), "it was read as if the name meant nobody"
    mine.search("Who keeps bees?")
    assert spoken() == "Where do I live?"
    assert is_one_transaction(sent, statements=5), sent
    for _ in range(2):
        mine.remember("Hi Kate! It is me.", speaker="emi_92")
    assert spoken() == "Where does Kate live?"
    assert spoken() == "Where does Kate live?"
    assert is_one_transaction(sent, statements=5), sent


def test_whom_a_name_means_is_forgotten_with_what_is_erased(mine: Memories, app: FastAPI, database: Database) -> None:
    said = [mine.remember(f"Kate, look {n}!", speaker="jo") for n in range(3)]
    mine.remember("I live by the canal.", speaker="emi_92")
    tenant_id, residents = mine.me.tenant_id, app.state.services.residents
    for _ in range(2):
        mine.search("Where does Kate live?")
    spaces = where(database, tenant_id, "default")
    assert residents.called(tenant_id, spaces).get("Kate") == "emi_92"
    with database.transaction(tenant_id) as session:
        assert erase(session, tenant_id, [UUID(said[0])], now=datetime.now(UTC))
    mine.search("Who keeps bees?")
    assert residents.called(tenant_id, spaces).get("Kate") is None


def test_a_prefix_says_nothing_of_the_usual_namespace(mine: Memories, sent: list[str]) -> None:
    mine.remember("A kite is in the tree.", namespace="proj/x")
    for _ in range(2):
        mine.search("Where is the kite?", namespace_prefix="proj")
        sent.clear()
        mine.search("Who keeps bees?")
        assert is_one_transaction(sent, statements=4), sent


def test_a_search_that_looks_back_counts_twice_what_there_is_and_not_more_often(
    mine: Memories, sent: list[str]
) -> None:
    mine.search("Who keeps bees?", way="snapshot", include=["archived"])
    assert len([one for one in sent if one.startswith("SELECT count(*) FROM ( SELECT ")]) == 2, sent


def test_a_query_is_read_by_who_speaks_now(mine: Memories) -> None:
    def spoken() -> str:
        return str(
            mine.ok("POST", "/v1/search", {"query": "What did Dora plant?", "explain": True})["explain"]["query"][
                "spoken"
            ]
        )

    assert [spoken(), spoken()] == ["What did Dora plant?"] * 2
    mine.remember("I planted two pear trees.", speaker="Dora")
    assert spoken() == "What did I plant?"


def test_a_query_is_cut_by_the_languages_there_are_now(mine: Memories) -> None:
    for _ in range(2):
        mine.search("Häuser")
    made = mine.remember("Die Häuser am Fluss sind endlich fertig geworden.", language="de")
    assert mine.found("Wann waren die Häuser fertig?")[0] == made
    assert mine.found("Häuser")[0] == made


def test_a_filter_asked_again_follows_what_ranking_does_not_know(mine: Memories) -> None:
    one, other = (mine.remember(f"Bees sleep in {season}.", tags=[season]) for season in ("winter", "autumn"))
    for _ in range(2):
        assert mine.found("bees sleep", filter={"tags": {"contains": "winter"}}) == [one]
        assert mine.found("bees sleep", filter={"tags": {"contains": "autumn"}}) == [other]
    mine.ok("PATCH", f"/v1/memories/{other}", {"tags": ["autumn", "winter"], "metadata": {"seen": 2}})
    assert set(mine.found("bees sleep", filter={"tags": {"contains": "winter"}})) == {one, other}
    assert mine.found("bees sleep", filter={"metadata.seen": {"gte": 2}}) == [other]
    mine.ok("PATCH", f"/v1/memories/{one}", {"tags": []})
    assert mine.found("bees sleep", filter={"tags": {"contains": "winter"}}) == [other]
