"""What consolidation makes of memories: entities, facts, episodes, topics, communities, profiles, and their graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from memory_client import models
from memory_client.calls import E, call, listing
from memory_client.fields import stated
from memory_client.operation import Ask
from memory_client.resources.base import Resource

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Unpack

    from memory_client.fields import Id
    from memory_client.group_fields import InNamespace
    from memory_client.models import (
        Community,
        Edges,
        Entity,
        Episode,
        Fact,
        Graph,
        Link,
        Mention,
        Picture,
        Profile,
        Timeline,
        TimelinePlane,
        Topic,
    )
    from memory_client.operation import Reading, Writing


class Entities(Resource[E]):
    """Calls about whom and what memories mention."""

    @listing("GET", "/v1/entities")
    def list(
        self,
        *,
        q: str | None = None,
        name: str | None = None,
        order: Literal["latest", "mentions", "name"] | None = None,
        **where: Unpack[InNamespace],
    ) -> Ask[Entity]:
        """List entities, the latest found first; with ``q`` those with it in one of their names, with ``name`` those so named."""
        return Ask(models.Entity, query={"q": q, "name": name, "order": order, **where})

    @call("GET", "/v1/entities/{entity_id}")
    def get(self, entity_id: Id, **options: Unpack[Reading]) -> Ask[Entity]:
        """Return one entity, also one that was merged into another."""
        return Ask(models.Entity, entity_id)

    @listing("GET", "/v1/entities/{entity_id}/mentions")
    def mentions(self, entity_id: Id, *, limit: int | None = None, **options: Unpack[Reading]) -> Ask[Mention]:
        """List the live memories that name an entity, the latest stored first."""
        return Ask(models.Mention, entity_id, query={"limit": limit})

    @call("POST", "/v1/entities/merge")
    def merge(
        self, from_: Iterable[Id], into: Id, *, namespace: str | None = None, **options: Unpack[Writing]
    ) -> Ask[Entity]:
        """Make several entities one, which keeps its id and name, and return it."""
        ids = [str(one) for one in from_]
        return Ask(models.Entity, body=stated({"namespace": namespace, "from": ids, "into": str(into)}))

    @call("POST", "/v1/entities/split")
    def split(
        self, entity_id: Id, names: Sequence[str], *, namespace: str | None = None, **options: Unpack[Writing]
    ) -> Ask[Entity]:
        """Make these names of an entity one of their own, and return it; a single text is one name."""
        names = [names] if isinstance(names, str) else names
        return Ask(
            models.Entity, body=stated({"namespace": namespace, "entity_id": str(entity_id), "names": list(names)})
        )


class Facts(Resource[E]):
    """Calls about what memories say of somebody."""

    @listing("GET", "/v1/facts")
    def list(
        self, *, subject: str | None = None, attribute: str | None = None, **where: Unpack[InNamespace]
    ) -> Ask[Fact]:
        """List facts of live memories, those of the latest memory first."""
        return Ask(models.Fact, query={"subject": subject, "attribute": attribute, **where})

    @listing("GET", "/v1/memories/{memory_id}/facts")
    def of(self, memory_id: Id, *, limit: int | None = None, **options: Unpack[Reading]) -> Ask[Fact]:
        """List the facts read in one memory, in the order of its text."""
        return Ask(models.Fact, memory_id, query={"limit": limit})


class Episodes(Resource[E]):
    """Calls about turns that belong together."""

    @listing("GET", "/v1/episodes")
    def list(self, **where: Unpack[InNamespace]) -> Ask[Episode]:
        """List episodes, the newest first."""
        return Ask(models.Episode, query=where)

    @call("GET", "/v1/episodes/{episode_id}")
    def get(self, episode_id: Id, **options: Unpack[Reading]) -> Ask[Episode]:
        """Return one episode."""
        return Ask(models.Episode, episode_id)


class Topics(Resource[E]):
    """Calls about the tree of topics."""

    @listing("GET", "/v1/topics")
    def list(self, *, parent_id: Id | None = None, top: bool | None = None, **where: Unpack[InNamespace]) -> Ask[Topic]:
        """List topics, the newest first; with ``parent_id``, those right below one; with ``top``, those below none."""
        return Ask(models.Topic, query={"parent_id": parent_id, "top": top, **where})

    @call("GET", "/v1/topics/{topic_id}")
    def get(self, topic_id: Id, **options: Unpack[Reading]) -> Ask[Topic]:
        """Return one topic."""
        return Ask(models.Topic, topic_id)


class Communities(Resource[E]):
    """Calls about entities that are mentioned together."""

    @listing("GET", "/v1/communities")
    def list(self, **where: Unpack[InNamespace]) -> Ask[Community]:
        """List communities, the newest first."""
        return Ask(models.Community, query=where)

    @call("GET", "/v1/communities/{community_id}")
    def get(self, community_id: Id, **options: Unpack[Reading]) -> Ask[Community]:
        """Return one community."""
        return Ask(models.Community, community_id)


class Profiles(Resource[E]):
    """Calls about what is known of a user."""

    @call("GET", "/v1/profiles/{user_id}")
    def get(self, user_id: str, *, namespace: str | None = None, **options: Unpack[Reading]) -> Ask[Profile]:
        """Return what lasts and what is recent about a user.

        Raises:
            NotFound: nothing is known yet.
        """
        return Ask(models.Profile, user_id, query={"namespace": namespace})


class GraphCalls(Resource[E]):
    """Calls about memories, entities and groups as a graph."""

    @call("GET", "/v1/graph")
    def get(
        self,
        seed: Id | Sequence[Id] | None = None,
        *,
        query: str | None = None,
        namespace: str | None = None,
        depth: int | None = None,
        limit: int | None = None,
        begin: int | None = None,
        known_at: datetime | str | None = None,
        valid_at: datetime | str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[Graph]:
        """Return the nodes and edges around some ids, around what a query finds, or around the newest memories."""
        return Ask(
            models.Graph,
            query={
                "seed": seed,
                "query": query,
                "namespace": namespace,
                "depth": depth,
                "limit": limit,
                "begin": begin,
                "known_at": known_at,
                "valid_at": valid_at,
            },
        )

    @call("GET", "/v1/graph/picture")
    def picture(
        self,
        seed: Id | Sequence[Id] | None = None,
        *,
        query: str | None = None,
        namespace: str | None = None,
        depth: int | None = None,
        limit: int | None = None,
        begin: int | None = None,
        known_at: datetime | str | None = None,
        valid_at: datetime | str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[Picture]:
        """Return the same as `get` with fewer fields, column by column: quicker where there are thousands of nodes."""
        return Ask(
            models.Picture,
            query={
                "seed": seed,
                "query": query,
                "namespace": namespace,
                "depth": depth,
                "limit": limit,
                "begin": begin,
                "known_at": known_at,
                "valid_at": valid_at,
            },
        )

    @call("POST", "/v1/graph/edges")
    def edges(
        self,
        nodes: Iterable[Id],
        *,
        of: Iterable[Id] | None = None,
        namespace: str | None = None,
        known_at: datetime | str | None = None,
        valid_at: datetime | str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[Edges]:
        """Return the edges between nodes that are known already; with ``of``, those that have an end among them."""
        body = {
            "nodes": [str(one) for one in nodes],
            "of": None if of is None else [str(one) for one in of],
            "namespace": namespace,
            "known_at": known_at,
            "valid_at": valid_at,
        }
        return Ask(models.Edges, body=stated(body))

    @call("GET", "/v1/timeline")
    def timeline(
        self,
        *,
        namespace: str | None = None,
        axis: Literal["valid", "known"] | None = None,
        bucket: Literal["hour", "day", "week", "month", "year", "auto", "none"] | None = None,
        from_: datetime | str | None = None,
        to: datetime | str | None = None,
        other_from: datetime | str | None = None,
        other_to: datetime | str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        **options: Unpack[Reading],
    ) -> Ask[Timeline]:
        """Return how many memories lie when, and a page of them; `next_cursor` of an answer asks for the next page."""
        return Ask(
            models.Timeline,
            query={
                "namespace": namespace,
                "axis": axis,
                "bucket": bucket,
                "from": from_,
                "to": to,
                "other_from": other_from,
                "other_to": other_to,
                "limit": limit,
                "cursor": cursor,
            },
        )

    @call("GET", "/v1/timeline/plane")
    def plane(
        self,
        *,
        namespace: str | None = None,
        axis: Literal["valid", "known"] | None = None,
        from_: datetime | str | None = None,
        to: datetime | str | None = None,
        other_from: datetime | str | None = None,
        other_to: datetime | str | None = None,
        columns: int | None = None,
        rows: int | None = None,
        **options: Unpack[Reading],
    ) -> Ask[TimelinePlane]:
        """Return how many memories lie where by when they were true and by when they were learned at once."""
        return Ask(
            models.TimelinePlane,
            query={
                "namespace": namespace,
                "axis": axis,
                "from": from_,
                "to": to,
                "other_from": other_from,
                "other_to": other_to,
                "columns": columns,
                "rows": rows,
            },
        )

    @call("POST", "/v1/links")
    def link(
        self, source: Id, target: Id, type: str, *, weight: float | None = None, **options: Unpack[Writing]
    ) -> Ask[Link]:
        """Draw an edge from one memory to another; no run of consolidation ends it.

        Raises:
            Conflict: one of them is archived.
        """
        return Ask(models.Link, body=stated({"from": source, "to": target, "type": type, "weight": weight}))

    @call("DELETE", "/v1/links/{link_id}")
    def unlink(self, link_id: Id, **options: Unpack[Reading]) -> Ask[None]:
        """Take back an edge that a caller drew.

        Raises:
            Conflict: a run of consolidation drew it.
        """
        return Ask(type(None), link_id)

    @listing("GET", "/v1/links")
    def links(self, **where: Unpack[InNamespace]) -> Ask[Link]:
        """List the edges between memories, newest first."""
        return Ask(models.Link, query=where)
