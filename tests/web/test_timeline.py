"""The timeline: two axes of time, bars, a plane to mark a part of, and the list of what lies in it."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Page, expect

from tests.web.conftest import Shot


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_bars_plane_and_list_are_of_the_same_memories(
    page: Page, phone: Page, demo: str, api: httpx.Client, axe: Callable[[Page], None], shot: Shot
) -> None:
    told = api.get("/v1/timeline", params={"namespace": demo, "bucket": "month", "limit": 1}).json()
    page.goto(f"/admin/timeline?ns={demo}&bucket=month")
    bars = page.get_by_role("group", name="Memories by when they were true").get_by_role("button")
    expect(bars.first).to_be_visible()
    said = [bars.nth(at).get_attribute("aria-label") or "" for at in range(bars.count())]
    counts = [int(text.rsplit(": ", 1)[1].split()[0].replace(",", "")) for text in said]
    assert sum(counts) == sum(bucket["count"] for bucket in told["buckets"])
    first = told["data"][0]
    expect(
        page.get_by_role("list", name="Memories in the order of time").get_by_role("listitem").first
    ).to_contain_text(first["label"])
    expect(page.locator(".plane .cell").first).to_be_visible()
    shot(page, "timeline-light")
    axe(page)
    phone.goto(f"/admin/timeline?ns={demo}")
    expect(phone.locator(".plane .cell").first).to_be_visible()
    shot(phone, "timeline-phone")
    axe(phone)


def test_a_bar_narrows_and_the_whole_comes_back(page: Page, demo: str, api: httpx.Client) -> None:
    page.goto(f"/admin/timeline?ns={demo}&bucket=month")
    bar = page.get_by_role("group", name="Memories by when they were true").get_by_role("button").nth(1)
    bar.click()
    expect(page.get_by_role("button", name="Whole time")).to_be_visible()
    bounds = {"from": asked(page)["from"][0], "to": asked(page)["to"][0]}
    told = api.get("/v1/timeline", params={"namespace": demo, "limit": 200, **bounds}).json()["data"]
    expect(page.get_by_role("status").filter(has_text=f"{len(told)} memories, true from")).to_be_visible()
    page.get_by_role("button", name="Whole time").click()
    expect(page.get_by_role("button", name="Whole time")).to_have_count(0)
    assert "from" not in asked(page)


def test_the_plane_parts_what_was_learned_late(page: Page, api: httpx.Client) -> None:
    """A memory of long ago that was written now stands far from the diagonal; marking a part cuts both axes."""
    namespace = "timeline-plane"
    for year in (2020, 2022, 2024):
        body = {"namespace": namespace, "content": f"Mara moved in {year}.", "observed_at": f"{year}-03-01T12:00:00Z"}
        assert api.post("/v1/memories", json=body).status_code == 201
    page.goto(f"/admin/timeline?ns={namespace}&bucket=year")
    points = page.locator(".plane .point")
    expect(points).to_have_count(3)
    plane = page.locator(".plane svg")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box is not None
    last = points.nth(2).bounding_box()
    assert last is not None
    page.mouse.move(last["x"] - 25, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(last["x"] + 15, box["y"] + box["height"] - 30, steps=4)
    page.mouse.up()
    expect(points).to_have_count(0)  # one alone needs no plane
    rows = page.get_by_role("list", name="Memories in the order of time").get_by_role("listitem")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("2024")
    assert {"from", "to", "learned_from", "learned_to"} <= asked(page).keys()


def test_the_other_axis_orders_by_learning(page: Page, demo: str, api: httpx.Client) -> None:
    page.goto(f"/admin/timeline?ns={demo}")
    page.get_by_role("tab", name="When learned").click()
    expect(page.get_by_role("group", name="Memories by when they were learned")).to_be_visible()
    told = api.get("/v1/timeline", params={"namespace": demo, "axis": "known", "limit": 1}).json()["data"][0]
    rows = page.get_by_role("list", name="Memories in the order of time").get_by_role("listitem")
    expect(rows.first).to_contain_text(told["label"])
    rows.first.get_by_role("link").click()
    expect(page).to_have_url(re.compile(f"/memories/{told['id']}"))


def test_an_empty_namespace_says_what_stands_here(page: Page, axe: Callable[[Page], None]) -> None:
    page.goto("/admin/timeline")
    expect(page.get_by_role("heading", name="No time has passed here yet")).to_be_visible()
    axe(page)
