"""The graph: what is drawn is what the service tells, for the mouse, for the keyboard and as a table."""

import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Shot

STAGE = ".graph-stage"
SETTLED = f"{STAGE}[data-settled=true]"
NODES = "document.querySelector('.graph-stage').drawn.getGraph()"


def show(page: Page, address: str) -> None:
    page.goto(f"/admin/graph?{address}")
    await_settled(page)


def await_settled(page: Page) -> None:
    """Wait until all nodes have their places and are drawn there."""
    expect(page.locator(SETTLED)).to_be_visible(timeout=60_000)
    for _ in range(100):
        if page.evaluate("document.querySelector('.graph-stage[data-settled=true]')?.drawn !== undefined"):
            return
        page.wait_for_timeout(100)
    raise AssertionError("nothing was drawn")


def drawn(page: Page) -> set[str]:
    return set(page.evaluate(f"{NODES}.filterNodes((id, one) => one.visibility === 'visible')"))


def expect_drawn(page: Page, nodes: set[str], *, within_s: float = 30) -> None:
    """Wait until these nodes are drawn and no others."""
    there = "document.querySelector('.graph-stage[data-settled=true]')?.drawn !== undefined"
    deadline = time.monotonic() + within_s
    while not (page.evaluate(there) and drawn(page) == nodes):
        assert time.monotonic() < deadline, drawn(page) ^ nodes
        page.wait_for_timeout(200)


