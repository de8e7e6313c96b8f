"""A knowledge graph as the reference memory server draws it: entities with observations, and relations between them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entity:
    """A named thing and what was observed of it."""

    name: str
    entity_type: str
    observations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """A directed edge between two entities."""

    source: str
    target: str
    relation_type: str


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that was observed of an entity."""

    entity: str
    text: str


Element = Entity | Relation | Observation


@dataclass(frozen=True, slots=True)
class Graph:
    """Entities in the order in which they were made, with their relations."""

    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()


def assemble(elements: Iterable[Element]) -> Graph:
    """Build a graph from its elements, the oldest first.

    What is there twice counts once; observations of an entity that is not there are left out.

    >>> assemble([Entity("Ada", "person"), Observation("Ada", "likes tea"), Observation("Bob", "is lost")])
    Graph(entities=(Entity(name='Ada', entity_type='person', observations=('likes tea',)),), relations=())
    """
    types: dict[str, str] = {}
    observations: dict[str, dict[str, None]] = {}
    relations: dict[Relation, None] = {}
    for element in elements:
        if isinstance(element, Entity):
            types.setdefault(element.name, element.entity_type)
        elif isinstance(element, Relation):
            relations[element] = None
        else:
            observations.setdefault(element.entity, {})[element.text] = None
    entities = tuple(Entity(name, kind, tuple(observations.get(name, ()))) for name, kind in types.items())
    return Graph(entities, tuple(relations))


def first_of_each_name(entities: Iterable[Entity]) -> list[Entity]:
    """Return the entities whose names did not come before, each observation once.

    >>> first_of_each_name([Entity("Ada", "person", ("a", "a")), Entity("Ada", "cat")])
    [Entity(name='Ada', entity_type='person', observations=('a',))]
    """
    found: dict[str, Entity] = {}
    for entity in entities:
        found.setdefault(
            entity.name, Entity(entity.name, entity.entity_type, tuple(dict.fromkeys(entity.observations)))
        )
    return list(found.values())
