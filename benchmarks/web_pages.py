"""The pages of the admin view over a large namespace: when their first row stands, and how far one scrolls."""

from dataclasses import dataclass
from typing import Any, Final

from benchmarks.browser import Tab

# Scroll as fast as rows come, until the last one is there or the time is over.
SCROLL: Final = """
async (budget) => {
  const began = performance.now();
  let rows = 0, ended = false;
  while (!ended && performance.now() - began < budget) {
    window.scrollTo(0, document.documentElement.scrollHeight);
    await new Promise((go) => setTimeout(go, 30));
    const last = [...document.querySelectorAll("main [aria-posinset]")].pop();
    if (!last) break;
    rows = Number(last.getAttribute("aria-posinset"));
    ended = Number(last.getAttribute("aria-setsize")) === rows;
  }
  return { rows, ended, seconds: (performance.now() - began) / 1000, elements: document.querySelectorAll("*").length };
}
"""
THERE: Final = "(selector) => document.querySelector(selector) !== null"


@dataclass(frozen=True, slots=True)
class Place:
    """A page: its address below ``/admin/``, what tells that its first content stands, and whether it is a long list."""

    name: str
    path: str
    first: str
    scrolls: bool = False
    searches: bool = False  # in a namespace whose memories were stored the usual way, with vectors


EMPTY: Final = "main .state:not([role=alert])"  # a page that has nothing to show says so
PLACES: Final = (
    Place("overview, with the health report", "", "main .figures .value"),
    Place("memories", "memories", "main .memory-row", scrolls=True),
    Place("timeline: bars", "timeline", "main .histogram-bar"),
    Place("timeline: plane", "timeline", "main .plane svg .cell, main .plane svg .point"),
    Place("timeline: first row", "timeline", "main .moment", scrolls=True),
    Place("timeline, when learned", "timeline?axis=known", "main .moment"),
    Place("topics", "topics", f"main [role=treeitem], {EMPTY}"),
    Place("episodes", "topics?view=episodes", f"main .choice, {EMPTY}", scrolls=True),
    Place("communities", "topics?view=communities", f"main .choice, {EMPTY}", scrolls=True),
    Place("entities", "entities", f"main .entity-row, {EMPTY}", scrolls=True),
    Place("entities, most mentioned", "entities?order=mentions", f"main .entity-row, {EMPTY}"),
    Place("entities, by a part of a name", "entities?name=ar", f"main .entity-row, {EMPTY}"),
    Place("review", "reviews", f"main .review-item, {EMPTY}"),
    Place("jobs", "jobs", f"main li, {EMPTY}"),
    Place("changesets", "changesets", f"main li, {EMPTY}"),
    Place("recall lab, a question", "recall?q=What+did+Runa+bring+to+the+workshop", "main .result", searches=True),
    Place("graph, 150 nodes", "graph", ".graph-stage[data-settled=true]"),
)


def address(place: Place, namespace: str) -> str:
    """Return where a page of a namespace is."""
    return f"/admin/{place.path}{'&' if '?' in place.path else '?'}ns={namespace.replace('/', '%2F')}"


def look(tab: Tab, place: Place, namespace: str, *, scroll_s: float) -> dict[str, Any]:
    """Open one page and measure it."""
    found: dict[str, Any] = {"page": place.name}
    tab.open("about:blank")
    with tab.busy() as busy:
        tab.open(address(place, namespace))
        found["first_ms"] = tab.when(THERE, place.first)
    found |= {f"first_{name}": value for name, value in busy.numbers.items() if "cpu" in name}
    if place.scrolls:
        with tab.busy() as busy:
            found["scrolled"] = tab.page.evaluate(SCROLL, scroll_s * 1000)
        found["scrolled"] |= busy.numbers
    return found
