"""Every snippet of the docs that is marked `runnable` is run against a real service, page by page, in order.

A page's bash blocks are one script and its Python blocks another, run in the folder that holds `var/`, as a reader would.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
FIRST_START_S = 240  # With the one-time export of the model, unless an earlier run has left it.
DOCUMENTED = "http://127.0.0.1:8000"

# In tests a refused request must fail the script, and the program is not on the path.
SHELL = """
set -euo pipefail
curl() {{ command curl --silent --show-error --fail-with-body --max-time 60 "$@"; }}
memory-service() {{ "{python}" -m memory_service.cli.main "$@"; }}
python3() {{ "{python}" "$@"; }}
"""


def snippets(page: Path, language: str) -> str:
    text = page.read_text(encoding="utf-8")
    return "\n".join(re.findall(rf"^```{language} runnable\n(.*?)^```$", text, re.M | re.S))


def pages_with(language: str) -> list[object]:
    found = [page for page in PAGES if snippets(page, language)]
    return [pytest.param(page, id=str(page.relative_to(CHECKOUT))) for page in found]


@dataclass(frozen=True)
class House:
    """A running service and the folder in which a reader would sit."""

    folder: Path
    url: str

    def environment(self) -> dict[str, str]:
        settings = {n for n in os.environ if n.startswith("MEMORY_SERVICE_")} | {"DATABASE_URL", "BROKER_URL"}
        kept = {n: v for n, v in os.environ.items() if n not in settings}
        data_dir = {"MEMORY_SERVICE_DATA_DIR": str(self.folder / "var"), "MEMORY_SERVICE_PORT": self.url.split(":")[-1]}
        return kept | data_dir | {"PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "ignore"}

    def run(self, command: list[str], script: str) -> None:
        done = subprocess.run(
            [*command, script.replace(DOCUMENTED, self.url)],
            env=self.environment(), cwd=self.folder, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).json()["status"] == "ready"
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Run what `make run` runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    house = House(tmp_path_factory.mktemp("reader"), f"http://127.0.0.1:{port}")
    (house.folder / "var").mkdir(mode=0o711)
    if request.config.cache:
        (house.folder / "var" / "models").symlink_to(request.config.cache.mkdir("models"))
    output = house.folder / "output.txt"
    with output.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "memory_service.embedded"],
            env=house.environment(), cwd=CHECKOUT, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + FIRST_START_S
        while not ready(house.url):
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)
        yield house
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.mark.skipif(not shutil.which("curl"), reason="the snippets call curl, which is not installed")
@pytest.mark.parametrize("page", pages_with("bash"))
def test_the_shell_snippets_of_a_page_work(page: Path, house: House) -> None:
    house.run(["bash", "-c"], SHELL.format(python=sys.executable) + snippets(page, "bash"))


@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_snippets_of_a_page_work(page: Path, house: House) -> None:
    house.run([sys.executable, "-c"], snippets(page, "python"))


def test_there_are_snippets_to_run() -> None:
    assert len(pages_with("bash")) >= 4
    assert len(pages_with("python")) >= 2
