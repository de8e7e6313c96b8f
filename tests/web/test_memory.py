"""Memories and the page of one: every action, and what the service says after it."""

import re
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.web.conftest import Shot, await_job


@pytest.fixture
def remember(api: httpx.Client) -> Callable[..., str]:
    """Return a function that stores a memory in a namespace of the test."""
    namespace = f"web/{secrets.token_hex(4)}"

    def store(content: str, **fields: Any) -> str:
        answer = api.post("/v1/memories", json={"content": content, "namespace": namespace, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    store.namespace = namespace  # type: ignore[attr-defined]
    return store


@pytest.fixture
def namespace(remember: Any) -> str:
    return str(remember.namespace)


def rows(page: Page) -> Locator:
    return page.get_by_role("list", name="Memories", exact=True).get_by_role("article")


def state(api: httpx.Client, memory_id: str) -> tuple[str, bool]:
    memory = api.get(f"/v1/memories/{memory_id}").json()
    return memory["state"], memory["pinned"]


def test_filters_find_and_stand_in_the_address(page: Page, remember: Callable[..., str], namespace: str) -> None:
    remember("The ferry leaves at nine.", user_id="maja", tags=["ferry"], session_id="s1")
    remember("The boat leaks.", user_id="bo", memory_type="semantic")
    gone = remember("The old pier was torn down.", user_id="bo")
    page.request.post(f"/v1/memories/{gone}/archive", headers={"X-Requested-By": "admin"}, data={})
    page.goto(f"/admin/memories?ns={namespace}")
    expect(rows(page)).to_have_count(2)
    page.get_by_label("Words in it").fill("FERRY")
    expect(rows(page)).to_have_count(1)
    assert "text=FERRY" in page.url
    page.get_by_role("button", name="Clear all").click()
    page.get_by_label("State").select_option("archived")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("pier")
    page.get_by_label("State").select_option("any")
    expect(rows(page)).to_have_count(3)
    page.get_by_label("Order").select_option("oldest")
    expect(rows(page).first).to_contain_text("ferry")
    page.get_by_label("Order").select_option("latest_updated")
    expect(rows(page).first).to_contain_text("pier")
    page.get_by_label("Order").select_option("oldest")
    page.reload()
    expect(rows(page).first).to_contain_text("ferry")
    page.get_by_label("Type").select_option("semantic")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Clear all").click()
    page.get_by_role("button", name="More filters").click()
    page.get_by_label("User").fill("maja")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="#ferry").click()
    expect(page.get_by_label("Tags")).to_have_value("ferry")
    page.get_by_label("Words in it").fill("zeppelin")
    expect(page.get_by_role("heading", name="No memory fits these filters")).to_be_visible()


def test_pin_archive_and_back_again(
    page: Page, api: httpx.Client, remember: Callable[..., str], namespace: str
) -> None:
    memory = remember("The ferry leaves at nine.")
    page.goto(f"/admin/memories?ns={namespace}")
    row = rows(page).first
    row.get_by_role("button", name="Pin").click()
    expect(row).to_contain_text("pinned")
    assert state(api, memory)[1] is True
    page.get_by_role("button", name="Undo").click()
    expect(row.get_by_role("button", name="Pin")).to_have_attribute("aria-pressed", "false")
    assert state(api, memory)[1] is False
    row.get_by_role("button", name="Archive").click()
    expect(row).to_contain_text("archived")
    assert state(api, memory)[0] == "archived"
    page.get_by_role("button", name="Undo").last.click()
    expect(row.get_by_role("button", name="Archive")).to_be_visible()
    assert state(api, memory)[0] != "archived"


def test_add_by_hand_and_take_it_back(
    page: Page, api: httpx.Client, remember: Callable[..., str], namespace: str, axe: Callable[[Page], None], shot: Shot
) -> None:
    remember("Something is there already.")
    page.goto(f"/admin/memories?ns={namespace}")
    page.get_by_role("button", name="Add a memory").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What is to be remembered").fill("Ada is allergic to nuts.")
    dialog.get_by_label("Type").select_option("core")
    dialog.get_by_label("User").fill("ada")
    dialog.get_by_label("Tags").fill("health, food")
    dialog.get_by_label("Importance").fill("0.9")
    expect(dialog.get_by_role("button", name="Remember")).to_be_enabled()
    axe(page)
    shot(page, "memories-add")
    dialog.get_by_role("button", name="Remember").click()
    expect(rows(page).first).to_contain_text("allergic")
    (made,) = api.post("/v1/memories/query", json={"namespace": namespace, "filter": {"user_id": "ada"}}).json()["data"]
    assert (made["content"], made["memory_type"], made["tags"], made["importance"]) == (
        "Ada is allergic to nuts.",
        "core",
        ["health", "food"],
        0.9,
    )
    page.get_by_role("button", name="Undo").click()
    expect(rows(page)).to_have_count(1)
    assert state(api, made["id"])[0] == "archived"


def test_a_long_namespace_is_read_as_one_scrolls(page: Page, api: httpx.Client, namespace: str) -> None:
    items = [{"content": f"Entry {n} of the log of the boathouse.", "namespace": namespace} for n in range(180)]
    api.post("/v1/memories/batch", json={"items": items})
    page.goto(f"/admin/memories?ns={namespace}")
    expect(rows(page).first).to_contain_text("Entry 179")
    assert rows(page).count() < 60
    for _ in range(12):
        page.mouse.wheel(0, 4_000)
        page.wait_for_timeout(150)
    expect(page.get_by_text("Entry 0 of the log")).to_be_visible()
    assert rows(page).count() < 60


def test_the_page_of_a_memory(
    page: Page, phone: Page, api: httpx.Client, remember: Callable[..., str], namespace: str,
    axe: Callable[[Page], None], shot: Shot,
) -> None:  # fmt: skip
    memory = remember("Ana lives in Lisbon.", observed_at="2026-01-05T10:00:00Z", speaker="Ana", tags=["home"])
    api.patch(f"/v1/memories/{memory}", json={"content": "Ana lives in Lisbon, near the river."})
    newer = api.post(f"/v1/memories/{memory}/supersede", json={"content": "Ana lives in Porto now."}).json()["id"]
    await_job(api, api.post("/v1/consolidations", json={"namespace": namespace, "scope": "all"}).json()["job_id"])
    search = api.post("/v1/search", json={"query": "Where does Ana live?", "namespace": namespace}).json()["search_id"]
    api.post(f"/v1/traces/{search}/feedback", json={"memory_id": newer, "useful": True})
    retention = api.get(f"/v1/memories/{newer}/retention").json()
    for view, kind in ((page, "wide"), (phone, "narrow")):
        view.goto(f"/admin/memories/{newer}?ns={namespace}")
        expect(view.locator(".memory-text")).to_have_text("Ana lives in Porto now.")
        falls = next(one for one in retention["reaches"] if one["below"] == 0.5)
        year = falls["at"][:4]
        expect(view.locator(".falls")).to_contain_text(re.compile(rf"falls below 0\.5 on .*{year}"))
        expect(view.locator(".recall-dot[data-useful=true]")).to_have_count(1)
        expect(view.locator(".lineage-node[data-here=true]")).to_contain_text("Ana lives in Porto now.")
        expect(view.get_by_role("group", name="Provenance")).to_contain_text("Ana lives in Lisbon, near the river.")
        expect(view.get_by_text("took the place of").first).to_be_visible()
        expect(view.locator(".skeleton")).to_have_count(0)
        axe(view)
        shot(view, f"memory-{kind}", full=True)
    chart = page.get_by_role("slider", name="Probability of recall over time")
    chart.focus()
    page.keyboard.press("ArrowRight")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(r"\d{4}: \d+\.\d %"))
    page.get_by_role("button", name="5 years").click()
    assert "horizon=1825" in page.url
    page.get_by_role("group", name="Provenance").get_by_role("link").click()
    expect(page.locator(".memory-text")).to_have_text("Ana lives in Lisbon, near the river.")
    page.get_by_label("from version").select_option("1")
    expect(page.locator(".difference ins")).to_contain_text("near the river")
    page.get_by_role("link", name="what is true now").click()
    expect(page.locator(".memory-text")).to_have_text("Ana lives in Porto now.")


