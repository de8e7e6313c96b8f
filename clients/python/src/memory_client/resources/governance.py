"""What is to be forgotten, and who changed what: erasures and the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import Id, Time
    from memory_client.group_fields import ErasureFields, InNamespace
    from memory_client.models import (
        AuditEvent,
        AuditVerdict,
        Erasure,
        ErasureItem,
        ErasurePreview,
        ErasureStarted,
        HealthReport,
        Usage,
    )
    from memory_client.operation import Reading


class Erasures(Resource[E]):
    """Calls about erasures by filter, by ids, or of all of a user, agent or session."""

    @call("POST", "/v1/erasures")
    def preview(self, **what: Unpack[ErasureFields]) -> Ask[ErasurePreview]:
        """Return what an erasure would take, counted by table, without taking anything."""
        return Ask(models.ErasurePreview, body={**stated(what), "dry_run": True})

    @call("POST", "/v1/erasures")
    def start(self, **what: Unpack[ErasureFields]) -> Ask[ErasureStarted[E]]:
        """Erase memories for good, as a job."""
        return Ask(models.ErasureStarted, body=stated(what))

    @listing("GET", "/v1/erasures")
    def list(self, **where: Unpack[InNamespace]) -> Ask[Erasure]:
        """List erasures, newest first, without their ids."""
        return Ask(models.Erasure, query=where)

    @call("GET", "/v1/erasures/{erasure_id}")
    def get(self, erasure_id: Id, **options: Unpack[Reading]) -> Ask[Erasure]:
        """Return the receipt of an erasure."""
        return Ask(models.Erasure, erasure_id)

    @listing("GET", "/v1/erasures/{erasure_id}/items")
    def items(self, erasure_id: Id, *, limit: int | None = None, **options: Unpack[Reading]) -> Ask[ErasureItem]:
        """List what became of each memory of an erasure."""
        return Ask(models.ErasureItem, erasure_id, query={"limit": limit})


class Audit(Resource[E]):
    """Calls about who changed what."""

    @listing("GET", "/v1/audit")
    def list(
        self,
        *,
        action: str | None = None,
        actor: Id | None = None,
        since: Time | None = None,
        until: Time | None = None,
        namespace: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[AuditEvent]:
        """List events, newest first."""
        asked = {"action": action, "actor": actor, "since": since, "until": until, "namespace": namespace}
        return Ask(models.AuditEvent, query={**asked, "limit": limit, "cursor": cursor})

    @call("GET", "/v1/audit/verify")
    def verify(
        self, *, seq: int | None = None, hash: str | None = None, **options: Unpack[Reading]
    ) -> Ask[AuditVerdict]:
        """Return whether the chain of events is whole, and holds an event that was noted down elsewhere."""
        return Ask(models.AuditVerdict, query={"seq": seq, "hash": hash})


class UsageCalls(Resource[E]):
    """Calls about what is used."""

    @call("GET", "/v1/usage")
    def get(self, *, namespace: str | None = None, days: int | None = None, **options: Unpack[Reading]) -> Ask[Usage]:
        """Return what the tenant, or one namespace, holds now and has used in the last days."""
        return Ask(models.Usage, query={"namespace": namespace, "days": days})

    @call("GET", "/v1/health-report")
    def health_report(self, *, namespace: str | None = None, **options: Unpack[Reading]) -> Ask[HealthReport]:
        """Return how well the memories are kept: strength, junk, duplicates, contradictions, what changed this week."""
        return Ask(models.HealthReport, query={"namespace": namespace})
