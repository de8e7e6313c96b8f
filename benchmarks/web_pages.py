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


ROW: Final = "main li[aria-posinset], main li"
PLACES: Final = (
    Place("overview, with the health report", "", "main .figures .value"),
    Place("memories", "memories", "main .memory-row", scrolls=True),
    Place("timeline: bars", "timeline", "main .histogram-bar"),
    Place("timeline: plane", "timeline", "main .plane svg .cell, main .plane svg .point"),
    Place("timeline: first row", "timeline", "main .moment", scrolls=True),
    Place("timeline, when learned", "timeline?axis=known", "main .moment"),
    Place("topics", "topics", "main [role=treeitem]"),
    Place("episodes", "topics?view=episodes", "main .choice", scrolls=True),
    Place("communities", "topics?view=communities", "main .choice", scrolls=True),
    Place("entities", "entities", "main .entity-row", scrolls=True),
    Place("entities, most mentioned", "entities?order=mentions", "main .entity-row"),
    Place("entities, by a part of a name", "entities?name=ar", "main .entity-row"),
    Place("review", "reviews", "main article, main .state"),
    Place("jobs", "jobs", "main li, main tbody tr"),
    Place("changesets", "changesets", "main li, main tbody tr"),
    Place("recall lab, a question", "recall?q=What+did+Runa+bring+to+the+workshop", "main .result, main article"),
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
