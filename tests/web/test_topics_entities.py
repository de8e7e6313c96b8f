"""Topics, episodes, communities and entities: what consolidation built, and what a person knows better."""

import secrets
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Shot


def everything(api: httpx.Client, path: str, namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(path, params={"namespace": namespace, "limit": 200}).json()["data"]
    return found


def entity(api: httpx.Client, namespace: str, name: str) -> dict[str, Any]:
    return next(
        one for one in everything(api, "/v1/entities", namespace) if one["name"] == name and not one["merged_into"]
    )


def test_topics_are_a_tree_for_mouse_and_keyboard(
    page: Page, phone: Page, demo: str, api: httpx.Client, axe: Callable[[Page], None], shot: Shot
) -> None:
    topics = everything(api, "/v1/topics", demo)
    page.goto(f"/admin/topics?ns={demo}")
    items = page.get_by_role("treeitem")
    expect(items).to_have_count(len(topics))
    parent = max((one for one in topics if one["parent_id"] is None), key=lambda one: one["size"])
    items.first.click()
    expect(items.first).to_have_attribute("aria-selected", "true")
    below = len([one for one in topics if one["parent_id"] == parent["id"]])
    page.keyboard.press("ArrowLeft")
    expect(items.first).to_have_attribute("aria-expanded", "false")
    expect(items).to_have_count(len(topics) - below)
    page.keyboard.press("ArrowRight")
    expect(items).to_have_count(len(topics))
    page.keyboard.press("ArrowDown")
    expect(items.nth(1)).to_be_focused()
    chosen = next(one for one in topics if f"at={one['id']}" in page.url)
    assert chosen["parent_id"] == parent["id"]
    expect(page.locator(".gist")).to_have_text(chosen["gist"]["text"])
    members = page.get_by_role("list", name="Memories").get_by_role("listitem")
    expect(members).to_have_count(min(12, len(chosen["memory_ids"])))
    shot(page, "topics-light")
    axe(page)
    phone.goto(f"/admin/topics?ns={demo}&at={chosen['id']}")
    expect(phone.locator(".gist")).to_have_text(chosen["gist"]["text"])
    shot(phone, "topics-phone")
    axe(phone)
    page.get_by_role("link", name="In the graph").click()
    expect(page.locator(".graph-stage")).to_be_visible()
    assert f"seed={chosen['id']}" in page.url


@pytest.mark.parametrize("what", ["episodes", "communities"])
def test_episodes_and_communities_have_gist_and_memories(
    page: Page, demo: str, api: httpx.Client, axe: Callable[[Page], None], shot: Shot, what: str
) -> None:
    first = everything(api, f"/v1/{what}", demo)[0]
    page.goto(f"/admin/topics?ns={demo}")
    page.get_by_role("tab", name=what.title()).click()
    choices = page.get_by_role("list", name=what.title()).get_by_role("listitem")
    choices.first.get_by_role("button").click()
    expect(page.locator(".gist")).to_have_text(first["gist"]["text"])
    expect(page.get_by_role("list", name="Memories").get_by_role("listitem")).to_have_count(min(12, first["size"]))
    assert f"at={first['id']}" in page.url
    shot(page, what)
    axe(page)


def test_entities_are_found_by_part_of_a_name(
    page: Page, demo: str, api: httpx.Client, axe: Callable[[Page], None], shot: Shot
) -> None:
    page.goto(f"/admin/entities?ns={demo}&order=mentions")
    rows = page.get_by_role("list", name="Entities").get_by_role("listitem")
    expect(rows.first).to_contain_text("mentions")
    shot(page, "entities-light")
    axe(page)
    page.get_by_label("Name", exact=True).fill("oyel")
    named = [
        one
        for one in everything(api, "/v1/entities", demo)
        if "oyel" in " ".join([one["name"], *one["aliases"]]).lower()
    ]
    expect(rows).to_have_count(len([one for one in named if not one["merged_into"]]))
    expect(rows.filter(has_text="Mrs Oyelaran").first).to_be_visible()
    page.get_by_label("Name", exact=True).fill("nobody has this name")
    expect(page.get_by_role("heading", name="No such name")).to_be_visible()


def test_merge_from_the_list_and_undo(page: Page, demo: str, api: httpx.Client) -> None:
    lisbon, lyon = entity(api, demo, "Lisbon"), entity(api, demo, "Lyon")
    page.goto(f"/admin/entities?ns={demo}&name=lisbon")
    page.get_by_role("checkbox", name="Pick Lisbon to merge").check()
    page.get_by_label("Name", exact=True).fill("lyon")
    page.get_by_role("checkbox", name="Pick Lyon to merge").check()
    page.get_by_label("and keep the name").select_option(lisbon["id"])
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_text("Lyon is now Lisbon.")).to_be_visible()
    assert api.get(f"/v1/entities/{lyon['id']}").json()["merged_into"] == lisbon["id"]
    expect(page.get_by_role("checkbox", name="Pick Lyon to merge")).to_have_count(0)
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_text("Undone.")).to_be_visible()
    after = api.get(f"/v1/entities/{lyon['id']}").json()
    assert (after["merged_into"], after["mentions"]) == (None, lyon["mentions"])
    expect(page.get_by_role("checkbox", name="Pick Lyon to merge")).to_be_visible()


