"""How a namespace fades and weighs: policies, saved queries, learned weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from memory_client.fields import Id, Time
    from memory_client.group_fields import InNamespace, PolicyFields
    from memory_client.models import Factors, FusionWeights, Policy, SavedQuery, Simulation, Started
    from memory_client.operation import Reading, Versioned, Writing


class Policies(Resource[E]):
    """Calls about policies: ``retention`` (how memories fade), ``fusion`` (how they are searched), ``redaction``."""

    @listing("GET", "/v1/policies")
    def list(self, *, history: bool = False, **where: Unpack[InNamespace]) -> Ask[Policy]:
        """List the policies that namespaces have of their own, newest first; with ``history``, those that were, too."""
        return Ask(models.Policy, query={"history": history or None, **where})

    @call("GET", "/v1/policies/{kind}")
    def get(self, kind: str = "retention", *, namespace: str | None = None, **options: Unpack[Reading]) -> Ask[Policy]:
        """Return the policy by which a namespace goes: its own, or the defaults."""
        return Ask(models.Policy, kind, query={"namespace": namespace})

    @call("PUT", "/v1/policies/{kind}")
    def put(
        self, kind: str = "retention", *, namespace: str | None = None, **fields: Unpack[PolicyFields]
    ) -> Ask[Policy]:
        """Give a namespace a policy; what it does not say is as the defaults are."""
        return Ask(models.Policy, kind, query={"namespace": namespace}, body=fields)

    @call("PATCH", "/v1/policies/{kind}")
    def update(
        self, kind: str = "retention", *, namespace: str | None = None, **fields: Unpack[PolicyFields]
    ) -> Ask[Policy]:
        """Change parts of the policy of a namespace."""
        return Ask(models.Policy, kind, query={"namespace": namespace}, body=fields)

    @call("DELETE", "/v1/policies/{kind}")
    def delete(
        self, kind: str = "retention", *, namespace: str | None = None, **options: Unpack[Versioned]
    ) -> Ask[None]:
        """Go back to the defaults."""
        return Ask(type(None), kind, query={"namespace": namespace})

    @call("GET", "/v1/policies/fusion")
    def fusion(self, *, namespace: str | None = None, **options: Unpack[Reading]) -> Ask[Policy]:
        """Return how a namespace is searched where a search does not say."""
        return Ask(models.Policy, query={"namespace": namespace})

    @call("PUT", "/v1/policies/fusion")
    def put_fusion(
        self,
        *,
        namespace: str | None = None,
        preset: Literal["fast", "balanced", "thorough"] | None = None,
        channels: Mapping[str, float] | None = None,
        **options: Unpack[Versioned],
    ) -> Ask[Policy]:
        """Say how a namespace is searched where a search does not say."""
        return Ask(models.Policy, query={"namespace": namespace}, body=stated({"preset": preset, "channels": channels}))

    @call("DELETE", "/v1/policies/fusion")
    def delete_fusion(self, *, namespace: str | None = None, **options: Unpack[Versioned]) -> Ask[None]:
        """Have a namespace searched as everywhere again."""
        return Ask(type(None), query={"namespace": namespace})

    @call("GET", "/v1/policies/redaction")
    def redaction(self, *, namespace: str | None = None, **options: Unpack[Reading]) -> Ask[Policy]:
        """Return what must not be stored in a namespace."""
        return Ask(models.Policy, query={"namespace": namespace})

    @call("PUT", "/v1/policies/redaction")
    def put_redaction(
        self,
        rules: Sequence[Mapping[str, Any]],
        *,
        namespace: str | None = None,
        **options: Unpack[Versioned],
    ) -> Ask[Policy]:
        """Say what must never be stored in a namespace; from the answer on every process goes by it."""
        return Ask(models.Policy, query={"namespace": namespace}, body={"rules": [dict(rule) for rule in rules]})

    @call("DELETE", "/v1/policies/redaction")
    def delete_redaction(self, *, namespace: str | None = None, **options: Unpack[Versioned]) -> Ask[None]:
        """Let everything be stored again; what was redacted stays so."""
        return Ask(type(None), query={"namespace": namespace})

    @call("POST", "/v1/policies/redaction/simulate")
    def simulate_redaction(
        self,
        rules: Sequence[Mapping[str, Any]] | None = None,
        *,
        namespace: str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[Simulation]:
        """Say what rules, or those in force, find in what is stored: counts and ids, nothing of the values."""
        policy = None if rules is None else {"rules": [dict(rule) for rule in rules]}
        return Ask(models.Simulation, body=stated({"namespace": namespace, "policy": policy}))

    @call("POST", "/v1/policies/simulate")
    def simulate(
        self,
        *,
        namespace: str | None = None,
        policy: Mapping[str, Any] | None = None,
        from_: Time | None = None,
        **options: Unpack[Reading],
    ) -> Ask[Simulation]:
        """Return what a policy would have archived since a time, without changing anything."""
        return Ask(models.Simulation, body=stated({"namespace": namespace, "policy": policy, "from": from_}))


class SavedQueries(Resource[E]):
    """Calls about questions whose right answers are known."""

    @listing("GET", "/v1/saved-queries")
    def list(self, **where: Unpack[InNamespace]) -> Ask[SavedQuery]:
        """List saved queries, newest first."""
        return Ask(models.SavedQuery, query=where)

    @call("POST", "/v1/saved-queries")
    def create(
        self, query: str, relevant: Iterable[Id], *, namespace: str | None = None, **options: Unpack[Writing]
    ) -> Ask[SavedQuery]:
        """Save which memories answer a question; the same question again replaces them."""
        ids = [str(one) for one in relevant]
        return Ask(models.SavedQuery, body=stated({"query": query, "relevant": ids, "namespace": namespace}))

    @call("GET", "/v1/saved-queries/{query_id}")
    def get(self, query_id: Id, **options: Unpack[Reading]) -> Ask[SavedQuery]:
        """Return one saved query."""
        return Ask(models.SavedQuery, query_id)

    @call("DELETE", "/v1/saved-queries/{query_id}")
    def delete(self, query_id: Id, **options: Unpack[Reading]) -> Ask[None]:
        """Remove a saved query."""
        return Ask(type(None), query_id)


class FusionWeightsCalls(Resource[E]):
    """Calls about learned weights."""

    @listing("GET", "/v1/fusion-weights")
    def list(self, **where: Unpack[InNamespace]) -> Ask[FusionWeights]:
        """List proposals of learned weights and what became of them, newest first."""
        return Ask(models.FusionWeights, query=where)

    @call("POST", "/v1/fusion-weights/learn")
    def learn(self, namespace: str | None = None, **options: Unpack[Writing]) -> Ask[Started[E]]:
        """Learn from feedback now, as a job.

        Raises:
            Conflict: the namespace is learning already.
        """
        return Ask(models.Started, body=stated({"namespace": namespace}))

    @call("POST", "/v1/fusion-weights/revert")
    def revert(self, namespace: str | None = None, **options: Unpack[Writing]) -> Ask[Factors]:
        """Go back to the weights before those in force.

        Raises:
            Conflict: none are learned.
        """
        return Ask(models.Factors, body=stated({"namespace": namespace}))
