"""The view of the graph: what is reached, over which edges, and where it stops."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

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
    (edge,) = [one for one in graph["edges"] if one["target"] == episode]
    assert (edge["source"], edge["type"], edge["weight"], edge["known_to"]) == (lisbon, "part_of", None, None)
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


def node(graph: Any, id: str) -> Any:
    return next(one for one in graph["nodes"] if one["id"] == id)


def test_a_memory_comes_with_what_a_view_draws(built: Any) -> None:
    first = built.ids[0]
    built.me.post(f"/v1/memories/{first}/pin")
    graph = view(built, seed=first, depth=2)
    drawn, record = node(graph, first), built.me.get(f"/v1/memories/{first}").json()
    for name in (
        "version", "memory_type", "state", "pinned", "observed_at", "valid_to", "trust", "flags", "confidence", "importance",
        "superseded_by",
    ):  # fmt: skip
        assert drawn[name] == record[name], name
    assert drawn["pinned"] is True
    assert drawn["source_kind"] == record["source"]["kind"]
    assert drawn["retrievability"] == pytest.approx(record["retention"]["retrievability"], abs=1e-4) == 1.0
    assert drawn["degree"] == sum(first in (e["source"], e["target"]) for e in view(built, seed=first)["edges"])
    (episode,) = [one for one in graph["nodes"] if one["kind"] == "episode"]
    assert episode["degree"] == 5
    assert {episode[name] for name in ("memory_type", "state", "retrievability", "pinned")} == {None}


def test_the_same_view_is_the_same_every_time(built: Any) -> None:
    assert all(view(built, depth=3) == view(built, depth=3) for _ in range(3))


def test_it_begins_at_as_many_of_the_newest_as_asked_for(built: Any) -> None:
    assert [one["id"] for one in view(built, begin=3, depth=0)["nodes"]] == built.ids[::-1][:3]
    whole = view(built, begin=10_000, depth=1, limit=10_000)
    assert not whole["truncated"]
    assert of_kind(whole, "memory") == set(built.ids)
    for bad in (
        "limit=10001",
        "limit=0",
        "begin=0",
        "begin=10001",
        "known_at=yesterday",
        "valid_at=2026-01-01T00:00:00",
    ):
        assert built.me.get(f"/v1/graph?{bad}").status_code == 422, bad


def test_the_graph_as_it_was_known(built: Any) -> None:
    before = datetime.now(UTC)
    old = built.ids[5]
    new = built.me.post(f"/v1/memories/{old}/supersede", json={"content": "The flight goes to Porto instead."}).json()
    built.me.patch(f"/v1/memories/{built.ids[0]}", json={"title": "Another title"})
    built.me.delete(f"/v1/memories/{built.ids[1]}")
    now = view(built, seed=old, depth=1)
    (edge,) = [one for one in now["edges"] if one["type"] == "supersedes"]
    assert (edge["source"], edge["target"]) == (new["id"], old)
    assert node(now, old)["superseded_by"] == new["id"]
    then = view(built, begin=100, known_at=before.isoformat(), depth=1)
    assert of_kind(then, "memory") == set(built.ids)
    assert node(then, old)["superseded_by"] is None
    assert node(then, built.ids[0])["label"] != "Another title"
    assert node(then, old)["retrievability"] is None
    assert not [one for one in then["edges"] if one["type"] == "supersedes"]
    assert {one["type"] for one in then["edges"]} >= {"mentions", "part_of"}
    assert view(built, known_at="2020-01-01T00:00:00Z")["nodes"] == []
    answer = built.me.get("/v1/graph", params={"seed": new["id"], "known_at": before.isoformat()})
    assert answer.json()["code"] == "node_not_found"


def test_only_what_was_true_at_a_time(built: Any) -> None:
    past = built.me.post(
        "/v1/memories",
        json={
            "content": "She lives in Lyon.",
            "valid_from": "2019-01-01T00:00:00Z",
            "valid_to": "2020-01-01T00:00:00Z",
        },
    ).json()["id"]
    assert of_kind(view(built, valid_at="2019-06-01T00:00:00Z", depth=0), "memory") == {past}
    assert past not in of_kind(view(built, valid_at="2026-11-01T00:00:00Z", depth=0), "memory")
    assert past in of_kind(view(built, depth=0), "memory")


def as_rows(picture: Any) -> tuple[list[Any], list[Any]]:
    """Turn the columns of a picture into nodes and edges as the rows of a view have them."""
    nodes, edges = ([dict(zip(part, values, strict=True)) for values in zip(*part.values(), strict=True)]
                    for part in (picture["nodes"], picture["edges"]))  # fmt: skip
    for edge in edges:
        edge |= {end: nodes[edge[end]]["id"] for end in ("source", "target")}
    return nodes, edges


def test_a_picture_is_the_same_view_by_columns(built: Any) -> None:
    old = built.ids[5]
    built.me.post(f"/v1/memories/{built.ids[0]}/pin")
    before = datetime.now(UTC)
    built.me.post(f"/v1/memories/{old}/supersede", json={"content": "The flight goes to Porto instead."})
    expiring = {"content": "The gate opens soon.", "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    built.me.post("/v1/memories", json=expiring)
    asked: list[dict[str, Any]] = [
        {"begin": 100, "depth": 2},
        {"seed": [old, built.ids[0]], "depth": 3, "limit": 7},
        {"query": "Which airline cancelled the flight?", "depth": 1, "namespace": "default"},
        {"begin": 100, "known_at": before.isoformat()},
        {"valid_at": "2030-01-01T00:00:00Z"},
        {"namespace": "default", "known_at": "2020-01-01T00:00:00Z"},
    ]
    for params in asked:
        answer = built.me.get("/v1/graph/picture", params=params)
        assert answer.status_code == 200, answer.text
        whole, picture = view(built, **params), answer.json()
        nodes, edges = as_rows(picture)
        assert picture["truncated"] == whole["truncated"]
        assert len(nodes) == len(whole["nodes"])
        for drawn, node in zip(nodes, whole["nodes"], strict=True):
            # Moments pass between the two.
            r = {"retrievability"}
            assert {name: drawn[name] for name in drawn.keys() - r} == {name: node[name] for name in drawn.keys() - r}
            assert drawn["retrievability"] == pytest.approx(node["retrievability"], abs=1e-4)
        said = [{name: edge[name] for name in ("source", "target", "type", "weight")} for edge in whole["edges"]]
        key = lambda edge: (edge["source"], edge["target"], edge["type"])  # noqa: E731
        assert sorted(edges, key=key) == sorted(said, key=key)
        if params.get("begin") and not params.get("known_at"):
            assert edges
            assert {"memory", "entity", "episode"} <= {one["kind"] for one in nodes}
    missing = built.me.get("/v1/graph/picture?seed=00000000-0000-7000-8000-000000000000")
    assert (missing.status_code, missing.json()["code"]) == (404, "node_not_found")
    assert built.me.get("/v1/graph/picture?limit=10001").status_code == 422
    assert built.me.get("/v1/graph/picture?namespace=nowhere").status_code == 404


def test_in_a_picture_every_memory_fades_as_its_own_namespace_says(me: Any, maintenance: Engine) -> None:
    ids = {}
    for space in ("quick", "slow", "usual"):
        for content in ("The tram was late.", "The bus was late."):
            made = me.post("/v1/memories", json={"content": content, "namespace": space, "extract": "none"}).json()
            ids[made["id"]] = space
    for space, days in (("quick", 1), ("slow", 1000)):
        policy = {"stability_days": {"episodic": days}, "curve": "ebbinghaus"}
        assert me.put(f"/v1/policies/retention?namespace={space}", json=policy).status_code == 200
    with maintenance.begin() as connection:
        connection.execute(
            text("UPDATE memory SET created_at = created_at - interval '20 days' WHERE id = ANY(CAST(:ids AS uuid[]))"),
            {"ids": list(ids)},
        )
    picture = me.get("/v1/graph/picture", params={"seed": list(ids), "depth": 0}).json()["nodes"]
    found = dict(zip(picture["id"], picture["retrievability"], strict=True))
    assert found.keys() == ids.keys()
    for id, r in found.items():
        alone = me.get(f"/v1/memories/{id}").json()["retention"]["retrievability"]
        assert r == pytest.approx(alone, abs=1e-4), ids[id]
    by_space = {space: {round(r, 3) for id, r in found.items() if ids[id] == space} for space in set(ids.values())}
    (quick,), (slow,), (usual,) = by_space["quick"], by_space["slow"], by_space["usual"]
    assert quick < usual < slow
    assert slow - quick > 0.5


def test_what_expires_is_in_no_view_of_later(built: Any) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    gone = built.me.post("/v1/memories", json={"content": "Gone tomorrow.", "expires_at": soon.isoformat()}).json()[
        "id"
    ]
    for path in ("/v1/graph", "/v1/graph/picture"):
        later = {"seed": gone, "depth": 0, "known_at": (soon + timedelta(hours=1)).isoformat()}
        assert built.me.get(path, params=later).status_code == 404


def ends(edges: Any) -> set[tuple[str, str, str]]:
    return {(edge["source"], edge["target"], edge["type"]) for edge in edges}


def test_edges_between_nodes_that_are_known(built: Any) -> None:
    graph = view(built, seed=built.ids[0], depth=3)
    ids = [node["id"] for node in graph["nodes"]]
    answer = built.me.post("/v1/graph/edges", json={"nodes": ids})
    assert answer.status_code == 200, answer.text
    assert answer.json()["edges"] == graph["edges"] != []
    # Of one of them: its own edges, from either end.
    (episode, *_) = of_kind(graph, "episode")
    some = built.me.post("/v1/graph/edges", json={"nodes": [*ids, ids[0]], "of": [episode]}).json()["edges"]
    assert ends(some) == {edge for edge in ends(graph["edges"]) if episode in edge}
    assert some
    # What is no node, or is not among them, has no edges.
    body = {"nodes": [built.ids[0], "0190a5c8-0000-7000-8000-000000000000"], "of": [episode]}
    assert built.me.post("/v1/graph/edges", json=body).json() == {"edges": []}
    assert built.me.post("/v1/graph/edges", json={"nodes": ids, "known_at": "2000-01-01T00:00:00Z"}).json() == {
        "edges": []
    }
    for body in ({"nodes": []}, {}, {"nodes": ["x"]}, {"nodes": ids, "more": 1}, {"nodes": ids[:1] * 10_001}):
        assert built.me.post("/v1/graph/edges", json=body).status_code == 422
    assert built.me.post("/v1/graph/edges", json={"nodes": ids, "namespace": "nowhere"}).status_code == 404
