"""A running service with a consolidated conversation, and a real Chromium that looks at it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests" / "integration" / "kv_plans"))

from tiny_chat import make_model, make_tokenizer  # noqa: E402 (shared with the tests of plans)

START_S = 300  # With the one-time export of the model, on a busy machine.
STOP_S = 60
INSTALL_S = 600
FOREIGN = ("MEMORY_SERVICE_", "DATABASE_URL", "BROKER_URL", "LLM_", "PYTHONPATH")
NAMES_OF_CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# Root may not use the sandbox, and WebGL is drawn by the processor: a machine of CI has no graphics card.
ARGUMENTS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SERIOUS = {"serious", "critical"}
EXPECT_MS = 15_000
# A browser writes a line for each answer that is no success, and for none; what a test provokes is no error of the page.
OF_AN_ANSWER = re.compile(
    r"Failed to load resource: (the server responded with a status of 4\d\d|net::ERR_CONNECTION_REFUSED)"
)

Shot = Callable[..., Path]


@dataclass(frozen=True)
class Service:
    """A running service and the key of its first tenant, which has every scope."""

    url: str
    api_key: str
    data_dir: Path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of a few kilobytes, of which a worker computes keys and values."""
    folder = tmp_path_factory.mktemp("kv") / "tiny"
    make_tokenizer(folder)
    make_model(folder)
    return folder


@pytest.fixture(scope="session")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_model: Path
) -> Iterator[Service]:
    """Run the service with all its parts until the tests end."""
    data_dir = tmp_path_factory.mktemp("web") / "var"
    data_dir.mkdir(mode=0o700)
    cache = getattr(request.config, "cache", None)
    if cache is not None:  # The exported model is kept between runs.
        (data_dir / "models").symlink_to(cache.mkdir("models"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment |= {
        "MEMORY_SERVICE_DATA_DIR": str(data_dir),
        "MEMORY_SERVICE_PORT": str(port),
        "PYTHONPATH": str(CHECKOUT),
        "OMP_NUM_THREADS": "1",
        "MEMORY_SERVICE_KV_MODELS": f"tiny={tiny_model}",
    }
    log = data_dir.parent / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "memory_service.cli.main", "run"],
            cwd=CHECKOUT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _await_ready(url, process, log)
        yield Service(url, (data_dir / "api-key").read_text(encoding="utf-8").strip(), data_dir)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).json().get("status") == "ready":
                return
        except httpx.HTTPError:
            pass  # Not listening yet.
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.2)


@pytest.fixture(scope="session")
def api(service: Service) -> Iterator[httpx.Client]:
    """Return a plain client with every scope: what a page did is checked beside the page."""
    headers = {"Authorization": f"Bearer {service.api_key}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def demo(service: Service, api: httpx.Client) -> str:
    """Return the namespace of a conversation of eight months that was consolidated."""
    environment = {**os.environ, "MEMORY_SERVICE_URL": service.url, "MEMORY_SERVICE_API_KEY": service.api_key}
    subprocess.run(
        [sys.executable, "-m", "memory_service.cli.main", "demo"],
        cwd=CHECKOUT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=300,
    )
    job = api.post("/v1/consolidations", json={"namespace": "demo"}).json()["job_id"]
    await_job(api, job)
    return "demo"


def await_job(api: httpx.Client, job_id: str, *, within_s: float = 240) -> dict[str, Any]:
    """Return a job that has ended well."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            job: dict[str, Any] = api.get(f"/v1/jobs/{job_id}").json()
        except httpx.RemoteProtocolError:
            continue  # The server closed a kept connection just when it was used again.
        if job["status"] in {"succeeded", "failed", "cancelled"}:
            assert job["status"] == "succeeded", json.dumps(job)[:2000]
            return job
        assert time.monotonic() < deadline, f"the job is {job['status']} after {within_s} s"
        time.sleep(0.3)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the program of a Chromium; Debian's is installed where that is allowed, else Playwright's own is fetched."""
    found = _on_this_machine()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {
            "stdout": subprocess.DEVNULL,
            "timeout": INSTALL_S,
            "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        }
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)  # type: ignore[call-overload]
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
        subprocess.run(install, check=False, **quiet)  # type: ignore[call-overload]
        found = _on_this_machine()
    if found is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True, timeout=INSTALL_S)
        with sync_playwright() as playwright:
            found = playwright.chromium.executable_path
    return found


def _on_this_machine() -> str | None:
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES_OF_CHROMIUM)), None)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """Run the browser until the tests end."""
    expect.set_options(timeout=EXPECT_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield running
        running.close()


@dataclass
class Watched:
    """What a page did that no page may do."""

    origin: str
    errors: list[str]
    elsewhere: list[str]

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("console", lambda said: self._said(said.type, said.text))
        page.on("request", self._asked)

    def _said(self, kind: str, text: str) -> None:
        if kind == "error" and not OF_AN_ANSWER.match(text):
            self.errors.append(text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.origin + "/", "data:", "blob:")):
            self.elsewhere.append(request.url)


@pytest.fixture
def open_page(browser: Browser, service: Service) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page nobody is logged in at; in the end none may have erred or asked another host."""
    watched = Watched(service.url, [], [])
    contexts: list[BrowserContext] = []

    def make(*, theme: str = "light", phone: bool = False, **options: Any) -> Page:
        context = browser.new_context(
            base_url=service.url,
            viewport=PHONE if phone else DESKTOP,
            color_scheme=theme,  # type: ignore[arg-type]
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
            **options,
        )
        context.set_default_timeout(EXPECT_MS)
        contexts.append(context)
        page = context.new_page()
        watched.watch(page)
        return page

    yield make
    for context in contexts:
        context.close()
    assert watched.errors == []
    assert watched.elsewhere == []


_SESSIONS: dict[tuple[str, str], Any] = {}


def log_in(page: Page, service: Service) -> Page:
    """Log a page in with the service's key; once for each key, since an address may try twenty times a minute only."""
    known = (service.url, service.api_key)
    if known not in _SESSIONS:
        answer = page.request.post(
            f"{service.url}/admin/session", data={"api_key": service.api_key}, headers={"X-Requested-By": "admin"}
        )
        assert answer.ok, answer.text()
        _SESSIONS[known] = page.context.cookies()
    page.context.add_cookies(_SESSIONS[known])
    return page


@pytest.fixture
def page(open_page: Callable[..., Page], service: Service) -> Page:
    """Return a page of a person who is logged in."""
    return log_in(open_page(), service)


@pytest.fixture
def phone(open_page: Callable[..., Page], service: Service) -> Page:
    """Return the same on a telephone, in the dark."""
    return log_in(open_page(phone=True, theme="dark"), service)


@pytest.fixture(scope="session")
def shot(request: pytest.FixtureRequest) -> Shot:
    """Return a function that keeps a picture of a page under build/screenshots."""
    folder = Path(os.environ.get("SCREENSHOTS") or CHECKOUT / "build" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str, *, full: bool = False) -> Path:
        path = folder / f"{name}.png"
        page.screenshot(path=path, full_page=full, animations="disabled")
        return path

    return take


@pytest.fixture(scope="session")
def axe() -> Callable[[Page], None]:
    """Return a function that fails when a page keeps people out."""
    checker = Axe()

    def check(page: Page) -> None:
        found = checker.run(page).response["violations"]
        said = [
            f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in SERIOUS
        ]
        assert said == []

    return check
