"""/v1/entities/merge and /split: what a person knows of entities, and what becomes of it later."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

Work = Callable[[UUID], None]


def entities(me: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in me.get("/v1/entities").json()["data"]}


def names(me: Any) -> dict[str, tuple[list[str], int]]:
    return {name: (one["aliases"], one["mentions"]) for name, one in entities(me).items()}


def merge(me: Any, into: dict[str, Any], *merged: dict[str, Any], status: int = 200, **fields: Any) -> Any:
    answer = me.post("/v1/entities/merge", json={"from": [one["id"] for one in merged], "into": into["id"], **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


def split(me: Any, entity: dict[str, Any], *names: str, status: int = 201, **fields: Any) -> Any:
    answer = me.post("/v1/entities/split", json={"entity_id": entity["id"], "names": list(names), **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


def named_robert(api: Any, **fields: Any) -> set[str]:
    """Return what a search by the graph says to have found because it mentions Robert."""
    results = api.search("Robert", channels={"graph": 1}, top_k=20, **fields)["results"]
    return {one["memory"]["id"] for one in results if "mentions robert" in str(one["why"])}


def test_a_merge_gives_one_entity_all_names_and_mentions(api: Any, me: Any, work: Work) -> None:
    api.remember("They met Robert Stone at the harbour.", speaker="Ana")
    api.remember("They say that Bobby sold the boat to Robert Stone.", speaker="Ana")
    api.remember("They say that Bobby was late again.", speaker="Ana")
    work(api.tenant_id)
    found = entities(me)
    assert names(me)["Bobby"] == ([], 2)
    answered = merge(me, found["Robert Stone"], found["Bobby"])
    assert (answered["id"], answered["aliases"], answered["mentions"]) == (found["Robert Stone"]["id"], ["Bobby"], 3)
    assert "Bobby" not in entities(me)
    gone = me.get(f"/v1/entities/{found['Bobby']['id']}").json()
    assert (gone["merged_into"], gone["mentions"]) == (answered["id"], 0)


def test_new_texts_follow_a_merge_and_a_split_and_either_takes_the_other_back(api: Any, me: Any, work: Work) -> None:
    api.remember("They met Robert.", speaker="Ana")
    api.remember("They saw Bobby late.", speaker="Ana")
    work(api.tenant_id)
    before = entities(me)
    merge(me, before["Robert"], before["Bobby"])
    api.remember("They found Bobby asleep.", speaker="Ana")
    work(api.tenant_id)
    assert names(me)["Robert"] == (["Bobby"], 3)
    back = split(me, before["Robert"], "Bobby")
    assert back["id"] == before["Bobby"]["id"]
    assert (back["mentions"], back["merged_into"]) == (2, None)
    assert names(me)["Robert"] == ([], 1)
    api.remember("They heard Bobby get up.", speaker="Ana")
    work(api.tenant_id)
    assert names(me)["Bobby"] == ([], 3)
    # And once more, to and fro.
    merge(me, before["Robert"], before["Bobby"])
    assert names(me)["Robert"] == (["Bobby"], 4)
    split(me, before["Robert"], "Bobby")
    assert names(me)["Bobby"] == ([], 3)


def test_a_name_that_was_split_off_is_short_for_nobody(api: Any, me: Any, work: Work) -> None:
    api.remember("My dog is asleep.", speaker="Melanie")
    api.remember("Hey Mel! Is Melanie coming too?", speaker="Caroline")
    api.remember("Hey Mel! We are late.", speaker="Caroline")
    work(api.tenant_id)
    melanie = entities(me)["Melanie"]
    assert (melanie["aliases"], melanie["mentions"]) == (["Mel"], 3)
    mel = split(me, melanie, "Mel")
    assert (mel["name"], mel["mentions"]) == ("Mel", 2)
    # Where both were named, both are named.
    assert names(me)["Melanie"] == ([], 2)
    api.remember("Hey Mel! We can go.", speaker="Caroline")
    work(api.tenant_id)
    assert names(me)["Mel"] == ([], 3)
    assert names(me)["Melanie"] == ([], 2)
    merge(me, melanie, mel)
    api.remember("Hey Mel! We are back.", speaker="Caroline")
    work(api.tenant_id)
    assert names(me)["Melanie"] == (["Mel"], 5)


def test_a_search_follows_at_once_and_one_as_of_earlier_does_not(api: Any, me: Any, work: Work) -> None:
    target = api.remember("They bought honey of Bobby.", speaker="Ana")["id"]
    for n in range(8):
        api.remember(f"They paint house number {n}.", speaker="Ana")
    start = api.remember("They heard Robert sing.", speaker="Ana")["id"]
    other = api.remember("They found the hat of Robert.", speaker="Ana")["id"]
    last = api.remember("They met Bobby at night.", speaker="Ana")["id"]
    work(api.tenant_id)
    assert named_robert(api) == {start, other}
    moment = datetime.now(UTC).isoformat()
    found = entities(me)
    merge(me, found["Robert"], found["Bobby"])
    assert named_robert(api) == {start, other, target, last}
    assert named_robert(api, as_of={"known": moment}) == {start, other}
    split(me, found["Robert"], "Bobby")
    assert named_robert(api) == {start, other}


def test_an_erasure_takes_the_name_of_a_merged_entity_along(api: Any, me: Any, work: Work, database: Any) -> None:
    secret = api.remember("They met Quirinius.", speaker="Ana")
    api.remember("They met Tom.", speaker="Ana")
    work(api.tenant_id)
    found = entities(me)
    merge(me, found["Tom"], found["Quirinius"])
    assert me.delete(f"/v1/memories/{secret['id']}?erase=true").status_code == 202
    work(api.tenant_id)
    assert names(me) == {"Tom": ([], 1)}
    assert me.get(f"/v1/entities/{found['Quirinius']['id']}").status_code == 404


def test_what_cannot_be_merged_or_split(api: Any, me: Any, work: Work, problem: Any) -> None:
    api.remember("We met Robert and Bobby, and saw Lisbon.", speaker="Ana")
    api.remember("We met Robert and Tom.", speaker="Ana", namespace="elsewhere")
    work(api.tenant_id)
    found = {one["name"]: one for one in me.get("/v1/entities?namespace=default").json()["data"]}
    there = {one["name"]: one for one in me.get("/v1/entities?namespace=elsewhere").json()["data"]}

    def merging(**body: Any) -> Any:
        return me.post("/v1/entities/merge", json=body)

    def splitting(**body: Any) -> Any:
        return me.post("/v1/entities/split", json=body)

    robert, bobby = found["Robert"]["id"], found["Bobby"]["id"]
    nobody = "0190a5c8-0000-7000-8000-000000000000"
    problem(merging(**{"from": [robert], "into": robert}), 422, pointer="/from/0")
    problem(merging(**{"from": [], "into": robert}), 422, pointer="/from")
    problem(merging(**{"from": [nobody], "into": robert}), 404, "entity_not_found")
    problem(merging(**{"from": [there["Tom"]["id"]], "into": robert}), 404, "entity_not_found")
    problem(merging(**{"from": [bobby], "into": robert, "namespace": "nowhere"}), 404, "namespace_not_found")
    problem(splitting(entity_id=nobody, names=["x"]), 404, "entity_not_found")
    problem(splitting(entity_id=robert, names=["Tom"]), 422, pointer="/names/0")
    problem(splitting(entity_id=robert, names=["Robert"]), 422, pointer="/names/0")
    problem(splitting(entity_id=robert, names=[]), 422, pointer="/names")
    merge(me, found["Robert"], found["Bobby"])
    problem(merging(**{"from": [bobby], "into": found["Lisbon"]["id"]}), 409, "entity_merged")
    problem(merging(**{"from": [found["Lisbon"]["id"]], "into": bobby}), 409, "entity_merged")
    problem(splitting(entity_id=bobby, names=["Bobby"]), 409, "entity_merged")
    assert there.keys() == {one["name"] for one in me.get("/v1/entities?namespace=elsewhere").json()["data"]}


@pytest.mark.parametrize("path", ["merge", "split"])
def test_another_tenant_has_nothing_to_merge(
    api: Any, me: Any, make_tenant: Any, as_tenant: Any, work: Work, problem: Any, path: str
) -> None:
    api.remember("We met Robert and Bobby.", speaker="Ana")
    work(api.tenant_id)
    found = entities(me)
    stranger = as_tenant(make_tenant())
    body: dict[str, Any] = (
        {"from": [found["Bobby"]["id"]], "into": found["Robert"]["id"]}
        if path == "merge"
        else {"entity_id": found["Robert"]["id"], "names": ["Robert"]}
    )
    problem(stranger.post(f"/v1/entities/{path}", json=body), 404, "entity_not_found")
    stranger.post("/v1/memories", json={"content": "They met Robert."})
    problem(stranger.post(f"/v1/entities/{path}", json=body), 404, "entity_not_found")
    assert names(me).keys() == found.keys()
