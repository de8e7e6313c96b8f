"""Namespaces too large to be read whole: what is shown is what the service found, counted or chose."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from benchmarks.synthetic import texts
from tests.web.conftest import Shot, await_job
from tests.web.test_graph import NODES, await_settled, drawn, ids, show, told

NAMESPACE, MEMORIES, AT_ONCE = "large", 700, 350


@pytest.fixture(scope="module")
def large(api: httpx.Client) -> str:
    """Fill a namespace with more memories, entities and topics than any page shows at once."""
    api.post("/v1/namespaces", json={"path": NAMESPACE, "settings": {"consolidation": "manual"}})
    every = [
        {"content": text, "namespace": NAMESPACE, "observed_at": f"20{10 + n % 15}-0{1 + n % 9}-1{n % 10}T08:00:00Z"}
        for n, text in enumerate(texts(MEMORIES, seed=7))
    ]
    for start in range(0, MEMORIES, AT_ONCE):
        assert api.post("/v1/memories/batch", json={"items": every[start : start + AT_ONCE]}).status_code == 200
    job = api.post("/v1/consolidations", json={"namespace": NAMESPACE, "steps": ["topics"], "scope": "all"})
    await_job(api, job.json()["job_id"], within_s=400)
    return NAMESPACE


def page_of(api: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    answer = api.get(path, params={"namespace": NAMESPACE, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_entities_are_found_and_ordered_by_the_service(page: Page, large: str, api: httpx.Client) -> None:
    page.goto(f"/admin/entities?ns={large}")
    rows = page.get_by_role("list", name="Entities").get_by_role("listitem")
    expect(rows.first).to_be_visible()
    page.get_by_label("Order").select_option("mentions")
    most = page_of(api, "/v1/entities", order="mentions", limit=2)["data"]
    expect(rows.first).to_contain_text(most[0]["name"])
    expect(rows.nth(1)).to_contain_text(most[1]["name"])
    # One that no first page has is found by a part of its name.
    last = page_of(api, "/v1/entities", order="name", limit=200)["data"][-1]
    page.get_by_role("searchbox", name="Name", exact=True).fill(last["name"].upper()[:5])
    expect(page).to_have_url(re.compile("name="))
    expect(rows.filter(has_text=last["name"]).first).to_be_visible()
    found = page_of(api, "/v1/entities", q=last["name"][:5], order="mentions", limit=200)["data"]
    expect(page.get_by_role("status").filter(has_text=re.compile(f"^{len(found)} entit"))).to_be_visible()
    page.get_by_role("searchbox", name="Name", exact=True).fill("nobody at all")
    expect(page.get_by_role("heading", name="No such name")).to_be_visible()


def test_a_name_that_no_list_shows_begins_a_graph(page: Page, large: str, api: httpx.Client) -> None:
    rare = page_of(api, "/v1/entities", order="name", limit=200)["data"][-1]
    show(page, f"ns={large}")
    begin = page.get_by_label("Begin with a search or an entity")
    begin.fill(rare["name"].lower())
    begin.press("Enter")
    expect(page).to_have_url(re.compile(f"seed={rare['id']}"))


def test_topics_are_read_as_they_are_opened(page: Page, large: str, api: httpx.Client) -> None:
    top = page_of(api, "/v1/topics", top=True, limit=200)["data"]
    whole = page_of(api, "/v1/topics", limit=200)
    assert len(whole["data"]) > 40, "the tree has to be too large to be open at once"
    page.goto(f"/admin/topics?ns={large}")
    items = page.get_by_role("treeitem")
    expect(items).to_have_count(len(top))
    parent = max((one for one in top if not one["leaf"]), key=lambda one: one["size"])
    below = page_of(api, "/v1/topics", parent_id=parent["id"], limit=200)["data"]
    item = items.filter(has_text=f"{parent['size']:,} memories").first
    item.click()
    page.keyboard.press("ArrowRight")
    expect(items).to_have_count(len(top) + len(below))
    # A link to a topic that is not open opens the way to it.
    deep = next(one for one in whole["data"] if one["parent_id"] is not None and one["leaf"])
    page.goto(f"/admin/topics?ns={large}&at={deep['id']}")
    expect(page.locator("[role=treeitem][aria-selected=true]")).to_be_visible()
    members = page.get_by_role("list", name="Memories").get_by_role("listitem")
    expect(members).to_have_count(min(12, len(deep["memory_ids"])))


def test_the_timeline_counts_what_it_cannot_draw(
    page: Page, large: str, api: httpx.Client, axe: Callable[[Page], None], shot: Shot
) -> None:
    page.goto(f"/admin/timeline?ns={large}")
    cells = page.locator(".plane .cell")
    expect(cells.first).to_be_visible()
    expect(page.get_by_role("status").filter(has_text=f"{MEMORIES} memories")).to_be_visible()
    plane = page_of(api, "/v1/timeline/plane")
    assert plane["total"] == MEMORIES
    expect(cells).to_have_count(len(plane["cells"]))
    bars = page.get_by_role("group", name="Memories by when they were true").get_by_role("button")
    assert bars.count() <= 121  # of what fits, and not of fifteen years of days
    shot(page, "timeline-large")
    axe(page)
    page.get_by_label("Bars by").select_option("hour")
    expect(page.get_by_role("group", name="Memories by when they were true").or_(
        page.get_by_role("heading", name="Too many bars")).first).to_be_visible()  # fmt: skip
    page.goto(f"/admin/timeline?ns={large}")
    box = cells.first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    first = plane["cells"][0]
    expect(page.get_by_role("button", name="Whole time")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text=re.compile(f"^{first['count']} memor"))).to_be_visible()


def test_a_list_draws_only_the_rows_in_view(page: Page, large: str) -> None:
    page.goto(f"/admin/memories?ns={large}")
    rows = page.locator("main li[aria-posinset]")
    expect(rows.first).to_be_visible()
    for _ in range(60):
        page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_timeout(100)
        last = rows.last
        if last.get_attribute("aria-setsize") == last.get_attribute("aria-posinset") == str(MEMORIES):
            break
    assert rows.last.get_attribute("aria-posinset") == str(MEMORIES)
    assert rows.count() < 60


def test_what_joins_a_view_is_linked_to_all_of_it(page: Page, demo: str, api: httpx.Client) -> None:
    """Neighbours of an expanded node have links to what was there before, which its own answer does not tell."""
    memory = api.post("/v1/search", json={"namespace": demo, "query": "canoe", "top_k": 1}).json()["results"][0][
        "memory"
    ]["id"]
    before = told(api, seed=memory, depth=1, limit=150)
    entity = max((one for one in before["nodes"] if one["kind"] == "entity"), key=lambda one: one["degree"])["id"]
    around = told(api, seed=entity, depth=1, limit=40)
    every = sorted(ids(before) | ids(around))
    edges = api.post("/v1/graph/edges", json={"nodes": every, "namespace": demo}).json()["edges"]
    expected = {f"{one['source']} {one['target']} {one['type']}" for one in edges}
    separately = {f"{one['source']} {one['target']} {one['type']}" for one in (*before["edges"], *around["edges"])}
    assert separately < expected, "the demo has such links"
    show(page, f"ns={demo}&seed={memory}&open={entity}")
    await_settled(page)
    assert drawn(page) == set(every)
    assert set(page.evaluate(f"{NODES}.edges()")) == expected


def test_links_of_the_same_two_nodes_lie_apart(page: Page, api: httpx.Client, shot: Shot) -> None:
    namespace = "graph-parallel"
    old = api.post("/v1/memories", json={"namespace": namespace, "content": "The grant is due in May."}).json()
    new = api.post(f"/v1/memories/{old['id']}/supersede", json={"content": "The grant is due in July."}).json()
    job = api.post("/v1/consolidations", json={"namespace": namespace, "scope": "all", "steps": ["links"]}).json()
    await_job(api, job["job_id"])
    show(page, f"ns={namespace}&seed={new['id']}")
    between = [edge for edge in told(api, namespace=namespace, seed=new["id"])["edges"]
               if {edge["source"], edge["target"]} == {old["id"], new["id"]}]  # fmt: skip
    assert len(between) >= 2, between
    bends = page.evaluate(
        "(() => { const d = document.querySelector('.graph-stage').drawn;"
        " return d.getGraph().edges().map(one => d.getEdgeDisplayData(one).curvature) })()"
    )
    assert len(set(bends)) == len(bends) >= 2, bends
    with page.expect_download() as waiting:
        page.get_by_role("button", name="SVG").click()
    lines = re.findall(r'<path d="([^"]+)"', waiting.value.path().read_text(encoding="utf-8"))
    assert len(lines) == len(set(lines)) == len(between)
    assert all(" Q" in line or "Q" in line for line in lines)
    shot(page, "graph-parallel")


CONTEXTS = """
  window.contexts = [];
  const real = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
    const context = real.call(this, kind, ...more);
    if (kind === "webgl2" && context && !window.contexts.includes(context)) window.contexts.push(context);
    return context;
  };
"""
LIVING = "window.contexts.filter(one => !one.isContextLost()).length"


def test_no_canvas_is_kept_that_nothing_is_drawn_on(page: Page, api: httpx.Client) -> None:
    """One is made ready while the service reads, by what was asked; what comes may be less, or nothing."""
    namespace = "graph-canvases"
    api.post("/v1/memories", json={"namespace": namespace, "content": "Ana met Ben in Porto."})
    page.add_init_script(CONTEXTS)
    show(page, f"ns={namespace}")
    usual = page.evaluate(LIVING)
    assert usual >= 1
    show(page, f"ns={namespace}&limit=10000")
    assert page.evaluate("window.contexts.length") > usual, "another kind of canvas was made ready"
    assert page.evaluate(LIVING) == usual
    page.goto("/admin/graph?ns=graph-of-nobody&limit=10000")
    expect(page.get_by_role("heading", name="Namespace not found")).to_be_visible()
    page.wait_for_function(f"{LIVING} === 0")