def test_an_entity_shows_mentions_merges_splits_and_undoes(
    page: Page, phone: Page, demo: str, api: httpx.Client, axe: Callable[[Page], None], shot: Shot
) -> None:
    swan, library = entity(api, demo, "Swan"), entity(api, demo, "Central Library")
    page.goto(f"/admin/entities/{swan['id']}?ns={demo}")
    expect(page.get_by_role("heading", name="Swan", level=1)).to_be_visible()
    mentions = page.get_by_role("list", name="Memories that mention it").get_by_role("listitem")
    expect(mentions).to_have_count(swan["mentions"])
    shot(page, "entity-light")
    axe(page)
    page.get_by_label("Another entity that is this one").fill("Central Library")
    page.get_by_role("button", name="Merge it into this one").click()
    expect(page.get_by_text("Central Library is now Swan.")).to_be_visible()
    assert "Central Library" in api.get(f"/v1/entities/{swan['id']}").json()["aliases"]
    expect(mentions).to_have_count(swan["mentions"] + library["mentions"])
    page.get_by_role("checkbox", name="Central Library").check()
    page.get_by_role("button", name="Split off 1 name").click()
    expect(page.get_by_text("Central Library is somebody else now.")).to_be_visible()
    assert api.get(f"/v1/entities/{library['id']}").json()["merged_into"] is None
    expect(mentions).to_have_count(swan["mentions"])
    toast = page.locator(".toast").filter(has_text="somebody else")
    toast.get_by_role("button", name="Undo").click()
    expect(mentions).to_have_count(swan["mentions"] + library["mentions"])
    assert api.get(f"/v1/entities/{library['id']}").json()["merged_into"] == swan["id"]
    phone.goto(f"/admin/entities/{library['id']}?ns={demo}")
    expect(phone.get_by_text("This entity was merged")).to_be_visible()
    shot(phone, "entity-phone")
    axe(phone)
    body = {"namespace": demo, "entity_id": swan["id"], "names": ["Central Library"]}
    assert api.post("/v1/entities/split", json=body).status_code == 201


def test_all_mentions_are_read_while_one_scrolls(
    page: Page, api: httpx.Client, axe: Callable[[Page], None], shot: Shot
) -> None:
    namespace = f"web/{secrets.token_hex(4)}"
    items = [
        {"content": f"On day {n} they met Robert Stone at the harbour.", "speaker": "Ana", "namespace": namespace}
        for n in range(130)
    ]
    items[-1] |= {"wait": "consolidated", "timeout_s": 30}
    assert api.post("/v1/memories/batch", json={"items": items}).status_code == 200
    deadline = time.monotonic() + 120
    while True:
        found = {one["name"]: one for one in everything(api, "/v1/entities", namespace)}
        if found.get("Robert Stone", {}).get("mentions") == len(items):
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    page.goto(f"/admin/entities/{found['Robert Stone']['id']}?ns={namespace}")
    mentions = page.get_by_role("list", name="Memories that mention it").get_by_role("listitem")
    expect(mentions.first).to_contain_text("On day 129")
    expect(mentions.first.locator("mark")).to_have_text("Robert Stone")
    shot(page, "entity-mentions")
    axe(page)
    last = mentions.filter(has_text="On day 0 they")
    for _ in range(40):
        if last.count():
            break
        page.mouse.wheel(0, 3_000)
        page.wait_for_timeout(150)
    expect(last).to_have_attribute("aria-posinset", "130")
    expect(last).to_have_attribute("aria-setsize", "130")


def test_an_entity_that_is_not_there_says_so(page: Page, demo: str) -> None:
    page.goto(f"/admin/entities/00000000-0000-7000-8000-000000000000?ns={demo}")
    expect(page.get_by_role("alert")).to_contain_text("no entity")


@pytest.mark.parametrize(("path", "title"), [("topics", "No topics yet"), ("entities", "No entities yet")])
def test_empty_pages_teach(page: Page, axe: Callable[[Page], None], path: str, title: str) -> None:
    page.goto(f"/admin/{path}")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    axe(page)


def test_one_of_a_hundred_names_alike_is_merged_by_its_whole_name(page: Page, api: httpx.Client) -> None:
    """The one meant has the rarest of names that are all found by the same words: no page of suggestions has it."""
    namespace, others = f"names-{secrets.token_hex(3)}", 110
    texts = [
        f"They met Stone Harbour{chr(97 + n // 26)}{chr(97 + n % 26)} and Ove Brandt at the fair."
        for n in range(others)
    ]
    texts += ["They met Stone at the fair.", "They met Stein Brandt at the fair."]
    for start in range(0, len(texts), 50):
        items = [{"content": one, "namespace": namespace, "speaker": "Ana"} for one in texts[start : start + 50]]
        assert api.post("/v1/memories/batch", json={"items": items}).status_code == 200
    deadline = time.monotonic() + 120
    while (
        len(api.get("/v1/entities", params={"namespace": namespace, "q": "stone", "limit": 200}).json()["data"])
        <= others
    ):
        assert time.monotonic() < deadline, "the names are found in the background"
        time.sleep(0.5)
    rare, kept = (entity_named(api, namespace, name) for name in ("Stone", "Stein Brandt"))
    page.goto(f"/admin/entities/{kept['id']}?ns={namespace}")
    field = page.get_by_label("Another entity that is this one")
    field.fill("stone")
    options = page.locator("#entity-others option")
    expect(options.first).to_have_attribute("value", "Stone")
    assert options.count() > 10
    page.get_by_role("button", name="Merge it into this one").click()
    expect(page.get_by_text("Stone is now Stein Brandt.")).to_be_visible()
    assert api.get(f"/v1/entities/{rare['id']}").json()["merged_into"] == kept["id"]
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_text("Undone.")).to_be_visible()
    assert api.get(f"/v1/entities/{rare['id']}").json()["merged_into"] is None


def entity_named(api: httpx.Client, namespace: str, name: str) -> dict[str, Any]:
    (found,) = api.get("/v1/entities", params={"namespace": namespace, "name": name}).json()["data"]
    return dict(found)
