"""A changeset changes what it says and nothing else, in one transaction, and one call takes it back."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from consolidation.planning import Archive, Ask, Change, Join, Merge, Part, ReviewKind, Revise, Step, Supersede, Why
from consolidation.records import Ref
from memory_service.lifecycle.applied_plan import PlanOutdated
from memory_service.lifecycle.apply import EvidenceLost

WHY = Why(Step.CONFLICTS, "a test", 0.97)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def three(remember: Callable[..., dict[str, Any]]) -> list[str]:
    return [
        remember("Ana lives in Lisbon.", speaker="Ana", external_id="a", observed_at="2024-01-01T00:00:00Z")["id"],
        remember("Ana lives in Porto.", speaker="Ana", external_id="b", observed_at="2024-06-01T00:00:00Z")["id"],
        remember("In Porto, Ana lives.", speaker="Ana", external_id="c", observed_at="2024-07-01T00:00:00Z")["id"],
    ]


def found(me: Any, query: str = "Where does Ana live?") -> list[str]:
    answer = me.post("/v1/search", json={"query": query})
    return [result["memory"]["id"] for result in answer.json()["results"]]


def revert(me: Any, changeset_id: UUID | None, **body: Any) -> Any:
    return me.post(f"/v1/changesets/{changeset_id}/revert", json=body or None)


@pytest.fixture
def cases(three: list[str], ref: Callable[[str], Ref]) -> dict[str, Callable[[], list[Change]]]:
    a, b, c = three
    return {
        "supersede": lambda: [Supersede(ref(a), ref(b), NOW, WHY)],
        "merge": lambda: [Merge(ref(c), ref(b), WHY)],
        "revise": lambda: [Revise(ref(a), {"keywords": ["town"], "tags": ["home"], "importance": 0.9}, WHY)],
        "in place": lambda: [Revise(ref(a), {"title": "Ana's town", "context": "Ana on towns"}, WHY, in_place=True)],
        "archive": lambda: [Archive(ref(c), WHY)],
        "join": lambda: [Join(UUID(b), UUID(c), "similar", 0.8, WHY)],
        "ask": lambda: [Ask(ReviewKind.CONFLICT, (ref(a), ref(c)), "supersede", WHY)],
        "all at once": lambda: [
            Revise(ref(a), {"keywords": ["town"]}, WHY),
            Supersede(ref(a), ref(b), NOW, WHY),
            Revise(ref(c), {"title": "Porto"}, WHY, in_place=True),
            Merge(ref(c), ref(b), WHY),
            Join(UUID(b), UUID(a), "similar", 0.8, WHY),
        ],
    }


CASES = ("supersede", "merge", "revise", "in place", "archive", "join", "ask", "all at once")


@pytest.mark.parametrize("case", CASES)
def test_reverting_restores_what_was(
    me: Any, cases: Any, do: Any, snapshot: Callable[[], Any], three: list[str], case: str
) -> None:
    before, found_before = snapshot(), found(me)
    changeset_id = do(*cases[case]())
    assert snapshot() != before
    answer = revert(me, changeset_id)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "reverted"
    assert snapshot() == before
    assert found(me) == found_before
    again = revert(me, changeset_id)
    assert (again.status_code, again.json()["code"]) == (409, "already_reverted")


def test_a_merged_memory_leaves_the_results_and_becomes_a_source(me: Any, three: list[str], do: Any, ref: Any) -> None:
    _, b, c = three
    do(Merge(ref(c), ref(b), WHY))
    assert c not in found(me)
    assert b in found(me)
    merged = me.get(f"/v1/memories/{c}").json()
    assert (merged["state"], merged["superseded_by"], merged["content"]) == ("merged", b, "In Porto, Ana lives.")
    assert c not in [memory["id"] for memory in me.get("/v1/memories").json()["data"]]
    nodes = me.get(f"/v1/memories/{b}/provenance").json()["nodes"]
    assert f"memory/{c}" in [node["source"]["ref"] for node in nodes if node["kind"] == "source"]


def test_what_was_merged_is_not_stored_again(me: Any, three: list[str], do: Any, ref: Any) -> None:
    _, b, c = three
    do(Merge(ref(c), ref(b), WHY))
    turn = {"role": "user", "content": "In Porto, Ana lives.", "external_id": "c"}
    assert me.post("/v1/messages", json={"messages": [turn]}).json()["memories"] == [c]


def test_an_external_id_given_since_is_no_change_in_the_way(
    me: Any, three: list[str], remember: Callable[..., dict[str, Any]], do: Any, ref: Any
) -> None:
    text = "Ana's home is in Porto."
    nameless = remember(text)["id"]
    changeset_id = do(Merge(ref(nameless), ref(three[1]), WHY), Revise(ref(three[0]), {"tags": ["home"]}, WHY))
    again = me.post("/v1/memories", json={"content": text, "external_id": "n"})
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (200, nameless, "merged")
    answer = revert(me, changeset_id)
    assert answer.status_code == 200, answer.text
    back = me.get(f"/v1/memories/{nameless}").json()
    assert (back["state"], back["external_id"]) == ("activated", "n")


def test_a_nameless_merged_memory_that_is_updated_stands_by_itself_again(
    me: Any, three: list[str], remember: Callable[..., dict[str, Any]], do: Any, ref: Any
) -> None:
    text = "Ana's home is in Porto."
    nameless = remember(text)["id"]
    do(Merge(ref(nameless), ref(three[1]), WHY))
    body = {"content": text, "external_id": "n", "on_conflict": "update", "tags": ["home"]}
    again = me.post("/v1/memories", json=body).json()
    assert (again["id"], again["state"], again["external_id"], again["tags"]) == (nameless, "activated", "n", ["home"])
    assert nameless in found(me)


@pytest.mark.parametrize("route", ["native", "mem0"])
def test_a_merged_memory_whose_text_is_corrected_is_found_by_what_it_says_now(
    me: Any, three: list[str], do: Any, ref: Any, route: str
) -> None:
    """Whoever has its id need not know that it was merged: a corrected text that no search finds would be lost."""
    _, b, c = three
    changeset_id = do(Merge(ref(c), ref(b), WHY))
    assert me.patch(f"/v1/memories/{c}", json={"tags": ["home"]}).json()["state"] == "merged", "it says the same"
    text = "In Braga, Ana keeps bees."
    if route == "native":
        answer = me.patch(f"/v1/memories/{c}", json={"content": text})
    else:
        answer = me.put(f"/compat/mem0/memories/{c}", json={"text": text})
    assert answer.status_code == 200, answer.text
    now = me.get(f"/v1/memories/{c}").json()
    assert (now["content"], now["state"], now["superseded_by"]) == (text, "activated", None)
    assert found(me, "Who keeps bees?")[0] == c
    assert b in found(me)
    sources = [one for one in me.get(f"/v1/memories/{b}/provenance").json()["nodes"] if one["kind"] == "source"]
    assert len(sources) == 1, "what says something else is no source of it"
    assert revert(me, changeset_id).status_code == 409, "it has changed since"


def test_a_merged_memory_may_be_restored_by_hand(me: Any, three: list[str], do: Any, ref: Any) -> None:
    _, b, c = three
    do(Merge(ref(c), ref(b), WHY))
    restored = me.post(f"/v1/memories/{c}/restore").json()
    assert (restored["state"], restored.get("superseded_by")) == ("activated", None)
    assert c in found(me)


def test_a_superseded_memory_stays_below_its_successor(me: Any, three: list[str], do: Any, ref: Any) -> None:
    a, b, _ = three
    do(Supersede(ref(a), ref(b), datetime(2024, 6, 1, tzinfo=UTC), WHY))
    order = found(me)
    assert order.index(b) < order.index(a)
    old = me.get(f"/v1/memories/{a}").json()
    assert (old["superseded_by"], old["valid_to"], old["external_id"]) == (b, "2024-06-01T00:00:00Z", "a")
    assert me.get(f"/v1/memories/{a}", params={"as_of": old["created_at"]}).json().get("superseded_by") is None


def test_as_of_before_the_run_shows_what_was_known(me: Any, three: list[str], do: Any, ref: Any) -> None:
    _, b, c = three
    before = datetime.now(UTC).isoformat()
    do(Merge(ref(c), ref(b), WHY))
    answer = me.post("/v1/search", json={"query": "Where does Ana live?", "as_of": {"known": before}})
    assert c in [result["memory"]["id"] for result in answer.json()["results"]]


def test_an_outdated_plan_changes_nothing(me: Any, three: list[str], do: Any, ref: Any, snapshot: Any) -> None:
    a, b, c = three
    seen = ref(c)
    assert me.patch(f"/v1/memories/{c}", json={"tags": ["mine"]}).status_code == 200
    before = snapshot()
    with pytest.raises(PlanOutdated) as outdated:
        do(Supersede(ref(a), ref(b), NOW, WHY), Merge(seen, ref(b), WHY))
    assert outdated.value.memory_ids == {UUID(c)}
    with pytest.raises(PlanOutdated):
        do(Join(UUID(a), uuid4(), "similar", 0.5, WHY))
    assert snapshot() == before
    assert me.get("/v1/changesets").json()["data"] == []


def test_no_run_loses_evidence(three: list[str], do: Any, ref: Any, snapshot: Any) -> None:
    a, b, c = three
    before = snapshot()
    with pytest.raises(EvidenceLost):
        do(Merge(ref(c), ref(b), WHY), Archive(ref(b), WHY))
    with pytest.raises(EvidenceLost):
        do(Merge(ref(a), ref(b), WHY), Merge(ref(b), ref(a), WHY))
    assert snapshot() == before
    do(Merge(ref(c), ref(b), WHY))
    merged = snapshot()
    with pytest.raises(EvidenceLost):
        do(Archive(ref(b), WHY))
    assert snapshot() == merged
    do(Merge(ref(b), ref(a), WHY))  # c -> b -> a, which is live


def test_what_changed_since_is_reported_and_left_alone(
    me: Any, three: list[str], do: Any, ref: Any, snapshot: Any
) -> None:
    a, b, c = three
    changeset_id = do(Supersede(ref(a), ref(b), NOW, WHY), Merge(ref(c), ref(b), WHY))
    assert me.patch(f"/v1/memories/{a}", json={"tags": ["mine"]}).status_code == 200
    changed = snapshot()
    answer = revert(me, changeset_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "changed_since")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/memories/{a}"]
    assert snapshot() == changed
    answer = revert(me, changeset_id, on_conflict="skip")
    assert answer.status_code == 200
    assert (answer.json()["conflicts"], answer.json()["memories"]) == ([a], [c])
    assert me.get(f"/v1/memories/{a}").json()["tags"] == ["mine"]
    assert me.get(f"/v1/memories/{a}").json()["superseded_by"] == b
    assert me.get(f"/v1/memories/{c}").json()["state"] == "activated"


def test_what_a_later_changeset_did_stands_in_the_way_until_it_is_reverted(
    me: Any, three: list[str], do: Any, ref: Any, snapshot: Any
) -> None:
    a, b, c = three
    before = snapshot()
    first = do(Supersede(ref(a), ref(b), NOW, WHY), Revise(ref(b), {"title": "Porto"}, WHY, in_place=True))
    second = do(Supersede(ref(b), ref(c), NOW, WHY), Revise(ref(c), {"tags": ["home"]}, WHY))
    refused = revert(me, first)
    assert (refused.status_code, refused.json()["code"]) == (409, "changed_since")
    assert [error["pointer"] for error in refused.json()["errors"]] == [f"/memories/{b}"]
    assert revert(me, second).status_code == 200
    assert revert(me, first).status_code == 200
    assert snapshot() == before


def test_parted_edges_are_drawn_again(three: list[str], do: Any, snapshot: Any, rows: Any, me: Any) -> None:
    _, b, c = three
    do(Join(UUID(b), UUID(c), "similar", 0.8, WHY))
    drawn = snapshot()
    link = rows.one("SELECT id FROM link WHERE tenant_id = :t", t=me.tenant_id).id
    changeset_id = do(Part(link, WHY))
    assert snapshot()["links"] == []
    assert revert(me, changeset_id).status_code == 200
    assert snapshot() == drawn
    # The history of the edge is kept: it was there, then not, then again.
    assert rows.one("SELECT count(*) AS n FROM link WHERE tenant_id = :t", t=me.tenant_id).n == 2


def test_an_edge_that_was_drawn_again_goes_with_the_changeset_that_drew_it_first(
    three: list[str], do: Any, snapshot: Any, rows: Any, me: Any
) -> None:
    _, b, c = three
    before = snapshot()
    link = "SELECT id FROM link WHERE tenant_id = :t AND known_to = 'infinity'"
    first = do(Join(UUID(b), UUID(c), "similar", 0.8, WHY))
    second = do(Part(rows.one(link, t=me.tenant_id).id, WHY))
    assert revert(me, second).status_code == 200
    assert revert(me, first).status_code == 200
    assert snapshot() == before
    first = do(Join(UUID(b), UUID(c), "similar", 0.8, WHY))
    second = do(Part(rows.one(link, t=me.tenant_id).id, WHY))
    assert revert(me, first).status_code == 200
    assert revert(me, second).status_code == 200
    assert snapshot() == before, "in whatever order"


def test_an_edge_is_drawn_once(three: list[str], do: Any, snapshot: Any) -> None:
    _, b, c = three
    join = Join(UUID(b), UUID(c), "similar", 0.8, WHY)
    assert do(join, join) is not None
    assert do(join) is None
    assert len(snapshot()["links"]) == 1


def test_the_history_is_appended(me: Any, three: list[str], do: Any, ref: Any) -> None:
    a, b, _ = three
    changeset_id = do(Supersede(ref(a), ref(b), NOW, WHY))
    revert(me, changeset_id)
    versions = me.get(f"/v1/memories/{a}/versions").json()["data"]
    assert [version["version"] for version in versions] == [3, 2, 1]
    assert [version["superseded_by"] for version in versions] == [None, b, None]


def test_changesets_say_what_they_changed(me: Any, three: list[str], do: Any, ref: Any) -> None:
    a, b, c = three
    changeset_id = do(Supersede(ref(a), ref(b), NOW, WHY), Merge(ref(c), ref(b), WHY))
    (listed,) = me.get("/v1/changesets?namespace=default").json()["data"]
    assert (listed["id"], listed["counts"], listed["status"]) == (
        str(changeset_id),
        {"supersede": 1, "merge": 1},
        "applied",
    )
    whole = me.get(f"/v1/changesets/{changeset_id}").json()
    assert [(x["change"], x["memory_id"], x["other_id"], x["version_before"], x["version_after"]) for x in whole["changes"]] == [
        ("supersede", a, b, 1, 2),
        ("merge", c, b, 1, 2),
    ]  # fmt: skip
    assert {(x["reason"], x["score"], x["method"]) for x in whole["changes"]} == {("a test", 0.97, "rules")}
    first = me.get(f"/v1/changesets/{changeset_id}/changes?limit=1").json()
    rest = me.get(f"/v1/changesets/{changeset_id}/changes?limit=1&cursor={first['next_cursor']}").json()
    assert [first["data"][0]["change"], rest["data"][0]["change"], rest["has_more"]] == ["supersede", "merge", False]
    assert me.get(f"/v1/changesets/{uuid4()}").json()["code"] == "changeset_not_found"
    assert revert(me, uuid4()).status_code == 404


def test_an_erased_memory_does_not_stand_in_the_way(
    me: Any, three: list[str], do: Any, ref: Any, database: Any, rows: Any
) -> None:
    from memory_service.lifecycle.erase import erase

    a, b, c = three
    changeset_id = do(Supersede(ref(a), ref(b), NOW, WHY), Revise(ref(c), {"title": "Porto"}, WHY, in_place=True))
    with database.transaction(me.tenant_id) as session:
        erase(session, me.tenant_id, [UUID(c)], now=datetime.now(UTC))
    assert rows.one("SELECT count(*) AS n FROM change WHERE tenant_id = :t", t=me.tenant_id).n == 1
    assert revert(me, changeset_id).status_code == 200
    assert me.get(f"/v1/memories/{a}").json().get("superseded_by") is None


def test_erasing_a_memory_erases_the_duplicates_it_stands_for(
    me: Any, three: list[str], do: Any, ref: Any, database: Any
) -> None:
    from memory_service.lifecycle.erase import erase

    a, b, c = three
    do(Merge(ref(c), ref(b), WHY))
    do(Merge(ref(b), ref(a), WHY))
    with database.transaction(me.tenant_id) as session:
        erased = erase(session, me.tenant_id, [UUID(a)], now=datetime.now(UTC))
    assert set(erased) == {UUID(a), UUID(b), UUID(c)}
    assert [me.get(f"/v1/memories/{i}").status_code for i in three] == [410, 410, 410]


def test_another_tenant_sees_and_reverts_nothing(
    me: Any, three: list[str], do: Any, ref: Any, as_tenant: Any, make_tenant: Any
) -> None:
    a, b, _ = three
    changeset_id = do(Supersede(ref(a), ref(b), NOW, WHY))
    other = as_tenant(make_tenant())
    assert other.get("/v1/changesets").json()["data"] == []
    assert other.get(f"/v1/changesets/{changeset_id}").status_code == 404
    assert revert(other, changeset_id).status_code == 404
    assert me.get(f"/v1/memories/{a}").json()["superseded_by"] == b
