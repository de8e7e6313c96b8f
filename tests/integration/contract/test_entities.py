"""/v1/entities and /v1/links: what texts name, after a worker has read them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

Work = Callable[[UUID], None]


def test_entities_say_who_is_named_how_often_and_since_when(api: Any, me: Any, work: Work) -> None:
    first = {"observed_at": "2023-05-01T10:00:00Z", "namespace": "chat"}
    api.remember("My dog is asleep.", speaker="Melanie", **first)
    api.remember("Hey Mel! We met Tom.", speaker="Caroline", observed_at="2023-05-02T10:00:00Z", namespace="chat")
    archived = api.remember(
        "They met Tom again.", speaker="Caroline", observed_at="2023-05-03T10:00:00Z", namespace="chat"
    )
    api.remember("They flew to Lisbon.", namespace="elsewhere")
    assert me.get("/v1/entities").json() == {"data": [], "next_cursor": None, "has_more": False}
    work(api.tenant_id)
    found = {one["name"]: one for one in me.get("/v1/entities?namespace=chat").json()["data"]}
    assert found.keys() == {"Melanie", "Caroline", "Tom"}
    melanie = found["Melanie"]
    assert (melanie["kind"], melanie["aliases"], melanie["mentions"]) == ("person", ["Mel"], 2)
    assert (melanie["first_seen"], melanie["last_seen"]) == ("2023-05-01T10:00:00Z", "2023-05-02T10:00:00Z")
    assert (found["Tom"]["kind"], found["Tom"]["mentions"], found["Tom"]["namespace"]) == ("name", 2, "chat")
    assert me.get(f"/v1/entities/{melanie['id']}").json() == melanie
    assert me.post(f"/v1/memories/{archived['id']}/archive").status_code == 200
    assert me.get(f"/v1/entities/{found['Tom']['id']}").json()["mentions"] == 1
    assert len(me.get("/v1/entities").json()["data"]) == 4


def test_entities_come_page_by_page(api: Any, me: Any, work: Work) -> None:
    api.remember("They met Tom, saw Lisbon and Porto and then Berlin.")
    work(api.tenant_id)
    whole = [one["id"] for one in me.get("/v1/entities").json()["data"]]
    assert len(whole) == 4
    seen: list[str] = []
    path = "/v1/entities?limit=3"
    answer = me.get(path).json()
    seen += [one["id"] for one in answer["data"]]
    assert answer["has_more"]
    seen += [one["id"] for one in me.get(f"{path}&cursor={answer['next_cursor']}").json()["data"]]
    assert seen == whole


def test_entities_are_found_by_a_part_of_a_name(api: Any, me: Any, work: Work) -> None:
    """Whatever case and accents, by any of their names; what a person types has no meaning but itself."""
    api.remember("My dog is asleep.", speaker="Melanie")
    api.remember("Hey Mel! We met José García in Lisbon.", speaker="Caroline")
    work(api.tenant_id)

    def named(q: str, **more: Any) -> set[str]:
        answer = me.get("/v1/entities", params={"q": q, **more})
        assert answer.status_code == 200, answer.text
        return {one["name"] for one in answer.json()["data"]}

    assert named("LANI") == named("mel") == {"Melanie"}
    (garcia,) = named("jose gar")
    assert "Jos" in garcia
    assert named("  José   GARCÍA ") == {garcia}
    assert named("%") == named("_") == named("nobody") == set()
    assert named("i", namespace="default") >= {"Melanie", "Caroline"}
    assert len(named("")) == len(named(" ")) == 4
    assert me.get("/v1/entities", params={"q": "x" * 201}).status_code == 422
    assert me.get("/v1/entities?q=a%00").status_code == 422


def test_entities_come_in_the_order_that_is_asked_for(api: Any, me: Any, work: Work) -> None:
    for text in (
        "They met Tom in Lisbon.",
        "They met Tom and saw Porto.",
        "They met Tom again in Lisbon.",
        "Hello Anna, they said.",
    ):
        api.remember(text)
    gone = api.remember("They saw Porto, Porto and Porto again.")
    again = api.remember("They flew to Porto.")
    work(api.tenant_id)
    for one in (gone, again):
        assert me.post(f"/v1/memories/{one['id']}/archive").status_code == 200

    def ordered(order: str, limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = me.get(
                "/v1/entities", params={"order": order, "limit": limit, "namespace": "default", **cursor}
            ).json()
            found += answer["data"]
            if not answer["has_more"]:
                return found
            cursor = {"cursor": answer["next_cursor"]}

    for limit in (1, 2, 50):
        latest, most, named = (ordered(order, limit) for order in ("latest", "mentions", "name"))
        assert [one["id"] for one in latest] == sorted((one["id"] for one in latest), reverse=True)
        # What is archived does not count, neither for the number nor for the order.
        assert [(one["mentions"], one["id"]) for one in most] == sorted(
            ((one["mentions"], one["id"]) for one in latest), reverse=True
        )
        assert {one["name"]: one["mentions"] for one in most}["Porto"] == 1 < most[0]["mentions"]
        assert [one["name"] for one in named] == sorted(one["name"] for one in latest)
        assert len({one["id"] for one in named}) == len(latest) == len(most)
    cursor = me.get("/v1/entities?order=name&limit=1").json()["next_cursor"]
    for other in ("order=mentions", "order=name&q=o", "namespace=default&order=name"):
        assert me.get(f"/v1/entities?{other}&cursor={cursor}").json()["code"] == "invalid_cursor"
    assert me.get("/v1/entities?order=fame").status_code == 422


def test_entities_are_found_by_a_whole_name(api: Any, me: Any, work: Work) -> None:
    api.remember("They met Zoë Stone and Rob Stone at the harbour.", speaker="Ana")
    work(api.tenant_id)
    api.remember("They met Zoë Stone again.", speaker="Ana")
    work(api.tenant_id)

    def named(name: str, **more: Any) -> list[str]:
        answer = me.get("/v1/entities", params={"name": name, **more})
        assert answer.status_code == 200, answer.text
        return [one["name"] for one in answer.json()["data"]]

    assert named("Zoë Stone") == named(" zoe  STONE ") == named("zoe stone", namespace="default") == ["Zoë Stone"]
    assert named("Stone") == named("zoe") == named("  ") == named("%") == []
    assert named("rob stone", q="stone", order="mentions") == ["Rob Stone"]
    assert named("rob stone", q="zoe") == []
    # An alias is a name as well, and a merged entity goes by both.
    zoe, rob = (next(one["id"] for one in me.get("/v1/entities", params={"name": name}).json()["data"])
                for name in ("zoe stone", "rob stone"))  # fmt: skip
    assert me.post("/v1/entities/merge", json={"from": [rob], "into": zoe}).status_code == 200
    assert named("rob stone") == named("zoe stone") == ["Zoë Stone"]
    for bad in ("x" * 5_000, "\x00"):
        assert me.get("/v1/entities", params={"name": bad}).status_code == 422


def test_mentions_come_page_by_page_with_their_places(api: Any, me: Any, work: Work) -> None:
    made = [
        api.remember("They met Robert Stone at the harbour.", speaker="Ana"),
        api.remember("They say that Robert Stone was late.", speaker="Ana", observed_at="2020-01-01T00:00:00Z"),
        api.remember("They saw Robert Stone and Robert Stone again.", speaker="Ana"),
        api.remember("They forgot Robert Stone.", speaker="Ana", expires_at="2099-01-01T00:00:00Z"),
    ]
    archived = api.remember("They lost Robert Stone.", speaker="Ana")
    work(api.tenant_id)
    me.post(f"/v1/memories/{archived['id']}/archive")
    robert = next(one for one in me.get("/v1/entities").json()["data"] if one["name"] == "Robert Stone")
    path = f"/v1/entities/{robert['id']}/mentions"
    whole = me.get(path).json()
    assert [one["memory"]["id"] for one in whole["data"]] == [one["id"] for one in reversed(made)]
    assert len(whole["data"]) == robert["mentions"]
    for one in whole["data"]:
        assert one["names"] == ["Robert Stone"]
        assert one["memory"] == me.get(f"/v1/memories/{one['memory']['id']}").json()
        assert {one["memory"]["content"][start:end] for start, end in one["spans"]} == {"Robert Stone"}
    assert [len(one["spans"]) for one in whole["data"]] == [1, 2, 1, 1]
    first = me.get(f"{path}?limit=3").json()
    assert first["has_more"]
    rest = me.get(f"{path}?limit=3&cursor={first['next_cursor']}").json()
    assert first["data"] + rest["data"] == whole["data"]
    assert (rest["has_more"], rest["next_cursor"]) == (False, None)


def test_a_merged_entity_has_no_mentions_any_more(api: Any, me: Any, work: Work) -> None:
    api.remember("They met Robert.", speaker="Ana")
    api.remember("They saw Bobby late.", speaker="Ana")
    work(api.tenant_id)
    found = {one["name"]: one["id"] for one in me.get("/v1/entities").json()["data"]}
    me.post("/v1/entities/merge", json={"from": [found["Bobby"]], "into": found["Robert"]})
    assert me.get(f"/v1/entities/{found['Bobby']}/mentions").json()["data"] == []
    both = me.get(f"/v1/entities/{found['Robert']}/mentions").json()["data"]
    assert [one["names"] for one in both] == [["Bobby"], ["Robert"]]


def test_unknown_entities_and_namespaces_are_not_found(me: Any, problem: Any) -> None:
    problem(me.get("/v1/entities/0190a5c8-0000-7000-8000-000000000000"), 404, "entity_not_found")
    unknown = "/v1/entities/0190a5c8-0000-7000-8000-000000000000/mentions"
    problem(me.get(unknown), 404, "entity_not_found")
    problem(me.get(f"{unknown}?cursor=x"), 422, "invalid_cursor")
    problem(me.get(f"{unknown}?limit=0"), 422)
    problem(me.get("/v1/entities?namespace=nowhere"), 404, "namespace_not_found")
    problem(me.get("/v1/links?namespace=nowhere"), 404, "namespace_not_found")
    problem(me.get("/v1/entities?cursor=x"), 422, "invalid_cursor")


def test_links_of_a_namespace(api: Any, me: Any) -> None:
    old = api.remember("The door is red.")
    answer = me.post(f"/v1/memories/{old['id']}/supersede", json={"content": "The door is green."})
    assert answer.status_code == 201
    (link,) = me.get("/v1/links?namespace=default").json()["data"]
    assert (link["source_id"], link["target_id"], link["type"]) == (answer.json()["id"], old["id"], "supersedes")
    assert me.get("/v1/links").json()["data"] == [link]
