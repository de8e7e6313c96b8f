"""The groups of calls that hang on a client: loaded and made when first used, so that importing the client stays cheap."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from memory_client.calls import E
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from memory_client.resources.access import ApiKeys, Tenants
    from memory_client.resources.consolidation import Changesets, Consolidations, Reviews
    from memory_client.resources.documents import Documents
    from memory_client.resources.encoders import Encoders
    from memory_client.resources.governance import Audit, Erasures, UsageCalls
    from memory_client.resources.health import Health
    from memory_client.resources.jobs import Jobs
    from memory_client.resources.kv import KV
    from memory_client.resources.parametric import Parametric
    from memory_client.resources.scopes import Agents, Namespaces, Sessions, Users
    from memory_client.resources.structure import Communities, Entities, Episodes, Facts, GraphCalls, Profiles, Topics
    from memory_client.resources.transfer import Exports, Imports
    from memory_client.resources.tuning import FusionWeightsCalls, Policies, SavedQueries
    from memory_client.resources.webhooks import Webhooks
    from memory_client.resources.working import Blocks, Tasks


class Groups(Resource[E]):
    """What is not about memories themselves."""

    @cached_property
    def jobs(self) -> Jobs[E]:
        """Background work: look at it, follow it, wait for it, cancel it, try it again."""
        from memory_client.resources.jobs import Jobs

        return Jobs(self._executor)

    @cached_property
    def documents(self) -> Documents[E]:
        """Texts too long for one memory."""
        from memory_client.resources.documents import Documents

        return Documents(self._executor)

    @cached_property
    def namespaces(self) -> Namespaces[E]:
        """Where memories live."""
        from memory_client.resources.scopes import Namespaces

        return Namespaces(self._executor)

    @cached_property
    def users(self) -> Users[E]:
        """Users, and how much is remembered of each."""
        from memory_client.resources.scopes import Users

        return Users(self._executor)

    @cached_property
    def agents(self) -> Agents[E]:
        """Agents, and how much is remembered of each."""
        from memory_client.resources.scopes import Agents

        return Agents(self._executor)

    @cached_property
    def sessions(self) -> Sessions[E]:
        """Sessions and what was said in them."""
        from memory_client.resources.scopes import Sessions

        return Sessions(self._executor)

    @cached_property
    def graph(self) -> GraphCalls[E]:
        """Memories, entities and groups as a graph."""
        from memory_client.resources.structure import GraphCalls

        return GraphCalls(self._executor)

    @cached_property
    def entities(self) -> Entities[E]:
        """Whom and what memories mention."""
        from memory_client.resources.structure import Entities

        return Entities(self._executor)

    @cached_property
    def facts(self) -> Facts[E]:
        """What memories say of somebody."""
        from memory_client.resources.structure import Facts

        return Facts(self._executor)

    @cached_property
    def episodes(self) -> Episodes[E]:
        """Turns that belong together."""
        from memory_client.resources.structure import Episodes

        return Episodes(self._executor)

    @cached_property
    def topics(self) -> Topics[E]:
        """The tree of topics."""
        from memory_client.resources.structure import Topics

        return Topics(self._executor)

    @cached_property
    def communities(self) -> Communities[E]:
        """Entities that are mentioned together."""
        from memory_client.resources.structure import Communities

        return Communities(self._executor)

    @cached_property
    def profiles(self) -> Profiles[E]:
        """What is known of each user."""
        from memory_client.resources.structure import Profiles

        return Profiles(self._executor)

    @cached_property
    def consolidations(self) -> Consolidations[E]:
        """Runs of consolidation."""
        from memory_client.resources.consolidation import Consolidations

        return Consolidations(self._executor)

    @cached_property
    def changesets(self) -> Changesets[E]:
        """What runs changed, and how to take it back."""
        from memory_client.resources.consolidation import Changesets

        return Changesets(self._executor)

    @cached_property
    def reviews(self) -> Reviews[E]:
        """What people are asked to decide."""
        from memory_client.resources.consolidation import Reviews

        return Reviews(self._executor)

    @cached_property
    def policies(self) -> Policies[E]:
        """By what rule memories fade."""
        from memory_client.resources.tuning import Policies

        return Policies(self._executor)

    @cached_property
    def saved_queries(self) -> SavedQueries[E]:
        """Questions whose right answers are known."""
        from memory_client.resources.tuning import SavedQueries

        return SavedQueries(self._executor)

    @cached_property
    def fusion_weights(self) -> FusionWeightsCalls[E]:
        """Weights learned from feedback."""
        from memory_client.resources.tuning import FusionWeightsCalls

        return FusionWeightsCalls(self._executor)

    @cached_property
    def api_keys(self) -> ApiKeys[E]:
        """Keys."""
        from memory_client.resources.access import ApiKeys

        return ApiKeys(self._executor)

    @cached_property
    def encoders(self) -> Encoders[E]:
        """Encoders, and namespaces that change theirs."""
        from memory_client.resources.encoders import Encoders

        return Encoders(self._executor)

    @cached_property
    def tenants(self) -> Tenants[E]:
        """Tenants."""
        from memory_client.resources.access import Tenants

        return Tenants(self._executor)

    @cached_property
    def health(self) -> Health[E]:
        """The service itself."""
        from memory_client.resources.health import Health

        return Health(self._executor)

    @cached_property
    def blocks(self) -> Blocks[E]:
        """Texts that agents keep in view and edit themselves."""
        from memory_client.resources.working import Blocks

        return Blocks(self._executor)

    @cached_property
    def tasks(self) -> Tasks[E]:
        """Trees of tasks that agents work on."""
        from memory_client.resources.working import Tasks

        return Tasks(self._executor)

    @cached_property
    def erasures(self) -> Erasures[E]:
        """What is forgotten for good, with receipts."""
        from memory_client.resources.governance import Erasures

        return Erasures(self._executor)

    @cached_property
    def audit(self) -> Audit[E]:
        """Who changed what."""
        from memory_client.resources.governance import Audit

        return Audit(self._executor)

    @cached_property
    def webhooks(self) -> Webhooks[E]:
        """Receivers that are told of changes."""
        from memory_client.resources.webhooks import Webhooks

        return Webhooks(self._executor)

    @cached_property
    def exports(self) -> Exports[E]:
        """Bundles of memories, written."""
        from memory_client.resources.transfer import Exports

        return Exports(self._executor)

    @cached_property
    def imports(self) -> Imports[E]:
        """Bundles of memories, read."""
        from memory_client.resources.transfer import Imports

        return Imports(self._executor)

    @cached_property
    def kv(self) -> KV[E]:
        """Memories as attention states."""
        from memory_client.resources.kv import KV

        return KV(self._executor)

    @cached_property
    def parametric(self) -> Parametric[E]:
        """Memory in weights."""
        from memory_client.resources.parametric import Parametric

        return Parametric(self._executor)

    @cached_property
    def usage(self) -> UsageCalls[E]:
        """What is used."""
        from memory_client.resources.governance import UsageCalls

        return UsageCalls(self._executor)
