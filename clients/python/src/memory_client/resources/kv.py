"""Memories as attention states: plans of prompts, and the blocks that engines save and load."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from memory_client import models
from memory_client.calls import E, call, listing, stream
from memory_client.flow import emit, read
from memory_client.operation import Ask, Route, operation_of
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from memory_client.fields import Id
    from memory_client.flow import Emission
    from memory_client.group_fields import PlanFields, PrecomputeFields
    from memory_client.models import (
        Engine,
        KvChecked,
        KvLookup,
        KvMemory,
        KvMemoryDetail,
        KvPlan,
        KvQuota,
        KvSaved,
        KvStats,
        PrecomputeStarted,
    )
    from memory_client.operation import Reading, Writing


SAFETENSORS = "application/octet-stream"
BLOB = Route("GET", "/v1/kv/memories/{kv_memory_id}/blob")


class KV(Resource[E]):
    """Calls about memories as attention states; their fields are those of the service."""

    @call("POST", "/v1/kv/memories")
    def create(
        self,
        blob: bytes,
        *,
        plan_id: Id,
        engine: str,
        first_block: int,
        count: int,
        codec: str | None = None,
        exactness: Literal["exact", "shifted", "compressed"] | None = None,
        **options: Unpack[Writing],
    ) -> Ask[KvSaved]:
        """Save whole blocks of a plan: a safetensors file as the engine lays it out."""
        query = {
            "plan_id": str(plan_id),
            "engine": engine,
            "first_block": first_block,
            "count": count,
            "checksum": sha256(blob).hexdigest(),
            "codec": codec,
            "exactness": exactness,
        }
        return Ask(models.KvSaved, query=query, file=(blob, SAFETENSORS))

    @listing("GET", "/v1/kv/memories")
    def list(
        self,
        *,
        namespace: str | None = None,
        engine: str | None = None,
        memory_id: Id | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[KvMemory]:
        """List the KV memories that can be loaded, newest first."""
        query = {"namespace": namespace, "engine": engine, "memory_id": memory_id, "limit": limit, "cursor": cursor}
        return Ask(models.KvMemory, query=query)

    @call("GET", "/v1/kv/memories/{kv_memory_id}")
    def get(self, kv_memory_id: Id, **options: Unpack[Reading]) -> Ask[KvMemoryDetail]:
        """Return the header of one KV memory."""
        return Ask(models.KvMemoryDetail, kv_memory_id)

    @stream("GET", "/v1/kv/memories/{kv_memory_id}/blob")
    def blob(self, kv_memory_id: Id, *, timeout: Any = None) -> Emission[bytes]:
        """Return the file of a KV memory, piece by piece."""
        ask: Ask[None] = Ask(type(None), kv_memory_id)
        yield from self._executor.opening(operation_of(BLOB, ask, {"timeout": timeout}))
        while chunk := (yield from read()):
            yield from emit(chunk)

    @call("POST", "/v1/kv/memories/{kv_memory_id}/check")
    def check(self, kv_memory_id: Id, **options: Unpack[Writing]) -> Ask[KvChecked]:
        """Have the service compare the file of a KV memory with its checksum; one that is lost or damaged is given up."""
        return Ask(models.KvChecked, kv_memory_id)

    @call("DELETE", "/v1/kv/memories/{kv_memory_id}")
    def delete(self, kv_memory_id: Id, **options: Unpack[Reading]) -> Ask[None]:
        """Remove one KV memory; the memories it was made of stay."""
        return Ask(type(None), kv_memory_id)

    @call("POST", "/v1/kv/blocks/lookup")
    def look_up(
        self,
        engine: str,
        block_hashes: Sequence[str],
        *,
        plan_id: Id | None = None,
        codecs: Sequence[str] | None = None,
        exactness: Sequence[str] | None = None,
        with_admitted: bool | None = None,
        **options: Unpack[Reading],
    ) -> Ask[KvLookup]:
        """Return how many leading blocks of a prompt are stored, and where."""
        said = {
            "plan_id": plan_id and str(plan_id), "codecs": codecs, "exactness": exactness,
            "with_admitted": with_admitted,
        }  # fmt: skip
        body = {"engine": engine, "block_hashes": [*block_hashes]}
        return Ask(models.KvLookup, body=body | {name: value for name, value in said.items() if value is not None})

    @listing("GET", "/v1/kv/engines")
    def engines(self, *, model: str | None = None, **options: Unpack[Reading]) -> Ask[Engine]:
        """List the engines that were announced."""
        return Ask(models.Engine, query={"model": model})

    @call("PUT", "/v1/kv/engines/{digest}")
    def announce(self, digest: str, /, **fields: Any) -> Ask[Engine]:
        """Announce an engine under the digest of its fingerprint."""
        return Ask(models.Engine, digest, body=fields)

    @call("POST", "/v1/kv/plan")
    def plan(self, model: str, **fields: Unpack[PlanFields]) -> Ask[KvPlan]:
        """Return a prompt as an engine computes it: messages, tokens, blocks, and what to send along."""
        return Ask(models.KvPlan, body={"model": model, **fields})

    @call("POST", "/v1/kv/precompute")
    def precompute(self, model: str, **fields: Unpack[PrecomputeFields]) -> Ask[PrecomputeStarted]:
        """Compute the blocks of a prompt ahead of its use; ``job_id`` names the job."""
        return Ask(models.PrecomputeStarted, body={"model": model, **fields})

    @call("GET", "/v1/kv/stats")
    def stats(self, **options: Unpack[Reading]) -> Ask[KvStats]:
        """Return how much is kept, how often it was of use, and what that spared."""
        return Ask(models.KvStats)

    @call("GET", "/v1/kv/quota")
    def quota(self, **options: Unpack[Reading]) -> Ask[KvQuota]:
        """Return how many bytes may be kept, and how many are."""
        return Ask(models.KvQuota)

    @call("PUT", "/v1/kv/quota")
    def set_quota(self, bytes: int | None, *, namespace: str | None = None, **options: Unpack[Reading]) -> Ask[KvQuota]:
        """Bound how many bytes are kept, by the tenant or in one namespace; None takes the limit away."""
        return Ask(models.KvQuota, body={"bytes": bytes, **({"namespace": namespace} if namespace else {})})
