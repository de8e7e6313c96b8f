"""Runs of consolidation, what they changed, and what they ask people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import Id
    from memory_client.group_fields import InNamespace
    from memory_client.models import Change, Changeset, Plan, Reverted, Review, Started
    from memory_client.operation import Reading, Writing


class Consolidations(Resource[E]):
    """Calls that start runs."""

    @call("POST", "/v1/consolidations")
    def start(
        self,
        namespace: str | None = None,
        *,
        steps: Sequence[str] | None = None,
        scope: Literal["pending", "all"] | None = None,
        **options: Unpack[Writing],
    ) -> Ask[Started[E]]:
        """Start a run over a namespace, over what is new in it or over all, and return its job."""
        return Ask(models.Started, body=stated({"namespace": namespace, "steps": steps, "scope": scope}))

    @call("POST", "/v1/consolidations")
    def plan(
        self,
        namespace: str | None = None,
        *,
        steps: Sequence[str] | None = None,
        scope: Literal["pending", "all"] | None = None,
        timeout_s: float | None = None,
        **options: Unpack[Writing],
    ) -> Ask[Plan | Started[E]]:
        """Return what a run would change, without changing anything; its job when that takes longer than ``timeout_s``."""
        asked = {"namespace": namespace, "steps": steps, "scope": scope, "timeout_s": timeout_s}
        return Ask(models.Plan, body=stated({**asked, "dry_run": True}), accepted=models.Started)


class Changesets(Resource[E]):
    """Calls about what runs changed."""

    @listing("GET", "/v1/changesets")
    def list(self, **where: Unpack[InNamespace]) -> Ask[Changeset]:
        """List changesets, newest first, without their changes."""
        return Ask(models.Changeset, query=where)

    @call("GET", "/v1/changesets/{changeset_id}")
    def get(self, changeset_id: Id, **options: Unpack[Reading]) -> Ask[Changeset]:
        """Return one changeset with its first 1,000 changes."""
        return Ask(models.Changeset, changeset_id)

    @listing("GET", "/v1/changesets/{changeset_id}/changes")
    def changes(self, changeset_id: Id, *, limit: int | None = None, **options: Unpack[Reading]) -> Ask[Change]:
        """List all changes of a changeset."""
        return Ask(models.Change, changeset_id, query={"limit": limit})

    @call("POST", "/v1/changesets/{changeset_id}/revert")
    def revert(
        self,
        changeset_id: Id,
        *,
        on_conflict: Literal["error", "skip"] | None = None,
        **options: Unpack[Writing],
    ) -> Ask[Reverted]:
        """Take a changeset back.

        Raises:
            Conflict: memories changed since (``errors`` names them; ``on_conflict="skip"`` leaves those alone), or it was
                taken back before.
        """
        return Ask(models.Reverted, changeset_id, body=stated({"on_conflict": on_conflict}))


class Reviews(Resource[E]):
    """Calls about what people are asked to decide."""

    @listing("GET", "/v1/reviews")
    def list(self, *, kind: str | None = None, status: str | None = None, **where: Unpack[InNamespace]) -> Ask[Review]:
        """List reviews."""
        return Ask(models.Review, query={"kind": kind, "status": status, **where})

    @call("GET", "/v1/reviews/{review_id}")
    def get(self, review_id: Id, **options: Unpack[Reading]) -> Ask[Review]:
        """Return one review."""
        return Ask(models.Review, review_id)

    @call("POST", "/v1/reviews/{review_id}/approve")
    def approve(self, review_id: Id, **options: Unpack[Writing]) -> Ask[Review]:
        """Do what is proposed, as a changeset."""
        return Ask(models.Review, review_id)

    @call("POST", "/v1/reviews/{review_id}/decline")
    def decline(self, review_id: Id, **options: Unpack[Writing]) -> Ask[Review]:
        """Leave things as they are; it is not asked again."""
        return Ask(models.Review, review_id)

    @call("POST", "/v1/reviews/{review_id}/undo")
    def undo(self, review_id: Id, **options: Unpack[Writing]) -> Ask[Review]:
        """Open a review again, and take back what its approval changed."""
        return Ask(models.Review, review_id)