def test_a_span_of_a_document_is_shown_in_it(page: Page, api: httpx.Client, namespace: str, shot: Shot) -> None:
    text = "The boathouse is locked at ten.\n\nWhoever comes later rings at the green door."
    asked = api.post("/v1/documents", json={"content": text, "title": "House rules", "namespace": namespace}).json()
    await_job(api, asked["job_id"])
    (memory, *_) = api.get(f"/v1/documents/{asked['document_id']}/memories").json()["data"]
    page.goto(f"/admin/memories/{memory['id']}?ns={namespace}")
    expect(page.locator(".excerpt mark").first).to_contain_text("The boathouse is locked at ten.")
    expect(page.locator("figcaption")).to_contain_text("House rules")


def test_correct_and_undo(
    page: Page, api: httpx.Client, remember: Callable[..., str], namespace: str, shot: Shot
) -> None:
    memory = remember("The ferry leaves at nine.", tags=["ferry"])
    page.goto(f"/admin/memories/{memory}?ns={namespace}")
    page.get_by_role("button", name="Correct").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What it says").fill("The ferry leaves at ten.")
    dialog.get_by_label("Tags").fill("ferry, timetable")
    shot(page, "memory-correct")
    dialog.get_by_role("button", name="Save the next version").click()
    expect(page.locator(".memory-text")).to_have_text("The ferry leaves at ten.")
    assert api.get(f"/v1/memories/{memory}").json()["tags"] == ["ferry", "timetable"]
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".memory-text")).to_have_text("The ferry leaves at nine.")
    after = api.get(f"/v1/memories/{memory}").json()
    assert (after["content"], after["tags"]) == ("The ferry leaves at nine.", ["ferry"])


