"""How an element of the graph lies among the memories, and back. Pure.

Each entity, observation and relation is a memory of its own whose content is a sentence, so that recall finds it. What it is in
the graph stands in `metadata.mcp_graph`. Its `external_id` follows from what it says, so that the same element is stored once
however many agents write it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memory_mcp.reference.graph import Element, Entity, Observation, Relation

KEY = "mcp_graph"  # in the metadata of every element
PREFIX = "mcp-graph:"  # of the external ids: a memory that gave its id away to a correction is no element any more
LONGEST_NAME = 256  # the service's limit on a name in `entities`


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored of an element."""

    external_id: str
    content: str
    title: str
    entities: tuple[str, ...]
    metadata: Mapping[str, Any]


def record_of(element: Element, *, user_id: str | None) -> Record:
    """Return what is stored of an element; an entity is stored without its observations.

    >>> record_of(Observation("Ada", "likes tea"), user_id=None).content
    'Ada: likes tea'
    """
    if isinstance(element, Entity):
        content = f"{element.name} ({element.entity_type})"
        facts = {"kind": "entity", "entity": element.name, "type": element.entity_type}
        names: tuple[str, ...] = (element.name,)
        key = ["entity", element.name]
    elif isinstance(element, Observation):
        content = f"{element.entity}: {element.text}"
        facts = {"kind": "observation", "entity": element.entity}
        names = (element.entity,)
        key = ["observation", element.entity, element.text]
    else:
        content = f"{element.source} {element.relation_type} {element.target}"
        facts = {
            "kind": "relation",
            "from": element.source,
            "to": element.target,
            "type": element.relation_type,
        }
        names = (element.source, element.target)
        key = ["relation", element.source, element.target, element.relation_type]
    return Record(
        external_id=_external_id(key, user_id),
        content=content,
        title=" ".join(names)[:4096],
        entities=tuple(name for name in dict.fromkeys(names) if name.strip() and len(name) <= LONGEST_NAME),
        metadata={KEY: facts},
    )


def element_of(*, external_id: str | None, content: str, metadata: Mapping[str, Any]) -> Element | None:
    """Return the element that a memory is; null for any other memory.

    >>> record = record_of(Relation("Ada", "Bob", "knows"), user_id=None)
    >>> element_of(external_id=record.external_id, content=record.content, metadata=record.metadata)
    Relation(source='Ada', target='Bob', relation_type='knows')
    """
    if external_id is None or not external_id.startswith(PREFIX):
        return None
    match metadata.get(KEY):
        case {"kind": "entity", "entity": str(name), "type": str(kind)}:
            return Entity(name, kind)
        case {"kind": "observation", "entity": str(name)}:
            # A correction may have dropped the name in front.
            return Observation(name, content.removeprefix(f"{name}: "))
        case {"kind": "relation", "from": str(source), "to": str(target), "type": str(kind)}:
            return Relation(source, target, kind)
        case _:
            return None


def _external_id(key: list[str], user_id: str | None) -> str:
    # Unique in a namespace, in which each user has a graph of their own.
    digest = hashlib.sha256(json.dumps([user_id, *key]).encode()).hexdigest()
    return f"{PREFIX}{key[0]}:{digest[:40]}"
