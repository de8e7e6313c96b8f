"""Names that two tenants happen to share mean different things to each of them."""

import threading
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from consolidation import consolidate, enriching
from consolidation.planning import Ask, Plan, Put, ReviewKind, Revise, Step, Structure, Why
from consolidation.records import Ref
from memory_service.api.services import utc_now
from memory_service.api.writing import encoding_of
from memory_service.lifecycle.apply import apply
from memory_service.storage.database import Database
from memory_service.storage.idempotency import try_lock
from memory_service.storage.ids import new_id
from memory_service.storage.keys import hash_secret
from memory_service.storage.namespaces import find_namespace_id
from memory_service.types import Caller


def test_an_idempotency_key_of_another_tenant_is_unused(make_tenant: Any, as_tenant: Any, untouched: Any) -> None:
    body = {
        "content": untouched.content,
        "namespace": untouched.namespace,
        "user_id": untouched.user_id,
        "agent_id": untouched.agent_id,
        "session_id": untouched.session_id,
        "external_id": untouched.external_id,
        "on_conflict": "supersede",
        "speaker": "theirs-speaker",
    }
    headers = {"Idempotency-Key": untouched.idempotency_key}
    replayed = untouched.client.post("/v1/memories", json=body, headers=headers)
    assert replayed.status_code == 422 or replayed.json()["id"] == untouched.memory_id
    me = as_tenant(make_tenant())
    # Equal in every name and byte, and yet neither a replay nor a duplicate nor a conflict.
    answer = me.post("/v1/memories", json=body, headers=headers)
    assert answer.status_code == 201
    assert "idempotent-replayed" not in answer.headers
    assert answer.json()["id"] != untouched.memory_id
    assert answer.json()["version"] == 1
    other = me.post("/v1/memories", json={"content": "another body"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_key_in_flight_elsewhere_blocks_nobody(
    database: Database, maintenance: Engine, ours: Any, untouched: Any
) -> None:
    def caller(household: Any) -> Caller:
        with maintenance.connect() as connection:
            key_id = connection.scalar(
                text("SELECT id FROM api_key WHERE hash = :hash"), {"hash": hash_secret(household.client.key)}
            )
        return Caller(household.tenant_id, key_id, frozenset())

    with database.transaction(untouched.tenant_id) as session:
        assert try_lock(session, caller(untouched), "the-same-key")
        headers = {"Idempotency-Key": "the-same-key"}
        answer = ours.client.post("/v1/memories", json={"content": f"{ours.secret} in flight"}, headers=headers)
        assert answer.status_code == 201
        with database.transaction(untouched.tenant_id) as second:
            assert not try_lock(second, caller(untouched), "the-same-key")


def test_external_ids_and_duplicates_are_looked_for_at_home(make_tenant: Any, as_tenant: Any, untouched: Any) -> None:
    me = as_tenant(make_tenant())
    scope = {name: getattr(untouched, name) for name in ("namespace", "user_id", "agent_id", "session_id")}
    first = me.post("/v1/memories", json={"content": untouched.content, **scope})
    assert first.status_code == 201
    assert me.post("/v1/memories", json={"content": untouched.content, **scope}).status_code == 200
    for policy in ("error", "skip", "supersede"):
        me = as_tenant(make_tenant())
        named = {"external_id": untouched.external_id, "on_conflict": policy, **scope}
        answer = me.post("/v1/memories", json={"content": f"for {policy}", **named})
        assert (answer.status_code, answer.json()["superseded_by"], answer.json()["links_count"]) == (201, None, 0), (
            policy
        )
    turns = {"messages": [{"content": "hello", "external_id": untouched.external_id}], **scope}
    me = as_tenant(make_tenant())
    assert me.post("/v1/messages", json=turns).json()["memories"] != []


CURSORS = (
    ("GET", "/v1/memories?limit=1", None),
    ("GET", "/v1/memories?limit=1&namespace=shared", None),
    ("POST", "/v1/memories/query", {"limit": 1, "filter": {"namespace": "shared"}}),
    ("GET", "/v1/sessions/shared/messages?limit=1", None),
    ("GET", "/v1/users?limit=1", None),
    ("GET", "/v1/agents?limit=1", None),
    ("GET", "/v1/sessions?limit=1", None),
    ("GET", "/v1/namespaces?limit=1", None),
    ("GET", "/v1/jobs?limit=1", None),
    ("GET", "/v1/api-keys?limit=1", None),
    ("GET", "/v1/memories/{id}/versions?limit=1", None),
    ("GET", "/v1/entities?limit=1", None),
    ("GET", "/v1/facts?limit=1", None),
    ("GET", "/v1/links?limit=1", None),
    ("GET", "/v1/saved-queries?limit=1", None),
    ("GET", "/v1/saved-queries?limit=1&namespace=shared", None),
    ("GET", "/v1/policies?history=true&limit=1", None),
    ("GET", "/v1/policies?history=true&limit=1&namespace=shared", None),
    ("GET", "/v1/documents?limit=1", None),
    ("GET", "/v1/documents?limit=1&namespace=shared", None),
    ("GET", "/v1/fusion-weights?limit=1", None),
    ("GET", "/v1/fusion-weights?limit=1&namespace=shared", None),
    ("GET", "/v1/parametric?limit=1", None),
    ("GET", "/v1/parametric?limit=1&namespace=shared", None),
    ("GET", "/v1/episodes?limit=1", None),
    ("GET", "/v1/topics?limit=1", None),
    ("GET", "/v1/communities?limit=1", None),
    ("GET", "/v1/changesets?limit=1", None),
    ("GET", "/v1/changesets?limit=1&namespace=shared", None),
    ("GET", "/v1/erasures?limit=1", None),
    ("GET", "/v1/audit?limit=1", None),
    ("GET", "/v1/reviews?limit=1", None),
    ("GET", "/v1/reviews?limit=1&namespace=shared", None),
    ("GET", "/v1/blocks?limit=1", None),
    ("GET", "/v1/blocks?limit=1&namespace=shared", None),
    ("GET", "/v1/tasks?limit=1", None),
    ("GET", "/v1/tasks?limit=1&namespace=shared", None),
    ("GET", "/v1/webhooks?limit=1", None),
    ("GET", "/v1/webhooks?limit=1&namespace=shared", None),
    ("GET", "/v1/timeline?limit=1", None),
    ("GET", "/v1/timeline?limit=1&namespace=shared&axis=known", None),
    ("GET", "/v1/entities?limit=1&order=mentions", None),
    ("GET", "/v1/entities?limit=1&order=name", None),
)


@pytest.fixture(scope="module")
def twins(client: Any, database: Database, make_tenant: Any, tenant_client: Any, open_tenancy: Any) -> list[Any]:
    """Return two tenants that did exactly the same things."""
    made = []
    for _ in range(2):
        me = tenant_client(client, *make_tenant())
        for number in range(2):
            scope = {
                "namespace": "shared",
                "user_id": f"u{number}",
                "agent_id": f"a{number}",
                "session_id": f"s{number}",
            }
            assert (
                me.post("/v1/memories", json={"content": f"thought {number}. I am vegetarian.", **scope}).status_code
                == 201
            )
            turn = {"messages": [{"content": f"turn {number}"}], "namespace": "shared", "session_id": "shared"}
            assert me.post("/v1/messages", json=turn).status_code == 202
            assert me.put(f"/v1/blocks/b{number}", json={"value": "v", "namespace": "shared"}).status_code == 201
            assert me.post("/v1/tasks", json={"title": "t", "namespace": "shared"}).status_code == 201
            assert me.post("/v1/api-keys", json={"name": "k", "scopes": ["memories:read"]}).status_code == 201
        for number in range(2):
            named = me.post("/v1/memories", json={"content": f"Ada saw Bob {number}.", "namespace": "named"}).json()
            superseding = {"content": f"Ada saw Cyd {number}."}
            assert me.post(f"/v1/memories/{named['id']}/supersede", json=superseding).status_code == 201
        enriching.enrich_pending(open_tenancy(me.tenant_id))
        me.id = me.get("/v1/memories?namespace=shared&user_id=u0").json()["data"][0]["id"]
        assert me.patch(f"/v1/memories/{me.id}", json={"tags": ["x"]}).status_code == 200
        _consolidated(database, me)
        encoding = encoding_of(client.app.state.services)
        reader = replace(open_tenancy(me.tenant_id), open_encoding=lambda encoding=encoding: nullcontext(encoding))
        for number in range(2):
            paper = me.post("/v1/documents", json={"content": f"paper {number}", "namespace": "shared"}).json()
            assert consolidate.run_job(reader, UUID(paper["job_id"]))
        encode = client.app.state.services.batching.encode_query
        learner = replace(open_tenancy(me.tenant_id), open_encoder=lambda _, encode=encode: nullcontext(encode))
        for number in range(2):
            assert me.post("/v1/erasures", json={"ids": [str(new_id())], "namespace": "shared"}).status_code == 202
            question = {"query": f"thought {number}?", "relevant": [me.id], "namespace": "shared"}
            assert me.post("/v1/saved-queries", json=question).status_code == 201
            learning = me.post("/v1/fusion-weights/learn", json={"namespace": "shared"}).json()["job_id"]
            assert consolidate.run_job(learner, UUID(learning))
            path = "/v1/policies/retention?namespace=shared"
            assert me.put(path, json={"protection": number}).status_code == 200
            cube = {"name": f"cube {number}", "namespace": "shared"}
            assert me.post("/v1/parametric", json=cube).status_code == 201
            hook = {"url": "https://shared.example/", "namespace": "shared"}
            assert me.post("/v1/webhooks", json=hook).status_code == 201
        made.append(me)
    return made


BUILT: dict[Structure, dict[str, Any]] = {
    Structure.EPISODE: {
        "user_id": "u0", "agent_id": "a0", "session_id": "s0", "first_memory_id": None, "last_memory_id": None,
        "starts": utc_now(), "ends": utc_now(), "size": 1,
    },
    Structure.TOPIC: {"parent_id": None, "level": 0, "size": 1, "centroid": None},
    Structure.COMMUNITY: {"size": 1, "entity_ids": []},
}  # fmt: skip


def _of(values: dict[str, Any], memory_id: UUID) -> dict[str, Any]:
    """Return the values of a structure made of one memory."""
    ends = {name: memory_id for name in values if name in {"first_memory_id", "last_memory_id"}}
    return {**values, **ends, "members": [memory_id]}


def _consolidated(database: Database, me: Any) -> None:
    """Apply two changesets of two changes and two questions each."""
    why = Why(Step.NOTES, "a test")
    found = me.get("/v1/memories?namespace=shared&limit=2").json()["data"]
    memories = [Ref(UUID(memory["id"]), memory["version"]) for memory in found]
    for number in range(2):
        with database.transaction(me.tenant_id) as session:
            namespace_id = find_namespace_id(session, me.tenant_id, "shared", pointer="/namespace")
            assert namespace_id is not None
            changes = (
                Revise(memories[0], {"title": f"Title {number}"}, why, in_place=True),
                Ask(ReviewKind.LOW_TRUST, (memories[number],), "archive", why),
                *(Put(kind, new_id(), _of(values, memories[0].id), why) for kind, values in BUILT.items()),
            )
            apply(session, me.tenant_id, Plan(namespace_id, changes), now=utc_now())


@pytest.mark.parametrize(("method", "path", "body"), CURSORS)
def test_a_cursor_continues_only_its_owner_s_list(twins: list[Any], method: str, path: str, body: Any) -> None:
    mine, other = twins

    def ask(who: Any, cursor: str) -> Any:
        target = path.format(id=who.id)
        if body is None:
            return who.request(method, f"{target}&cursor={cursor}")
        return who.request(method, target, json={**body, "cursor": cursor})

    target = path.format(id=other.id)
    first = other.request(method, target, **({} if body is None else {"json": body})).json()
    assert first["next_cursor"]
    assert ask(other, first["next_cursor"]).status_code == 200
    refused = ask(mine, first["next_cursor"])
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")


def test_every_paged_list_is_among_the_cursors_above(app: Any) -> None:
    paged = {
        f"{method.upper()} {path}"
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
        if any(p["name"] == "cursor" for p in operation.get("parameters", []))
    }
    tested = {f"{method} {path.split('?')[0]}" for method, path, _ in CURSORS}
    tested |= {"GET /v1/memories/{memory_id}/versions", "GET /v1/sessions/{session_id}/messages"}
    # Lists by one memory or entity are bound to its id, and that id is unknown to others before the cursor is looked at; tenants
    # are listed by operators only.
    tested |= {"GET /v1/documents/{document_id}/memories", "GET /v1/imports/{job_id}/outcomes"}
    tested |= {"GET /v1/memories/{memory_id}/links", "GET /v1/memories/{memory_id}/recalls", "GET /v1/tenants"}
    tested.add("GET /v1/entities/{entity_id}/mentions")
    tested |= {"GET /v1/memories/{memory_id}/facts", "GET /v1/tasks/{task_id}/versions"}
    tested |= {"GET /v1/blocks/{label}/versions"}
    tested.add("GET /v1/erasures/{erasure_id}/items")
    # Encoders are of no tenant. KV memories need files of numbers: tests/integration/kv/test_access.py.
    tested |= {"GET /v1/encoders", "GET /v1/encoders/{encoder_id}/reindex", "GET /v1/kv/engines", "GET /v1/kv/memories"}
    tested.add("GET /v1/webhooks/{webhook_id}/deliveries")
    tested |= {"GET /v1/changesets/{changeset_id}/changes", "GET /v1/jobs/{job_id}/dead-letters"}
    assert paged <= tested


def test_the_same_question_finds_each_tenant_s_own_memories(twins: list[Any]) -> None:
    mine, other = (set(ids(who)) for who in twins)
    assert mine
    assert other
    assert not mine & other


def ids(who: Any) -> list[str]:
    answer = who.post("/v1/search", json={"query": "thought turn", "namespace": "shared", "neighbours": 2})
    found = answer.json()["results"]
    return [r["memory"]["id"] for r in found] + [n["id"] for r in found for n in r["neighbours"]]


def test_tenants_that_write_the_same_at_once_do_not_meet(make_tenant: Any, as_tenant: Any) -> None:
    """Advisory locks, unique indexes and caches are shared by all tenants; what they are about is not."""
    tenants = [as_tenant(make_tenant()) for _ in range(4)]
    answers: list[Any] = []
    barrier = threading.Barrier(len(tenants))

    def write(me: Any) -> None:
        barrier.wait()
        body = {
            "content": "the same thought",
            "external_id": "the same",
            "namespace": "the/same",
            "on_conflict": "error",
        }
        answers.append(me.post("/v1/memories", json=body, headers={"Idempotency-Key": "the-same"}))

    threads = [threading.Thread(target=write, args=(me,)) for me in tenants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * len(tenants)
    assert len({answer.json()["id"] for answer in answers}) == len(tenants)
