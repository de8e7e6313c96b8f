"""Bundles of memories: exports and imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from memory_client import models
from memory_client.calls import E, call, listing, stream
from memory_client.fields import stated
from memory_client.flow import emit, read
from memory_client.operation import Ask, Route, operation_of
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import Id
    from memory_client.flow import Emission
    from memory_client.group_fields import ExportFields
    from memory_client.models import ImportOutcome, ImportStarted
    from memory_client.operation import Reading, Writing

NDJSON = "application/x-ndjson"
EXPORT = Route("POST", "/v1/exports", keyed=True)


class Exports(Resource[E]):
    """Calls that write bundles."""

    @stream("POST", "/v1/exports")
    def create(self, **what: Unpack[ExportFields]) -> Emission[bytes]:
        """Export memories with their versions and provenance, as one bundle that comes piece by piece.

        Raises:
            ConnectionFailed: it broke off; a bundle without its end is none.
        """
        timeout = what.pop("timeout", None)
        ask: Ask[None] = Ask(type(None), body=stated(what))
        yield from self._executor.opening(operation_of(EXPORT, ask, {"timeout": timeout}))
        while chunk := (yield from read()):
            yield from emit(chunk)


class Imports(Resource[E]):
    """Calls that read bundles."""

    @call("POST", "/v1/imports")
    def create(
        self,
        bundle: bytes,
        *,
        on_conflict: Literal["skip", "error", "new_version"] | None = None,
        **options: Unpack[Writing],
    ) -> Ask[ImportStarted[E]]:
        """Take over a bundle, whole or not at all, and read it as a job."""
        return Ask(models.ImportStarted, query={"on_conflict": on_conflict}, file=(bundle, NDJSON))

    @listing("GET", "/v1/imports/{job_id}/outcomes")
    def outcomes(
        self,
        job_id: Id,
        *,
        status: Literal["created", "updated", "skipped", "rejected"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[ImportOutcome]:
        """List what became of the lines of a bundle, in their order."""
        return Ask(models.ImportOutcome, job_id, query={"status": status, "limit": limit, "cursor": cursor})
