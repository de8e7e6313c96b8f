"""A real Chromium that looks at the admin view: when something is there, what was transferred, what kept the page busy."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, ViewportSize, sync_playwright

from memory_service.cli.connection import Connection
from memory_service.cli.failures import CommandFailure

NAMES_OF_CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# Root may not use the sandbox; machines of measurements have no graphics card: WebGL is drawn by the processor.
ARGUMENTS: Final = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
WINDOW: Final[ViewportSize] = {"width": 1280, "height": 800}
PATIENCE_MS: Final = 120_000
TRACED: Final = ("toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline")
LONG_MS: Final = 50.0  # as browsers define a long task
# What a page notes about itself from its first moment: tasks that kept it busy, and when its frame stood and took input.
NOTES: Final = """
(() => {
  window.benchmarkLong = [];
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.benchmarkLong.push([task.startTime, task.duration]);
  }).observe({ type: "longtask", buffered: true });
  const watcher = new MutationObserver(() => {
    if (!document.querySelector("main h1") || !document.querySelector("nav a")) return;
    watcher.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.benchmarkInteractive = performance.now(); }));
  });
  watcher.observe(document, { childList: true, subtree: true });
})();
"""


@dataclass(slots=True)
class Busy:
    """What the page's main thread did during something; by CPU time, which waiting for a drawing processor is no part of."""

    wall_ms: list[float] = field(default_factory=list)  # long tasks by the clock, as the page itself saw them
    cpu_ms: list[float] = field(default_factory=list)  # every task, by the CPU time of the thread

    @property
    def numbers(self) -> dict[str, float | int]:
        """Return what a result states."""
        return {
            "long_tasks": len(self.wall_ms),
            "longest_task_ms": max(self.wall_ms, default=0.0),
            "main_thread_cpu_ms": sum(self.cpu_ms),
            "longest_task_cpu_ms": max(self.cpu_ms, default=0.0),
            "tasks_over_50_ms_cpu": sum(one > LONG_MS for one in self.cpu_ms),
        }


class Tab:
    """One page of one context, with what it transferred."""

    def __init__(self, browser: Browser, context: BrowserContext, origin: str) -> None:
        """Open it; the context is logged in."""
        self._browser, self._origin = browser, origin
        self.page: Page = context.new_page()
        self.page.add_init_script(NOTES)
        self._bytes: dict[str, int] = {}
        self._paths: dict[str, str] = {}
        self._wire: CDPSession = context.new_cdp_session(self.page)
        self._wire.send("Network.enable")
        self._wire.on("Network.requestWillBeSent", self._asked)
        self._wire.on("Network.loadingFinished", self._received)

    def _asked(self, event: dict[str, Any]) -> None:
        self._paths[event["requestId"]] = event["request"]["url"].removeprefix(self._origin)

    def _received(self, event: dict[str, Any]) -> None:
        path = self._paths.get(event["requestId"], "?")
        self._bytes[path] = self._bytes.get(path, 0) + int(event["encodedDataLength"])

    def transferred(self, prefix: str) -> int:
        """Return the bytes that came over the wire, packed and with headers, for paths that begin so."""
        return sum(count for path, count in self._bytes.items() if path.startswith(prefix))

    def open(self, address: str) -> None:
        """Go to an address of the view."""
        self.page.goto(address, wait_until="commit")

    def when(self, condition: str, argument: object = None) -> float:
        """Return the milliseconds since the page was asked for, once a condition holds in it."""
        found = self.page.wait_for_function(
            f"(argument) => (({condition})(argument)) && performance.now()", arg=argument, polling="raf"
        )
        return float(found.json_value())

    def interactive(self) -> float:
        """Return when the frame of the page stood and took input."""
        self.page.wait_for_function("() => window.benchmarkInteractive !== undefined")
        return float(self.page.evaluate("window.benchmarkInteractive"))

    @contextmanager
    def busy(self) -> Iterator[Busy]:
        """Note what keeps the page busy meanwhile."""
        found = Busy()
        self._browser.start_tracing(page=self.page, categories=list(TRACED))
        if self.page.url.startswith("http"):
            self.page.evaluate("window.benchmarkLong = []")
        try:
            yield found
            found.wall_ms = [float(one[1]) for one in self.page.evaluate("window.benchmarkLong")]
        finally:
            found.cpu_ms = tasks_of(json.loads(self._browser.stop_tracing()))


def tasks_of(trace: dict[str, Any]) -> list[float]:
    """Return the CPU milliseconds of each task of the main thread of the page that did most."""
    events = trace["traceEvents"]
    main = {
        (e["pid"], e["tid"]) for e in events if e.get("name") == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    tasks: dict[tuple[int, int], list[float]] = {one: [] for one in main}
    for event in events:
        thread = (event.get("pid"), event.get("tid"))
        if (
            event.get("ph") == "X"
            and event.get("name") in {"RunTask", "ThreadControllerImpl::RunTask"}
            and thread in tasks
        ):
            tasks[thread].append(event.get("tdur", event.get("dur", 0)) / 1000)
    return max(tasks.values(), key=sum, default=[])


def _chromium() -> str:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES_OF_CHROMIUM)), None)
    if found is None:
        raise CommandFailure("no Chromium was found", hint="Install Debian's `chromium`, or name one in CHROMIUM.")
    return found


class Viewer:
    """A browser, and a session of the view."""

    def __init__(self, browser: Browser, connection: Connection) -> None:
        """Remember where the view is."""
        self._browser, self._connection = browser, connection
        self._cookies: list[Any] = []

    @contextmanager
    def tab(self) -> Iterator[Tab]:
        """Open a tab of a fresh browser that is logged in and has nothing in its cache."""
        origin = self._connection.url.rstrip("/")
        context = self._browser.new_context(
            base_url=origin,
            viewport=WINDOW,
            reduced_motion="reduce",
            locale="en-GB",
        )
        context.set_default_timeout(PATIENCE_MS)
        try:
            if not self._cookies:  # Once: an address may try twenty times a minute.
                answer = context.request.post(
                    f"{origin}/admin/session",
                    data={"api_key": self._connection.key},
                    headers={"X-Requested-By": "admin"},
                )
                if not answer.ok:
                    raise CommandFailure(f"the view refused the key: {answer.status}")
                self._cookies = list(context.cookies())
            context.add_cookies(self._cookies)
            yield Tab(self._browser, context, origin)
        finally:
            context.close()


@contextmanager
def viewer(connection: Connection) -> Iterator[Viewer]:
    """Run a browser."""
    program = _chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            yield Viewer(browser, connection)
        finally:
            browser.close()
