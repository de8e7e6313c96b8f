"""The recall lab: what is asked and found, why, and what a person thinks of it."""

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Shot

TEXTS = {
    "ferry": "The ferry to the island leaves at 8:40 in the morning.",
    "key": "Maja keeps the spare key of the boathouse under the third flowerpot.",
    "choir": "Bo's choir rehearses on Thursdays in the old customs house.",
    "boat": "The red boat leaks and stays ashore until it is caulked.",
    "tea": "Ada prefers tea to coffee.",
}


@pytest.fixture
def memories(api: httpx.Client) -> dict[str, str]:
    """Return ids of a few memories by name; `namespace` is where they are."""
    namespace = f"web/{secrets.token_hex(4)}"
    items = [
        {"content": text, "namespace": namespace, "tags": [name], "importance": 0.5} for name, text in TEXTS.items()
    ]
    results = api.post("/v1/memories/batch", json={"items": items}).json()["results"]
    return {"namespace": namespace, **dict(zip(TEXTS, (one["id"] for one in results), strict=True))}


def address(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def results(page: Page) -> Any:
    return page.get_by_role("list", name="Results").locator("> li")


def test_a_search_shows_what_found_each_result(
    page: Page, phone: Page, api: httpx.Client, demo: str, axe: Callable[[Page], None], shot: Shot
) -> None:
    found = api.post(
        "/v1/search", json={"query": "Who is Maren?", "namespace": demo, "top_k": 5, "explain": True}
    ).json()
    for view, kind in ((page, "wide"), (phone, "narrow")):
        view.goto(f"/admin/recall?ns={demo}&q=Who+is+Maren%3F&k=5&beside=1")
        expect(results(view)).to_have_count(5)
        first = results(view).first
        expect(first).to_contain_text(found["results"][0]["memory"]["content"])
        expect(first).to_contain_text(f"{found['results'][0]['score']:.2f}")
        expect(first).to_contain_text(found["results"][0]["why"])
        expect(first.get_by_role("img").first).to_have_attribute("aria-label", _contains("vector"))
        expect(view.get_by_role("heading", name="Stages")).to_be_visible()
        expect(view.get_by_role("heading", name="As the query was understood")).to_be_visible()
        expect(view.get_by_role("list", name="Just missed").locator("> li")).to_have_count(5)
        expect(view.locator(".skeleton")).to_have_count(0)
        axe(view)
        shot(view, f"recall-results-{kind}", full=True)


def _contains(text: str) -> Any:
    import re

    return re.compile(re.escape(text))


def test_every_setting_stands_in_the_address_and_in_the_request(
    page: Page, memories: dict[str, str], shot: Shot
) -> None:
    page.goto(f"/admin/recall?ns={memories['namespace']}&q=When+does+the+ferry+leave%3F")
    expect(results(page).first).to_contain_text("ferry")
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Preset").select_option("thorough")
    page.get_by_role("spinbutton", name="Results", exact=True).fill("3")
    page.get_by_label("Diversity").fill("0.3")
    page.get_by_label("Neighbours").fill("2")
    page.get_by_label("Abstain below").fill("0.9")
    page.get_by_label("Token budget").fill("500")
    page.get_by_label("True at").fill("2030-01-01T00:00:00")
    page.get_by_label("Window to").fill("2030-02-01T00:00:00")
    page.get_by_label("Choose channels").check()
    page.get_by_label("graph", exact=True).uncheck()
    page.get_by_label("Archived memories, too").check()
    with page.expect_request(
        lambda asked: asked.url.endswith("/v1/search") and '"user_id":"nobody"' in (asked.post_data or "")
    ) as sent:
        page.get_by_label("User", exact=True).fill("nobody")
    expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()
    assert sent.value.post_data_json == {
        "query": "When does the ferry leave?",
        "namespace": memories["namespace"],
        "user_id": "nobody",
        "preset": "thorough",
        "top_k": 3,
        "diversity": 0.3,
        "neighbours": 2,
        "min_confidence": 0.9,
        "token_budget": 500,
        "as_of": {"valid": "2030-01-01T00:00:00.000Z"},
        "window": {"to": "2030-02-01T00:00:00.000Z"},
        "channels": {"vector": 1, "keyword": 1, "temporal": 1},
        "include": ["archived"],
        "explain": True,
    }
    shot(page, "recall-settings")
    said = address(page)
    assert (said["preset"], said["k"], said["channels"]) == ("thorough", "3", "vector:1,keyword:1,temporal:1")
    page.reload()
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_label("Neighbours")).to_have_value("2")
    page.get_by_role("button", name="As usual").click()
    expect(results(page).first).to_contain_text("ferry")
    assert set(address(page)) == {"ns", "q"}


def test_a_filter_is_checked_here_and_by_the_service(page: Page, memories: dict[str, str]) -> None:
    page.goto(f"/admin/recall?ns={memories['namespace']}&q=ferry")
    page.get_by_role("button", name="Settings").click()
    filter_of = page.get_by_label("Filter in JSON")
    filter_of.fill('{"tags": ')
    filter_of.blur()
    expect(page.get_by_text("nothing was asked")).to_be_visible()
    expect(page.locator(".fault")).to_contain_text("JSON")
    filter_of.fill('{"colour": "red"}')
    filter_of.blur()
    expect(page.locator(".fault")).to_contain_text("There is no field 'colour'")
    filter_of.fill('{"tags": "tea"}')
    filter_of.blur()
    expect(results(page)).to_have_count(1)
    expect(results(page).first).to_contain_text("tea")


