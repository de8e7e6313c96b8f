"""Communities: memories and entities that have much in common, found in the graph that mentions and links make.

By modularity, with the method of Louvain (Blondel et al. 2008), over a graph of memories and entities: a mention is an edge between
the two, never a clique of the memories. An entity that nearly everything names tells nothing and is left out.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import networkx

from consolidation.planning import RULES, Change, End, Put, Step, Structure, Why
from consolidation.structure.successors import successors


@dataclass(frozen=True, slots=True)
class CommunitySettings:
    """Which communities are kept."""

    fewest: int = 4  # memories; fewer are an episode or a link
    most: int = 200  # memories, those with the most weight inside
    widest: float = 0.2  # share of the memories that may name an entity; above it tells nothing
    largest_entity: int = 500  # memories, whatever their share
    most_links: int = 200_000  # the strongest; the method takes about 0.2 ms for each
    resolution: float = 1.0  # of the modularity
    seed: int = 0


DEFAULT: Final = CommunitySettings()


@dataclass(frozen=True, slots=True)
class Association:
    """A memory names an entity, or is linked with another memory."""

    memory: UUID
    other: UUID
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Community:
    """Some memories and the entities that hold them together."""

    members: tuple[UUID, ...]  # sorted
    entities: tuple[UUID, ...]  # those that most of them name first


def find_communities(
    mentions: Sequence[Association],
    links: Sequence[Association],
    *,
    memories: int,
    settings: CommunitySettings = DEFAULT,
) -> list[Community]:
    """Return the communities of a graph, the largest first; the same graph gives the same.

    Args:
        mentions: which memories name which entities.
        links: which memories are linked.
        memories: how many there are, also of those that name nothing.
        settings: which communities are kept.

    Two groups of memories, each about one thing, and one that names both:

    >>> cat, sea = UUID(int=100), UUID(int=200)
    >>> named = [Association(UUID(int=n), cat if n < 5 else sea) for n in range(10)] + [Association(UUID(int=0), sea)]
    >>> found = find_communities(named, [], memories=10, settings=CommunitySettings(widest=1.0))
    >>> [sorted(one.int for one in c.members) for c in found], [c.entities == (sea,) for c in found]
    ([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], [False, True])
    """
    there = {one.memory for one in mentions} | {id for one in links for id in (one.memory, one.other)}
    named: dict[UUID, list[Association]] = {}
    for one in mentions:
        named.setdefault(one.other, []).append(one)
    most = min(settings.largest_entity, max(2, math.floor(settings.widest * memories)))
    graph = networkx.Graph()
    graph.add_nodes_from(sorted(there))
    for entity in sorted(named):
        if 2 <= len(named[entity]) <= most:
            for one in sorted(named[entity], key=lambda a: a.memory):
                graph.add_edge(one.memory, entity, weight=one.weight / math.log2(1 + len(named[entity])))
    if len(links) > settings.most_links:
        links = sorted(links, key=lambda a: (-a.weight, a.memory, a.other))[: settings.most_links]
    for link in sorted(links, key=lambda a: (a.memory, a.other)):
        if link.memory != link.other:
            before = graph.get_edge_data(link.memory, link.other, {"weight": 0.0})["weight"]
            graph.add_edge(link.memory, link.other, weight=before + link.weight)
    graph.remove_nodes_from([node for node in graph if graph.degree(node) == 0])
    if graph.number_of_edges() == 0:
        return []
    groups = networkx.community.louvain_communities(graph, seed=settings.seed, resolution=settings.resolution)
    found = [_community(graph, group, there, settings) for group in groups]
    kept = [one for one in found if len(one.members) >= settings.fewest]
    return sorted(kept, key=lambda one: (-len(one.members), one.members))


def plan_communities(
    found: Sequence[Community], before: Mapping[UUID, Sequence[UUID]], *, new_id: Callable[[], UUID]
) -> list[Change]:
    """Write the communities that are others than before; one lives on in that with which it shares most members.

    Args:
        found: what there is now.
        before: members of the present communities, by id.
        new_id: makes ids.
    """
    groups = {one.members: one for one in found}
    kept = successors(groups, before)
    changes: list[Change] = []
    for members, one in groups.items():
        id = kept.get(members)
        if id is None or tuple(sorted(before[id])) != members:
            values = {"size": len(members), "entity_ids": list(one.entities), "method": RULES, "members": list(members)}
            reason = "new" if id is None else "changed"
            changes.append(Put(Structure.COMMUNITY, id or new_id(), values, Why(Step.COMMUNITIES, reason)))
    gone = sorted(before.keys() - set(kept.values()))
    return changes + [End(Structure.COMMUNITY, id, Why(Step.COMMUNITIES, "dissolved")) for id in gone]


def _community(
    graph: "networkx.Graph", group: set[UUID], memories: set[UUID], settings: CommunitySettings
) -> Community:
    """Keep of a group those memories that hang together most, and its entities by how many of those name them."""
    inside = graph.subgraph(group)
    weight = {node: float(inside.degree(node, weight="weight")) for node in group & memories}
    members = sorted(weight, key=lambda id: (-weight[id], id))[: settings.most]
    kept = set(members)
    count = {entity: sum(other in kept for other in inside[entity]) for entity in group - memories}
    entities = sorted((e for e in count if count[e] > 0), key=lambda id: (-count[id], id))
    return Community(tuple(sorted(members)), tuple(entities))
