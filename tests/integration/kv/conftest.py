"""An engine that saves and loads, a plan over memories of a tenant, and files as engines write them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from memory_service.activation.chain import block_hashes
from memory_service.activation.fingerprint import tokens_digest
from memory_service.activation.grant import Grant, sign
from memory_service.api.services import utc_now
from memory_service.chat_model.cache_salt import cache_salt
from memory_service.storage import kv_engines, kv_plans
from memory_service.storage.database import Database
from memory_service.storage.ids import new_id
from memory_service.storage.keys import find_key
from memory_service.storage.kv_plans import KvPlan, PlanSource
from memory_service.storage.memories import versions_of
from memory_service.storage.namespaces import ensure_namespaces
from tests.integration.kv.engine_files import BLOCK, ENGINE, FINGERPRINT


@dataclass(frozen=True)
class Planned:
    """A plan, and what an engine gets to work on it."""

    plan_id: UUID
    hashes: tuple[str, ...]
    grant: str
    memory_ids: tuple[UUID, ...]


class EngineClient:
    """Speaks as an engine does: with the grant of a plan and nothing else."""

    def __init__(self, client: Any, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    def save(self, data: bytes, *, first: int, count: int, **other: Any) -> Any:
        params = {"first_block": first, "count": count, "checksum": hashlib.sha256(data).hexdigest(), **other}
        headers = {**self._headers, "Content-Type": "application/octet-stream"}
        return self._client.post("/v1/kv/memories", params=params, content=data, headers=headers)

    def look_up(self, hashes: Sequence[str], **other: Any) -> Any:
        body = {"engine": ENGINE, "block_hashes": list(hashes), **other}
        return self._client.post("/v1/kv/blocks/lookup", json=body, headers=self._headers)

    def load(self, kv_memory_id: str) -> Any:
        return self._client.get(f"/v1/kv/memories/{kv_memory_id}/blob", headers=self._headers)

    def check(self, kv_memory_id: str) -> Any:
        return self._client.post(f"/v1/kv/memories/{kv_memory_id}/check", headers=self._headers)

    def get(self, path: str) -> Any:
        return self._client.get(path, headers=self._headers)

    def delete(self, path: str) -> Any:
        return self._client.delete(path, headers=self._headers)


@pytest.fixture
def engine_client(client: Any) -> Callable[[str], EngineClient]:
    """Return a function that gives a client to a grant or a key."""
    return lambda token: EngineClient(client, token)


@pytest.fixture
def plan(app: FastAPI, client: Any, database: Database) -> Callable[..., Planned]:
    """Return a function that plans a prompt of some memories for a tenant, as the planner would."""
    services = app.state.services

    def make(
        me: Any,
        memory_ids: Sequence[str] = (),
        *,
        blocks: int = 6,
        admitted: int | None = None,
        tokens: Sequence[int] | None = None,
        namespace: str = "default",
        ttl: timedelta = timedelta(minutes=5),
        per_source: int = 8,
        tokens_per_s: float | None = 100.0,
    ) -> Planned:
        now, plan_id = utc_now(), new_id()
        ids = list(tokens or range(blocks * BLOCK))
        salt = cache_salt(services.kv.secret, me.tenant_id)
        hashes = block_hashes(ids, block_size=BLOCK, engine=ENGINE, salt=salt)
        wanted = [UUID(one) for one in memory_ids]
        with database.transaction(me.tenant_id) as session:
            kv_engines.announce(
                session, me.tenant_id, FINGERPRINT, model="tiny", bytes_per_token=64, prefill_tokens_per_s=tokens_per_s,
                now=now,
            )  # fmt: skip
            spaces = ensure_namespaces(session, me.tenant_id, [namespace], now=now)
            versions = versions_of(session, me.tenant_id, wanted)
            kv_plans.keep_plan(
                session,
                me.tenant_id,
                KvPlan(
                    id=plan_id, namespace_id=spaces[namespace].id, engine=ENGINE, model="tiny", token_count=len(ids),
                    token_ids_hash=tokens_digest(ids), text_hash="a" * 64, block_size=BLOCK, block_hashes=hashes,
                    admitted=len(hashes) if admitted is None else admitted, created_at=now, expires_at=now + ttl,
                ),
                [
                    PlanSource(one, versions[one], "shared", n * per_source, (n + 1) * per_source, n * per_source // BLOCK)
                    for n, one in enumerate(wanted)
                ],
            )  # fmt: skip
        with database.untenanted() as connection:
            key = find_key(connection, me.key)
        assert key is not None
        token = sign(services.kv.secret, Grant(me.tenant_id, plan_id, key.key_id, ENGINE, now + ttl))
        return Planned(plan_id, hashes, token, tuple(wanted))

    return make


@pytest.fixture
def remember(me: Any) -> Callable[..., str]:
    """Return a function that stores a memory of the tenant and returns its id."""

    def make(content: str, **fields: Any) -> str:
        answer = me.post("/v1/memories", json={"content": content, "extract": "none", **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    return make
