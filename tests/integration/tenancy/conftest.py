"""Two tenants with something in every table, and a way to see whether a single row of one of them has changed."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from consolidation import consolidate, enriching
from consolidation.model.accounting import write_down
from consolidation.model.asking import RULES, DeadLetter, Outcome
from consolidation.model.budget import Budget
from consolidation.model.prompts import Task
from consolidation.planning import Ask as AskPerson
from consolidation.planning import Plan, ReviewKind, Revise, Step, Why
from consolidation.records import Ref
from consolidation.tenancy import Tenancy
from memory_service.activation.fingerprint import Fingerprint, Parallelism
from memory_service.api.services import utc_now
from memory_service.api.writing import encoding_of
from memory_service.chat_model.protocol import Usage
from memory_service.lifecycle.apply import apply
from memory_service.storage import kv_plans, kv_upkeep, structure
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.kv_upkeep import Upkeep
from memory_service.storage.namespaces import find_namespaces
from memory_service.storage.precision import move_tiers
from memory_service.types import PrecisionTier

# Partitions are tested by themselves: nobody but their owner may name them.
TENANT_TABLES = """
    SELECT c.relname, CASE c.relname WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND (c.relname = 'tenant' OR EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
    ORDER BY c.relname
"""

Checksum = Callable[[UUID], Mapping[str, tuple[int, str]]]

# A row with its place and its transaction, so that a write of equal values shows, too.
ROW = "concat_ws(' ', t.tableoid, t.ctid, t.xmin, t.*)"
# When a key was used is written behind the requests of its own tenant, at any time.
ROWS = {"api_key": "(to_jsonb(t) - 'last_used_at')::text"}


@dataclass(frozen=True, slots=True)
class Household:
    """One tenant with one of everything that has a name or an id."""

    client: Any
    tenant_id: UUID
    memory_id: str
    older_id: str  # superseded by memory_id
    archived_id: str
    erased_id: str
    queued_job_id: str
    done_job_id: str
    search_id: str
    key_id: str
    entity_id: str
    episode_id: str
    topic_id: str
    community_id: str
    saved_query_id: str
    changeset_id: str
    review_id: str
    document_id: str
    label: str  # of a block
    task_id: str
    step_id: str  # below task_id
    erasure_id: str
    import_job_id: str
    kv_memory_id: str
    kv_plan_id: str
    link_id: str
    webhook_id: str
    delivery_id: str
    namespace: str
    user_id: str
    agent_id: str
    session_id: str
    external_id: str
    idempotency_key: str
    content: str
    secret: str  # a word that stands in every text of this tenant and nowhere else

    @property
    def marks(self) -> dict[str, str]:
        """Return everything by which an answer would show that it knows this tenant."""
        names = self.__dataclass_fields__.keys() - {"client", "content", "idempotency_key"}
        return {name: str(getattr(self, name)) for name in names}


@pytest.fixture(scope="session")
def tenant_tables(maintenance: Engine) -> dict[str, str]:
    """Return every table that holds rows of tenants, with the column that names the tenant; read from the database."""
    with maintenance.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(text(TENANT_TABLES))}


@pytest.fixture(scope="session")
def checksum(maintenance: Engine, tenant_tables: dict[str, str]) -> Checksum:
    """Return a function that counts and sums up every row of one tenant."""

    def sum_up(tenant_id: UUID) -> dict[str, tuple[int, str]]:
        found = {}
        with maintenance.connect() as connection:
            for table, column in tenant_tables.items():
                row = connection.execute(
                    text(
                        "SELECT count(*), coalesce(md5(string_agg(r, '|' ORDER BY r)), '') FROM (SELECT "
                        f"{ROWS.get(table, ROW)} AS r FROM {table} t WHERE {column} = :tenant) x"
                    ),
                    {"tenant": tenant_id},
                ).one()
                found[table] = (row[0], row[1])
        return found

    return sum_up


@pytest.fixture(scope="session")
def open_tenancy(database: Database) -> Callable[[UUID], Tenancy]:
    """Return a function that opens a tenant the way workers do."""
    return lambda tenant_id: Tenancy(tenant_id, lambda: database.transaction(tenant_id), utc_now)


@pytest.fixture(scope="session")
def make_household(
    client: TestClient,
    database: Database,
    make_tenant: Any,
    maintenance: Engine,
    open_tenancy: Callable[[UUID], Tenancy],
    tenant_client: Any,
) -> Callable[..., Household]:
    """Return a function that makes a tenant with at least one row in every table, through the API and the workers."""

    def make(name: str, **options: Any) -> Household:
        tenant_id, key = make_tenant(**options)
        me = tenant_client(client, tenant_id, key)

        def post(path: str, body: Any, **headers: str) -> Any:
            answer = me.post(path, json=body, headers=headers)
            assert answer.status_code < 300, answer.text
            return answer.json()

        secret = f"{name}xyzzy"
        scope = {
            "namespace": f"{name}-space/private",
            "user_id": f"{name}-user",
            "agent_id": f"{name}-agent",
            "session_id": f"{name}-session",
        }
        content = f"The {secret} lighthouse keeper Tomás drinks cold tea in Lisbon."
        old = post(
            "/v1/memories",
            {
                "content": f"{secret}: he drank coffee with Ana yesterday. I am vegetarian.",
                "external_id": f"{name}-external",
                **scope,
            },
        )
        # Read by a worker, so that the tables of what is found in texts have rows; the others wait.
        assert enriching.enrich_pending(open_tenancy(tenant_id), ids=[UUID(old["id"])]) == 1
        named = {"external_id": f"{name}-external", "on_conflict": "supersede", "speaker": f"{name}-speaker"}
        memory = post("/v1/memories", {"content": content, **named, **scope}, **{"Idempotency-Key": f"{name}-idem"})
        assert me.patch(f"/v1/memories/{memory['id']}", json={"tags": [secret]}).status_code == 200
        archived = post("/v1/memories", {"content": f"{secret}: an archived thought.", **scope})
        assert me.delete(f"/v1/memories/{archived['id']}").status_code == 204
        erased = post("/v1/memories", {"content": f"{secret}: a thought to be erased.", **scope})
        erasure = me.delete(f"/v1/memories/{erased['id']}?erase=true").json()
        job = erasure["job_id"]
        assert consolidate.run_job(open_tenancy(tenant_id), UUID(job))
        assert consolidate.seal_audit(open_tenancy(tenant_id))  # what follows waits for its seal
        turns = {"messages": [{"content": f"{secret}: a turn of a conversation.", "name": f"{name}-speaker"}], **scope}
        queued = post("/v1/messages", turns)["job_id"]
        found = post("/v1/search", {"query": secret, "namespace": scope["namespace"], "reinforce": True})
        assert found["results"]
        assert post(f"/v1/traces/{found['search_id']}/feedback", {"memory_id": memory["id"], "useful": True})
        saved = post(
            "/v1/saved-queries", {"query": secret, "relevant": [memory["id"]], "namespace": scope["namespace"]}
        )
        path = f"/v1/policies/retention?namespace={scope['namespace']}"
        assert me.put(path, json={"protection": 0.75}).status_code == 200
        learning = post("/v1/fusion-weights/learn", {"namespace": scope["namespace"]})["job_id"]
        encode = client.app.state.services.batching.encode_query  # type: ignore[attr-defined]
        assert consolidate.run_job(
            replace(open_tenancy(tenant_id), open_encoder=lambda _: nullcontext(encode)), UUID(learning)
        )
        changeset_id, review_id = _consolidated(database, me, memory["id"])
        with database.transaction(tenant_id) as session:
            faded = [(UUID(archived["id"]), PrecisionTier.INT8)]
            assert move_tiers(session, tenant_id, faded, now=utc_now()).moved
        # In a namespace of its own: a write looks for what has expired beside it.
        paper = {"extract": "none", "external_id": f"{name}-document", "namespace": f"{name}-space/papers"}
        document = post("/v1/documents", {"content": f"{secret}: the tide table.", **paper})
        encoding = encoding_of(client.app.state.services)  # type: ignore[attr-defined]
        assert consolidate.run_job(
            replace(open_tenancy(tenant_id), open_encoding=lambda: nullcontext(encoding)), UUID(document["job_id"])
        )
        # Nobody reads this one.
        post("/v1/documents", {"content": f"{secret}: the new tide table.", **paper})
        place = {name: value for name, value in scope.items() if name != "session_id"}
        block = {"value": f"{secret}: a block.", **place}
        assert me.put(f"/v1/blocks/{name}-block", json=block).status_code == 201
        task = post("/v1/tasks", {"title": f"{secret}: a task", "input": secret, **scope})
        first = post("/v1/tasks", {"title": f"{secret}: a step", "parent_id": task["id"]})
        post("/v1/tasks", {"title": "another", "parent_id": task["id"], "depends_on": [first["id"]]})
        # One import that nobody works on: its lines wait.
        waiting = me.post(
            "/v1/imports",
            content=me.post("/v1/exports", json={"namespace": scope["namespace"]}).content,
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert waiting.status_code == 202, waiting.text
        post("/admin/links", {})
        # From one address, more than may log in within a minute.
        client.app.state.services.login_limiter._windows.clear()  # type: ignore[attr-defined]
        post("/admin/session", {"api_key": key})
        client.cookies.clear()  # the client is shared, and sends keys
        hook = post("/v1/webhooks", {"url": f"https://{secret}.example/", "namespace": scope["namespace"]})
        delivery = post(f"/v1/webhooks/{hook['id']}/ping", {})
        granted = post("/v1/api-keys", {"name": f"{secret} key", "scopes": ["memories:read"]})
        with maintenance.begin() as connection:
            # Only a namespace with hundreds of documents has common terms.
            connection.execute(
                text(
                    "INSERT INTO term_stat (tenant_id, namespace_id, term, df) "
                    "SELECT tenant_id, id, :term, 900 FROM namespace WHERE tenant_id = :tenant"
                ),
                {"term": secret, "tenant": tenant_id},
            )
            # One that was given up: with a second encoder under way every write would need its model.
            connection.execute(
                text(
                    "INSERT INTO reindex (tenant_id, namespace_id, from_encoder_id, to_encoder_id, from_shelf, state, job_id, "
                    "started_at) SELECT tenant_id, id, encoder_id, encoder_id, shelf, 'given_up', id, created_at "
                    "FROM namespace WHERE tenant_id = :tenant AND path = :path"
                ),
                {"tenant": tenant_id, "path": scope["namespace"]},
            )
        unusable = DeadLetter(Task.FACTS, "a-model", f"Well, {secret}!", "no JSON", (UUID(memory["id"]),))
        asked: Outcome[Any] = Outcome(
            Task.FACTS, (), RULES, "no JSON", frozenset(), Budget(0), "a-model", Usage(1, 9, 9), (), (unusable,)
        )
        with open_tenancy(tenant_id).open() as session:
            write_down(session, tenant_id, asked, job_id=UUID(queued), now=utc_now(), ttl=timedelta(days=1))
        kv_memory_id, kv_plan_id = _plan_kv(open_tenancy(tenant_id), me, scope["namespace"], memory, secret)
        client.app.state.services.kv.uses.flush()  # type: ignore[attr-defined]
        (entity,) = [one for one in me.get("/v1/entities").json()["data"] if one["name"] == "Ana"]
        built = _build(open_tenancy(tenant_id), scope["namespace"], UUID(memory["id"]), UUID(entity["id"]), secret)
        return Household(
            client=me,
            entity_id=entity["id"],
            episode_id=str(built["episode"]),
            topic_id=str(built["topic"]),
            community_id=str(built["community"]),
            saved_query_id=saved["id"],
            changeset_id=changeset_id,
            review_id=review_id,
            document_id=document["document_id"],
            label=f"{name}-block",
            task_id=task["id"],
            step_id=first["id"],
            erasure_id=erasure["erasure_id"],
            import_job_id=waiting.json()["job_id"],
            kv_memory_id=kv_memory_id,
            kv_plan_id=kv_plan_id,
            link_id=me.get(f"/v1/memories/{memory['id']}/links").json()["data"][0]["id"],
            webhook_id=hook["id"],
            delivery_id=delivery["id"],
            tenant_id=tenant_id,
            memory_id=memory["id"],
            older_id=old["id"],
            archived_id=archived["id"],
            erased_id=erased["id"],
            queued_job_id=queued,
            done_job_id=job,
            search_id=found["search_id"],
            key_id=granted["id"],
            external_id=f"{name}-external",
            idempotency_key=f"{name}-idem",
            content=content,
            secret=secret,
            **scope,
        )

    return make


def _consolidated(database: Database, me: Any, memory_id: str) -> tuple[str, str]:
    """Apply a changeset that computes a title, asks a person and leaves work to the tiers above; return it and the review."""
    why = Why(Step.NOTES, "a test")
    memory = Ref(UUID(memory_id), me.get(f"/v1/memories/{memory_id}").json()["version"])
    with database.transaction(me.tenant_id) as session:
        namespace_id = session.scalar(
            text("SELECT namespace_id FROM memory WHERE tenant_id = :tenant AND id = :id"),
            {"tenant": me.tenant_id, "id": memory.id},
        )
        changes = (
            Revise(memory, {"title": "A title"}, why, in_place=True),
            AskPerson(ReviewKind.LOW_TRUST, (memory,), "archive", why),
        )
        changeset_id = apply(session, me.tenant_id, Plan(namespace_id, changes, (memory,)), now=utc_now())
    (review,) = me.get("/v1/reviews").json()["data"]
    return str(changeset_id), review["id"]


def _plan_kv(tenancy: Tenancy, me: Any, path: str, memory: Mapping[str, Any], secret: str) -> tuple[str, str]:
    """Announce an engine, keep a plan for it in which one memory stands, and save its block; return ids of block and plan."""
    fields = {name: secret for name in ("dtype", "kv_dtype", "isa", "layout", "engine", "engine_version")}
    fingerprint = Fingerprint(
        weights="0" * 64, config="0" * 64, tokenizer="0" * 64, chat_template=None, block_size=16,
        parallelism=Parallelism(), **fields,
    )  # fmt: skip
    body = {**asdict(fingerprint), "model": f"{secret} model", "bytes_per_token": 1024}
    assert me.put(f"/v1/kv/engines/{fingerprint.digest()}", json=body).status_code == 201
    now, version = utc_now(), me.get(f"/v1/memories/{memory['id']}").json()["version"]
    with tenancy.open() as session:
        kv_upkeep.add(session, tenancy.tenant_id, Upkeep(orphans=1), now=now)
        namespace_id = find_namespaces(session, tenancy.tenant_id, [path])[path].id
        plan = kv_plans.KvPlan(
            new_id(), namespace_id, fingerprint.digest(), f"{secret} model", 16, "1" * 64, "2" * 64, 16, ("3" * 64,), 1,
            now, now + timedelta(hours=1),
        )  # fmt: skip
        source = kv_plans.PlanSource(UUID(memory["id"]), version, "user", 0, 16, 0)
        kv_plans.keep_plan(session, tenancy.tenant_id, plan, [source])
    table = json.dumps({"layer.0": {"dtype": "U8", "shape": [1, 4], "data_offsets": [0, 4]}}).encode()
    data = len(table).to_bytes(8, "little") + table + bytes(4)
    asked = {
        "plan_id": str(plan.id), "engine": fingerprint.digest(), "first_block": 0, "count": 1,
        "checksum": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    headers = {"Content-Type": "application/octet-stream"}
    saved = me.post("/v1/kv/memories", params=asked, content=data, headers=headers)
    assert saved.status_code == 201, saved.text
    assert me.put("/v1/kv/quota", json={"bytes": 1_000_000, "namespace": path}).status_code == 200
    hashes = {"engine": fingerprint.digest(), "block_hashes": list(plan.block_hashes)}
    assert me.post("/v1/kv/blocks/lookup", json=hashes).json()["stored"] == 1
    assert me.get(f"/v1/kv/memories/{saved.json()['id']}/blob").status_code == 200
    return saved.json()["id"], str(plan.id)


def _build(tenancy: Tenancy, path: str, memory_id: UUID, entity_id: UUID, secret: str) -> dict[str, UUID]:
    """Put one row into every structure, made of one memory; return their ids."""
    ids = {name: new_id() for name in structure.TABLES}
    now = utc_now()
    rows: dict[str, dict[str, Any]] = {
        "episode": {
            "user_id": f"{secret}-user", "agent_id": None, "session_id": f"{secret}-session", "first_memory_id": memory_id,
            "last_memory_id": memory_id, "starts": now, "ends": now, "size": 1,
        },
        "topic": {"parent_id": None, "level": 0, "size": 1, "centroid": None},
        "gist": {
            "target_structure": "episode", "target_id": ids["episode"], "text": f"{secret}: a gist.", "keywords": [secret],
            "spans": [[str(memory_id), 1, 0, 1]],
        },
        "community": {"size": 1, "entity_ids": [entity_id]},
        "profile": {
            "user_id": f"{secret.removesuffix('xyzzy')}-user",
            "lines": [{"section": "static", "text": f"{secret}: a line.", "memory_ids": [str(memory_id)]}],
        },
    }  # fmt: skip
    with tenancy.open() as session:
        namespace_id = find_namespaces(session, tenancy.tenant_id, [path])[path].id
        for name, values in rows.items():
            whole = {**values, "method": "rules", "members": [memory_id]}
            assert structure.put(
                session, tenancy.tenant_id, namespace_id, name, ids[name], whole, changeset_id=None, now=now
            )
    return ids


@pytest.fixture(scope="session")
def ours(make_household: Callable[..., Household]) -> Household:
    """Return the tenant whose key the attacks use."""
    return make_household("ours")


@pytest.fixture(scope="session")
def theirs(make_household: Callable[..., Household], checksum: Checksum, tenant_tables: dict[str, str]) -> Household:
    """Return the tenant that must neither be seen nor touched; it has rows in every table."""
    made = make_household("theirs")
    empty = [table for table, (rows, _) in checksum(made.tenant_id).items() if not rows]
    assert not empty, f"no rows to protect in {empty}: let make_household fill them"
    return made


@pytest.fixture
def untouched(theirs: Household, checksum: Checksum) -> Any:
    """Check around a test that no row of the other tenant was written."""
    before = checksum(theirs.tenant_id)
    yield theirs
    after = checksum(theirs.tenant_id)
    changed = [table for table in before if before[table] != after[table]]
    assert not changed, f"rows of another tenant were written in {changed}"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that names something of a tenant, and what a stranger must be told.

    `want` is "absent" (404), "nothing" (200 without a single row), "refused" (the status given), or "own" (2xx about the
    asker's own things).
    """

    want: str
    path: str
    json: Any = None
    status: int = 404


MEMORY = "/v1/memories/{memory_id}"


def _asks(about: Household, asker: Household) -> dict[str, list[Ask]]:
    """Return for every operation of the API the requests that name what belongs to `about`."""
    h = about
    ids = (h.memory_id, h.older_id, h.archived_id, h.erased_id)
    space = h.namespace.replace("/", "%2F")
    every = [
        {"user_id": h.user_id},
        {"agent_id": h.agent_id},
        {"session_id": h.session_id},
        {"external_id": h.external_id},
    ]
    search = {"query": h.secret}

    def each(path: str, body: Any = None) -> list[Ask]:
        return [Ask("absent", path.format(memory_id=i), body) for i in ids]

    def elsewhere(path: str) -> list[Ask]:
        return [
            *(Ask("absent", path, {**search, "namespace": n}) for n in (h.namespace,)),
            Ask("absent", path, {**search, "namespaces": ["default", h.namespace]}),
            Ask("absent", path, {**search, "namespace_prefix": h.namespace.split("/")[0]}),
            *(Ask("nothing", path, {**search, **scope}) for scope in every[:3]),
            Ask("nothing", path, {**search, "filter": {"id": {"in": list(ids)}}}),
            Ask("nothing", path, {**search, "filter": {"namespace": h.namespace}, "include": ["archived"]}),
            Ask(
                "nothing",
                path,
                {**search, "filter": {"NOT": {"namespace": "default"}}, "neighbours": 3, "explain": True},
            ),
        ]

    def in_namespace(path: str) -> list[Ask]:
        return [Ask("absent", f"{path}?namespace={space}")]

    return {
        "POST /v1/search": elsewhere("/v1/search"),
        "POST /v1/context": [
            *elsewhere("/v1/context"),
            Ask(
                "nothing",
                "/v1/context",
                {**search, "user_id": h.user_id, "agent_id": h.agent_id, "include_blocks": True},
            ),
            Ask("absent", "/v1/context", {**search, "namespace": h.namespace, "include_blocks": [h.label]}),
        ],
        # No model is configured here; tests/integration/chat attacks the proxy with one behind it.
        "POST /openai/v1/chat/completions": [
            Ask(
                "refused",
                "/openai/v1/chat/completions",
                {
                    "messages": [{"role": "user", "content": search["query"]}],
                    "memory": {"namespace": h.namespace, "user_id": h.user_id},
                },
                404,
            )
        ],
        "GET /openai/v1/models": [Ask("refused", "/openai/v1/models", None, 404)],
        "GET /v1/traces/{search_id}": [Ask("absent", f"/v1/traces/{h.search_id}")],
        "POST /v1/traces/{search_id}/feedback": [
            Ask("absent", f"/v1/traces/{h.search_id}/feedback", {"memory_id": h.memory_id, "useful": True}),
            Ask("refused", f"/v1/traces/{asker.search_id}/feedback", {"memory_id": h.memory_id, "useful": False}, 422),
        ],
        "DELETE /v1/traces/{search_id}/feedback/{memory_id}": [
            Ask("absent", f"/v1/traces/{h.search_id}/feedback/{asker.memory_id}"),
            *(
                Ask("absent", f"/v1/traces/{search_id}/feedback/{i}")
                for search_id in (h.search_id, asker.search_id)
                for i in ids
            ),
        ],
        "POST /v1/traces/{search_id}/why-not": [
            Ask("absent", f"/v1/traces/{h.search_id}/why-not", {"memory_id": asker.memory_id}),
            *(Ask("absent", f"/v1/traces/{asker.search_id}/why-not", {"memory_id": i}) for i in ids),
        ],
        "GET /v1/memories": [
            *in_namespace("/v1/memories"),
            *(Ask("nothing", f"/v1/memories?{name}={value}") for scope in every for name, value in scope.items()),
            Ask("nothing", f"/v1/memories?run_id={h.session_id}"),
            Ask("nothing", f"/v1/memories?tags={h.secret}"),
        ],
        "POST /v1/memories/query": [
            Ask("absent", "/v1/memories/query", {"namespace": h.namespace}),
            *(Ask("nothing", "/v1/memories/query", {"filter": scope}) for scope in every),
            Ask("nothing", "/v1/memories/query", {"filter": {"id": {"in": list(ids)}}}),
            Ask("nothing", "/v1/memories/query", {"filter": {"namespace": {"contains": h.namespace}}}),
            Ask("nothing", "/v1/memories/query", {"filter": {"content": {"icontains": h.secret}}}),
        ],
        "POST /v1/memories": [
            Ask(
                "own",
                "/v1/memories",
                {"content": f"{asker.secret} copy", "external_id": h.external_id, "namespace": n, "on_conflict": c},
            )
            for n, c in (("default", "error"), (h.namespace, "supersede"))
        ],
        "POST /v1/memories/batch": [
            Ask(
                "own",
                "/v1/memories/batch",
                {"items": [{"content": f"{asker.secret} batch", "external_id": h.external_id}]},
            ),
        ],
        "POST /v1/messages": [
            Ask("own", "/v1/messages", {"session_id": h.session_id, "messages": [{"content": f"{asker.secret} turn"}]}),
        ],
        "POST /v1/documents": [
            Ask("own", "/v1/documents", {"content": f"{asker.secret} paper", "external_id": f"{h.external_id}-paper"}),
        ],
        "GET /v1/documents": in_namespace("/v1/documents"),
        "GET /v1/documents/{document_id}": [Ask("absent", f"/v1/documents/{h.document_id}")],
        "GET /v1/documents/{document_id}/memories": [Ask("absent", f"/v1/documents/{h.document_id}/memories")],
        "DELETE /v1/documents/{document_id}": [
            Ask("absent", f"/v1/documents/{h.document_id}"),
            Ask("absent", f"/v1/documents/{h.document_id}?erase=true"),
        ],
        **{
            f"POST /v1/memories/{change}": [
                Ask("absent", f"/v1/memories/{change}", {"ids": list(ids), "namespace": h.namespace}),
                Ask("nothing", f"/v1/memories/{change}", {"ids": list(ids)}),
                Ask("nothing", f"/v1/memories/{change}", {"ids": list(ids), "dry_run": True}),
                Ask("nothing", f"/v1/memories/{change}", {"filter": {"user_id": h.user_id}}),
                Ask("nothing", f"/v1/memories/{change}", {"filter": {"namespace": h.namespace}}),
            ]
            for change in ("archive", "restore")
        },
        "POST /v1/erasures": [
            Ask("absent", "/v1/erasures", {"ids": list(ids), "namespace": h.namespace}),
            Ask("absent", "/v1/erasures", {"filter": {}, "namespace": h.namespace, "dry_run": True}),
            Ask("nothing", "/v1/erasures", {"ids": list(ids), "dry_run": True}),
            Ask("nothing", "/v1/erasures", {"filter": {"user_id": h.user_id}, "dry_run": True}),
            Ask("nothing", "/v1/erasures", {"filter": {"namespace": h.namespace}, "dry_run": True}),
            *(Ask("nothing", "/v1/erasures", {**scope, "dry_run": True}) for scope in every[:3]),
            Ask("own", "/v1/erasures", {"ids": list(ids)}),
            *(Ask("own", "/v1/erasures", scope) for scope in every[:3]),
        ],
        **{
            f"DELETE /v1/{kind}/{{{column}}}": [
                Ask("absent", f"/v1/{kind}/{getattr(h, column)}"),
                Ask("absent", f"/v1/{kind}/{getattr(h, column)}?erase=true"),
                Ask("absent", f"/v1/{kind}/{getattr(asker, column)}?namespace={space}"),
            ]
            for kind, column in (("users", "user_id"), ("agents", "agent_id"), ("sessions", "session_id"))
        },
        "GET /v1/audit": [Ask("nothing", f"/v1/audit?actor={h.key_id}"), Ask("own", "/v1/audit")],
        # A session and a link name nobody; tests/integration/admin attacks them.
        "POST /admin/session": [Ask("refused", "/admin/session", {"token": "msl_" + h.secret}, 401)],
        "GET /admin/session": [Ask("refused", "/admin/session", None, 401)],
        "DELETE /admin/session": [Ask("refused", "/admin/session", None, 401)],
        "POST /admin/links": [Ask("own", "/admin/links", {})],
        "GET /v1/timeline": [
            *in_namespace("/v1/timeline"),
            Ask("own", "/v1/timeline"),
            Ask("own", "/v1/timeline?axis=known"),
        ],
        "GET /v1/timeline/plane": [*in_namespace("/v1/timeline/plane"), Ask("own", "/v1/timeline/plane")],
        "GET /v1/health-report": [*in_namespace("/v1/health-report"), Ask("own", "/v1/health-report")],
        "GET /v1/usage": [*in_namespace("/v1/usage"), Ask("own", "/v1/usage")],
        "GET /v1/audit/verify": [Ask("own", "/v1/audit/verify")],
        "GET /v1/erasures": in_namespace("/v1/erasures"),
        **{
            f"GET /v1/erasures/{{erasure_id}}{view}": [Ask("absent", f"/v1/erasures/{h.erasure_id}{view}")]
            for view in ("", "/items")
        },
        f"GET {MEMORY}": each(MEMORY) + each(MEMORY + "?as_of=2100-01-01T00:00:00Z"),
        f"PATCH {MEMORY}": each(MEMORY, {"content": "defaced"}) + each(MEMORY, {"pinned": True}),
        f"DELETE {MEMORY}": each(MEMORY) + each(MEMORY + "?erase=true"),
        f"POST {MEMORY}/supersede": each(MEMORY + "/supersede", {"content": "a usurper"}),
        **{
            f"POST {MEMORY}/{verb}": each(f"{MEMORY}/{verb}")
            for verb in ("archive", "restore", "pin", "unpin", "reinstate")
        },
        **{
            f"GET {MEMORY}/{view}": each(f"{MEMORY}/{view}")
            for view in ("versions", "provenance", "links", "retention", "recalls", "facts")
        },
        f"GET {MEMORY}/diff": each(MEMORY + "/diff?from=1&to=2"),
        "GET /v1/sessions/{session_id}/messages": [
            Ask("nothing", f"/v1/sessions/{h.session_id}/messages"),
            Ask("absent", f"/v1/sessions/{h.session_id}/messages?namespace={space}"),
        ],
        **{
            f"GET /v1/{name}": in_namespace(f"/v1/{name}")
            for name in (
                "users",
                "agents",
                "sessions",
                "jobs",
                "entities",
                "facts",
                "links",
                "episodes",
                "topics",
                "communities",
                "saved-queries",
                "fusion-weights",
                "changesets",
                "reviews",
            )
        },
        "GET /v1/changesets/{changeset_id}": [Ask("absent", f"/v1/changesets/{h.changeset_id}")],
        "GET /v1/changesets/{changeset_id}/changes": [Ask("absent", f"/v1/changesets/{h.changeset_id}/changes")],
        "POST /v1/changesets/{changeset_id}/revert": [Ask("absent", f"/v1/changesets/{h.changeset_id}/revert", {})],
        "GET /v1/reviews/{review_id}": [Ask("absent", f"/v1/reviews/{h.review_id}")],
        **{
            f"POST /v1/reviews/{{review_id}}/{verb}": [Ask("absent", f"/v1/reviews/{h.review_id}/{verb}")]
            for verb in ("approve", "decline", "undo")
        },
        "POST /v1/consolidations": [Ask("absent", "/v1/consolidations", {"namespace": h.namespace})],
        "POST /v1/saved-queries": [
            Ask("absent", "/v1/saved-queries", {"query": "q", "relevant": [h.memory_id], "namespace": h.namespace}),
            Ask(
                "refused",
                "/v1/saved-queries",
                {"query": "q", "relevant": [h.memory_id], "namespace": asker.namespace},
                422,
            ),
        ],
        "GET /v1/saved-queries/{query_id}": [Ask("absent", f"/v1/saved-queries/{h.saved_query_id}")],
        "DELETE /v1/saved-queries/{query_id}": [Ask("absent", f"/v1/saved-queries/{h.saved_query_id}")],
        **{
            f"POST /v1/fusion-weights/{verb}": [Ask("absent", f"/v1/fusion-weights/{verb}", {"namespace": h.namespace})]
            for verb in ("learn", "revert")
        },
        "GET /v1/policies": in_namespace("/v1/policies"),
        **{
            f"{method} /v1/policies/{{kind}}": [Ask("absent", f"/v1/policies/retention?namespace={space}", body)]
            for method, body in (("GET", None), ("PUT", {}), ("PATCH", {}), ("DELETE", None))
        },
        **{
            f"{method} /v1/policies/fusion": [Ask("absent", f"/v1/policies/fusion?namespace={space}", body)]
            for method, body in (("GET", None), ("PUT", {}), ("DELETE", None))
        },
        **{
            f"{method} /v1/policies/redaction": [Ask("absent", f"/v1/policies/redaction?namespace={space}", body)]
            for method, body in (("GET", None), ("PUT", {}), ("DELETE", None))
        },
        "POST /v1/policies/redaction/simulate": [
            Ask("absent", "/v1/policies/redaction/simulate", {"namespace": h.namespace})
        ],
        "POST /v1/policies/simulate": [Ask("absent", "/v1/policies/simulate", {"namespace": h.namespace})],
        **{
            f"GET {path}": [
                *(Ask("absent", f"{path}?depth=3&seed={i}") for i in (*ids, h.entity_id, h.episode_id, h.topic_id)),
                Ask("absent", f"{path}?namespace={space}"),
                Ask("absent", f"{path}?namespace={space}&query={h.secret}"),
                Ask("absent", f"{path}?depth=3&seed={h.memory_id}&known_at=2100-01-01T00:00:00Z"),
                Ask("own", f"{path}?begin=10000&limit=10000&depth=3"),
            ]
            for path in ("/v1/graph", "/v1/graph/picture")
        },
        "POST /v1/graph/edges": [
            Ask("nothing", "/v1/graph/edges", {"nodes": [*ids, h.entity_id, h.episode_id, h.topic_id, h.community_id]}),
            Ask("absent", "/v1/graph/edges", {"nodes": [*ids], "namespace": h.namespace}),
        ],
        "GET /v1/episodes/{episode_id}": [Ask("absent", f"/v1/episodes/{h.episode_id}")],
        "GET /v1/topics/{topic_id}": [Ask("absent", f"/v1/topics/{h.topic_id}")],
        "GET /v1/communities/{community_id}": [Ask("absent", f"/v1/communities/{h.community_id}")],
        "GET /v1/profiles/{user_id}": [
            Ask("absent", f"/v1/profiles/{h.user_id}"),
            Ask("absent", f"/v1/profiles/{asker.user_id}?namespace={space}"),
        ],
        "GET /v1/entities/{entity_id}": [Ask("absent", f"/v1/entities/{h.entity_id}")],
        "GET /v1/entities/{entity_id}/mentions": [Ask("absent", f"/v1/entities/{h.entity_id}/mentions")],
        "POST /v1/entities/merge": [
            Ask("absent", "/v1/entities/merge", {"from": [h.entity_id], "into": asker.entity_id, "namespace": path})
            for path in (h.namespace, asker.namespace)
        ]
        + [
            Ask(
                "absent",
                "/v1/entities/merge",
                {"from": [asker.entity_id], "into": h.entity_id, "namespace": asker.namespace},
            )
        ],
        "POST /v1/entities/split": [
            Ask("absent", "/v1/entities/split", {"entity_id": h.entity_id, "names": ["Tomás"], "namespace": path})
            for path in (h.namespace, asker.namespace)
        ],
        **_asks_of_kv_plans(h, asker),
        **_asks_of_webhooks(h, asker, space),
        "POST /v1/links": [
            Ask("absent", "/v1/links", {"from": one, "to": other, "type": "supports"})
            for one, other in (
                (h.memory_id, h.older_id),
                (asker.memory_id, h.memory_id),
                (h.memory_id, asker.memory_id),
                (asker.memory_id, h.erased_id),
            )
        ],
        "DELETE /v1/links/{link_id}": [Ask("absent", f"/v1/links/{h.link_id}")],
        **_asks_of_blocks(h, asker, space),
        **_asks_of_tasks(h, asker),
        "GET /v1/namespaces": [Ask("nothing", f"/v1/namespaces?prefix={space}")],
        "POST /v1/namespaces": [Ask("own", "/v1/namespaces", {"path": h.namespace})],
        "GET /v1/namespaces/{path}": [Ask("absent", f"/v1/namespaces/{space}")],
        "PATCH /v1/namespaces/{path}": [Ask("absent", f"/v1/namespaces/{space}", {"settings": {"extract": "none"}})],
        "POST /v1/exports": [
            Ask("absent", "/v1/exports", {"namespace": h.namespace}),
            Ask("absent", "/v1/exports", {"namespaces": ["default", h.namespace]}),
            Ask("absent", "/v1/exports", {"namespace_prefix": h.namespace.split("/")[0]}),
            *(Ask("nothing", "/v1/exports", {"filter": scope}) for scope in every),
            Ask("nothing", "/v1/exports", {"filter": {"id": {"in": list(ids)}}}),
            Ask("nothing", "/v1/exports", {"filter": {"content": {"icontains": h.secret}}}),
        ],
        # A bundle is a file; what one of another tenant's ids may do stands in tests/integration/transfer.
        "POST /v1/imports": [Ask("refused", "/v1/imports", {}, 415)],
        "GET /v1/imports/{job_id}/outcomes": [
            Ask("absent", f"/v1/imports/{i}/outcomes") for i in (h.import_job_id, h.queued_job_id)
        ],
        "GET /v1/jobs/{job_id}": [Ask("absent", f"/v1/jobs/{i}") for i in (h.queued_job_id, h.done_job_id)],
        "GET /v1/jobs/{job_id}/dead-letters": [
            Ask("absent", f"/v1/jobs/{i}/dead-letters") for i in (h.queued_job_id, h.done_job_id)
        ],
        "GET /v1/jobs/{job_id}/events": [Ask("absent", f"/v1/jobs/{h.done_job_id}/events")],
        "POST /v1/jobs/{job_id}/cancel": [Ask("absent", f"/v1/jobs/{h.queued_job_id}/cancel")],
        "POST /v1/jobs/{job_id}/retry": [Ask("absent", f"/v1/jobs/{h.queued_job_id}/retry")],
        "POST /v1/api-keys": [Ask("own", "/v1/api-keys", {"name": asker.secret, "scopes": ["memories:read"]})],
        "GET /v1/api-keys": [Ask("own", "/v1/api-keys")],
        "GET /v1/api-keys/{key_id}": [Ask("absent", f"/v1/api-keys/{h.key_id}")],
        "DELETE /v1/api-keys/{key_id}": [Ask("absent", f"/v1/api-keys/{h.key_id}")],
        "POST /v1/api-keys/{key_id}/rotate": [Ask("absent", f"/v1/api-keys/{h.key_id}/rotate")],
        "POST /v1/tenants": [Ask("refused", "/v1/tenants", {"name": f"tenant {h.tenant_id}"}, 403)],
        "GET /v1/tenants": [Ask("refused", "/v1/tenants", None, 403)],
        "GET /v1/tenants/{tenant_id}": [Ask("refused", f"/v1/tenants/{h.tenant_id}", None, 403)],
        "DELETE /v1/tenants/{tenant_id}": [
            Ask("refused", f"/v1/tenants/{h.tenant_id}?{query}", None, 403) for query in ("name=x", "dry_run=true")
        ],
        # Of no tenant; what operators may do with namespaces is attacked in tests/integration/reindex.
        "GET /v1/encoders": [Ask("own", "/v1/encoders")],
        "GET /v1/encoders/{encoder_id}": [Ask("own", "/v1/encoders/1")],
        "GET /v1/encoders/{encoder_id}/reindex": in_namespace("/v1/encoders/1/reindex"),
        "POST /v1/encoders": [Ask("refused", "/v1/encoders", {"name": "no-model"}, 403)],
        "POST /v1/encoders/{encoder_id}/default": [Ask("refused", "/v1/encoders/1/default", {}, 403)],
        **{
            f"POST /v1/encoders/{{encoder_id}}/reindex{step}": [
                Ask("refused", f"/v1/encoders/1/reindex{step}", {"namespace": h.namespace}, 403)
            ]
            for step in ("", "/cut-over", "/roll-back", "/finish")
        },
        "GET /healthz": [Ask("own", "/healthz")],
        "GET /readyz": [Ask("own", "/readyz")],
        "GET /metrics": [Ask("own", "/metrics")],
        **_asks_of_mem0(h, ids, space),
    }


def _asks_of_webhooks(h: Household, asker: Household, space: str) -> dict[str, list[Ask]]:
    hook = f"/v1/webhooks/{h.webhook_id}"
    deliveries = (
        f"{hook}/deliveries/{h.delivery_id}",
        f"/v1/webhooks/{asker.webhook_id}/deliveries/{h.delivery_id}",
        f"{hook}/deliveries/{asker.delivery_id}",
    )
    return {
        # A namespace of the same path is the asker's own.
        "POST /v1/webhooks": [
            Ask("own", "/v1/webhooks", {"url": f"https://{asker.secret}.example/", "namespace": h.namespace})
        ],
        "GET /v1/webhooks": [Ask("nothing", f"/v1/webhooks?namespace={space}")],
        "GET /v1/webhooks/{webhook_id}": [Ask("absent", hook)],
        "PATCH /v1/webhooks/{webhook_id}": [
            Ask("absent", hook, {"active": False}),
            Ask("absent", hook, {"url": f"https://{asker.secret}.example/"}),
        ],
        "DELETE /v1/webhooks/{webhook_id}": [Ask("absent", hook)],
        "POST /v1/webhooks/{webhook_id}/rotate": [Ask("absent", f"{hook}/rotate", {})],
        "POST /v1/webhooks/{webhook_id}/ping": [Ask("absent", f"{hook}/ping", {})],
        "GET /v1/webhooks/{webhook_id}/deliveries": [Ask("absent", f"{hook}/deliveries")],
        "GET /v1/webhooks/{webhook_id}/deliveries/{delivery_id}": [Ask("absent", one) for one in deliveries],
        "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry": [
            Ask("absent", f"{one}/retry", {}) for one in deliveries
        ],
    }


def _asks_of_kv_plans(h: Household, asker: Household) -> dict[str, list[Ask]]:
    digest = "ab" * 32
    # No model is configured here; tests/integration/kv_plans attacks plans with one.
    plan = {"model": f"{h.secret} model", "memory_ids": [h.memory_id], "namespace": h.namespace}
    return {
        # Engines have no names of their own: what is put under a digest is the asker's.
        "PUT /v1/kv/engines/{digest}": [
            Ask("refused", f"/v1/kv/engines/{digest}", {"model": f"{h.secret} model"}, 422),
            Ask("absent", "/v1/kv/engines/", {}),
        ],
        "GET /v1/kv/engines": [
            Ask("nothing", f"/v1/kv/engines?model={h.secret}%20model"),
            Ask("own", f"/v1/kv/engines?model={asker.secret}%20model"),
        ],
        "POST /v1/kv/plan": [Ask("absent", "/v1/kv/plan", plan)],
        "POST /v1/kv/precompute": [Ask("absent", "/v1/kv/precompute", plan)],
        # Without a file nothing is saved; tests/integration/kv sends one, with another tenant's plan.
        "POST /v1/kv/memories": [
            Ask("refused", f"/v1/kv/memories?plan_id={h.kv_plan_id}&first_block=0&count=1&checksum={digest}", {}, 415)
        ],
        "GET /v1/kv/memories": [
            Ask("nothing", f"/v1/kv/memories?memory_id={h.memory_id}"),
            Ask("absent", f"/v1/kv/memories?namespace={h.namespace.replace('/', '%2F')}"),
        ],
        "GET /v1/kv/memories/{kv_memory_id}": [Ask("absent", f"/v1/kv/memories/{h.kv_memory_id}")],
        "GET /v1/kv/memories/{kv_memory_id}/blob": [Ask("absent", f"/v1/kv/memories/{h.kv_memory_id}/blob")],
        "POST /v1/kv/memories/{kv_memory_id}/check": [Ask("absent", f"/v1/kv/memories/{h.kv_memory_id}/check")],
        "DELETE /v1/kv/memories/{kv_memory_id}": [Ask("absent", f"/v1/kv/memories/{h.kv_memory_id}")],
        "POST /v1/kv/blocks/lookup": [
            Ask("absent", "/v1/kv/blocks/lookup", {"engine": digest, "block_hashes": [], "plan_id": h.kv_plan_id})
        ],
        "GET /v1/kv/stats": [Ask("own", "/v1/kv/stats")],
        "GET /v1/kv/quota": [Ask("own", "/v1/kv/quota")],
        "PUT /v1/kv/quota": [Ask("absent", "/v1/kv/quota", {"bytes": 1, "namespace": h.namespace})],
    }


def _asks_of_blocks(h: Household, asker: Household, space: str) -> dict[str, list[Ask]]:
    block = f"/v1/blocks/{h.label}"
    theirs = f"?namespace={space}&user_id={h.user_id}&agent_id={h.agent_id}"
    at_home = f"?user_id={h.user_id}&agent_id={h.agent_id}"

    def everywhere(suffix: str = "", more: str = "", body: Any = None) -> list[Ask]:
        return [Ask("absent", f"{block}{suffix}{where}{more}", body) for where in (theirs, at_home, "?")]

    return {
        "GET /v1/blocks": [
            Ask("absent", f"/v1/blocks?namespace={space}"),
            *(Ask("nothing", f"/v1/blocks?{said}") for said in (f"label={h.label}", at_home[1:])),
        ],
        "GET /v1/blocks/{label}": everywhere() + everywhere(more="&as_of=2999-01-01T00:00:00Z"),
        "PUT /v1/blocks/{label}": [Ask("own", f"{block}{theirs}", {"value": asker.secret})],
        "PATCH /v1/blocks/{label}": everywhere(body={"append": "defaced"}),
        "DELETE /v1/blocks/{label}": everywhere() + everywhere(more="&erase=true"),
        "GET /v1/blocks/{label}/versions": everywhere("/versions"),
    }


def _asks_of_tasks(h: Household, asker: Household) -> dict[str, list[Ask]]:
    ids = (h.task_id, h.step_id)
    mine = asker.task_id

    def each(suffix: str = "", body: Any = None) -> list[Ask]:
        return [Ask("absent", f"/v1/tasks/{i}{suffix}", body) for i in ids]

    return {
        "POST /v1/tasks": [
            *(Ask("refused", "/v1/tasks", {"title": "a", "parent_id": i}, 422) for i in ids),
            Ask("refused", "/v1/tasks", {"title": "a", "parent_id": h.task_id, "namespace": h.namespace}, 422),
            *(Ask("refused", "/v1/tasks", {"title": "a", "depends_on": [i]}, 422) for i in ids),
            Ask("refused", "/v1/tasks", {"title": "a", "parent_id": mine, "depends_on": [h.step_id]}, 422),
            Ask("own", "/v1/tasks", {"title": asker.secret, "namespace": h.namespace, "user_id": h.user_id}),
        ],
        "GET /v1/tasks": [
            Ask("absent", f"/v1/tasks?namespace={h.namespace.replace('/', '%2F')}"),
            *(Ask("nothing", f"/v1/tasks?{name}={i}") for name in ("parent_id", "root_id") for i in ids),
            Ask("nothing", f"/v1/tasks?user_id={h.user_id}"),
            Ask("nothing", f"/v1/tasks?agent_id={h.agent_id}&session_id={h.session_id}"),
        ],
        "GET /v1/tasks/{task_id}": each(),
        "PATCH /v1/tasks/{task_id}": [
            *each(body={"title": "defaced"}),
            Ask("refused", f"/v1/tasks/{mine}", {"depends_on": [h.step_id]}, 422),
        ],
        "DELETE /v1/tasks/{task_id}": each() + each("?erase=true"),
        "GET /v1/tasks/{task_id}/versions": each("/versions"),
        "GET /v1/tasks/{task_id}/context": each("/context") + each("/context?include_memories=true"),
        "POST /v1/tasks/{task_id}/close": each("/close", {"force": True}),
        "POST /v1/tasks/{task_id}/rollback": each("/rollback", {}),
        "POST /v1/tasks/{task_id}/replace": [
            *each("/replace", {}),
            Ask("refused", f"/v1/tasks/{mine}/replace", {"depends_on": [h.step_id]}, 422),
        ],
    }


def _asks_of_mem0(h: Household, ids: tuple[str, ...], space: str) -> dict[str, list[Ask]]:
    """Return the same for the calls of mem0's clients, in the default namespace and in that of `h`."""
    places = ("/compat/mem0", f"/compat/mem0/ns/{space}")
    scopes = {"user_id": h.user_id, "agent_id": h.agent_id, "run_id": h.session_id}
    filters: list[dict[str, Any]] = [
        *({name: value} for name, value in scopes.items()),
        {"user_id": "*"},
        {"NOT": {"user_id": "nobody"}, "memory_ids": list(ids)},
    ]

    def each(path: str, body: Any = None) -> list[Ask]:
        return [Ask("absent", place + path.format(memory_id=i), body) for place in places for i in ids]

    def selecting(path: str, **body: Any) -> list[Ask]:
        # The asker has memories of its own in the default namespace, which a star selects.
        return [
            Ask("nothing", place + path, {"filters": f, **body})
            for place in places
            for f in filters
            if place != "/compat/mem0" or f != {"user_id": "*"}
        ]

    def scoped(path: str) -> list[Ask]:
        return [Ask("nothing", f"{place}{path}?{n}={v}") for place in places for n, v in scopes.items()]

    def batch(**change: str) -> list[Ask]:
        return [
            Ask("absent", f"{p}/v1/batch/", {"memories": [{"memory_id": i, **change}]}) for p in places for i in ids
        ]

    own = {"messages": f"{h.user_id} is a name that anybody may use.", "run_id": h.session_id}
    project = f"/api/v1/orgs/organizations/{h.tenant_id}/projects/default/"
    asks = {
        "GET /v1/ping/": [Ask("own", f"{place}/v1/ping/") for place in places],
        "POST /v3/memories/add/": [Ask("own", f"{places[0]}/v3/memories/add/", own)],
        "POST /memories": [Ask("own", f"{places[0]}/memories", own)],
        "GET /v1/event/{event_id}/": [Ask("absent", f"{place}/v1/event/{h.queued_job_id}/") for place in places],
        "POST /v3/memories/": selecting("/v3/memories/"),
        "POST /v3/memories/search/": selecting("/v3/memories/search/", query=h.secret),
        "POST /search": selecting("/search", query=h.secret),
        "GET /memories": scoped("/memories"),
        "DELETE /memories": scoped("/memories"),
        "DELETE /v1/memories/": scoped("/v1/memories/"),
        "GET /v1/entities/": [Ask("nothing", f"{places[1]}/v1/entities/")],
        "DELETE /v2/entities/{entity_type}/{entity_id}/": [
            Ask("absent", f"{place}/v2/entities/{kind}/{name}/")
            for place in places
            for kind, name in (("user", h.user_id), ("agent", h.agent_id), ("run", h.session_id))
        ],
        "GET /v2/entities/user/{entity_id}/profile/": [
            Ask("absent", f"{place}/v2/entities/user/{h.user_id}/profile/") for place in places
        ],
        "GET /api/v1/orgs/organizations/{org_id}/projects/{project_id}/": [
            Ask("absent", place + project) for place in places
        ],
        "POST /v1/feedback/": [
            Ask("absent", f"{place}/v1/feedback/", {"memory_id": i, "feedback": "NEGATIVE"})
            for place in places
            for i in ids
        ],
        "PUT /v1/batch/": batch(text="defaced"),
        "DELETE /v1/batch/": batch(),
        "POST /reset": [
            Ask("nothing", f"{places[1]}/reset?confirm={space}"),
            Ask("refused", "/compat/mem0/reset", None, 422),
        ],
    }
    for path in ("/v1/memories/{memory_id}/", "/memories/{memory_id}"):
        asks[f"GET {path}"] = each(path)
        asks[f"PUT {path}"] = each(path, {"text": "defaced"})
        asks[f"DELETE {path}"] = each(path)
    for path in ("/v1/memories/{memory_id}/history/", "/memories/{memory_id}/history"):
        asks[f"GET {path}"] = each(path)
    return {name.replace(" ", " /compat/mem0", 1): ask for name, ask in asks.items()}


@pytest.fixture(scope="session")
def asks_about() -> Callable[[Household, Household], dict[str, list[Ask]]]:
    """Return a function: (about whom, who asks) -> the requests of every operation, by "METHOD /path/{template}"."""
    return _asks
