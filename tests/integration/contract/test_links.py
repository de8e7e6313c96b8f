"""Links that callers draw: theirs whatever runs do, taken back by them, known as of earlier."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from consolidation.planning import Join, Plan, Step, Why
from consolidation.records import Ref
from memory_service.api.services import utc_now
from memory_service.lifecycle.apply import apply
from memory_service.storage.database import Database
from memory_service.types import LinkType


@pytest.fixture
def two(me: Any) -> tuple[str, str]:
    made = [me.post("/v1/memories", json={"content": c}).json()["id"] for c in ("Ana drinks tea.", "Ana is thirsty.")]
    return made[0], made[1]


def draw(me: Any, source: str, target: str, type: str = "supports", **more: Any) -> Any:
    return me.post("/v1/links", json={"from": source, "to": target, "type": type, **more})


def test_drawn_listed_taken_back(me: Any, two: tuple[str, str], problem: Any) -> None:
    made = draw(me, *two)
    assert made.status_code == 201, made.text
    link = made.json()
    assert link == {
        "id": link["id"], "source_id": two[0], "target_id": two[1], "type": "supports", "weight": 1.0,
        "derivation": {"method": "caller"}, "created_at": link["created_at"],
    }  # fmt: skip
    again = draw(me, *two)
    assert (again.status_code, again.json()) == (200, link)
    other = draw(me, two[1], two[0])
    assert other.status_code == 201, "the other way round is another one"
    assert [one["id"] for one in me.get("/v1/links").json()["data"]] == [other.json()["id"], link["id"]]
    assert link in me.get(f"/v1/memories/{two[1]}/links").json()["data"]
    assert me.get(f"/v1/memories/{two[0]}").json()["links_count"] == 2
    edges = me.get(f"/v1/graph?seed={two[0]}&depth=1").json()["edges"]
    assert {(e["source"], e["target"]) for e in edges if e["type"] == "supports"} == {two, two[::-1]}
    before = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    assert me.delete(f"/v1/links/{link['id']}").status_code == 204
    problem(me.delete(f"/v1/links/{link['id']}"), 404, "link_not_found")
    assert [one["id"] for one in me.get("/v1/links").json()["data"]] == [other.json()["id"]]
    known = me.get(f"/v1/graph?seed={two[0]}&depth=1&known_at={before}").json()["edges"]
    assert two in {(e["source"], e["target"]) for e in known}
    assert draw(me, *two).json()["id"] != link["id"]


def test_times_are_written_as_everywhere_else(me: Any, two: tuple[str, str]) -> None:
    drawn = draw(me, *two).json()
    nodes = me.get(f"/v1/memories/{two[0]}/provenance").json()["nodes"]
    made = me.get(f"/v1/memories/{two[0]}").json()["created_at"]
    assert made.endswith("Z")
    assert drawn["created_at"].endswith("Z")
    assert [node["created_at"] for node in nodes if node["id"] == two[0]] == [made]


def test_another_weight_is_another_edge_in_its_place(me: Any, two: tuple[str, str]) -> None:
    draw(me, *two)
    changed = draw(me, *two, weight=0.5)
    assert (changed.status_code, changed.json()["weight"]) == (201, 0.5)
    assert [one["id"] for one in me.get("/v1/links").json()["data"]] == [changed.json()["id"]]


def test_an_edge_of_a_run_becomes_the_caller_s_and_outlives_the_run(
    me: Any, two: tuple[str, str], database: Database, problem: Any
) -> None:
    one, other = (Ref(UUID(memory_id), 1) for memory_id in two)
    joined = Join(one.id, other.id, LinkType.SUPPORTS, 0.7, Why(Step.LINKS, "a test"))
    with database.transaction(me.tenant_id) as session:
        space = session.scalar(text("SELECT namespace_id FROM memory WHERE tenant_id = :t"), {"t": me.tenant_id})
        changeset = apply(session, me.tenant_id, Plan(space, (joined,), (one, other)), now=utc_now())
    (of_a_run,) = me.get("/v1/links").json()["data"]
    problem(me.delete(f"/v1/links/{of_a_run['id']}"), 409, "link_computed")
    mine = draw(me, *two).json()
    assert [row["id"] for row in me.get("/v1/links").json()["data"]] == [mine["id"]]
    # The next run finds it there and draws no second one.
    with database.transaction(me.tenant_id) as session:
        apply(session, me.tenant_id, Plan(space, (joined,), (one, other)), now=utc_now())
    assert [row["id"] for row in me.get("/v1/links").json()["data"]] == [mine["id"]]
    assert me.post(f"/v1/changesets/{changeset}/revert").status_code == 200
    assert me.get("/v1/links").json()["data"] == [mine]


def test_it_lasts_through_a_whole_run(me: Any, two: tuple[str, str], work: Any) -> None:
    mine = draw(me, *two, type="similar").json()
    started = me.post("/v1/consolidations", json={"namespace": "default"})
    assert started.status_code == 202
    work(me.tenant_id)
    assert mine in me.get("/v1/links").json()["data"]


def test_what_may_not_be_linked(me: Any, two: tuple[str, str], problem: Any) -> None:
    elsewhere = me.post("/v1/memories", json={"content": "Elsewhere.", "namespace": "other"}).json()["id"]
    nobody = "01a21aa3-2c60-7558-b46a-1a2b3c01d0db"
    for type in ("derived_from", "supersedes", "co_recalled"):
        problem(draw(me, *two, type=type), 422, pointer="/type")
    problem(draw(me, *two, type="likes"), 422, pointer="/type")
    problem(draw(me, two[0], two[0]), 422, pointer="/to")
    problem(draw(me, two[0], elsewhere), 422, pointer="/to")
    problem(draw(me, two[0], nobody), 404, "memory_not_found")
    problem(draw(me, two[0], "x"), 422, pointer="/to")
    for weight in (0, -1, 2, "1", True):
        problem(draw(me, *two, weight=weight), 422, pointer="/weight")
    me.delete(f"/v1/memories/{two[1]}")
    problem(draw(me, *two), 409, "archived")
    assert me.get("/v1/links").json()["data"] == []


def test_an_erasure_takes_its_links(me: Any, two: tuple[str, str], work: Any) -> None:
    draw(me, *two)
    assert me.delete(f"/v1/memories/{two[1]}?erase=true").status_code == 202
    work(me.tenant_id)
    assert me.get("/v1/links").json()["data"] == []
    assert me.get(f"/v1/memories/{two[0]}").status_code == 200, "a link is no lineage"


def test_the_audit_chain_by_namespace(me: Any) -> None:
    for path in ("a", "b"):
        me.post("/v1/memories", json={"content": "x", "namespace": path})
        assert me.put(f"/v1/policies/retention?namespace={path}", json={}).status_code == 200
    found = me.get("/v1/audit?namespace=a").json()["data"]
    assert [(one["action"], one["namespace"]) for one in found] == [("policy.change", "a")]
    assert me.get("/v1/audit?namespace=nowhere").status_code == 404