def test_who_was_faster_is_shown_and_not_overwritten(
    page: Page, api: httpx.Client, remember: Callable[..., str], namespace: str, shot: Shot
) -> None:
    memory = remember("The ferry leaves at nine.", extract="none")
    page.goto(f"/admin/memories/{memory}?ns={namespace}")
    page.get_by_role("button", name="Correct").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What it says").fill("The ferry leaves at ten.")
    api.patch(f"/v1/memories/{memory}", json={"content": "The ferry leaves at noon."})
    dialog.get_by_role("button", name="Save the next version").click()
    alert = dialog.get_by_role("alert")
    expect(alert).to_contain_text("Somebody changed it meanwhile")
    expect(alert.locator("del")).to_contain_text("noon")
    expect(alert.locator("ins")).to_contain_text("ten")
    shot(page, "memory-conflict")
    assert api.get(f"/v1/memories/{memory}").json()["content"] == "The ferry leaves at noon."
    alert.get_by_role("button", name=re.compile("Save mine as version")).click()
    expect(page.locator(".memory-text")).to_have_text("The ferry leaves at ten.")
    assert api.get(f"/v1/memories/{memory}").json()["content"] == "The ferry leaves at ten."


def test_supersede_pin_archive_judge_erase(
    page: Page, api: httpx.Client, remember: Callable[..., str], namespace: str
) -> None:
    memory = remember("The ferry leaves at nine.", extract="none")
    page.goto(f"/admin/memories/{memory}?ns={namespace}")
    page.get_by_role("button", name="Pin").click()
    expect(page.get_by_role("button", name="Unpin")).to_be_visible()
    assert state(api, memory)[1] is True
    expect(page.get_by_text("It is protected: it does not fade.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Pin", exact=True)).to_be_visible()
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_role("button", name="Restore")).to_be_visible()
    assert state(api, memory)[0] == "archived"
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("button", name="Archive")).to_be_visible()
    assert state(api, memory)[0] != "archived"
    before = api.get(f"/v1/memories/{memory}/retention").json()["stability_days"]
    page.get_by_role("button", name="Not useful").click()
    recalls = page.get_by_role("list", name="Recalls").get_by_role("listitem")
    expect(recalls).to_have_count(1)
    expect(recalls).to_contain_text("not useful")
    assert api.get(f"/v1/memories/{memory}/retention").json()["stability_days"] < before
    page.locator(".toast").filter(has_text="it fades sooner").get_by_role("button", name="Undo").click()
    expect(recalls).to_have_count(0)
    assert api.get(f"/v1/memories/{memory}/retention").json()["stability_days"] == before
    page.get_by_role("button", name="Useful", exact=True).click()
    recalls.get_by_role("button", name="Take it back", exact=True).click()
    # It cannot be undone: the first click only asks.
    expect(recalls.get_by_role("button", name="Take it back for good")).to_be_visible()
    assert api.get(f"/v1/memories/{memory}").json()["retention"]["recall_count"] == 1
    recalls.get_by_role("button", name="Take it back for good").click()
    expect(recalls).to_have_count(0)
    assert api.get(f"/v1/memories/{memory}").json()["retention"]["recall_count"] == 0
    taken_back = page.locator(".toast").filter(has_text="Taken back")
    expect(taken_back).to_be_visible()
    expect(taken_back.get_by_role("button", name="Undo")).to_have_count(0)
    assert api.get("/v1/saved-queries", params={"namespace": namespace}).json()["data"] == []
    page.get_by_role("button", name="Supersede").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("The new memory").fill("The ferry leaves at ten from May on.")
    dialog.get_by_role("button", name="Supersede").click()
    expect(page.locator(".memory-text")).to_have_text("The ferry leaves at ten from May on.")
    newer = page.url.split("/memories/")[1].split("?")[0]
    assert api.get(f"/v1/memories/{memory}").json()["superseded_by"] == newer
    page.locator(".toast").filter(has_text="Superseded").get_by_role("button", name="Undo").click()
    expect(page.locator(".memory-text")).to_have_text("The ferry leaves at nine.")
    expect(page.get_by_role("button", name="Supersede")).to_be_visible()
    assert api.get(f"/v1/memories/{memory}").json()["superseded_by"] is None
    assert state(api, newer)[0] == "archived"
    newer = api.post(f"/v1/memories/{memory}/supersede", json={"content": "The ferry leaves at eleven."}).json()["id"]
    page.reload()
    page.get_by_role("button", name="Reinstate").click()
    page.get_by_role("button", name="Archive the newer one").click()
    expect(page.get_by_role("button", name="Supersede")).to_be_visible()
    assert api.get(f"/v1/memories/{memory}").json()["superseded_by"] is None
    assert state(api, newer)[0] == "archived"
    newer = api.post(f"/v1/memories/{memory}/supersede", json={"content": "The ferry leaves at noon."}).json()["id"]
    page.goto(f"/admin/memories/{newer}?ns={namespace}")
    page.get_by_role("link", name="Erase").last.click()
    expect(page.get_by_role("heading", name="Erasure", level=1)).to_be_visible()
    assert f"ids={newer}" in page.url


def test_a_list_that_one_returns_to_shows_what_was_done_meanwhile(
    page: Page, remember: Callable[..., str], namespace: str
) -> None:
    remember("The ferry leaves at nine.")
    page.goto(f"/admin/memories?ns={namespace}")
    rows(page).first.get_by_role("link", name="The ferry leaves at nine.").click()
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_role("button", name="Restore")).to_be_visible()
    page.go_back()
    expect(rows(page)).to_have_count(0)


def test_what_is_not_there_says_so(page: Page, api: httpx.Client, remember: Callable[..., str], namespace: str) -> None:
    page.goto(f"/admin/memories/01a219e6-0000-7000-8000-000000000000?ns={namespace}")
    expect(page.get_by_role("heading", name="There is no such memory")).to_be_visible()
    memory = remember("To be forgotten altogether.")
    await_job(api, api.post("/v1/erasures", json={"ids": [memory]}).json()["job_id"])
    page.goto(f"/admin/memories/{memory}?ns={namespace}")
    expect(page.get_by_role("heading", name="It was erased")).to_be_visible()