def told(api: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = api.get("/v1/graph", params={"namespace": "demo", **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(graph: dict[str, Any]) -> set[str]:
    return {node["id"] for node in graph["nodes"]}


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def spot(page: Page, node: str) -> tuple[float, float]:
    """Return where on the page a node lies."""
    box = page.locator(STAGE).bounding_box()
    assert box is not None
    at = page.evaluate(
        "id => { const d = document.querySelector('.graph-stage').drawn;"
        " return d.graphToViewport(d.getGraph().getNodeAttributes(id)) }",
        node,
    )
    return box["x"] + at["x"], box["y"] + at["y"]


def test_it_begins_with_the_newest_and_draws_what_the_service_tells(
    page: Page, phone: Page, demo: str, api: httpx.Client, axe: Callable[[Page], None], shot: Shot
) -> None:
    graph = told(api, depth=2, limit=150)
    assert len(graph["nodes"]) == 150
    show(page, f"ns={demo}")
    expect_drawn(page, ids(graph))
    assert page.evaluate(f"{NODES}.size") == len(graph["edges"])
    expect(page.get_by_role("status").filter(has_text="150 nodes")).to_contain_text("there is more")
    shot(page, "graph-light")
    axe(page)
    page.get_by_role("button", name="Use the dark theme").click()
    await_settled(page)
    shot(page, "graph-dark")
    show(phone, f"ns={demo}&q=canoe")
    shot(phone, "graph-phone")
    axe(phone)
    assert phone.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_the_same_address_gives_the_same_picture(page: Page, demo: str) -> None:
    where = f"{NODES}.mapNodes((id, one) => [id, one.x, one.y])"
    show(page, f"ns={demo}&q=canoe")
    first = page.evaluate(where)
    show(page, f"ns={demo}&q=canoe")
    assert page.evaluate(where) == first
    # An expanded view is laid out in the same stages whether it was clicked together or opened by its link.
    entity = next(one[0] for one in first)
    page.locator(STAGE).focus()
    page.goto(f"{page.url}&open={entity}")
    await_settled(page)
    opened = page.evaluate(where)
    page.reload()
    await_settled(page)
    assert page.evaluate(where) == opened


def test_it_begins_with_a_search_or_a_name(page: Page, demo: str, api: httpx.Client) -> None:
    show(page, f"ns={demo}")
    begin = page.get_by_label("Begin with a search or an entity")
    begin.fill("canoe")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("Search: canoe")).to_be_visible()
    await_settled(page)
    expect_drawn(page, ids(told(api, query="canoe", depth=1, limit=150)))
    runa = next(
        one for one in api.get("/v1/entities", params={"namespace": demo}).json()["data"] if one["name"] == "Runa"
    )
    begin.fill("runa")
    begin.press("Enter")
    expect(page.get_by_role("complementary", name="Chosen node")).to_contain_text("Runa")
    assert asked(page)["seed"] == [runa["id"]]
    await_settled(page)
    expect_drawn(page, ids(told(api, seed=runa["id"], depth=1, limit=150)))
    page.get_by_role("button", name="Take away: From: Runa").click()
    expect(page.get_by_text("From: Runa")).to_have_count(0)


def test_a_click_expands_and_the_browser_goes_back(page: Page, demo: str, api: httpx.Client) -> None:
    memory = api.post("/v1/search", json={"namespace": demo, "query": "canoe", "top_k": 1}).json()["results"][0][
        "memory"
    ]["id"]
    show(page, f"ns={demo}&seed={memory}")
    before = drawn(page)
    entity = next(node["id"] for node in told(api, seed=memory, depth=1)["nodes"] if node["kind"] == "entity")
    page.mouse.click(*spot(page, entity))
    expect(page.get_by_role("complementary", name="Chosen node")).to_be_visible()
    around = ids(told(api, seed=entity, depth=1, limit=40))
    expect(page.get_by_role("status").filter(has_text=f"{len(before | around)} nodes")).to_be_visible()
    await_settled(page)
    expect_drawn(page, before | around)
    assert asked(page)["open"] == [entity]
    page.go_back()
    expect(page.get_by_role("status").filter(has_text=f"{len(before)} nodes")).to_be_visible()
    await_settled(page)
    expect_drawn(page, before)


def test_the_keyboard_walks_expands_hides_and_takes_back(page: Page, demo: str, shot: Shot) -> None:
    show(page, f"ns={demo}&q=canoe")
    everything = drawn(page)
    page.locator(STAGE).focus()
    page.keyboard.press("ArrowRight")
    panel = page.get_by_role("complementary", name="Chosen node")
    expect(panel).to_be_visible()
    first = asked(page)["pick"][0]
    for key in ("ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
        if asked(page)["pick"][0] != first:
            break
    expect(page).not_to_have_url(re.compile(f"pick={first}"))
    chosen = asked(page)["pick"][0]
    expect(panel.locator(".skeleton")).to_have_count(0)
    shot(page, "graph-panel")
    page.keyboard.press("Delete")
    expect(panel).to_have_count(0)
    expect_drawn(page, everything - {chosen})
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_text("1 node hidden")).to_have_count(0)
    expect_drawn(page, everything)
    page.locator(STAGE).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Expanded:")).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


def test_the_panel_starts_anew_collapses_and_opens(page: Page, demo: str, api: httpx.Client) -> None:
    runa = next(
        one for one in api.get("/v1/entities", params={"namespace": demo}).json()["data"] if one["name"] == "Runa"
    )
    show(page, f"ns={demo}&q=canoe&pick={runa['id']}&open={runa['id']}")
    panel = page.get_by_role("complementary", name="Chosen node")
    expect(panel).to_contain_text(str(runa["mentions"]))
    panel.get_by_role("button", name="Collapse").click()
    expect(panel.get_by_role("button", name="Expand")).to_be_visible()
    assert "open" not in asked(page)
    panel.get_by_role("button", name="Start here").click()
    expect(page.get_by_text("From: Runa")).to_be_visible()
    assert "q" not in asked(page)
    await_settled(page)
    panel.get_by_role("link", name="Open").click()
    expect(page.get_by_role("heading", name="Runa", level=1)).to_be_visible()


def test_the_legend_filters_kinds_and_links(page: Page, demo: str) -> None:
    show(page, f"ns={demo}&q=canoe")
    everything = drawn(page)
    legend = page.get_by_role("region", name="Legend")
    legend.get_by_role("checkbox", name="Entities").uncheck()
    expect(page).to_have_url(re.compile("kinds=entity"))
    left = everything - set(
        page.evaluate(f"{NODES}.nodes().filter(id => {NODES}.getNodeAttribute(id, 'shape') === 'diamond')")
    )
    assert left < everything
    expect_drawn(page, left)
    page.reload()
    await_settled(page)
    expect_drawn(page, left)
    legend.get_by_role("checkbox", name="part of").uncheck()
    expect(page).to_have_url(re.compile("types=part_of"))
    page.wait_for_timeout(500)
    visible = page.evaluate(f"{NODES}.filterEdges((key, one) => one.visibility === 'visible')")
    assert visible
    assert not [key for key in visible if key.endswith(" part_of")]


def test_the_table_has_the_same_and_expands_too(
    page: Page, phone: Page, demo: str, api: httpx.Client, axe: Callable[[Page], None], shot: Shot
) -> None:
    show(page, f"ns={demo}&q=canoe")
    page.get_by_role("button", name="Table").click()
    graph = told(api, query="canoe", depth=1, limit=150)
    nodes = page.get_by_role("table", name="Nodes of the graph").locator("tbody tr")
    expect(nodes).to_have_count(len(graph["nodes"]))
    expect(page.get_by_role("heading", name=f"{len(graph['edges'])} links")).to_be_visible()
    axe(page)
    shot(page, "graph-table")
    page.get_by_label("Only nodes with these words").fill("Runa")
    expect(nodes.first).to_contain_text("Runa")
    assert nodes.count() < len(graph["nodes"])
    page.get_by_role("button", name="Expand Runa").click()
    expect(page.get_by_role("button", name="Expand Runa")).to_have_text("Expanded")
    page.get_by_label("Only nodes with these words").fill("")
    expect(nodes).not_to_have_count(len(graph["nodes"]))
    page.get_by_role("button", name="Node", exact=True).click()
    expect(page.get_by_role("columnheader", name="Node")).to_have_attribute("aria-sort", "ascending")
    phone.goto(f"/admin/graph?ns={demo}&q=canoe&view=table")
    expect(phone.get_by_role("table", name="Nodes of the graph").locator("tbody tr")).to_have_count(len(graph["nodes"]))
    shot(phone, "graph-table-phone")
    # Tables scroll within their own frames, the page does not.
    assert phone.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_as_of_another_time(page: Page, api: httpx.Client, shot: Shot) -> None:
    """What was learned since, and what was replaced meanwhile, is not what was known then."""
    namespace = "graph-times"
    old = api.post(
        "/v1/memories",
        json={"namespace": namespace, "content": "Mara lives in Leeds.", "observed_at": "2024-01-01T10:00:00Z"},
    ).json()
    new = api.post(
        f"/v1/memories/{old['id']}/supersede",
        json={"content": "Mara lives in Bergen.", "observed_at": "2025-06-01T10:00:00Z"},
    ).json()
    show(page, f"ns={namespace}&q=Where does Mara live")
    everything = drawn(page)
    page.get_by_role("button", name="As of…").click()
    known = page.get_by_role("slider", name="Known then")
    shot(page, "graph-as-of")
    known.focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("heading", name="Nothing was there at that time")).to_be_visible()
    page.get_by_role("button", name="Back to now").click()
    expect_drawn(page, everything)
    assert new["id"] in everything
    # Before the second was learned the first was all there was.
    page.goto(f"/admin/graph?ns={namespace}&seed={old['id']}&known={old['created_at']}")
    await_settled(page)
    assert old["id"] in drawn(page)
    assert new["id"] not in drawn(page)


def test_versions_are_linked_and_marked(page: Page, api: httpx.Client) -> None:
    namespace = "graph-versions"
    old = api.post("/v1/memories", json={"namespace": namespace, "content": "The grant is due in May."}).json()
    new = api.post(f"/v1/memories/{old['id']}/supersede", json={"content": "The grant is due in July."}).json()
    show(page, f"ns={namespace}&seed={new['id']}")
    expect(page.get_by_role("checkbox", name="supersedes")).to_be_visible()
    assert page.evaluate(f"{NODES}.hasEdge('{new['id']} {old['id']} supersedes')")
    expect(page.get_by_role("region", name="Legend")).to_contain_text("Ring: superseded")
    page.get_by_role("button", name="Table").click()
    rows = page.get_by_role("table", name="Nodes of the graph").get_by_role("row")
    expect(rows.filter(has_text="due in May")).to_contain_text("superseded")


def test_exports_are_pictures_of_their_own(page: Page, api: httpx.Client) -> None:
    namespace = "graph-export"
    api.post("/v1/memories", json={"namespace": namespace, "content": "Mara <b>&amp; 'Ole'</b> have \"two\" boats."})
    show(page, f"ns={namespace}")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="SVG").click()
    picture = ET.parse(waiting.value.path()).getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    words = " ".join(text.text or "" for text in picture.iter("{http://www.w3.org/2000/svg}text"))
    assert "Mara <b>" in words
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}circle"))) == 1
    with page.expect_download() as waiting:
        page.get_by_role("button", name="PNG").click()
    assert waiting.value.path().read_bytes().startswith(b"\x89PNG\r\n")


STRANGE = {
    "no words of it": "q=zzzzqqq",
    "nobody": "seed=00000000-0000-7000-8000-000000000000",
    "no id": "seed=nonsense",
    "no numbers": "limit=-3&depth=99&known=soon",
}


@pytest.mark.parametrize("address", STRANGE.values(), ids=list(STRANGE))
def test_strange_addresses_are_answered(page: Page, demo: str, address: str) -> None:
    page.goto(f"/admin/graph?ns={demo}&{address}")
    expect(page.locator(f"{SETTLED}, .state")).to_be_visible(timeout=60_000)


def test_an_empty_namespace_says_how_a_graph_comes_about(page: Page, axe: Callable[[Page], None]) -> None:
    page.goto("/admin/graph")
    expect(page.get_by_role("heading", name="No graph yet")).to_be_visible()
    axe(page)
