"""Arguments and answers of the nine tools, as clients of the reference memory server know them."""

from typing import Annotated

from pydantic import ConfigDict, Field

from memory_mcp.reference import graph
from memory_mcp.tool import Arguments, Structured

MOST_AT_ONCE = 1000  # elements of one call
Name = Annotated[str, Field(min_length=1, max_length=1024)]
Text = Annotated[str, Field(min_length=1, max_length=60_000)]


class Entity(Structured):
    """A named thing and what was observed of it."""

    model_config = ConfigDict(strict=True)

    name: Annotated[Name, Field(description="The name, which identifies the entity")]
    entityType: Annotated[Name, Field(description="Its kind, such as person or project")]
    observations: Annotated[
        list[Text], Field(max_length=MOST_AT_ONCE, description="What is known of it, one fact each")
    ]


class Relation(Structured):
    """A directed edge, in active voice."""

    model_config = ConfigDict(strict=True)

    from_: Annotated[Name, Field(alias="from", description="The entity where it starts")]
    to: Annotated[Name, Field(description="The entity where it ends")]
    relationType: Annotated[Name, Field(description="What it says, in active voice, such as works_at")]


class CreateEntities(Arguments):
    """Entities to be made."""

    entities: Annotated[list[Entity], Field(max_length=MOST_AT_ONCE)]


class Relations(Arguments):
    """Relations to be made or deleted."""

    relations: Annotated[list[Relation], Field(max_length=MOST_AT_ONCE)]


class NewObservations(Arguments):
    """What was observed of one entity."""

    entityName: Annotated[Name, Field(description="An entity that is there")]
    contents: Annotated[list[Text], Field(max_length=MOST_AT_ONCE, description="What is new about it")]


class AddObservations(Arguments):
    """Observations to be added."""

    observations: Annotated[list[NewObservations], Field(max_length=MOST_AT_ONCE)]


class EntityNames(Arguments):
    """Entities to be deleted."""

    entityNames: Annotated[list[Name], Field(max_length=MOST_AT_ONCE)]


class OldObservations(Arguments):
    """Observations of one entity."""

    entityName: Name
    observations: Annotated[list[Text], Field(max_length=MOST_AT_ONCE, description="Exactly as they were added")]


class DeleteObservations(Arguments):
    """Observations to be deleted."""

    deletions: Annotated[list[OldObservations], Field(max_length=MOST_AT_ONCE)]


class Nothing(Arguments):
    """No arguments."""


class Query(Arguments):
    """What is looked for."""

    query: Annotated[
        str, Field(max_length=2048, description="A piece of a name, a type or an observation, or a question")
    ]


class Names(Arguments):
    """Entities to be opened."""

    names: Annotated[list[Name], Field(max_length=MOST_AT_ONCE)]


class MadeEntities(Structured):
    """The entities that were not there before."""

    entities: list[Entity]


class MadeRelations(Structured):
    """The relations that were not there before."""

    relations: list[Relation]


class Added(Structured):
    """What was new about one entity."""

    entityName: str
    addedObservations: list[str]


class AddedObservations(Structured):
    """What was new, entity by entity."""

    results: list[Added]


class Done(Structured):
    """What was deleted, in a sentence."""

    success: bool
    message: str


class KnowledgeGraph(Structured):
    """Entities and the relations that touch them."""

    entities: list[Entity]
    relations: list[Relation]


def entity_shape(entity: graph.Entity) -> Entity:
    """Return an entity as its clients read it."""
    return Entity(name=entity.name, entityType=entity.entity_type, observations=list(entity.observations))


def relation_shape(relation: graph.Relation) -> Relation:
    """Return a relation as its clients read it."""
    return Relation(**{"from": relation.source}, to=relation.target, relationType=relation.relation_type)


def relation_of(shape: Relation) -> graph.Relation:
    """Return the relation that a client wrote."""
    return graph.Relation(shape.from_, shape.to, shape.relationType)


def graph_shape(found: graph.Graph) -> KnowledgeGraph:
    """Return a graph as its clients read it."""
    return KnowledgeGraph(
        entities=[entity_shape(entity) for entity in found.entities],
        relations=[relation_shape(relation) for relation in found.relations],
    )
