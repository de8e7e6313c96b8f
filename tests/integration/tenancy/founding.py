"""How a household comes to be: through the API and the workers, until it has a row in every table."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Engine
from starlette.testclient import TestClient

from consolidation import consolidate, enriching
from consolidation.tenancy import Tenancy
from memory_service.api.services import utc_now
from memory_service.api.writing import encoding_of
from memory_service.storage.database import Database
from memory_service.storage.precision import move_tiers
from memory_service.types import PrecisionTier
from tests.integration.tenancy import belongings
from tests.integration.tenancy.household import Household


@dataclass(frozen=True, slots=True)
class Ground:
    """What every household stands on: the running application, its database, and the ways to make a tenant."""

    client: TestClient
    database: Database
    maintenance: Engine
    make_tenant: Callable[..., tuple[UUID, str]]
    tenant_client: Callable[..., Any]
    open_tenancy: Callable[[UUID], Tenancy]


class Newcomer:
    """A tenant that has a name and a key, and nothing yet; what is made of it is returned as fields of a household."""

    def __init__(self, ground: Ground, name: str, **options: Any) -> None:
        self.ground = ground
        self.name = name
        self.tenant_id, self.key = ground.make_tenant(**options)
        self.me = ground.tenant_client(ground.client, self.tenant_id, self.key)
        self.services: Any = ground.client.app.state.services  # type: ignore[attr-defined]
        self.tenancy = ground.open_tenancy(self.tenant_id)
        self.secret = f"{name}xyzzy"
        self.namespace = f"{name}-space/private"
        self.scope = {
            "namespace": self.namespace,
            "user_id": f"{name}-user",
            "agent_id": f"{name}-agent",
            "session_id": f"{name}-session",
        }

    def post(self, path: str, body: Any, **headers: str) -> Any:
        answer = self.me.post(path, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def remember(self) -> dict[str, str]:
        """Store memories, of which one is superseded, one archived and one erased, and a conversation that nobody reads."""
        content = f"The {self.secret} lighthouse keeper Tomás drinks cold tea in Lisbon."
        named = {"external_id": f"{self.name}-external", **self.scope}
        told = f"{self.secret}: he drank coffee with Ana yesterday. I am vegetarian."
        old = self.post("/v1/memories", {"content": told, **named})
        # Read by a worker, so that the tables of what is found in texts have rows; the others wait.
        assert enriching.enrich_pending(self.tenancy, ids=[UUID(old["id"])]) == 1
        said = {"content": content, "on_conflict": "supersede", "speaker": f"{self.name}-speaker", **named}
        memory = self.post("/v1/memories", said, **{"Idempotency-Key": f"{self.name}-idem"})
        assert self.me.patch(f"/v1/memories/{memory['id']}", json={"tags": [self.secret]}).status_code == 200
        archived = self.post("/v1/memories", {"content": f"{self.secret}: an archived thought.", **self.scope})
        assert self.me.delete(f"/v1/memories/{archived['id']}").status_code == 204
        erased = self.post("/v1/memories", {"content": f"{self.secret}: a thought to be erased.", **self.scope})
        erasure = self.me.delete(f"/v1/memories/{erased['id']}?erase=true").json()
        assert consolidate.run_job(self.tenancy, UUID(erasure["job_id"]))
        assert self.me.put("/v1/blocks/gone", json={"value": f"{self.secret}: a block to be erased."}).is_success
        assert self.me.delete("/v1/blocks/gone?erase=true").status_code == 204
        assert consolidate.seal_audit(self.tenancy)  # what follows waits for its seal
        turn = {"content": f"{self.secret}: a turn of a conversation.", "name": f"{self.name}-speaker"}
        return {
            "content": content,
            "older_id": old["id"],
            "memory_id": memory["id"],
            "archived_id": archived["id"],
            "erased_id": erased["id"],
            "erasure_id": erasure["erasure_id"],
            "done_job_id": erasure["job_id"],
            "queued_job_id": self.post("/v1/messages", {"messages": [turn], **self.scope})["job_id"],
        }

    def search(self, memory_id: str) -> dict[str, str]:
        """Search, say what was useful, and learn the weights of the channels from it."""
        found = self.post("/v1/search", {"query": self.secret, "namespace": self.namespace, "reinforce": True})
        assert found["results"]
        useful = {"memory_id": memory_id, "useful": True}
        assert self.post(f"/v1/traces/{found['search_id']}/feedback", useful)
        query = {"query": self.secret, "relevant": [memory_id], "namespace": self.namespace}
        saved = self.post("/v1/saved-queries", query)
        path = f"/v1/policies/retention?namespace={self.namespace}"
        assert self.me.put(path, json={"protection": 0.75}).status_code == 200
        learning = self.post("/v1/fusion-weights/learn", {"namespace": self.namespace})["job_id"]
        encode = self.services.batching.encode_query
        learner = replace(self.tenancy, open_encoder=lambda _: nullcontext(encode))
        assert consolidate.run_job(learner, UUID(learning))
        return {"search_id": found["search_id"], "saved_query_id": saved["id"]}

    def fade(self, memory_id: str) -> None:
        """Keep the vectors of a memory in eight bits."""
        with self.ground.database.transaction(self.tenant_id) as session:
            faded = [(UUID(memory_id), PrecisionTier.INT8)]
            assert move_tiers(session, self.tenant_id, faded, now=utc_now()).moved

    def read_document(self) -> dict[str, str]:
        """Hand in a document that a worker reads, and a later version of it."""
        # In a namespace of its own: a write looks for what has expired beside it.
        paper = {"extract": "none", "external_id": f"{self.name}-document", "namespace": f"{self.name}-space/papers"}
        document = self.post("/v1/documents", {"content": f"{self.secret}: the tide table.", **paper})
        encoding = encoding_of(self.services)
        reader = replace(self.tenancy, open_encoding=lambda: nullcontext(encoding))
        assert consolidate.run_job(reader, UUID(document["job_id"]))
        # Nobody reads this one.
        self.post("/v1/documents", {"content": f"{self.secret}: the new tide table.", **paper})
        return {"document_id": document["document_id"]}

    def plan_work(self) -> dict[str, str]:
        """Make a block, and a task with two steps of which one waits for the other."""
        label = f"{self.name}-block"
        place = {name: value for name, value in self.scope.items() if name != "session_id"}
        block = {"value": f"{self.secret}: a block.", **place}
        assert self.me.put(f"/v1/blocks/{label}", json=block).status_code == 201
        task = self.post("/v1/tasks", {"title": f"{self.secret}: a task", "input": self.secret, **self.scope})
        first = self.post("/v1/tasks", {"title": f"{self.secret}: a step", "parent_id": task["id"]})
        self.post("/v1/tasks", {"title": "another", "parent_id": task["id"], "depends_on": [first["id"]]})
        return {"label": label, "task_id": task["id"], "step_id": first["id"]}

    def teach_cube(self, memory_id: str) -> dict[str, str]:
        """Register a cube of parametric memory and teach it one pair."""
        cube = self.post("/v1/parametric", {"name": f"{self.secret}: a cube", "namespace": self.namespace})
        pairs = [{"cue": f"{self.secret}: a cue", "memory_id": memory_id}]
        job = self.post("/v1/parametric/train", {"id": cube["id"], "pairs": pairs})
        encoding = encoding_of(self.services)
        assert consolidate.run_job(
            replace(self.tenancy, open_encoding=lambda: nullcontext(encoding)), UUID(job["job_id"])
        )
        return {"parametric_id": cube["id"]}

    def import_bundle(self) -> dict[str, str]:
        """Hand in what was exported; nobody works on it, so that its lines wait."""
        waiting = self.me.post(
            "/v1/imports",
            content=self.me.post("/v1/exports", json={"namespace": self.namespace}).content,
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert waiting.status_code == 202, waiting.text
        return {"import_job_id": waiting.json()["job_id"]}

    def let_in(self) -> dict[str, str]:
        """Open the admin view, announce a webhook, and grant another key."""
        self.post("/admin/links", {})
        # From one address, more than may log in within a minute.
        self.services.login_limiter._windows.clear()
        self.post("/admin/session", {"api_key": self.key})
        self.ground.client.cookies.clear()  # the client is shared, and sends keys
        hook = self.post("/v1/webhooks", {"url": f"https://{self.secret}.example/", "namespace": self.namespace})
        delivery = self.post(f"/v1/webhooks/{hook['id']}/ping", {})
        granted = self.post("/v1/api-keys", {"name": f"{self.secret} key", "scopes": ["memories:read"]})
        return {"webhook_id": hook["id"], "delivery_id": delivery["id"], "key_id": granted["id"]}


def found(ground: Ground, name: str, **options: Any) -> Household:
    """Make a tenant with at least one row in every table; `options` are those of its key."""
    new = Newcomer(ground, name, **options)
    made = new.remember()
    memory_id = made["memory_id"]
    made |= new.search(memory_id)
    changeset_id, review_id = belongings.consolidate(ground.database, new.me, memory_id)
    new.fade(made["archived_id"])
    made |= new.read_document()
    made |= new.plan_work()
    made |= new.teach_cube(memory_id)
    made |= new.import_bundle()
    made |= new.let_in()
    belongings.insert_rare_rows(ground.maintenance, new.tenant_id, new.namespace, new.secret)
    belongings.keep_dead_letter(new.tenancy, UUID(memory_id), UUID(made["queued_job_id"]), new.secret)
    kv_memory_id, kv_plan_id = belongings.plan_kv(new.tenancy, new.me, new.namespace, memory_id, new.secret)
    new.services.kv.uses.flush()
    (entity,) = [one for one in new.me.get("/v1/entities").json()["data"] if one["name"] == "Ana"]
    built = belongings.build(new.tenancy, new.namespace, UUID(memory_id), UUID(entity["id"]), new.secret)
    return Household(
        client=new.me,
        tenant_id=new.tenant_id,
        entity_id=entity["id"],
        episode_id=str(built["episode"]),
        topic_id=str(built["topic"]),
        community_id=str(built["community"]),
        changeset_id=changeset_id,
        review_id=review_id,
        kv_memory_id=kv_memory_id,
        kv_plan_id=kv_plan_id,
        link_id=new.me.get(f"/v1/memories/{memory_id}/links").json()["data"][0]["id"],
        external_id=f"{name}-external",
        idempotency_key=f"{name}-idem",
        secret=new.secret,
        **new.scope,
        **made,
    )
