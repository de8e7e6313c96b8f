"""Memories as attention states. The contract has these calls; a service that does not offer them answers `RouteNotFound`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import Id
    from memory_client.group_fields import PlanFields, PrecomputeFields
    from memory_client.models import Answer, Engine, KvPlan, PrecomputeStarted
    from memory_client.operation import Reading


class KV(Resource[E]):
    """Calls about memories as attention states; their fields are those of the service."""

    @call("POST", "/v1/kv/memories")
    def create(self, /, **fields: Any) -> Ask[Answer]:
        """Keep a text as attention states."""
        return Ask(models.Answer, body=fields)

    @call("GET", "/v1/kv/memories/{memory_id}")
    def get(self, memory_id: Id, **options: Unpack[Reading]) -> Ask[Answer]:
        """Return one memory kept as attention states."""
        return Ask(models.Answer, memory_id)

    @call("DELETE", "/v1/kv/memories/{memory_id}")
    def delete(self, memory_id: Id, **options: Unpack[Reading]) -> Ask[None]:
        """Remove one memory kept as attention states."""
        return Ask(type(None), memory_id)

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
    def stats(self, **options: Unpack[Reading]) -> Ask[Answer]:
        """Return how much is kept and how often it was of use."""
        return Ask(models.Answer)

    @call("PUT", "/v1/kv/quota")
    def set_quota(self, /, **fields: Any) -> Ask[Answer]:
        """Bound how much is kept."""
        return Ask(models.Answer, body=fields)
