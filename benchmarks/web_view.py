"""The admin view in a real Chromium: its first view, what it transfers, a graph of 10,000 nodes, a namespace of 100,000.

    python -m benchmarks.web_view --memories 10000               fills a namespace of its own, consolidates it, measures
    python -m benchmarks.web_view --namespace bench/web          measures a namespace that is there
    python -m benchmarks.web_view --namespace bench/web --large bench/large    the pages over another one

It needs the environment of the view's tests (Playwright) and a Chromium. Times are from the moment at which an address is asked
for. What keeps the page busy is stated by the clock, as a browser counts long tasks, and by the CPU time of the page's main
thread: on a machine without a graphics card the page waits for the processor that draws, which is no work of the page.
"""

import argparse
import os
import statistics
import sys
from typing import Any

from benchmarks import web_graph, web_pages
from benchmarks.browser import Viewer, viewer
from benchmarks.consolidation import consolidate
from benchmarks.readable import readable_failures
from benchmarks.subject import Subject, arguments, connection
from benchmarks.synthetic import texts
from benchmarks.targets import Target, publish
from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import Connection
from memory_service.cli.console import output

NAMESPACE = "bench/web"
INTERACTIVE_S, TRANSFER_KB, GRAPH_S, LONG_TASK_MS, FIRST_ROW_S = 1.5, 400.0, 3.0, 200.0, 3.0
SETTINGS = ("namespace", "large", "memories", "nodes", "rounds", "scroll", "seed")
PAGES_OF_THE_VIEW = ("", "graph", "recall", "memories", "timeline", "topics", "entities", "reviews", "jobs", "changesets",
                     "erasures", "settings")  # fmt: skip


def main() -> None:
    """Measure and publish."""
    options = _options()
    where = connection(options)
    if options.memories:
        _fill(where, options)
    # How many processes want the machine: on a busy one the clock measures them as well.
    measured: dict[str, Any] = {"load_average_before": os.getloadavg()}
    with viewer(where) as view:
        measured["first_view"] = _first_view(view, options)
        measured["graph"] = _graph(view, where, options)
        measured["pages"] = _pages(view, options)
    measured["load_average_after"] = os.getloadavg()
    first, graph, pages = measured["first_view"], measured["graph"], measured["pages"]
    slowest = max(pages, key=lambda page: page["first_ms"])
    longest = max(page["scrolled"]["longest_task_cpu_ms"] for page in pages if "scrolled" in page)
    targets = [
        Target("first view interactive, median", statistics.median(first["interactive_ms"]) / 1000, INTERACTIVE_S, unit="s"),
        Target("transfer of the whole view", first["whole_view_bytes"] / 1000, TRANSFER_KB, unit="kB"),
        Target(f"graph of {graph['load'][0]['nodes']:,} nodes, first picture, median", _median(graph, "first_picture_ms"),
               GRAPH_S, unit="s"),
        Target("its last picture, median", _median(graph, "settled_ms"), GRAPH_S, unit="s"),
        Target("longest task while panning, CPU", max(one["longest_task_cpu_ms"] for one in graph["pan"]), LONG_TASK_MS,
               unit="ms"),
        Target(f"slowest page's first row ({slowest['page']})", slowest["first_ms"] / 1000, FIRST_ROW_S, unit="s"),
        Target("longest task while scrolling a list, CPU", longest, LONG_TASK_MS, unit="ms"),
    ]  # fmt: skip
    settings = {name: value for name, value in vars(options).items() if name in SETTINGS}
    publish("web_view", targets=targets, settings=settings, measured=measured, out=options.out)


def _median(graph: dict[str, Any], name: str) -> float:
    return float(statistics.median(one[name] for one in graph["load"])) / 1000


def _fill(where: Connection, options: argparse.Namespace) -> None:
    with ServiceClient(where) as client:
        client.post("/v1/namespaces", {"path": options.namespace, "settings": {"consolidation": "manual"}})
    with Subject(where) as subject:
        subject.load(texts(options.memories, seed=options.seed), namespace=options.namespace)
    with ServiceClient(where) as client:
        consolidate(client, options.namespace)


def _first_view(view: Viewer, options: argparse.Namespace) -> dict[str, Any]:
    """Open the first page in browsers that have never seen it, then every page in one of them."""
    overview = web_pages.PLACES[0]
    interactive, numbers, first_bytes = [], [], []
    for number in range(options.rounds + 1):  # the first one warms up the service
        with view.tab() as tab:
            tab.open(web_pages.address(overview, options.namespace))
            shown = tab.interactive()
            content = tab.when(web_pages.THERE, overview.first)
            tab.page.wait_for_load_state("networkidle")
            if number:
                interactive.append(shown)
                numbers.append(content)
                first_bytes.append(tab.transferred("/admin/"))
    with view.tab() as tab:
        for path in PAGES_OF_THE_VIEW:
            tab.page.goto(f"/admin/{path}?ns={options.namespace.replace('/', '%2F')}", wait_until="networkidle")
        whole = tab.transferred("/admin/")
    return {
        "interactive_ms": interactive,
        "numbers_there_ms": numbers,
        "first_view_bytes": max(first_bytes),
        "whole_view_bytes": whole,
    }


def _graph(view: Viewer, where: Connection, options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {
        "endpoint": web_graph.endpoint(where, options.namespace, options.nodes, rounds=options.rounds),
        "load": [],
        "pan": [],
    }
    for _ in range(options.rounds):
        with view.tab() as tab:
            tab.page.goto(
                "/admin/graph?limit=50", wait_until="networkidle"
            )  # its parts are in the cache, as they are later
            found["load"].append(web_graph.load(tab, options.namespace, options.nodes))
            found["pan"].append(web_graph.pan(tab))
        output().print(f"graph: {found['load'][-1]}")
    return found


def _pages(view: Viewer, options: argparse.Namespace) -> list[dict[str, Any]]:
    found = []
    namespace = options.large or options.namespace
    with view.tab() as tab:
        tab.page.goto("/admin/", wait_until="networkidle")
        for place in web_pages.PLACES:
            where = options.namespace if place.searches else namespace
            found.append(web_pages.look(tab, place, where, scroll_s=options.scroll))
            output().print(f"{place.name}: {found[-1]}")
    return found


def _options() -> argparse.Namespace:
    parser = arguments(__doc__)
    parser.add_argument("--namespace", default=NAMESPACE, help="namespace of the first view and of the graph")
    parser.add_argument("--large", help="namespace of the pages (default: the same)")
    parser.add_argument(
        "--memories", type=int, default=0, help="fill the namespace with so many first, and consolidate it"
    )
    parser.add_argument("--nodes", type=int, default=10_000, help="nodes of the graph")
    parser.add_argument("--rounds", type=int, default=3, help="how often first view and graph are measured")
    parser.add_argument("--scroll", type=float, default=20.0, help="seconds to scroll each list at most")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(readable_failures(main))