def test_why_not_this_one(page: Page, memories: dict[str, str], api: httpx.Client, shot: Shot) -> None:
    page.goto(f"/admin/recall?ns={memories['namespace']}&q=When+does+the+ferry+leave%3F&k=1")
    expect(results(page)).to_have_count(1)
    page.get_by_label("Words of a memory, or its id").fill("leaks")
    page.get_by_role("list", name="Memories with these words").get_by_role("button").click()
    expect(page.locator(".gates li[data-gate=fell]")).to_contain_text("high enough")
    assert address(page)["whynot"] == memories["boat"]
    shot(page, "recall-why-not")
    page.locator(".why-not").get_by_role("button", name="results").click()
    expect(page.locator(".gates li[data-gate=fell]")).to_have_count(0)
    expect(results(page).filter(has_text="The red boat")).to_have_count(1)
    page.get_by_role("button", name="Another one").click()
    api.post(f"/v1/memories/{memories['tea']}/archive")
    page.get_by_role("button", name="Ask again").click()
    page.get_by_label("Words of a memory, or its id").fill(memories["tea"])
    expect(page.locator(".gates li[data-gate=fell]")).to_contain_text("not archived")


def test_feedback_reaches_the_memory(page: Page, memories: dict[str, str], api: httpx.Client) -> None:
    page.goto(f"/admin/recall?ns={memories['namespace']}&q=Where+is+the+spare+key%3F")
    first = results(page).first
    expect(first).to_contain_text("flowerpot")
    before = api.get(f"/v1/memories/{memories['key']}/retention").json()["stability_days"]
    first.get_by_role("button", name="Not useful").click()
    expect(page.get_by_role("status").filter(has_text="it fades sooner")).to_be_visible()
    assert api.get(f"/v1/memories/{memories['key']}/retention").json()["stability_days"] < before
    (judged,) = api.get(f"/v1/memories/{memories['key']}/recalls").json()["data"]
    assert judged["useful"] is False
    first.get_by_role("button", name="Useful", exact=True).click()
    expect(first.get_by_role("button", name="Useful", exact=True)).to_have_attribute("aria-pressed", "true")
    judged, *_ = api.get(f"/v1/memories/{memories['key']}/recalls").json()["data"]
    assert judged["useful"] is True


def test_looking_counts_no_recall_until_one_says_so(page: Page, memories: dict[str, str], api: httpx.Client) -> None:
    page.goto(f"/admin/recall?ns={memories['namespace']}&q=ferry&k=1")
    expect(results(page)).to_have_count(1)
    count = lambda: api.get(f"/v1/memories/{memories['ferry']}").json()["retention"]["recall_count"]  # noqa: E731
    assert count() == 0
    page.get_by_role("button", name="Count a recall for each").click()
    page.get_by_role("button", name="Yes, count these as recalled").click()
    expect(page.get_by_text("Counted 1 recalls.")).to_be_visible()
    assert count() == 1


def test_two_settings_on_saved_queries(
    page: Page, memories: dict[str, str], api: httpx.Client, axe: Callable[[Page], None], shot: Shot
) -> None:
    namespace = memories["namespace"]
    saved = lambda: api.get("/v1/saved-queries", params={"namespace": namespace}).json()["data"]  # noqa: E731
    page.goto(f"/admin/recall?ns={namespace}&q=Where+is+the+spare+key%3F")
    page.get_by_role("button", name="Save this query").click()
    results(page).filter(has_text="flowerpot").get_by_label("belongs to the answer").check()
    page.get_by_role("button", name="Save with 1").click()
    expect(page.get_by_role("group", name="Saved queries")).to_contain_text("Where is the spare key?")
    assert [(one["query"], one["relevant"]) for one in saved()] == [("Where is the spare key?", [memories["key"]])]

    page.get_by_role("tab", name="Two settings").click()
    page.get_by_role("button", name="Setting B").click()
    page.get_by_role("spinbutton", name="Results", exact=True).fill("1")
    expect(page.locator(".moved").filter(has_text="gone")).to_have_count(4)
    assert address(page)["b.k"] == "1"
    axe(page)
    shot(page, "recall-two-settings")

    page.get_by_role("tab", name="On saved queries").click()
    row = page.get_by_role("row").filter(has_text="Where is the spare key?")
    expect(row).to_contain_text("100 %")
    expect(row).to_contain_text("1 → 1")
    row.get_by_role("button").click()
    expect(page.locator("tr[data-relevant=true]")).to_contain_text("flowerpot")
    shot(page, "recall-saved-queries")

    page.get_by_role("button", name="Do not keep Where is the spare key?").click()
    expect(page.get_by_role("heading", name="No saved queries in this namespace")).to_be_visible()
    assert saved() == []
    page.get_by_role("button", name="Undo").last.click()
    expect(page.get_by_role("row").filter(has_text="Where is the spare key?")).to_be_visible()
    assert len(saved()) == 1
