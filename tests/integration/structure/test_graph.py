"""The view of the graph: what is reached, over which edges, and where it stops."""

from datetime import UTC, datetime
from typing import Any

import pytest

from consolidation import enriching
from consolidation.structure.steps import episode_changes, topic_changes
from consolidation.tenancy import Tenancy

from .conftest import FLIGHT, GARDEN


@pytest.fixture
def built(structures: Any) -> Any:
    structures.ids = [str(id) for id in structures.say(*GARDEN, *FLIGHT)]
    me, database = structures.me, structures.database
    enriching.enrich_pending(
        Tenancy(me.tenant_id, lambda: database.transaction(me.tenant_id), lambda: datetime.now(UTC))
    )
    for step in (episode_changes, topic_changes):
        structures.run(step)
    return structures


def view(built: Any, **params: Any) -> Any:
    answer = built.me.get("/v1/graph", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def of_kind(graph: Any, kind: str) -> set[str]:
    return {node["id"] for node in graph["nodes"] if node["kind"] == kind}


def test_a_memory_leads_to_what_it_names_and_to_what_it_is_part_of(built: Any) -> None:
    lisbon = built.ids[5]
    graph = view(built, seed=lisbon)
    assert graph["nodes"][0]["id"] == lisbon
    assert {node["label"] for node in graph["nodes"] if node["kind"] == "entity"} == {"Lisbon"}
    (episode,), (_,) = of_kind(graph, "episode"), of_kind(graph, "topic")
    assert {"source": lisbon, "target": episode, "type": "part_of", "weight": None} in graph["edges"]
    assert not graph["truncated"]
    shown = {node["id"] for node in graph["nodes"]}
    assert all({edge["source"], edge["target"]} <= shown for edge in graph["edges"])
    wider = view(built, seed=lisbon, depth=2)
    assert of_kind(wider, "memory") >= set(built.ids[5:])
    assert view(built, seed=lisbon, depth=0)["edges"] == []


def test_any_node_is_a_seed(built: Any) -> None:
    episode = next(iter(of_kind(view(built, seed=built.ids[0]), "episode")))
    assert of_kind(view(built, seed=episode), "memory") == set(built.ids[:5])
    entity = built.me.get("/v1/entities").json()["data"][0]["id"]
    assert of_kind(view(built, seed=entity), "memory")
    both = view(built, seed=[episode, built.ids[5]], depth=0)
    assert [node["id"] for node in both["nodes"]] == [episode, built.ids[5]]


def test_a_query_begins_at_what_it_finds(built: Any) -> None:
    graph = view(built, query="Which airline cancelled the flight?", depth=0)
    assert graph["nodes"][0]["id"] in built.ids[5:]
    assert of_kind(view(built, depth=0), "memory") == set(built.ids)


def test_it_stops_at_a_number_of_nodes_and_says_so(built: Any) -> None:
    graph = view(built, seed=built.ids[0], depth=3, limit=4)
    assert len(graph["nodes"]) == 4
    assert graph["truncated"]


def test_what_is_archived_is_not_shown(built: Any) -> None:
    assert built.me.delete(f"/v1/memories/{built.ids[6]}").status_code == 204
    assert built.ids[6] not in of_kind(view(built, seed=built.ids[5], depth=3), "memory")
    answer = built.me.get(f"/v1/graph?seed={built.ids[6]}")
    assert (answer.status_code, answer.json()["code"]) == (404, "node_not_found")
    assert built.me.get("/v1/graph?query=%20").status_code == 422
