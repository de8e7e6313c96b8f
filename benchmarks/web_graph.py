"""The graph of the admin view with thousands of nodes: how long until it stands, and whether it moves when it is dragged."""

import time
from typing import Any, Final

import httpx

from benchmarks.browser import WINDOW, Tab
from memory_service.cli.connection import Connection

STAGE: Final = ".graph-stage"
DRAWN: Final = "(selector) => document.querySelector(selector)?.drawn !== undefined"
COUNTS: Final = (
    "(() => { const g = document.querySelector('.graph-stage').drawn.getGraph(); return [g.order, g.size]; })()"
)
# A frame after which the browser is asked for the next one: how smoothly the picture follows.
FRAMES: Final = """
() => {
  window.benchmarkFrames = [];
  let last = performance.now();
  const next = (now) => {
    window.benchmarkFrames.push(now - last);
    last = now;
    window.benchmarkFrame = requestAnimationFrame(next);
  };
  window.benchmarkFrame = requestAnimationFrame(next);
}
"""
PAN_STEPS, PAN_PAUSE_S = 120, 1 / 60
REQUEST_TIMEOUT_S = 300.0


def endpoint(connection: Connection, namespace: str, nodes: int, *, rounds: int) -> dict[str, Any]:
    """Time ``GET /v1/graph/picture`` as the view asks for it."""
    query: dict[str, str | int] = {"namespace": namespace, "limit": nodes, "depth": 1, "begin": round(nodes * 0.8)}
    headers = {"Authorization": f"Bearer {connection.key}"}
    took, answer = [], b""
    with httpx.Client(base_url=connection.url, headers=headers, timeout=REQUEST_TIMEOUT_S) as client:
        for _ in range(rounds):
            began = time.perf_counter()
            response = client.get("/v1/graph/picture", params=query)
            took.append(time.perf_counter() - began)
            response.raise_for_status()
            answer = response.content
    return {"seconds": took, "bytes": len(answer)}


def load(tab: Tab, namespace: str, nodes: int) -> dict[str, Any]:
    """Open the graph and wait for its picture, then for its last one."""
    tab.open("about:blank")
    with tab.busy() as busy:
        tab.open(f"/admin/graph?ns={namespace.replace('/', '%2F')}&limit={nodes}")
        first = tab.when(DRAWN, STAGE)
        settled = tab.when(DRAWN, f"{STAGE}[data-settled=true]")
    shown = tab.page.evaluate(COUNTS)
    return {"nodes": shown[0], "edges": shown[1], "first_picture_ms": first, "settled_ms": settled, **busy.numbers}


def pan(tab: Tab) -> dict[str, Any]:
    """Drag the picture to and fro, as a hand does."""
    page = tab.page
    box = page.locator(STAGE).bounding_box() or {
        "x": 0.0,
        "y": 0.0,
        "width": WINDOW["width"],
        "height": WINDOW["height"],
    }
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    with tab.busy() as busy:
        page.evaluate(FRAMES)
        page.mouse.down()
        for step in range(PAN_STEPS):
            away = 3 * (step if step < PAN_STEPS / 2 else PAN_STEPS - step)
            page.mouse.move(x + away, y + away / 3)
            time.sleep(PAN_PAUSE_S)
        page.mouse.up()
        page.wait_for_timeout(300)
        frames = sorted(page.evaluate("cancelAnimationFrame(window.benchmarkFrame), window.benchmarkFrames"))
    return {
        "frames": len(frames),
        "frame_p50_ms": frames[len(frames) // 2] if frames else None,
        "frame_longest_ms": frames[-1] if frames else None,
        **busy.numbers,
    }
