"""What no request makes by itself: what runs of consolidation leave, plans for caches, and rows that are rare."""

import hashlib
import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from consolidation.model.accounting import write_down
from consolidation.model.asking import RULES, DeadLetter, Outcome
from consolidation.model.budget import Budget
from consolidation.model.prompts import Task
from consolidation.planning import Ask, Plan, ReviewKind, Revise, Step, Why
from consolidation.records import Ref
from consolidation.tenancy import Tenancy
from memory_service.activation.fingerprint import Fingerprint, Parallelism
from memory_service.api.services import utc_now
from memory_service.chat_model.protocol import Usage
from memory_service.lifecycle.apply import apply
from memory_service.storage import kv_plans, kv_upkeep, structure
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.kv_upkeep import Upkeep
from memory_service.storage.namespaces import find_namespaces


def consolidate(database: Database, me: Any, memory_id: str) -> tuple[str, str]:
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
            Ask(ReviewKind.LOW_TRUST, (memory,), "archive", why),
        )
        changeset_id = apply(session, me.tenant_id, Plan(namespace_id, changes, (memory,)), now=utc_now())
    (review,) = me.get("/v1/reviews").json()["data"]
    return str(changeset_id), review["id"]


def insert_rare_rows(maintenance: Engine, tenant_id: UUID, path: str, secret: str) -> None:
    """Write a common term into every namespace, and into one a change of encoder that was given up."""
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
            {"tenant": tenant_id, "path": path},
        )


def keep_dead_letter(tenancy: Tenancy, memory_id: UUID, job_id: UUID, secret: str) -> None:
    """Write down that a model was asked about a memory and gave no usable answer."""
    unusable = DeadLetter(Task.FACTS, "a-model", f"Well, {secret}!", "no JSON", (memory_id,))
    asked: Outcome[Any] = Outcome(
        Task.FACTS, (), RULES, "no JSON", frozenset(), Budget(0), "a-model", Usage(1, 9, 9), (), (unusable,)
    )
    with tenancy.open() as session:
        write_down(session, tenancy.tenant_id, asked, job_id=job_id, now=utc_now(), ttl=timedelta(days=1))


def plan_kv(tenancy: Tenancy, me: Any, path: str, memory_id: str, secret: str) -> tuple[str, str]:
    """Announce an engine, keep a plan for it in which one memory stands, and save its block; return ids of block and plan."""
    fields = {name: secret for name in ("dtype", "kv_dtype", "isa", "layout", "engine", "engine_version")}
    fingerprint = Fingerprint(
        weights="0" * 64, config="0" * 64, tokenizer="0" * 64, chat_template=None, block_size=16,
        parallelism=Parallelism(), **fields,
    )  # fmt: skip
    body = {**asdict(fingerprint), "model": f"{secret} model", "bytes_per_token": 1024}
    assert me.put(f"/v1/kv/engines/{fingerprint.digest()}", json=body).status_code == 201
    now, version = utc_now(), me.get(f"/v1/memories/{memory_id}").json()["version"]
    with tenancy.open() as session:
        kv_upkeep.add(session, tenancy.tenant_id, Upkeep(orphans=1), now=now)
        namespace_id = find_namespaces(session, tenancy.tenant_id, [path])[path].id
        plan = kv_plans.KvPlan(
            new_id(), namespace_id, fingerprint.digest(), f"{secret} model", 16, "1" * 64, "2" * 64, 16, ("3" * 64,), 1,
            now, now + timedelta(hours=1),
        )  # fmt: skip
        source = kv_plans.PlanSource(UUID(memory_id), version, "user", 0, 16, 0)
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


def build(tenancy: Tenancy, path: str, memory_id: UUID, entity_id: UUID, secret: str) -> dict[str, UUID]:
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
